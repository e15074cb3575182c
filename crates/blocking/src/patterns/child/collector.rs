use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use scramjet_client_core::{Ended, GetInstance, OutputStream, RunnerExit};

use crate::body::byte_stream::ByteStream;
use crate::body::input::Input;
use crate::call::context::CallContext;
use crate::client::kill;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::instance::wait::{ended, explain_loss};
use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;
use crate::patterns::child::Child;
use crate::patterns::child::activity::{ActivityClock, RunPhase, SETTLE_TIME};
use crate::patterns::child::input;
use crate::patterns::child::log::{self, LogBuffer, LogReader};
use crate::patterns::child::output::Output;
use crate::support::channel::{Receiver, Sender, channel};
use crate::support::threads;
use crate::transport::error::Phase;

/// Silence to expect after the output has ended: a hub keeps the instance, and some of its streams,
/// for 10 seconds after its sequence has completed.
const AFTERLIFE: Duration = Duration::from_secs(12);

/// Time that the streams of a killed process have to end. Each chunk extends it.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Number of round trips without data after which a sequence counts as completed, if that is longer
/// than [`SETTLE_TIME`]. On a slow network or a busy machine, the ends of streams arrive later.
const SILENT_ROUND_TRIPS: u32 = 4;

/// Reads the streams of an instance and sends its input, each on a separate thread.
pub(super) struct OutputCollector {
    sender: Sender<StreamResult>,
    receiver: Receiver<StreamResult>,
    clock: Arc<ActivityClock>,
    log: Option<LogReader>,
}

/// The result of a thread.
enum StreamResult {
    /// A stream has ended. Contains its data, and the end of the instance if the stream reported
    /// it.
    Complete(OutputStream, Vec<u8>, Option<Box<Ended>>),
    /// A stream or the input failed.
    Failed(Error),
    /// The caller's reader or transport panicked.
    Panicked(Box<dyn Any + Send>),
}

impl OutputCollector {
    pub(super) fn new(instance: &InstanceClient, input: Option<&Input>) -> Self {
        let (sender, receiver) = channel();
        let idle = instance.host.client.options.idle;
        let sent = input.map(|input| input.upload.sent());
        Self {
            sender,
            receiver,
            clock: Arc::new(ActivityClock::new(idle, sent)),
            log: None,
        }
    }

    /// Sends the input. If `loaded` is set, first waits until the sequence is loaded.
    pub(super) fn send_input(
        &self,
        instance: &InstanceClient,
        input: Input,
        loaded: Option<Receiver<()>>,
    ) -> Result<(), Error> {
        // The clock applies the idle timeout to all streams together.
        let instance = instance.with_idle_timeout(None);
        self.spawn(move || {
            let sent = input::send(&instance, input, loaded);
            sent.err().map(StreamResult::Failed)
        })
    }

    fn read(&self, which: OutputStream, mut stream: ByteStream) -> Result<(), Error> {
        let clock = Arc::clone(&self.clock);
        self.spawn(move || {
            let mut bytes = Vec::new();
            let read = read_to_end(&mut stream, &clock, |chunk| {
                clock.record_data();
                bytes.extend_from_slice(chunk);
            });
            let Err(error) = read else {
                return Some(StreamResult::Complete(which, bytes, None));
            };
            let ended = error.ended().cloned().map(Box::new);
            Some(if clock.has_completed() {
                // The client has killed the process.
                StreamResult::Complete(which, bytes, None)
            } else if ended.is_some() {
                StreamResult::Complete(which, bytes, ended)
            } else {
                StreamResult::Failed(error)
            })
        })
    }

    /// Reads the log, and keeps it if `wanted`. The returned receiver gets a message when the
    /// sequence is loaded.
    pub(super) fn read_log(
        &mut self,
        instance: &InstanceClient,
        wanted: bool,
    ) -> Result<Receiver<()>, Error> {
        let outer = instance.host.client.options.cancel.clone();
        let token = outer.unwrap_or_default().child();
        let log = log::open(instance, &token)?;
        let (sender, result) = channel();
        let (loaded, is_loaded) = channel();
        let clock = Arc::clone(&self.clock);
        self.spawn(move || {
            let mut buffer = LogBuffer::new(wanted, loaded);
            let take = |chunk: &[u8]| {
                if wanted {
                    clock.record_data();
                } else {
                    clock.expect_silence(Duration::ZERO);
                }
                buffer.push(chunk);
            };
            let result = match log.map(|mut log| read_to_end(&mut log, &clock, take)) {
                Some(Err(error)) if !error.is_cancelled() => Err(error),
                _ => Ok(buffer.into_bytes()),
            };
            sender.send(result);
            None
        })?;
        self.log = Some(LogReader {
            wanted,
            token,
            result,
        });
        Ok(is_loaded)
    }

