//! Instances that are used like child processes.

mod activity;
mod collector;
mod input;
mod log;
pub(crate) mod output;
pub(crate) mod run;

use std::time::{Duration, Instant};

use scramjet_client_core::{
    Ended, InstanceId, OutputStream, StartOptions, StopInstance, StopOptions,
};

use crate::body::byte_stream::ByteStream;
use crate::client::{Client, kill};
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::instance::InstanceClient;
use crate::handles::instance::output::{HEAD_LIMIT, open_until_ended};
use crate::handles::instance::wait::ended;
use crate::handles::sequence::SequenceClient;
use crate::streams::writer::{StreamWriter, WriteOptions};
use crate::support::drop_guard::DropGuard;

/// Time that an instance has to end after its stop timeout, before the client kills it. This is
/// needed because a hub of 1.x does not kill an instance that hangs or has called `keepAlive`.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Time that an instance has to end after a kill. If its process does not react, the hub removes it
/// after 15 seconds.
const KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// An instance that belongs to this program, like [`std::process::Child`]. Made by
/// [`SequenceClient::spawn`].
///
/// Dropping it kills the instance. The drop waits until the hub has accepted the kill, for up to 10
/// seconds if the hub does not respond, and ignores errors. [`kill`](Self::kill) and
/// [`stop`](Self::stop) report errors. [`keep`](Self::keep) leaves the instance running.
///
/// The output streams are open from the start and end with the instance. If the instance fails and
/// the hub keeps its streams open, reads return everything that was written, and then fail with
/// [`ErrorKind::Ended`], at most three seconds after the end of the instance. A stream is `None` if
/// you have taken it out, or if the instance ended before the stream could be opened.
///
/// Read each stream, or take it out and drop it: a stream that is open but not read blocks the
/// instance after a few kB. [`input`](Self::input) opens the input. A sequence that reads its input
/// to the end waits until the writer is finished. If there is no data, finish the writer without
/// writing.
///
/// ```no_run
/// use std::io::Write;
/// # use scramjet_client_blocking::{ContentType, HostClient, StartOptions};
/// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
/// let mut child = sequence.spawn(&StartOptions::new())?;
/// // Drop the streams that are not read, so that they cannot block the instance.
/// drop((child.stdout.take(), child.stderr.take()));
/// let mut input = child.input(ContentType::Text)?;
/// writeln!(input, "some text")?;
/// input.finish()?;
/// for line in child.output.take().into_iter().flat_map(|output| output.lines()) {
///     println!("{}", line?);
/// }
/// println!("{}", child.wait()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Child {
    /// The data that the sequence returns.
    pub output: Option<ByteStream>,
    /// Standard output of the process.
    pub stdout: Option<ByteStream>,
    /// Standard error of the process.
    pub stderr: Option<ByteStream>,
    guard: DropGuard<InstanceClient>,
}

fn kill_on_drop(instance: InstanceClient) -> DropGuard<InstanceClient> {
    DropGuard::new(instance, |instance| {
        // A destructor cannot report an error.
        let _ = kill::kill_or_detach(&instance.host.client, instance.id());
    })
}

impl SequenceClient {
    /// Starts an instance that is killed when the returned [`Child`] is dropped, and opens its
    /// streams (`POST /sequence/:id/start`, `GET /instance/:id/{output,stdout,stderr}`).
    ///
    /// Returns when the hub has responded for each stream, or after half a second, because a proxy
    /// may hold back the head of a response until there is data.
    ///
    /// # Errors
    /// The instance could not be started, or a stream could not be opened. In the latter case, the
    /// client kills the instance. If a limit of the handle is reached during the start, the client
    /// kills the instance in the background, see
    /// [`start_when_available`](Self::start_when_available).
    pub fn spawn(&self, options: &StartOptions) -> Result<Child, Error> {
        let instance = self.start_owned(options)?;
        let client = instance.host.client.clone();
        Child::new(instance, &client)
    }
}

