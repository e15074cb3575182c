//! Runs a sequence to completion.

use scramjet_client_core::StartOptions;

use crate::body::input::Input;
use crate::error::Error;
use crate::handles::sequence::SequenceClient;
use crate::patterns::child::Child;
use crate::patterns::child::collector::OutputCollector;
use crate::patterns::child::output::Output;
use crate::support::drop_guard::DropGuard;

/// Options for [`SequenceClient::run_with`].
///
/// ```
/// use scramjet_client_blocking::RunOptions;
///
/// let options = RunOptions::new().until_exit(true).log(true);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RunOptions {
    until_exit: bool,
    log: bool,
}

impl RunOptions {
    /// Creates the default options: a run ends when the sequence has completed, without waiting for
    /// the exit of its process, and does not collect the log.
    pub const fn new() -> Self {
        Self {
            until_exit: false,
            log: false,
        }
    }

    /// Sets if a run waits until the process has exited. `false` by default: the client kills the
    /// process when the sequence has completed.
    ///
    /// Set it for a sequence that continues to work or print after its output has ended, for
    /// example one that returns nothing and uses timers. The hub ends the process 10 seconds after
    /// the output has ended.
    pub const fn until_exit(self, until_exit: bool) -> Self {
        Self { until_exit, ..self }
    }

    /// Sets if a run collects the log of the instance in [`Output::log`]. `false` by default.
    ///
    /// The log contains the lines of the sequence, and those of the hub about the instance.
    pub const fn log(self, log: bool) -> Self {
        Self { log, ..self }
    }
}

impl SequenceClient {
    /// Runs the sequence to completion and collects its output in memory, like
    /// [`std::process::Command::output`].
    ///
    /// Starts an instance (`POST /sequence/:id/start`), sends it the input, and reads `output`,
    /// `stdout` and `stderr`. The sequence has completed when its `output` has ended, its process
    /// is still alive, and nothing has been printed for 60 milliseconds (on slow networks, for four
    /// round trips to the hub). A hub would keep the process for 10 more seconds. The client kills
    /// it instead, and reads the streams to their ends. This takes another 0.2 seconds on hubs of
    /// 1.x.
    ///
    /// If the process dies, the run ends within three seconds. [`Output::ended`] contains the
    /// reason.
    ///
    /// If the function of the sequence returns nothing, `output` is the text `undefined`, and ends
    /// when the function returns. If the function is asynchronous, `output` ends when its promise
    /// is resolved. If timers continue after that, use [`RunOptions::until_exit`].
    ///
    /// # Limits
    /// The limits of the handle apply to the whole run. The idle timeout counts only while neither
    /// the input nor any of the streams makes progress. A run that fails or reaches a limit kills
    /// its instance.
    ///
    /// # Input
    /// A hub of 0.18 may deliver input twice if it arrives before the sequence is loaded. On such a
    /// hub, the client first reads `GET /instance/:id/log` until the sequence is loaded, for up to
    /// 10 seconds.
    ///
    /// A separate thread reads the input. If the reader of the input blocks when the run ends, the
    /// thread continues until the reader returns.
    ///
    /// # Errors
    /// The hub refused the start, a stream or the input failed, or a limit was reached. It is not
    /// an error if the instance dies (see [`Output::exit`]), or if the sequence does not read its
    /// input to the end.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, StartOptions};
    /// # use scramjet_client_blocking::types::RunnerExit;
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let run = sequence.run(&StartOptions::new().arg("!"), "some text\n")?;
    /// if run.exit() == Some(RunnerExit::Completed) {
    ///     println!("{}", String::from_utf8_lossy(&run.output));
    /// } else {
    ///     eprintln!("{}: {}", run.ended, String::from_utf8_lossy(&run.stderr));
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn run(&self, options: &StartOptions, input: impl Into<Input>) -> Result<Output, Error> {
        self.run_with(options, input, RunOptions::new())
    }

    /// Runs the sequence like [`run`](Self::run), with options.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, RunOptions, StartOptions};
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let options = RunOptions::new().until_exit(true).log(true);
    /// let run = sequence.run_with(&StartOptions::new(), "some text\n", options)?;
    /// println!("{}", String::from_utf8_lossy(&run.log.unwrap_or_default()));
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn run_with(
        &self,
        options: &StartOptions,
        input: impl Into<Input>,
        run: RunOptions,
    ) -> Result<Output, Error> {
        let input = input.into();
        let mut this = self.fix_deadline();
        let limits = &mut this.host.client.options;
        let token = limits.cancel.take().unwrap_or_default().child();
        limits.cancel = Some(token.clone());
        // Cancels threads that still read or send when the run is over.
        let token = DropGuard::new(token, |token| token.cancel());
        let instance = this.start_owned(options)?;
        // `ActivityClock` applies the idle timeout to all streams together.
        let reading = instance.with_idle_timeout(None).host.client;
        let mut child = Child::new(instance, &reading)?;
        let mut collector = OutputCollector::new(child.instance(), Some(&input));
        let input_is_doubled = child.instance().host.dialect()?.doubles_early_input();
        let loaded = if run.log || input_is_doubled {
            Some(collector.read_log(child.instance(), run.log)?)
        } else {
            None
        };
        let wait_for = loaded.filter(|_| input_is_doubled);
        collector.send_input(child.instance(), input, wait_for)?;
        collector.collect(&mut child, (!run.until_exit).then_some(&token.value))
    }
}

impl Child {
    /// Reads the streams to their ends, except those that were taken out, and waits until the
    /// instance has ended.
    ///
    /// The hub keeps the process for 10 seconds after the sequence has completed, so this call
    /// takes 10 seconds longer than the sequence.
    ///
    /// # Errors
    /// A stream failed, or a limit of the handle was reached. The client then kills the instance.
    /// It is not an error if the instance dies, see [`Output::exit`].
    pub fn wait_with_output(mut self) -> Result<Output, Error> {
        OutputCollector::new(self.instance(), None).collect(&mut self, None)
    }
}
