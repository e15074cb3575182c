//! Both ways at once.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
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
use crate::support::panics::in_drop;
use crate::support::threads;
use crate::transport::error::Phase;

/// What went through an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transformed {
    /// How many bytes were sent to its input.
    pub sent: u64,
    /// True if all of the input was sent, and the hub has taken it. False if the sequence ended its output
    /// before it had read its input to the end.
    pub complete: bool,
    /// How many bytes came out of it.
    pub received: u64,
}

/// How long an input may stand still after the output has ended, before it is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// When to ask for the state of an instance after its output has ended. A hub of 1.x shows a death
/// after 0.3 to 0.7 seconds (measured on 1.0.1), and keeps an instance that has completed for 10
/// seconds.
const SETTLING: [Duration; 2] = [Duration::from_millis(450), Duration::from_millis(350)];

/// The same for older hubs, which forget an instance within 0.1 seconds.
const SETTLING_BEFORE_0_27: [Duration; 2] =
    [Duration::from_millis(100), Duration::from_millis(150)];

impl InstanceClient {
    /// `POST /instance/:id/input` and `GET /instance/:id/output` at once: sends the input and writes what comes out meanwhile, so that neither
    /// has to wait for the other, however long they are. Returns when the output has ended. The input ends after the data.
    ///
    /// Uses a thread of its own for the input. If the output ends before the sequence has read all
    /// of the input, the rest is sent as long as the hub takes it, and then abandoned:
    /// [`complete`](Transformed::complete) is false. A reader that blocks is then left behind on
    /// its thread.
    ///
    /// The end of the output does not tell if the sequence has completed, or its process has died,
    /// and the hub knows some time later. So this takes a quarter of a second longer on hubs before
    /// 0.27.0, and 0.8 seconds on later ones.
    ///
    /// # Errors
    /// See [`Error`]: of whichever failed first, input or output; the other is ended.
    /// [`ErrorKind::Write`] if `output` fails, [`ErrorKind::Ended`] if the instance has ended in
    /// another way than by completing, [`ErrorKind::InputEnded`] if nothing came out and the input
    /// was not taken. A reader or writer that panics does so out of this call.
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
        // Also if the writer panics.
        let _over = CancelOnDrop(token.clone());

        let mut stream = open_until_ended(&client, &self.id, OutputStream::Output)?;
        // Not to its end: a proxy may keep the head back until the input has made something of it.
        stream.await_head(Some(Instant::now() + HEAD_LIMIT))?;
        let sent = input.upload.sent();
        // Before an input that fails can cancel the token.
        let limits = client.limits::<ReadStream<'_>>()?;
        let told = self.send_beside(&client, &token, input)?;

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
                    // An input that failed has ended the output.
                    let first = match told.try_recv() {
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
        let complete = finish(&told, &sent)?;
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

    /// Sends the input on a thread. If that fails, the token is cancelled.
    fn send_beside(
        &self,
        client: &Client,
        token: &CancelToken,
        input: Input,
    ) -> Result<Receiver<Told>, Error> {
        let (client, watch) = client.watching(&self.id)?;
        let (tell, told) = sync_channel(1);
        let (id, token) = (self.id.clone(), token.clone());
        let work = move || {
            let send = || send(&client, &watch, &id, InputStream::Input, input);
            let result = catch_unwind(AssertUnwindSafe(send));
            let failed = !matches!(result, Ok(Ok(_)));
            // The other side is gone if it does not want to know any more.
            let _ = tell.send(result);
            if failed {
                token.cancel();
            }
        };
        threads::start("scramjet-input", work)
            .map_err(|error| CallContext::unbuilt::<ReadStream<'_>>().failed(error))?;
        Ok(told)
    }

    /// `POST /instance/:id/inout`: sends data to the input, and gives the output as the answer to it. Since 0.29.0.
    ///
    /// [`transform`](Self::transform) does what is usually wanted; this is the hub's own route, with its limits. It returns when all data was
    /// sent *and* the first byte of output is there, so data that the sequence does not take before somebody reads its output is
    /// never taken. The input does not end, and neither does the stream, even where the output does: read as much as you know will come. 1.0.1
    /// damages bytes that are not UTF-8.
    ///
    /// # Errors
    /// See [`Error`]; [`is_unsupported`](Error::is_unsupported) on an older hub.
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

    /// [`transform`](Self::transform), with the output in memory.
    ///
    /// # Errors
    /// Like [`transform`](Self::transform).
    pub fn transform_bytes(&self, input: impl Into<Input>) -> Result<Vec<u8>, Error> {
        let mut output = Vec::new();
        self.transform(input, &mut output)?;
        Ok(output)
    }
}

/// The result of sending, or its panic.
type Told = Result<Result<Sent, Error>, Box<dyn Any + Send>>;

/// Ends everything that was begun with a token.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        in_drop(|| self.0.cancel());
    }
}

/// Waits for the input as long as it moves. True if all of it was taken.
fn finish(told: &Receiver<Told>, sent: &AtomicU64) -> Result<bool, Error> {
    loop {
        let before = sent.load(Ordering::Relaxed);
        match told.recv_timeout(PATIENCE) {
            Ok(Ok(Ok(_))) => return Ok(true),
            Ok(Ok(Err(error))) => {
                return match error.kind() {
                    // Nobody was there any more to take the rest.
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

/// Writes all of it, and makes interrupted writes again within the limits of the call.
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

/// After the end of its output, an instance has completed, or it has died.
pub(crate) fn check_completed(client: &Client, id: &InstanceId) -> Result<(), Error> {
    let tells = client.dialect()?.remembers_ended_instances();
    let call = client.begin(&ReadStream {
        id,
        stream: OutputStream::Output,
    })?;
    for pause in if tells {
        SETTLING
    } else {
        SETTLING_BEFORE_0_27
    } {
        call.pause(pause, Phase::Read)?;
        if let Some(ended) = ended(client, id)? {
            return match ended.exit {
                Some(RunnerExit::Completed) => Ok(()),
                _ => Err(call.failed(ErrorKind::Ended(Box::new(ended)))),
            };
        }
    }
    Ok(())
}
