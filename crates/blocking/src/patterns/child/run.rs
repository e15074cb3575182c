//! Running a sequence to its end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use memchr::memmem;
use scramjet_client_core::{
    Ended, GetInstance, OutputStream, ReadStream, RunnerExit, StartOptions,
};

use super::Child;
use crate::body::byte_stream::ByteStream;
use crate::body::input::Input;
use crate::call::context::CallContext;
use crate::client::{Client, kill};
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::handles::instance::output::HEAD_LIMIT;
use crate::handles::instance::wait::{ended, explain_loss};
use crate::handles::sequence::SequenceClient;
use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;
use crate::support::panics::in_drop;
use crate::support::sync::lock;
use crate::support::threads;
use crate::transport::error::Phase;

/// A hub keeps an instance for 10 seconds after its sequence has come to its end, and some of its streams as well.
const AFTERLIFE: Duration = Duration::from_secs(12);

/// How long it may take until an instance that has closed its input is known to have ended.
const MOMENT: Duration = Duration::from_secs(2);

/// How long a log may go on after the instance has ended: hubs of 1.x never end it.
const ECHO: Duration = Duration::from_millis(500);

/// A sequence has completed if its output has ended and the other streams of its process stay open,
/// silent, for so long. The streams of a process that dies end together.
const SETTLING: Duration = Duration::from_millis(200);

/// The time that the streams of a killed process have to end. A piece that comes extends it.
const DRAINING: Duration = Duration::from_secs(1);

/// How often it is looked if the input moves.
const LOOK: Duration = Duration::from_millis(200);

/// How a runner says in its log that it listens to the input.
const LISTENS: &[u8] = br#""msg":"Sequence loaded"#;

/// How long it may take until it does. A hub may keep such lines out of its logs.
const LOADING: Duration = Duration::from_secs(10);

/// The result of a run, like [`std::process::Output`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// The end of the run.
    pub ended: Ended,
    /// What the sequence returned.
    pub output: Vec<u8>,
    /// What its process printed.
    pub stdout: Vec<u8>,
    /// What its process printed to standard error.
    pub stderr: Vec<u8>,
    /// Its log, lines of JSON that [`LogLine`](crate::types::LogLine) reads, if [`RunOptions::log`] asked
    /// for it.
    pub log: Option<Vec<u8>>,
}

impl Output {
    /// The meaning of the exit code, the same as `ended.exit`: [`RunnerExit::Completed`] if the
    /// sequence has completed. `None` if the process ended otherwise and the hub does not tell how,
    /// as hubs before 0.27.0.
    #[must_use]
    pub fn exit(&self) -> Option<RunnerExit> {
        self.ended.exit
    }
}

/// Options of [`SequenceClient::run_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RunOptions {
    until_exit: bool,
    log: bool,
}

impl RunOptions {
    /// Does not wait for the exit of the process, and does not collect the log.
    pub const fn new() -> Self {
        Self {
            until_exit: false,
            log: false,
        }
    }

    /// Waits until the process of a sequence that has completed ends by itself, if `true`. A hub
    /// lets it live for 10 seconds. For a sequence that goes on to work or print after its output
    /// has ended, such as one that returns nothing and works with timers.
    pub const fn until_exit(self, until_exit: bool) -> Self {
        Self { until_exit, ..self }
    }

    /// Collects the log of the instance, if `true`: its own lines and those of the hub about it.
    pub const fn log(self, log: bool) -> Self {
        Self { log, ..self }
    }
}

impl SequenceClient {
    /// Runs the sequence to its end, like [`std::process::Command::output`]: starts an instance
    /// (`POST /sequence/:id/start`), sends it all of the input, and collects its output and what it
    /// prints, in memory. When the sequence has completed and was silent for 0.2 seconds, kills the
    /// process, which a hub would let live for 10 more seconds, and reads its streams to their ends,
    /// which takes 0.2 seconds more on hubs of 1.x. To wait for its exit, see
    /// [`RunOptions::until_exit`].
    ///
    /// The sequence has completed if its output has ended while its process still lives, and nothing
    /// more is printed. The output of a function that returns nothing ends when the function does
    /// (with the text `undefined`), or when its promise is resolved: timers that go on need
    /// `until_exit`. If the process dies, the run ends within three seconds, and
    /// [`Output::ended`] says so. The handle's limits hold for the whole; a run that is given up, or
    /// fails, kills its instance.
    ///
    /// On hubs of 0.18, the input is sent when the log of the instance says that it listens: before
    /// that, the sequence may get it twice. A reader of input that still blocks when the run is over
    /// is left behind on its thread.
    ///
    /// # Errors
    /// See [`Error`]. An instance that dies is no error: see [`Output::exit`]. An input that the
    /// sequence does not read to its end is none either; one that cannot be sent to an instance that
    /// lives is.
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

