//! Requests to an instance, and its responses.

pub(crate) mod codec;
pub(crate) mod lines;

use std::fmt;

use scramjet_client_core::{JsonLines, ReplyError, RequestError, TextLines};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::instance::InstanceClient;
use crate::patterns::channel::codec::{Format, decode, encode_json, encode_line};
use crate::patterns::channel::lines::LineChannel;

/// A channel that sends requests to an instance and receives a response to each. Requests and
/// responses are lines. Made by [`InstanceClient::json_channel`] and
/// [`InstanceClient::line_channel`].
///
/// [`ask`](Self::ask) sends a request and waits for the response. To have several requests in
/// flight, use [`send`](Self::send) and [`receive`](Self::receive).
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
///
/// # Requirements
/// The sequence must write exactly one line for each line that it reads, in the same order, with a
/// line end, and nothing else. Nobody else may write to the input while the channel is open. In a
/// pool, [`InstancePool::checkout`](crate::InstancePool::checkout) reserves an instance.
///
/// If data arrives before the sequence reads its input, a hub of 0.18 may deliver the data twice,
/// so the sequence executes the first request twice. To avoid this, wait for an event of the
/// sequence first: with [`wait_event`](InstanceClient::wait_event), or the
/// [`Readiness`](crate::Readiness) of a pool. Otherwise the client waits after the first response,
/// before it sends the second request, and discards a second response to the first one. It waits
/// twice as long as the first response took, but at least 0.1 seconds.
///
/// # Errors and limits
/// The deadline and the cancel token of the handle apply to the channel as a whole, and its idle
/// timeout to each response. There is no limit by default. If the instance ends, the channel
/// returns the responses that have arrived, and then fails with [`ErrorKind::Ended`], at most three
/// seconds after the end.
///
/// If a request cannot be encoded or a response cannot be decoded, the channel still works. After
/// any other error, it is broken, because the next response might belong to another request. Later
/// calls fail at once with [`ErrorKind::Ended`] or [`ErrorKind::OutOfStep`]. The same happens if
/// the instance writes a line without a request. In this case, open a channel to another instance,
/// because this one may still respond to earlier requests.
///
/// # Latency
/// Opening a channel takes two requests to the hub, which stay open. A request through the channel
/// takes as long as writing to the input and reading from the output, and two thread switches. The
/// first request is sent at least 10 milliseconds after the channel was opened, so that a line that
/// the instance wrote earlier is not mistaken for the response. If the first response takes more
/// than a second, the client sends an empty `POST /instance/:id/input` to find out if the hub
/// refuses the input.
///
/// # Dropping
/// Dropping a channel leaves the input open, so the instance can go on. An instance of a pool is
/// not used again if responses are outstanding or the channel is broken.
pub struct Channel<Req: ?Sized, Res> {
    lines: LineChannel,
    encode: fn(&Req) -> Result<Vec<u8>, RequestError>,
    decode: fn(&[u8]) -> Result<Res, ReplyError>,
}

impl InstanceClient {
    /// Opens a [`Channel`] of JSON lines (`application/x-ndjson`): each request and each response
    /// is a value on a line. Blank lines in the output are ignored.
    ///
    /// Sends `GET /instance/:id/output` and `POST /instance/:id/input`. Returns when the hub has
    /// responded to the `GET`, or after half a second, because a proxy may hold back the head of
    /// the response. A refusal that arrives later is the error of the first request.
    ///
    /// # Errors
    /// A request failed, or a thread could not be created. [`is_not_found`](Error::is_not_found)
    /// returns `true` if the hub does not know the instance.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// let mut channel = instance.json_channel::<[u32], u32>()?;
    /// println!("{}", channel.ask(&[1, 2, 3])?);
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
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

    /// Opens a [`Channel`] of text lines (`text/plain`): each request and each response is a line,
    /// without the line end.
    ///
    /// Otherwise like [`json_channel`](Self::json_channel).
    ///
    /// # Errors
    /// Like [`json_channel`](Self::json_channel).
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
    /// Sends a request and waits for its response.
    ///
    /// # Errors
    /// Like [`send`](Self::send) and [`receive`](Self::receive). If other responses are
    /// outstanding, fails with [`ErrorKind::Request`] and sends nothing.
    pub fn ask(&mut self, request: &Req) -> Result<Res, Error> {
        if self.in_flight() > 0 {
            let problem = "other responses are outstanding; receive them first";
            return Err(self.lines.unsent(RequestError::option("request", problem)));
        }
        self.send(request)?;
        self.receive()
    }

    /// Sends a request without waiting for its response. Blocks while the instance does not read
    /// its input.
    ///
    /// Any number of requests can be in flight. The channel buffers their responses in memory.
    ///
    /// # Errors
    /// [`ErrorKind::Request`] if the request is a text with a line break, cannot be written as
    /// JSON, or is `null`, which would end the input. Nothing is sent, and the channel still works.
    /// After any other error, the channel is broken, see [`Channel`].
    pub fn send(&mut self, request: &Req) -> Result<(), Error> {
        let line = (self.encode)(request).map_err(|error| self.lines.unsent(error))?;
        self.lines.send(&line)
    }

    /// Waits for the response to the oldest outstanding request.
    ///
    /// # Errors
    /// [`ErrorKind::Reply`] if the response cannot be decoded or is longer than 1 MiB, and
    /// [`ErrorKind::Request`] if no request is outstanding. The channel still works. After any
    /// other error, it is broken, see [`Channel`].
    pub fn receive(&mut self) -> Result<Res, Error> {
        let line = self.lines.receive()?;
        (self.decode)(&line).map_err(|error| self.lines.undecoded(error))
    }

    /// Returns the number of requests whose responses [`receive`](Self::receive) has not returned
    /// yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.lines.in_flight()
    }

    /// Returns `true` if the client knows that the next [`send`](Self::send) would fail. Sends
    /// nothing to the hub.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.lines.is_broken()
    }

    /// Closes the channel, and waits until the hub has accepted all requests. The input stays open.
    /// To end it, send empty data afterwards: `instance.send_input("")`.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfStep`] if responses are outstanding. Otherwise see [`Channel`].
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
