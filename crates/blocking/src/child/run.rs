//! Running a sequence to its end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;
use scramjet_client_core::{GetInstance, OutputStream, RunnerExit, StartOptions};

use super::Child;
use crate::call::Call;
use crate::instance::ended;
use crate::{
    ByteStream, CancelToken, Ended, Error, ErrorKind, Input, InstanceClient, Phase, SequenceClient,
    TransportError,
};

/// A hub keeps an instance for 10 seconds after its sequence has come to its end, and some of its streams as well.
const AFTERLIFE: Duration = Duration::from_secs(12);

/// How long it may take until an instance that has closed its input is known to have ended.
const MOMENT: Duration = Duration::from_secs(2);

/// How long a log may go on after the instance has ended: hubs of 1.x never end it.
const ECHO: Duration = Duration::from_millis(500);

/// How a runner says in its log that it listens to the input.
const LISTENS: &[u8] = br#""msg":"Sequence loaded"#;

/// How long it may take until it does. A hub may keep such lines out of its logs.
const LOADING: Duration = Duration::from_secs(10);

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
    /// What was logged, lines of JSON that [`LogLine`](crate::LogLine) reads; where it was asked for, see [`SequenceClient::run_with_log`].
    pub log: Option<Vec<u8>>,
}

impl Output {
    /// What the exit code of its runner means, where the hub tells: `ended.exit`.
    #[must_use]
    pub fn exit(&self) -> Option<RunnerExit> {
        self.ended.exit
    }
}

impl SequenceClient {
    /// Runs the sequence to its end, like [`std::process::Command::output`]: starts an instance, sends it all of the input, collects
    /// what it writes, and waits until it has ended. All of that is held in memory. The handle's limits hold for the whole; a run that is
    /// given up, or fails, kills what it started.
    ///
    /// A hub keeps an instance for 10 seconds after the sequence has come to its end, and the run takes as long: who needs the output
    /// alone, takes it from a [`spawn`](Self::spawn)ed [`Child`]. Hubs before 0.27.0 do not tell how an instance has ended. A reader that
    /// still blocks when the run is over is left behind on its thread. On hubs of 0.18, the input is sent when the instance's log says that it
    /// is listened to: before that, it may be handed out twice.
    ///
    /// # Errors
    /// See [`Error`]. An instance that ends badly is none: see [`Output::ended`]. Neither is an input that is not read to its end; one that
    /// cannot be sent to an instance that lives is.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, StartOptions};
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let run = sequence.run(&StartOptions::new().arg("!"), "some text\n")?;
    /// println!("{}, and said {:?}", run.ended, String::from_utf8_lossy(&run.output));
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn run(&self, options: &StartOptions, input: impl Into<Input>) -> Result<Output, Error> {
        self.run_to_end(options, input.into(), false)
    }

    /// Like [`run`](Self::run), with what the hub and the instance logged of it.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    pub fn run_with_log(
        &self,
        options: &StartOptions,
        input: impl Into<Input>,
    ) -> Result<Output, Error> {
        self.run_to_end(options, input.into(), true)
    }

    fn run_to_end(
        &self,
        options: &StartOptions,
        input: Input,
        with_log: bool,
    ) -> Result<Output, Error> {
        let mut this = self.begin();
        let token = this
            .host
            .client
            .options
            .cancel
            .take()
            .unwrap_or_default()
            .child();
        this.host.client.options.cancel = Some(token.clone());
        // What the instance has not read in the end, it never will.
        let _over = CancelledInTheEnd(token);
        let mut child = this.spawn(options)?;
        let mut collecting = Collecting::new(child.instance(), Some(&input));
        let waits = child.instance().host.dialect()?.doubles_early_input();
        let listens = if with_log || waits {
            Some(collecting.read_log(child.instance(), with_log)?)
        } else {
            None
        };
        collecting.feed(child.instance(), input, listens.filter(|_| waits))?;
        collecting.collect(&mut child)
    }
}

impl Child {
    /// Reads its streams to their ends, as far as they were not taken out, and waits until it has ended.
    ///
    /// # Errors
    /// See [`Error`]. The instance is killed then.
    pub fn wait_with_output(mut self) -> Result<Output, Error> {
        Collecting::new(self.instance(), None).collect(&mut self)
    }
}

struct CancelledInTheEnd(CancelToken);

impl Drop for CancelledInTheEnd {
    fn drop(&mut self) {
        self.0.cancel();
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
    /// All of a stream.
    Bytes(OutputStream, Vec<u8>),
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
                bytes.extend_from_slice(piece)
            });
            Some(read.map_or_else(Came::Failed, |()| Came::Bytes(which, bytes)))
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
        let log = match instance.with_cancel(&ends).with_idle_timeout(None).log() {
            Err(error) if error.is_hubs_not_found() => None,
            log => Some(log?),
        };
        let (tell, read) = channel();
        let (loaded, listens) = channel();
        let movement = Arc::clone(&self.movement);
        self.beside(move || {
            let (mut bytes, mut loaded) = (Vec::new(), Some(loaded));
            let take = |piece: &[u8]| {
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
        let thread = thread::Builder::new()
            .name("scramjet-stream".into())
            .spawn(move || {
                let came = catch_unwind(AssertUnwindSafe(work))
                    .unwrap_or_else(|panic| Some(Came::Panicked(panic)));
                // Nobody is there any more where something else has failed.
                let _ = came.map(|came| tell.send(came));
            });
        thread.map(drop).map_err(|error| {
            Call::unbuilt::<GetInstance<'_>>().unanswered(TransportError::connect(error))
        })
    }

    fn collect(self, child: &mut Child) -> Result<Output, Error> {
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
        while open > 0 {
            match self.told.recv() {
                Ok(Came::Bytes(which, bytes)) => {
                    match which {
                        OutputStream::Stdout => stdout = bytes,
                        OutputStream::Stderr => stderr = bytes,
                        _ => {
                            output = bytes;
                            // The others stay open, and nothing need come of them.
                            self.movement.note(AFTERLIFE);
                        }
                    }
                    open -= 1;
                }
                Ok(Came::Failed(error)) => return Err(error),
                Ok(Came::Panicked(panic)) => resume_unwind(panic),
                // There is always one who may tell something: this one.
                Err(_) => break,
            }
        }
        let ended = child.wait()?;
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
                movement.note(Duration::ZERO);
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
        ErrorKind::Cancelled { .. } | ErrorKind::Deadline { .. } => true,
        ErrorKind::Transport(error) if error.phase >= Phase::Send => {
            let mut instance = instance.clone();
            instance.host.client = client.within(Some(MOMENT));
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
}

impl Movement {
    /// Something moved, and nothing more need move for so long.
    fn note(&self, rest: Duration) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.0 = last.0.max(Instant::now() + rest);
    }

    fn goes_on(&self) -> bool {
        let sent = self
            .sent
            .as_ref()
            .map_or(0, |sent| sent.load(Ordering::Relaxed));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if sent != last.1 {
            *last = (last.0.max(Instant::now()), sent);
        }
        self.idle
            .is_none_or(|idle| Instant::now().saturating_duration_since(last.0) < idle)
    }
}