    /// Like [`run`](Self::run), with options.
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
        let token = this
            .host
            .client
            .options
            .cancel
            .take()
            .unwrap_or_default()
            .child();
        this.host.client.options.cancel = Some(token.clone());
        // Ends the threads that still read and send when the run is over.
        let over = CancelledInTheEnd(token);
        let instance = this.start_owned(options)?;
        // The idle timeout is for a silence everywhere, see `Movement`.
        let reading = instance.with_idle_timeout(None).host.client;
        let mut child = Child::new(instance, &reading)?;
        let mut collecting = Collecting::new(child.instance(), Some(&input));
        let waits = child.instance().host.dialect()?.doubles_early_input();
        let listens = if run.log || waits {
            Some(collecting.read_log(child.instance(), run.log)?)
        } else {
            None
        };
        collecting.feed(child.instance(), input, listens.filter(|_| waits))?;
        collecting.collect(&mut child, (!run.until_exit).then_some(&over))
    }
}

impl Child {
    /// Reads its streams to their ends, as far as they were not taken out, and waits until it has
    /// ended. That takes 10 seconds more after a sequence has completed, for which a hub lets its
    /// process live.
    ///
    /// # Errors
    /// See [`Error`]. The instance is killed then.
    pub fn wait_with_output(mut self) -> Result<Output, Error> {
        Collecting::new(self.instance(), None).collect(&mut self, None)
    }
}

struct CancelledInTheEnd(CancelToken);

impl Drop for CancelledInTheEnd {
    fn drop(&mut self) {
        in_drop(|| self.0.cancel());
    }
}

/// What is done on threads beside each other, and comes together.
struct Collecting {
    tell: Sender<Came>,
    told: Receiver<Came>,
    movement: Arc<Movement>,
    log: Option<Log>,
}

enum Came {
    /// All of a stream, and the end of the instance, if that has ended it.
    Bytes(OutputStream, Vec<u8>, Option<Box<Ended>>),
    /// A stream, or the input, cannot be had.
    Failed(Error),
    /// In the caller's reader or transport.
    Panicked(Box<dyn Any + Send>),
}

/// A log that is being read.
struct Log {
    /// It is kept.
    wanted: bool,
    ends: CancelToken,
    read: Receiver<Result<Vec<u8>, Error>>,
}

impl Collecting {
    fn new(instance: &InstanceClient, input: Option<&Input>) -> Self {
        let (tell, told) = channel();
        let movement = Movement {
            idle: instance.host.client.options.idle,
            sent: input.map(|input| input.upload.sent()),
            last: Mutex::new((Instant::now(), 0)),
            settling: AtomicBool::new(false),
            over: AtomicBool::new(false),
        };
        Self {
            tell,
            told,
            movement: Arc::new(movement),
            log: None,
        }
    }

    /// Sends the input, after word that it is listened to, or that there will be none.
    fn feed(
        &self,
        instance: &InstanceClient,
        input: Input,
        listens: Option<Receiver<()>>,
    ) -> Result<(), Error> {
        // It may stand still while something moves elsewhere.
        let instance = instance.with_idle_timeout(None);
        self.beside(move || {
            let _ = listens.map(|listens| listens.recv_timeout(LOADING));
            let error = instance.send_input(input).err()?;
            (!is_nobodys_fault(&instance, &error)).then_some(Came::Failed(error))
        })
    }

    fn read(&self, which: OutputStream, mut stream: ByteStream) -> Result<(), Error> {
        let movement = Arc::clone(&self.movement);
        self.beside(move || {
            let mut bytes = Vec::new();
            let read = read_to_end(&mut stream, &movement, |piece| {
                movement.moved();
                bytes.extend_from_slice(piece);
            });
            let end = read.as_ref().err().and_then(Error::ended).cloned();
            Some(match read {
                Ok(()) => Came::Bytes(which, bytes, None),
                // The sequence has completed, and its process was killed.
                Err(_) if movement.over() => Came::Bytes(which, bytes, None),
                Err(_) if end.is_some() => Came::Bytes(which, bytes, end.map(Box::new)),
                Err(error) => Came::Failed(error),
            })
        })
    }

