//! Both ways at once.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use scramjet_client_core::{InOut, OutputStream, ReadStream};

use super::input::send_input;
use crate::call::Call;
use crate::{
    ByteStream, CancelToken, Error, ErrorKind, Input, InstanceClient, Sent, TransportError,
};

/// What went through an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transformed {
    /// How many bytes were sent to its input.
    pub sent: u64,
    /// Whether that was all, and the hub has taken it. A sequence may end its output without reading its input to the end.
    pub complete: bool,
    /// How many bytes came out of it.
    pub received: u64,
}

/// How long an input may stand still after the output has ended, before it is given up.
const PATIENCE: Duration = Duration::from_secs(2);

impl InstanceClient {
    /// `POST /instance/:id/input` and `GET /instance/:id/output` at once: sends the input and writes what comes out meanwhile, so that neither
    /// has to wait for the other, however long they are. Returns when the output has ended. The input ends after the data.
    ///
    /// Uses a thread of its own for the input. Where the output ends before the sequence has read all of the input, the rest is sent for as
    /// long as the hub takes it, and then abandoned: [`complete`](Transformed::complete) is false. A reader that blocks is then left
    /// behind on its thread.
    ///
    /// # Errors
    /// See [`Error`]: of whichever failed first, input or output; the other is ended. [`ErrorKind::Write`] where `output` fails.
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
        let mut client = self.host.client.begin();
        let outer = client.options.cancel.take().unwrap_or_default();
        let token = outer.child();
        client.options.cancel = Some(token.clone());

        let mut stream = client.open(&ReadStream {
            id: &self.id,
            stream: OutputStream::Output,
        })?;
        let sent = input.upload.sent();
        let (tell, told) = channel();
        let (sender, id, ends) = (client, self.id.clone(), token.clone());
        let sending = thread::Builder::new()
            .name("scramjet-input".into())
            .spawn(move || {
                let result = send_input(&sender, &id, input);
                let failed = result.is_err();
                // The other side is gone only where it does not want to know any more.
                let _ = tell.send(result);
                if failed {
                    ends.cancel();
                }
            });
        sending.map_err(|error| {
            Call::unbuilt::<ReadStream<'_>>().unanswered(TransportError::connect(error))
        })?;

        let mut received = 0;
        let mut buf = vec![0; 64 << 10];
        loop {
            match stream.pull(&mut buf) {
                Ok(0) => break,
                Ok(read) => {
                    received += u64::try_from(read).unwrap_or(u64::MAX);
                    if let Err(error) = output.write_all(buf.get(..read).unwrap_or_default()) {
                        token.cancel();
                        return Err(stream.unwritten(error));
                    }
                }
                Err(error) => {
                    let ended = error.is_cancelled() && !outer.is_cancelled();
                    token.cancel();
                    // An input that failed has ended the output.
                    return Err(match told.try_recv() {
                        Ok(Err(first)) if ended => first,
                        _ => error,
                    });
                }
            }
        }
        if let Err(error) = output.flush() {
            token.cancel();
            return Err(stream.unwritten(error));
        }
        let complete = finish(&told, &sent, &token)?;
        Ok(Transformed {
            sent: sent.load(Ordering::Relaxed),
            complete,
            received,
        })
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
        self.host.client.send_and_open(
            &InOut {
                id: &self.id,
                content_type: data.content_type,
            },
            data.into_upload(),
        )
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

/// Waits for the input as long as it moves. Whether all of it was taken.
fn finish(
    told: &Receiver<Result<Sent, Error>>,
    sent: &AtomicU64,
    token: &CancelToken,
) -> Result<bool, Error> {
    loop {
        let before = sent.load(Ordering::Relaxed);
        match told.recv_timeout(PATIENCE) {
            Ok(Ok(_)) => return Ok(true),
            Ok(Err(error)) => {
                return match error.kind() {
                    // Nobody was there any more to take the rest.
                    ErrorKind::Transport(_) | ErrorKind::Reply(_) => Ok(false),
                    _ => Err(error),
                };
            }
            Err(RecvTimeoutError::Timeout) if sent.load(Ordering::Relaxed) > before => {}
            Err(_) => {
                token.cancel();
                return Ok(false);
            }
        }
    }
}
