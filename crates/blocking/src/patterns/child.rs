//! Running a sequence like a command.

pub(crate) mod run;

use std::fmt;
use std::time::{Duration, Instant};

use scramjet_client_core::{
    Ended, InstanceId, OutputStream, StartOptions, StopInstance, StopOptions,
};

use crate::body::byte_stream::ByteStream;
use crate::client::{Client, kill};
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::instance::output::{HEAD_LIMIT, open_until_ended};
use crate::handles::instance::wait::ended;
use crate::handles::sequence::SequenceClient;
use crate::streams::writer::{StreamWriter, WriteOptions};
use crate::support::panics::in_drop;

/// How long an instance may take to end when its time is over, before it is killed once more: one that has called `keepAlive`, or hangs, is
/// left alone by a hub of 1.x.
const MOMENT: Duration = Duration::from_secs(3);

/// A hub removes an instance by force 15 seconds after it was killed, if its process has not gone by then.
const FORCED: Duration = Duration::from_secs(30);

/// An instance that belongs to this program, like [`std::process::Child`]: its streams are open from the start, and it is killed when
/// this is dropped.
///
/// Dropping it waits for the hub to accept the killing, for up to 10 seconds where the hub does not answer, and tells nobody of a
/// failure; [`kill`](Self::kill) and [`stop`](Self::stop) do. [`keep`](Self::keep) lets the instance live on.
///
/// Its streams end with the instance: if that has failed, and the hub keeps them open, reading
/// fails with [`ErrorKind::Ended`](crate::ErrorKind::Ended) after everything that was written.
///
/// A stream that is neither read nor taken out and dropped holds up the instance when some kB are in it. Its [`input`](Self::input) is opened when
/// it is asked for, because the hub wants to know what comes. A sequence that reads it to its end waits for that: finish it, with nothing
/// where there is nothing.
///
/// ```no_run
/// use std::io::Write;
/// # use scramjet_client_blocking::{ContentType, HostClient, StartOptions};
/// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
/// let mut child = sequence.spawn(&StartOptions::new())?;
/// // What it prints is of no interest, and must not pile up.
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
    /// What the sequence returns.
    pub output: Option<ByteStream>,
    /// What its process prints.
    pub stdout: Option<ByteStream>,
    /// What its process prints to standard error.
    pub stderr: Option<ByteStream>,
    guard: Guard,
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
            let kill = || kill::kill_or_detach(&self.instance.host.client, self.instance.id());
            in_drop(|| drop(kill()));
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
    /// Returns when the hub has answered for all streams, or after half a second: a proxy may keep
    /// the heads of the answers back until something is written.
    ///
    /// # Errors
    /// See [`Error`]. If a stream cannot be opened, the instance is killed.
    pub fn spawn(&self, options: &StartOptions) -> Result<Child, Error> {
        let instance = self.start_owned(options)?;
        let client = instance.host.client.clone();
        Child::new(instance, &client)
    }
}

impl Child {
    /// Opens the streams by this client.
    fn new(instance: InstanceClient, client: &Client) -> Result<Self, Error> {
        let guard = Guard {
            instance,
            armed: true,
        };
        let id = guard.instance.id();
        let open = |stream| open_until_ended(client, id, stream);
        let streams = [
            open(OutputStream::Output)?,
            open(OutputStream::Stdout)?,
            open(OutputStream::Stderr)?,
        ];
        let until = Instant::now() + HEAD_LIMIT;
        let opened = |mut stream: ByteStream| match stream.await_head(Some(until)) {
            Ok(()) => Ok(Some(stream)),
            // It has ended already: there is nothing to read any more.
            Err(error) if error.is_hubs_not_found() => Ok(None),
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

    /// Without its streams.
    pub(crate) fn of(instance: InstanceClient) -> Self {
        Self {
            output: None,
            stdout: None,
            stderr: None,
            guard: Guard {
                instance,
                armed: true,
            },
        }
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

    /// Its input, to write to. See [`InstanceClient::input_writer`], and of what is written right after the start,
    /// [`send_input`](InstanceClient::send_input).
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

    /// How it has ended; nothing where it has not. `GET /instance/:id`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn try_wait(&mut self) -> Result<Option<Ended>, Error> {
        let ended = ended(&self.guard.instance.host.client, self.guard.instance.id())?;
        self.guard.armed &= ended.is_none();
        Ok(ended)
    }

    /// Kills it. Returns when the hub has accepted that; [`wait`](Self::wait) tells when it is gone.
    ///
    /// # Errors
    /// See [`Error`]. An instance that has already ended is no error. If this call fails, dropping the
    /// [`Child`] does not try to kill the instance again.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.guard.armed = false;
        kill::kill(&self.guard.instance.host.client, self.guard.instance.id())
    }

    /// Asks it to stop, has it killed when the time is over, and waits until it has ended. Takes as long as `grace`, also where it ends before.
    ///
    /// # Errors
    /// See [`Error`]. That it has ended already is none. Where this fails, the instance is killed when this is dropped.
    pub fn stop(&mut self, grace: Duration) -> Result<Ended, Error> {
        let instance = &self.guard.instance;
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
        let ended = match wait_for(MOMENT) {
            Err(error) if error.is_timeout() && client.begin(&operation).is_ok() => {
                kill::kill(&client, instance.id())?;
                wait_for(FORCED)?
            }
            result => result?,
        };
        self.guard.armed = false;
        Ok(ended)
    }

    /// Lets the instance live on.
    #[must_use]
    pub fn keep(mut self) -> InstanceClient {
        self.guard.armed = false;
        self.guard.instance.clone()
    }
}