    /// Reads the log, which is kept where it is wanted, and tells when the instance listens to its input.
    fn read_log(&mut self, instance: &InstanceClient, wanted: bool) -> Result<Receiver<()>, Error> {
        let ends = instance
            .host
            .client
            .options
            .cancel
            .clone()
            .unwrap_or_default()
            .child();
        let log = instance.with_cancel(&ends).with_idle_timeout(None);
        let operation = ReadStream {
            id: instance.id(),
            stream: OutputStream::Log,
        };
        let call = instance.host.client.describe(&operation);
        let id = instance.id().clone();
        let open = move |client: &Client| {
            let opened = client.open(&ReadStream {
                id: &id,
                stream: OutputStream::Log,
            });
            opened.map(ByteStream::into_body)
        };
        let mut log = log.host.client.open_on_thread(call, open)?;
        let log = match log.await_head(Some(Instant::now() + HEAD_LIMIT)) {
            Err(error) if error.is_hubs_not_found() => None,
            opened => Some(opened.map(|()| log)?),
        };
        let (tell, read) = channel();
        let (loaded, listens) = channel();
        let movement = Arc::clone(&self.movement);
        self.beside(move || {
            let (mut bytes, mut loaded) = (Vec::new(), Some(loaded));
            let take = |piece: &[u8]| {
                if wanted {
                    movement.moved();
                } else {
                    movement.note(Duration::ZERO);
                }
                bytes.extend_from_slice(piece);
                let latest = bytes
                    .get(bytes.len().saturating_sub(piece.len() + LISTENS.len())..)
                    .unwrap_or_default();
                if loaded.is_some() && memmem::find(latest, LISTENS).is_some() {
                    // Nobody waits for it on a hub of which it need not be known.
                    let _ = loaded.take().map(|loaded| loaded.send(()));
                }
                if !wanted {
                    bytes.drain(..bytes.len().saturating_sub(LISTENS.len()));
                }
            };
            let result = match log.map(|mut log| read_to_end(&mut log, &movement, take)) {
                Some(Err(error)) if !error.is_cancelled() => Err(error),
                _ => Ok(bytes),
            };
            // Nobody is there any more where something else has failed.
            let _ = tell.send(result);
            None
        })?;
        self.log = Some(Log { wanted, ends, read });
        Ok(listens)
    }

    fn beside(&self, work: impl FnOnce() -> Option<Came> + Send + 'static) -> Result<(), Error> {
        let tell = self.tell.clone();
        let work = move || {
            let came = catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|panic| Some(Came::Panicked(panic)));
            // Nobody is there any more if something else has failed.
            let _ = came.map(|came| tell.send(came));
        };
        threads::start("scramjet-stream", work)
            .map_err(|error| CallContext::unbuilt::<GetInstance<'_>>().failed(error))
    }

    /// Waits for the next thing to come, as long as something moves. `None` if a sequence that has
    /// ended its output has settled.
    fn next(&self, instance: &InstanceClient) -> Result<Option<Came>, Error> {
        loop {
            let settled = self.movement.settles_in();
            let waits = settled.into_iter().chain(self.movement.left()).min();
            let came = match waits {
                None => self.told.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(time) => self.told.recv_timeout(time),
            };
            if let Ok(came) = came {
                return Ok(Some(came));
            }
            if self.movement.settles_in() == Some(Duration::ZERO) {
                return Ok(None);
            }
            if !self.movement.goes_on() {
                let operation = GetInstance { id: instance.id() };
                let call = instance.host.client.begin(&operation)?;
                return Err(call.stopped(StopReason::Idle, Phase::Read));
            }
        }
    }

    /// Collects everything until the instance has ended; or, if the token that ends all reading is
    /// handed in, until the sequence has completed.
    fn collect(
        self,
        child: &mut Child,
        reading: Option<&CancelledInTheEnd>,
    ) -> Result<Output, Error> {
        let streams = [
            (OutputStream::Output, child.output.take()),
            (OutputStream::Stdout, child.stdout.take()),
            (OutputStream::Stderr, child.stderr.take()),
        ];
        let mut open = 0_usize;
        for (which, stream) in streams {
            if let Some(stream) = stream {
                self.read(which, stream)?;
                open += 1;
            }
        }
        let [mut output, mut stdout, mut stderr] = [const { Vec::new() }; 3];
        let mut end = None;
        while open > 0 {
            match (self.next(child.instance())?, reading) {
                (Some(Came::Bytes(which, bytes, ended)), _) => {
                    match which {
                        OutputStream::Stdout => stdout = bytes,
                        OutputStream::Stderr => stderr = bytes,
                        _ => {
                            output = bytes;
                            // The others stay open, and may be silent.
                            match reading {
                                Some(_) => self.movement.settle(),
                                None => self.movement.note(AFTERLIFE),
                            }
                        }
                    }
                    end = ended.or(end);
                    open -= 1;
                }
                (Some(Came::Failed(_)), _) if self.movement.over() => {}
                (Some(Came::Failed(error)), _) => {
                    let instance = child.instance();
                    return Err(explain_loss(&instance.host.client, instance.id(), error));
                }
                (Some(Came::Panicked(panic)), _) => resume_unwind(panic),
                (None, Some(reading)) if self.movement.over() => {
                    self.movement.stop_settling();
                    reading.0.cancel();
                }
                (None, Some(_)) => {
                    end = Some(Box::new(completed(child.instance())?));
                    self.movement.end();
                    // The streams end with the process, after all that it has printed: a piece may
                    // be on its way for longer than the silence has lasted.
                    let instance = child.instance();
                    drop(kill::kill_or_detach(&instance.host.client, instance.id()));
                    self.movement.note(DRAINING);
                }
                (None, None) => {}
            }
        }
        let ended = match end {
            Some(ended) => {
                child.guard.armed = false;
                *ended
            }
            None => child.wait()?,
        };
        if let Some(reading) = reading.filter(|_| self.movement.over()) {
            reading.0.cancel();
        }
        let log = self
            .log
            .filter(|log| log.wanted)
            .map(Log::finish)
            .transpose()?;
        Ok(Output {
            ended,
            output,
            stdout,
            stderr,
            log,
        })
    }
}