    fn spawn(
        &self,
        work: impl FnOnce() -> Option<StreamResult> + Send + 'static,
    ) -> Result<(), Error> {
        let sender = self.sender.clone();
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|panic| Some(StreamResult::Panicked(panic)));
            if let Some(result) = result {
                sender.send(result);
            }
        };
        threads::start("scramjet-stream", work)
            .map_err(|error| CallContext::unbuilt::<GetInstance<'_>>().failed(error))
    }

    /// Waits for the next result, within the idle timeout. `None` if the silence has lasted long
    /// enough to end the current phase.
    fn next(&self, instance: &InstanceClient) -> Result<Option<StreamResult>, Error> {
        loop {
            let settled = self.clock.time_to_settle();
            let timeout = settled.into_iter().chain(self.clock.time_to_check()).min();
            let until = timeout.and_then(|time| Instant::now().checked_add(time));
            if let Ok(result) = self.receiver.recv_until(until) {
                return Ok(Some(result));
            }
            if self.clock.time_to_settle() == Some(Duration::ZERO) {
                return Ok(None);
            }
            if !self.clock.is_active() {
                let operation = GetInstance { id: instance.id() };
                let call = instance.host.client.begin(&operation)?;
                return Err(call.stopped(StopReason::Idle, Phase::Read));
            }
        }
    }

    /// Collects all streams until the instance has ended. With `reads`, a token that cancels all
    /// reads, collects only until the sequence has completed.
    pub(super) fn collect(
        self,
        child: &mut Child,
        reads: Option<&CancelToken>,
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
        let (mut end, mut may_wait_longer) = (None, true);
        while open > 0 {
            match (self.next(child.instance())?, reads) {
                (Some(StreamResult::Complete(which, bytes, ended)), _) => {
                    match which {
                        OutputStream::Stdout => stdout = bytes,
                        OutputStream::Stderr => stderr = bytes,
                        _ => {
                            output = bytes;
                            self.output_ended(reads.is_some());
                        }
                    }
                    end = ended.or(end);
                    open -= 1;
                }
                (Some(StreamResult::Failed(_)), _) if self.clock.has_completed() => {}
                (Some(StreamResult::Failed(error)), _) => {
                    let instance = child.instance();
                    return Err(explain_loss(&instance.host.client, instance.id(), error));
                }
                (Some(StreamResult::Panicked(panic)), _) => resume_unwind(panic),
                (None, Some(reads)) if self.clock.has_completed() => {
                    self.clock.set_phase(RunPhase::Cancelled);
                    reads.cancel();
                }
                (None, Some(_)) => {
                    end = self.complete(child.instance(), may_wait_longer)?.or(end);
                    may_wait_longer = false;
                }
                (None, None) => {}
            }
        }
        let ended = match end {
            Some(ended) => {
                child.guard.disarm();
                *ended
            }
            None => child.wait()?,
        };
        if let Some(reads) = reads.filter(|_| self.clock.has_completed()) {
            reads.cancel();
        }
        let log = self.log.filter(|log| log.wanted);
        let log = log.map(LogReader::finish).transpose()?;
        Ok(Output {
            ended,
            output,
            stdout,
            stderr,
            log,
        })
    }

    /// Records that the output has ended. The other streams may stay open and silent.
    fn output_ended(&self, ends_when_silent: bool) {
        if ends_when_silent {
            self.clock.set_phase(RunPhase::Settling);
            self.clock.record_data();
        } else {
            self.clock.expect_silence(AFTERLIFE);
        }
    }

    /// Kills the process of a sequence that has completed, so that its streams end. If the hub
    /// responds slowly and the run `may_wait_longer`, extends the silence instead.
    fn complete(
        &self,
        instance: &InstanceClient,
        may_wait_longer: bool,
    ) -> Result<Option<Box<Ended>>, Error> {
        let (client, begin) = (&instance.host.client, Instant::now());
        let ended = ended(client, instance.id())?;
        let silence = begin.elapsed().saturating_mul(SILENT_ROUND_TRIPS);
        if ended.is_none() && may_wait_longer && silence > SETTLE_TIME {
            self.clock.expect_silence(silence);
            return Ok(None);
        }
        let ended = ended.unwrap_or_else(|| {
            let mut ended = Ended::gone(instance.id());
            ended.exit = Some(RunnerExit::Completed);
            ended
        });
        self.clock.set_phase(RunPhase::Draining);
        // If the kill fails, the hub ends the process 10 seconds after the sequence has completed.
        let _ = kill::kill_or_detach(client, instance.id());
        // A chunk may be in transit for longer than the silence has lasted.
        self.clock.expect_silence(DRAIN_TIME);
        Ok(Some(Box::new(ended)))
    }
}

fn read_to_end(
    stream: &mut ByteStream,
    clock: &ActivityClock,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let mut buf = vec![0; 64 << 10];
    loop {
        match stream.pull(&mut buf) {
            Ok(0) => return Ok(()),
            Ok(read) => take(buf.get(..read).unwrap_or_default()),
            Err(error) if error.is_idle() && clock.is_active() => {}
            Err(error) => return Err(error),
        }
    }
}