impl Child {
    /// Opens the streams with the limits of `client`.
    fn new(instance: InstanceClient, client: &Client) -> Result<Self, Error> {
        let guard = kill_on_drop(instance);
        let id = guard.value.id();
        let open = |stream| open_until_ended(client, id, stream);
        let streams = [
            open(OutputStream::Output)?,
            open(OutputStream::Stdout)?,
            open(OutputStream::Stderr)?,
        ];
        let until = Instant::now() + HEAD_LIMIT;
        let opened = |mut stream: ByteStream| match stream.await_head(Some(until)) {
            Ok(()) => {
                stream.allow_absence();
                Ok(Some(stream))
            }
            // The instance has already ended, so the stream is gone.
            Err(error) if error.is_not_found_by_hub() => Ok(None),
            Err(error) => Err(error),
        };
        let [output, stdout, stderr] = streams.map(opened);
        Ok(Self {
            output: output?,
            stdout: stdout?,
            stderr: stderr?,
            guard,
        })
    }

    /// Creates a child without opening its streams.
    pub(crate) fn without_streams(instance: InstanceClient) -> Self {
        Self {
            output: None,
            stdout: None,
            stderr: None,
            guard: kill_on_drop(instance),
        }
    }

    /// Returns the handle of the instance.
    #[must_use]
    pub fn instance(&self) -> &InstanceClient {
        &self.guard.value
    }

    /// Returns the id of the instance.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        self.instance().id()
    }

    /// Opens the input for writing, see [`InstanceClient::input_writer`].
    ///
    /// If data is written right after the start, a hub of 0.18 may deliver it twice, see
    /// [`InstanceClient::send_input`].
    ///
    /// # Errors
    /// Like [`InstanceClient::input_writer`].
    pub fn input(&self, options: impl Into<WriteOptions>) -> Result<StreamWriter, Error> {
        self.instance().input_writer(options)
    }

    /// Waits until the instance has ended, see [`InstanceClient::wait_ended`].
    ///
    /// The hub keeps an instance running for 10 more seconds after its sequence has completed. This
    /// call does not read the streams: take out those with more than a few kB, and read or drop
    /// them.
    ///
    /// # Errors
    /// Like [`InstanceClient::wait_ended`]. After an error, the instance is still killed on drop.
    pub fn wait(&mut self) -> Result<Ended, Error> {
        let ended = self.instance().wait_ended()?;
        self.guard.disarm();
        Ok(ended)
    }

    /// Returns how the instance has ended, or `None` if it has not (`GET /instance/:id`).
    ///
    /// # Errors
    /// The request failed. An instance that the hub does not know counts as ended.
    pub fn try_wait(&mut self) -> Result<Option<Ended>, Error> {
        let ended = ended(&self.instance().host.client, self.id())?;
        if ended.is_some() {
            self.guard.disarm();
        }
        Ok(ended)
    }

    /// Kills the instance (`POST /instance/:id/_kill`). Returns when the hub has accepted the kill.
    /// To wait for the end of the instance, call [`wait`](Self::wait) afterwards.
    ///
    /// # Errors
    /// The hub refused the kill, or did not respond within 10 seconds. An instance that has already
    /// ended is not an error. After an error, the drop does not try again.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.guard.disarm();
        kill::kill(&self.instance().host.client, self.id())
    }

    /// Asks the instance to stop within `grace` (`POST /instance/:id/_stop`), and waits until it
    /// has ended. If it is still running 3 seconds after that time, kills it and waits up to 30
    /// seconds for its end.
    ///
    /// Takes at least `grace` if the instance is running, because the hub responds only after that
    /// time, even if the instance ends earlier.
    ///
    /// # Errors
    /// A request failed, or a limit of the handle was reached. An instance that has already ended
    /// is not an error. After an error, the instance is still killed on drop.
    pub fn stop(&mut self, grace: Duration) -> Result<Ended, Error> {
        let instance = self.instance();
        let client = instance.host.client.fix_deadline();
        let operation = StopInstance {
            id: instance.id(),
            options: &StopOptions::new(grace),
        };
        match client.call(&operation) {
            Err(error) if error.is_not_found() => {}
            result => drop(result?),
        }
        let wait_for = |time| {
            let mut waiting = instance.clone();
            waiting.host.client = client.tightened(Some(time));
            waiting.wait_ended()
        };
        let ended = match wait_for(STOP_TIMEOUT) {
            Err(error) if error.is_timeout() && client.begin(&operation).is_ok() => {
                kill::kill(&client, instance.id())?;
                wait_for(KILL_TIMEOUT)?
            }
            result => result?,
        };
        self.guard.disarm();
        Ok(ended)
    }

    /// Leaves the instance running and returns its handle.
    #[must_use]
    pub fn keep(mut self) -> InstanceClient {
        self.guard.disarm();
        self.instance().clone()
    }
}
