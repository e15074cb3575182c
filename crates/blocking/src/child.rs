//! Running a sequence like a command.

use std::fmt;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use scramjet_client_core::{GetInstance, InstanceId, OutputStream, StartOptions, StopInstance, StopOptions};

use crate::error::Call;
use crate::{ByteStream, Ended, Error, ErrorKind, Input, InstanceClient, SequenceClient, StreamWriter, TransportError, WriteOptions, kill};

/// An instance that belongs to this program, like [`std::process::Child`]: its streams are open from the start, and it is killed when
/// this is dropped.
///
/// Dropping it waits for the hub to accept the killing, for up to 10 seconds where the hub does not answer, and tells nobody of a
/// failure; [`kill`](Self::kill) and [`stop`](Self::stop) do. [`keep`](Self::keep) lets the instance live on.
///
/// A stream that is neither read nor taken out and dropped holds up the instance when some kB are in it.
#[derive(Debug)]
pub struct Child {
    /// What the sequence returns.
    pub output: Option<ByteStream>,
    /// What its process prints.
    pub stdout: Option<ByteStream>,
    /// What its process prints to standard error.
    pub stderr: Option<ByteStream>,
    guard: Guard,
}

/// What an instance that has ended has left, like [`std::process::Output`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// How it has ended.
    pub ended: Ended,
    /// What the sequence returned.
    pub output: Vec<u8>,
    /// What its process printed.
    pub stdout: Vec<u8>,
    /// What its process printed to standard error.
    pub stderr: Vec<u8>,
}

/// Kills an instance when it is dropped.
struct Guard {
    instance: InstanceClient,
    armed: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed {
            // Nobody to tell; `kill` is for those who want to know.
            let _ = kill::kill(&self.instance.host.client, self.instance.id());
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.instance.fmt(f)
    }
}

impl SequenceClient {
    /// Starts an instance that belongs to this program, and opens its streams. See [`Child`].
    ///
    /// # Errors
    /// See [`Error`]. Where a stream cannot be opened, the instance is killed.
    pub fn spawn(&self, options: &StartOptions) -> Result<Child, Error> {
        Child::new(self.start_owned(options)?)
    }

    /// Runs the sequence to its end, like [`std::process::Command::output`]: starts an instance, sends it all of the input, collects
    /// what it writes, and waits until it has ended. All of that is held in memory. The handle's limits hold for the whole; a run that is given up, or
    /// fails, kills what it started.
    ///
    /// A hub keeps an instance for 10 seconds after the sequence has come to its end, and the run takes as long: who needs the output
    /// alone, takes it from a [`spawn`](Self::spawn)ed [`Child`]. Hubs before 0.27.0 do not tell how an instance has ended.
    ///
    /// # Errors
    /// See [`Error`]. An instance that ends badly is none: see [`Output::ended`]. Neither is an input that is not read to its end.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, StartOptions};
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let run = sequence.run(&StartOptions::new().arg("!"), "some text\n")?;
    /// println!("{}, and said {:?}", run.ended, String::from_utf8_lossy(&run.output));
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn run(&self, options: &StartOptions, input: impl Into<Input>) -> Result<Output, Error> {
        let mut this = self.begin();
        let outer = this.host.client.options.cancel.take().unwrap_or_default();
        let token = outer.child();
        this.host.client.options.cancel = Some(token.clone());
        let child = this.spawn(options)?;

        let (instance, input, ends) = (child.instance().clone(), input.into(), token.clone());
        let (tell, told) = channel();
        spawn(move || {
            if let Err(error) = instance.send_input(input) {
                if !is_nobodys_fault(&error) {
                    // Received, or the run is over.
                    let _ = tell.send(error);
                    ends.cancel();
                }
            }
        })?;
        let result = child.wait_with_output();
        // What the instance has not read by now, it never will.
        token.cancel();
        match result {
            // An input that cannot be sent has ended the run.
            Err(error) if error.is_cancelled() && !outer.is_cancelled() => Err(told.try_recv().unwrap_or(error)),
            result => result,
        }
    }
}

