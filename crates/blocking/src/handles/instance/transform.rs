//! Sends input to an instance and reads its output at the same time.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use scramjet_client_core::{InOut, InstanceId, OutputStream, ReadStream, RunnerExit};

use super::input::send;
use super::output::{HEAD_LIMIT, open_until_ended};
use super::wait::{ended, explain_loss};
use crate::body::byte_stream::ByteStream;
use crate::body::input::{Input, InputStream, Sent};
use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::limits::call_limits::CallLimits;
use crate::limits::cancel::CancelToken;
use crate::support::channel::{Receiver, RecvTimeoutError, channel};
use crate::support::drop_guard::DropGuard;
use crate::support::threads;
use crate::transport::error::Phase;

/// The result of [`InstanceClient::transform`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transformed {
    /// Number of bytes sent to the input.
    pub sent: u64,
    /// `true` if the client sent all of the input and the hub accepted it. `false` if the sequence
    /// ended its output before it had read all of its input.
    pub complete: bool,
    /// Number of bytes received from the output.
    pub received: u64,
}

/// Time without progress after which the rest of the input is abandoned, once the output has ended.
const STALL_LIMIT: Duration = Duration::from_secs(2);

/// Delays before the status requests after the end of the output. A hub of 1.x shows the death of
/// an instance after 0.3 to 0.7 seconds (measured on 1.0.1), and keeps an instance that has
/// completed for 10 seconds.
const STATUS_DELAYS: [Duration; 2] = [Duration::from_millis(450), Duration::from_millis(350)];

/// The same for older hubs, which forget an instance within 0.1 seconds.
const STATUS_DELAYS_BEFORE_0_27: [Duration; 2] =
    [Duration::from_millis(100), Duration::from_millis(150)];

/// Input and output of an instance at the same time.
impl InstanceClient {
    /// Sends data to the input, and writes the output to a writer meanwhile
    /// (`POST /instance/:id/input` and `GET /instance/:id/output`).
    ///
    /// Input and output may be of any length, because neither waits for the other. The input ends
    /// after the data. Returns when the output has ended.
    ///
    /// Sends the input on a separate thread. The output may end before the sequence has read all of
    /// the input. The client then sends the rest as long as the hub accepts it. After two seconds
    /// without progress, it abandons the rest, and [`complete`](Transformed::complete) is `false`.
    /// If the reader of the input blocks at that time, its thread continues until the reader
    /// returns.
    ///
    /// The end of the output does not show whether the sequence has completed or its process has
    /// died. The hub reports that some time later, so the call takes up to 0.25 seconds longer on
    /// hubs before 0.27.0, and up to 0.8 seconds longer on later ones.
    ///
    /// # Errors
    /// The error of the input or the output, whichever fails first; the client cancels the other:
    ///
    /// - [`ErrorKind::Write`] if `output` fails.
    /// - [`ErrorKind::Ended`] if the instance has ended without completing.
    /// - [`ErrorKind::InputEnded`] if there was no output and the hub did not accept the input.
    ///
    /// # Panics
    /// If the reader of the input or the writer of the output panics.
    ///
    /// ```no_run
    /// use std::fs::File;
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// let done = instance.transform(File::open("in.txt")?, &mut File::create("out.txt")?)?;
    /// println!("{} bytes in, {} bytes out", done.sent, done.received);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transform(
        &self,
        input: impl Into<Input>,
        output: &mut impl Write,
    ) -> Result<Transformed, Error> {
        let input = input.into();
        let mut client = self.host.client.fix_deadline();
        let outer = client.options.cancel.take().unwrap_or_default();
        let token = outer.child();
        client.options.cancel = Some(token.clone());
        // Runs if the writer panics, too.
        let _cancel = DropGuard::new(token.clone(), |token| token.cancel());

        let mut stream = open_until_ended(&client, &self.id, OutputStream::Output)?;
        // With a limit: a proxy may withhold the head until there is output.
        stream.await_head(Some(Instant::now() + HEAD_LIMIT))?;
        let sent = input.upload.sent();
        // Before the thread starts, because an input that fails cancels the token.
        let limits = client.limits::<ReadStream<'_>>()?;
        let result = self.send_on_thread(&client, &token, input)?;

        let mut received = 0;
        let mut buf = vec![0; 64 << 10];
        loop {
            match stream.pull(&mut buf) {
                Ok(0) => break,
                Ok(read) => {
                    received += u64::try_from(read).unwrap_or(u64::MAX);
                    write_all(output, buf.get(..read).unwrap_or_default(), &limits)
                        .map_err(|error| stream.write_failed(error))?;
                }
                Err(error) => {
                    let by_input = error.is_cancelled() && !outer.is_cancelled();
                    // An input that failed has cancelled the output.
                    let first = match result.recv_timeout(Duration::ZERO) {
                        Ok(Err(panic)) => resume_unwind(panic),
                        Ok(Ok(Err(first))) if by_input => first,
                        _ => error,
                    };
                    client.options.cancel = Some(outer);
                    return Err(explain_loss(&client, &self.id, first));
                }
            }
        }
        if let Err(error) = output.flush() {
            return Err(stream.write_failed(error));
        }
        // An input that failed has cancelled the token.
        client.options.cancel = Some(outer);
        check_completed(&client, &self.id)?;
        let complete = finish(&result, &sent)?;
        if received == 0 && !complete {
            let call = client.describe(&ReadStream {
                id: &self.id,
                stream: OutputStream::Output,
            });
            return Err(call.failed(ErrorKind::InputEnded));
        }
        Ok(Transformed {
            sent: sent.load(Ordering::Relaxed),
            complete,
            received,
        })
    }

    /// Sends data to the input like [`transform`](Self::transform), and returns the output.
    ///
    /// # Errors
    /// Like [`transform`](Self::transform).
    pub fn transform_bytes(&self, input: impl Into<Input>) -> Result<Vec<u8>, Error> {
        let mut output = Vec::new();
        self.transform(input, &mut output)?;
        Ok(output)
    }

    /// Sends the input on a thread. If the sending fails, cancels the token, which ends the output.
    fn send_on_thread(
        &self,
        client: &Client,
        token: &CancelToken,
        input: Input,
    ) -> Result<Receiver<SendResult>, Error> {
        let (client, watch) = client.watching(&self.id)?;
        let (sender, receiver) = channel();
        let (id, token) = (self.id.clone(), token.clone());
        let work = move || {
            let send = || send(&client, &watch, &id, InputStream::Input, input);
            let result = catch_unwind(AssertUnwindSafe(send));
            let failed = !matches!(result, Ok(Ok(_)));
            sender.send(result);
            if failed {
                token.cancel();
            }
        };
        threads::start("scramjet-input", work)
            .map_err(|error| CallContext::unbuilt::<ReadStream<'_>>().failed(error))?;
        Ok(receiver)
    }

    /// Sends data to the input, and returns the output as the response
    /// (`POST /instance/:id/inout`). Since 0.29.0.
    ///
    /// In most cases, [`transform`](Self::transform) is the better choice, because this route of
    /// the hub has several limits:
    ///
    /// - The call returns when all data was sent *and* the first byte of output has arrived. If the
    ///   sequence stops reading until somebody reads its output, the call blocks forever.
    /// - The request does not end the input.
    /// - The stream does not end, even if the output does. You have to know how much to read.
    /// - Hubs of 1.0.1 damage bytes that are not UTF-8.
    ///
    /// If the version of the hub is unknown, the client requests it first.
    ///
    /// # Errors
    /// [`is_unsupported`](Error::is_unsupported) if the hub is too old.
    pub fn inout(&self, data: impl Into<Input>) -> Result<ByteStream, Error> {
        let data = data.into();
        let (client, watch) = self.host.client.fix_deadline().watching(&self.id)?;
        let operation = InOut {
            id: &self.id,
            content_type: data.content_type,
        };
        let opened = client.send_and_open(&operation, data.into_upload());
        opened.map_err(|error| watch.explain(error))
    }
}

