//! Requests to an instance, and their answers.

pub(crate) mod lines;

use std::fmt;

use scramjet_client_core::{
    BodyLength, Decode, JsonLines, ReplyError, RequestError, Step, TextLines,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::lines::{Format, LineChannel};
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::instance::InstanceClient;

/// Sends requests to an instance, a line each, and gets an answer to each, a line as well. Made by
/// [`InstanceClient::json_channel`] and [`InstanceClient::line_channel`].
///
/// The sequence has to write one line for each line that it reads, in the same order, with a line
/// end, and nothing else. While the channel is open, nobody else may write to the input of the
/// instance; [`InstancePool::checkout`](crate::InstancePool::checkout) sees to that.
///
/// [`ask`](Self::ask) sends a request and waits for its answer. [`send`](Self::send) and
/// [`receive`](Self::receive) do the same apart, so that several requests can be under way.
///
/// # Errors and limits
/// The handle's limits hold: its deadline and its cancel token for all of the channel, and its idle
/// timeout for each answer. If the instance ends, the channel fails with [`ErrorKind::Ended`]
/// within three seconds, after the answers that have come.
///
/// An answer that cannot be decoded is the error of its request only. After any other error the
/// channel is broken, because it is not known which answer would come next: later calls fail at
/// once with [`ErrorKind::Ended`] or [`ErrorKind::OutOfStep`]. So do they if the instance writes a
/// line that was not asked for. Open another channel then, to another instance: this one may still
/// answer what it was asked before.
///
/// # Times
/// Opening takes two requests to the hub. The first request to the instance waits 10 ms longer, so
/// that a line which the instance wrote before is not taken for its answer. If the answer takes
/// more than a second, an empty `POST /instance/:id/input` finds out if the hub refuses the input.
/// Otherwise a request takes as long as writing to the input and reading from the output, and two
/// changes of threads.
///
/// A hub of 0.18 hands out data twice if it comes before the sequence reads its input. Wait for an
/// event of the sequence first ([`wait_event`](InstanceClient::wait_event), or the
/// [`Readiness`](crate::Readiness) of a pool). Otherwise the first request may be carried out
/// twice, and the second one waits until no second answer to the first is to be expected: 0.1
/// seconds, or twice the time that the first answer took.
///
/// A channel that is dropped leaves the input open, so that the instance can go on. If answers are
/// outstanding, or it is broken, and the instance belongs to a pool, the pool passes it over.
///
/// ```no_run
/// use scramjet_client_blocking::HostClient;
///
/// let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("an-id")?;
/// let mut channel = instance.json_channel::<[u32], u32>()?;
/// let sum = channel.ask(&[1, 2, 3])?;
/// println!("{sum}");
/// channel.finish()?;
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub struct Channel<Req: ?Sized, Res> {
    lines: LineChannel,
    encode: fn(&Req) -> Result<Vec<u8>, RequestError>,
    decode: fn(&[u8]) -> Result<Res, ReplyError>,
}

impl InstanceClient {
    /// Opens a channel of JSON: each request and each answer is a value in a line
    /// (`application/x-ndjson`). Blank lines are no answers.
    ///
    /// `GET /instance/:id/output` and `POST /instance/:id/input`. See [`Channel`].
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) if the instance is gone.
    pub fn json_channel<Req, Res>(&self) -> Result<Channel<Req, Res>, Error>
    where
        Req: Serialize + ?Sized,
        Res: DeserializeOwned,
    {
        Ok(Channel {
            lines: LineChannel::open(self, Format::Json)?,
            encode: encode_json,
            decode: decode::<JsonLines<Res>>,
        })
    }

    /// Opens a channel of text: each request and each answer is a line (`text/plain`), without its
    /// line end.
    ///
    /// `GET /instance/:id/output` and `POST /instance/:id/input`. See [`Channel`].
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) if the instance is gone.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// let mut channel = instance.line_channel()?;
    /// println!("{}", channel.ask("hello")?);
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn line_channel(&self) -> Result<Channel<str, String>, Error> {
        Ok(Channel {
            lines: LineChannel::open(self, Format::Text)?,
            encode: encode_line,
            decode: decode::<TextLines>,
        })
    }
}