impl Log {
    fn finish(self) -> Result<Vec<u8>, Error> {
        self.read.recv_timeout(ECHO).unwrap_or_else(|_| {
            self.ends.cancel();
            self.read.recv().unwrap_or_else(|_| Ok(Vec::new()))
        })
    }
}

/// The end of an instance whose sequence has completed, or that has ended meanwhile.
fn completed(instance: &InstanceClient) -> Result<Ended, Error> {
    if let Some(ended) = ended(&instance.host.client, instance.id())? {
        return Ok(ended);
    }
    let mut ended = Ended::gone(instance.id());
    ended.exit = Some(RunnerExit::Completed);
    Ok(ended)
}

fn read_to_end(
    stream: &mut ByteStream,
    movement: &Movement,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let mut buf = vec![0; 64 << 10];
    loop {
        match stream.pull(&mut buf) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                take(buf.get(..read).unwrap_or_default());
            }
            Err(error) if error.is_idle() && movement.goes_on() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether an input that could not be sent is one that has its end because the instance has.
fn is_nobodys_fault(instance: &InstanceClient, error: &Error) -> bool {
    let client = &instance.host.client;
    match error.kind() {
        // The limits are those of the whole run, which tells of them.
        ErrorKind::Cancelled { .. } | ErrorKind::Deadline { .. } | ErrorKind::Ended(_) => true,
        ErrorKind::Transport(error) if error.phase >= Phase::Send => {
            let mut instance = instance.clone();
            instance.host.client = client.tightened(Some(MOMENT));
            instance
                .wait_ended()
                .map_or_else(|error| error.is_cancelled(), |_| true)
        }
        ErrorKind::Reply(_) => ended(client, instance.id()).is_ok_and(|ended| ended.is_some()),
        _ => false,
    }
}

/// What moves in one place moves for all: an idle timeout is for a silence everywhere.
struct Movement {
    idle: Option<Duration>,
    /// How much of the input was sent.
    sent: Option<Arc<AtomicU64>>,
    /// When something moved last, and how much of the input was sent then.
    last: Mutex<(Instant, u64)>,
    /// The output has ended, and nothing else is waited for.
    settling: AtomicBool,
    /// The sequence has completed; what has not been read yet may be missing.
    over: AtomicBool,
}

impl Movement {
    /// A piece of a stream has come.
    fn moved(&self) {
        let settling = self.settling.load(Ordering::Relaxed);
        self.note(if settling { SETTLING } else { Duration::ZERO });
    }

    /// From now on, the silence is waited for.
    fn settle(&self) {
        self.settling.store(true, Ordering::Relaxed);
        self.moved();
    }

    /// The time until the silence has lasted long enough, if it is waited for.
    fn settles_in(&self) -> Option<Duration> {
        let settling = self.settling.load(Ordering::Relaxed);
        let last = lock(&self.last);
        settling.then(|| last.0.saturating_duration_since(Instant::now()))
    }

    fn stop_settling(&self) {
        self.settling.store(false, Ordering::Relaxed);
    }

    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Something moved, and nothing more need move for so long.
    fn note(&self, rest: Duration) {
        let mut last = lock(&self.last);
        last.0 = last.0.max(Instant::now() + rest);
    }

    /// The time until it has to be looked if the silence has lasted too long.
    fn left(&self) -> Option<Duration> {
        let last = lock(&self.last);
        let silent_until = last.0.checked_add(self.idle?)?;
        // The input does not say when it moves.
        Some(
            silent_until
                .saturating_duration_since(Instant::now())
                .min(LOOK),
        )
    }

    fn goes_on(&self) -> bool {
        let sent = self
            .sent
            .as_ref()
            .map_or(0, |sent| sent.load(Ordering::Relaxed));
        let mut last = lock(&self.last);
        if sent != last.1 {
            *last = (last.0.max(Instant::now()), sent);
        }
        self.idle
            .is_none_or(|idle| Instant::now().saturating_duration_since(last.0) < idle)
    }
}