/// An input has its end when the instance does.
fn is_nobodys_fault(error: &Error) -> bool {
    error.is_not_found() || error.is_cancelled() || matches!(error.kind(), ErrorKind::Transport { .. })
}

impl Child {
    fn new(instance: InstanceClient) -> Result<Self, Error> {
        let guard = Guard { instance, armed: true };
        let open = |stream| match guard.instance.stream(stream) {
            Ok(stream) => Ok(Some(stream)),
            // It has ended already: there is nothing to read any more.
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        };
        let (output, stdout, stderr) = (open(OutputStream::Output)?, open(OutputStream::Stdout)?, open(OutputStream::Stderr)?);
        Ok(Self { output, stdout, stderr, guard })
    }

    /// Without its streams.
    pub(crate) fn of(instance: InstanceClient) -> Self {
        Self { output: None, stdout: None, stderr: None, guard: Guard { instance, armed: true } }
    }

    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &InstanceClient {
        &self.guard.instance
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        self.guard.instance.id()
    }

    /// Its input, to write to. See [`InstanceClient::input_writer`].
    ///
    /// # Errors
    /// See [`InstanceClient::input_writer`].
    pub fn input(&self, options: impl Into<WriteOptions>) -> Result<StreamWriter, Error> {
        self.guard.instance.input_writer(options)
    }

    /// Waits until it has ended, see [`InstanceClient::wait_ended`]. Reads none of its streams: take out those that say more than some kB.
    ///
    /// # Errors
    /// See [`Error`]. Where waiting fails, the instance is not killed before this is dropped.
    pub fn wait(&mut self) -> Result<Ended, Error> {
        let ended = self.guard.instance.wait_ended()?;
        self.guard.armed = false;
        Ok(ended)
    }

    /// Reads its streams to their ends, as far as they were not taken out, and waits until it has ended.
    ///
    /// # Errors
    /// See [`Error`]. The instance is killed then.
    pub fn wait_with_output(mut self) -> Result<Output, Error> {
        let collecting = [self.stdout.take(), self.stderr.take()].map(|stream| stream.map(collect).transpose());
        let output = self.output.take().map_or(Ok(Vec::new()), read_to_end)?;
        let [stdout, stderr] = collecting.map(|stream| stream?.map_or(Ok(Vec::new()), join));
        let (stdout, stderr) = (stdout?, stderr?);
        Ok(Output { ended: self.wait()?, output, stdout, stderr })
    }

    /// Kills it. Returns when the hub has accepted that.
    ///
    /// # Errors
    /// See [`Error`]. That it has ended already is none.
    pub fn kill(mut self) -> Result<(), Error> {
        self.guard.armed = false;
        kill::kill(&self.guard.instance.host.client, self.guard.instance.id())
    }

    /// Asks it to stop, has it killed when the time is over, and waits until it has ended. Takes as long as `grace`, also where it ends before.
    ///
    /// # Errors
    /// See [`Error`]. That it has ended already is none. Where this fails it is killed.
    pub fn stop(mut self, grace: Duration) -> Result<Ended, Error> {
        let instance = &self.guard.instance;
        let client = instance.host.client.begin();
        match client.call(&StopInstance { id: instance.id(), options: &StopOptions::new(grace) }) {
            Err(error) if error.is_not_found() => {}
            result => drop(result?),
        }
        self.wait()
    }

    /// Lets the instance live on.
    #[must_use]
    pub fn keep(mut self) -> InstanceClient {
        self.guard.armed = false;
        self.guard.instance.clone()
    }
}

fn collect(stream: ByteStream) -> Result<JoinHandle<Result<Vec<u8>, Error>>, Error> {
    spawn(move || read_to_end(stream))
}

fn read_to_end(mut stream: ByteStream) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut buf = vec![0; 64 << 10];
    loop {
        match stream.pull(&mut buf)? {
            0 => return Ok(bytes),
            read => bytes.extend_from_slice(buf.get(..read).unwrap_or_default()),
        }
    }
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Error> {
    let thread = thread::Builder::new().name("scramjet-stream".into()).spawn(work);
    thread.map_err(|error| Call::unbuilt::<GetInstance<'_>>().unanswered(TransportError::connect(error).into()))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