impl<Req: ?Sized, Res> Channel<Req, Res> {
    /// Sends a request, and waits for its answer.
    ///
    /// # Errors
    /// See [`send`](Self::send) and [`receive`](Self::receive). Also if other answers are
    /// outstanding; then nothing is sent.
    pub fn ask(&mut self, request: &Req) -> Result<Res, Error> {
        if self.in_flight() > 0 {
            let problem = "other responses are outstanding; receive them first";
            return Err(self.lines.unsent(RequestError::option("request", problem)));
        }
        self.send(request)?;
        self.receive()
    }

    /// Sends a request, and does not wait for its answer. Waits if the instance does not read.
    ///
    /// Any number of requests may be under way; their answers are kept in memory as they come.
    ///
    /// # Errors
    /// [`ErrorKind::Request`], before anything is sent and without harm to the channel, if the
    /// request cannot be a line: text with a line break, or a value that is no JSON or is `null`,
    /// by which hubs end an input. Otherwise the channel is broken, see [`Channel`].
    pub fn send(&mut self, request: &Req) -> Result<(), Error> {
        let line = (self.encode)(request).map_err(|error| self.lines.unsent(error))?;
        self.lines.send(&line)
    }

    /// Waits for the answer to the oldest request that has none yet.
    ///
    /// # Errors
    /// [`ErrorKind::Reply`] if the answer cannot be decoded, or is longer than 1 MiB: the next one
    /// can be received. [`ErrorKind::Request`] if nothing was asked. Otherwise the channel is
    /// broken, see [`Channel`].
    pub fn receive(&mut self) -> Result<Res, Error> {
        let line = self.lines.receive()?;
        (self.decode)(&line).map_err(|error| self.lines.undecoded(error))
    }

    /// The number of requests that have no answer yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.lines.in_flight()
    }

    /// Returns true if the channel is known to be broken: the next [`send`](Self::send) would fail.
    /// Sends nothing.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.lines.is_broken()
    }

    /// Closes the channel, and waits until the hub has taken everything. The input stays open: to
    /// end it, send it empty data afterwards, `instance.send_input("")`.
    ///
    /// # Errors
    /// See [`Channel`]; [`ErrorKind::OutOfStep`] if answers are outstanding.
    pub fn finish(self) -> Result<(), Error> {
        self.lines.finish()
    }
}

impl<Req: ?Sized, Res> fmt::Debug for Channel<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("instance", self.lines.id())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// A request as a line of JSON, with its end.
pub(crate) fn encode_json<T: Serialize + ?Sized>(request: &T) -> Result<Vec<u8>, RequestError> {
    let mut line = serde_json::to_vec(request)
        .map_err(|error| RequestError::option("request", &error.to_string()))?;
    // Line breaks of a value that was JSON before. In strings, they are escaped.
    for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    if line.trim_ascii() == b"null" {
        let problem = "it is null, which ends the input of an instance; \
                       wrap it in an array or an object";
        return Err(RequestError::option("request", problem));
    }
    line.push(b'\n');
    Ok(line)
}

/// A request as a line of text, with its end.
pub(crate) fn encode_line(request: &str) -> Result<Vec<u8>, RequestError> {
    if request.contains(['\n', '\r']) {
        let problem = "it contains a line break, so it would be more than one request";
        return Err(RequestError::option("request", problem));
    }
    Ok([request.as_bytes(), b"\n"].concat())
}

/// An answer, from its line.
pub(crate) fn decode<D: Decode + Default>(line: &[u8]) -> Result<D::Item, ReplyError> {
    let mut decoder = D::default();
    decoder.feed(line);
    // Also of an empty line.
    decoder.feed(b"\n");
    decoder.end();
    match decoder.next_item()? {
        Step::Item(answer) => Ok(answer),
        // Only if a decoder does not keep its contract.
        Step::NeedData | Step::End => Err(BodyLength::default().cut_off()),
    }
}