/// The result of sending the input, or the panic of its reader.
type SendResult = Result<Result<Sent, Error>, Box<dyn Any + Send>>;

/// Waits until all of the input was sent, or it makes no progress for [`STALL_LIMIT`]. Returns
/// `true` if the hub accepted all of it.
fn finish(result: &Receiver<SendResult>, sent: &AtomicU64) -> Result<bool, Error> {
    loop {
        let before = sent.load(Ordering::Relaxed);
        match result.recv_timeout(STALL_LIMIT) {
            Ok(Ok(Ok(_))) => return Ok(true),
            Ok(Ok(Err(error))) => {
                return match error.kind() {
                    // The instance has ended and cannot read the rest.
                    ErrorKind::Transport(_) | ErrorKind::Reply(_) | ErrorKind::Ended(_) => {
                        Ok(false)
                    }
                    _ => Err(error),
                };
            }
            Ok(Err(panic)) => resume_unwind(panic),
            Err(RecvTimeoutError::Timeout) if sent.load(Ordering::Relaxed) > before => {}
            Err(_) => return Ok(false),
        }
    }
}

/// Writes all bytes. Repeats interrupted writes within the limits of the call.
fn write_all(output: &mut impl Write, mut rest: &[u8], limits: &CallLimits) -> io::Result<()> {
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                rest = rest.get(written..).ok_or_else(|| {
                    let problem = "the writer reported more bytes than it was given";
                    io::Error::new(io::ErrorKind::InvalidData, problem)
                })?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => limits.check()?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fails if an instance whose output has ended did not complete.
pub(crate) fn check_completed(client: &Client, id: &InstanceId) -> Result<(), Error> {
    let reports_end = client.dialect()?.remembers_ended_instances();
    let call = client.begin(&ReadStream {
        id,
        stream: OutputStream::Output,
    })?;
    let delays = if reports_end {
        STATUS_DELAYS
    } else {
        STATUS_DELAYS_BEFORE_0_27
    };
    for delay in delays {
        call.pause(delay, Phase::Read)?;
        if let Some(ended) = ended(client, id)? {
            return match ended.exit {
                Some(RunnerExit::Completed) => Ok(()),
                _ => Err(call.failed(ErrorKind::Ended(Box::new(ended)))),
            };
        }
    }
    Ok(())
}
