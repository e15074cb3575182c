//! What an instance writes.

use std::time::{Duration, Instant};

use scramjet_client_core::flow;
use scramjet_client_core::{InstanceId, JsonLines, LogLine, OutputStream, ReadStream};

use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::client::Client;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::streams::follow::Follow;

/// How long the head of a stream is waited for before the call goes on without it. A healthy hub
/// answers within milliseconds; a proxy may keep the head back until something is written.
pub(crate) const HEAD_LIMIT: Duration = Duration::from_millis(500);

impl InstanceClient {
    /// `GET /instance/:id/{stdout,stderr,output,log}`: one of the instance's streams. Returns when the hub has answered; the
    /// bytes come as they are written.
    ///
    /// The first reader also gets what was written before. A reader that does not keep up holds back all others, and in the
    /// end the instance: read what you open, or drop it.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    #[doc(alias = "getStream")]
    #[inline]
    pub fn stream(&self, stream: OutputStream) -> Result<ByteStream, Error> {
        self.host.open(&ReadStream {
            id: &self.id,
            stream,
        })
    }

    /// One of the instance's streams, like [`stream`](Self::stream), which ends with the instance:
    /// if the instance has ended and the hub keeps the stream open, reading fails with
    /// [`ErrorKind::Ended`](crate::ErrorKind::Ended) within three seconds, after everything that
    /// was written. The error tells how the instance ended.
    ///
    /// The instance is asked for its state every second. Returns when the hub has answered, or
    /// after half a second; then a refusal is the error of the first read.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) if the instance is gone.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, OutputStream};
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// for line in instance.output_until_ended()?.lines() {
    ///     match line {
    ///         Ok(line) => println!("{line}"),
    ///         Err(error) if error.ended().is_some() => println!("it failed: {error}"),
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn stream_until_ended(&self, stream: OutputStream) -> Result<ByteStream, Error> {
        let mut opened = open_until_ended(&self.host.client, &self.id, stream)?;
        opened.await_head(Some(Instant::now() + HEAD_LIMIT))?;
        Ok(opened)
    }

    /// `GET /instance/:id/output`, which ends with the instance. See
    /// [`stream_until_ended`](Self::stream_until_ended).
    ///
    /// # Errors
    /// See [`stream_until_ended`](Self::stream_until_ended).
    pub fn output_until_ended(&self) -> Result<ByteStream, Error> {
        self.stream_until_ended(OutputStream::Output)
    }

    /// `GET /instance/:id/output`: what the sequence returns. See [`stream`](Self::stream).
    ///
    /// The hub ends it when the sequence ends its output, or the instance ends. But a hub of 1.x
    /// keeps it open and silent for 195 seconds after an uncaught exception:
    /// [`output_until_ended`](Self::output_until_ended) does not wait for that.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn output(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Output)
    }

    /// `GET /instance/:id/stdout`: what its process prints. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stdout(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Stdout)
    }

    /// `GET /instance/:id/stderr`: what its process prints to standard error. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stderr(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Stderr)
    }

    /// `GET /instance/:id/log`: what it logs, in JSON lines. On 1.x it never ends. See [`stream`](Self::stream).
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getLogStream")]
    pub fn log(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Log)
    }

    /// `GET /instance/:id/log`, as records: see [`log`](Self::log) and [`ByteStream::json_lines`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn log_lines(&self) -> Result<Items<JsonLines<LogLine>>, Error> {
        Ok(self.log()?.json_lines())
    }

    /// `GET /instance/:id/log`, as records, for as long as the instance lives, also over a lost connection. See [`Follow`].
    ///
    /// A hub of 0.18 keeps what is logged while nobody reads. One of 1.x gives the log of an instance
    /// once: after a gap, the lines of the instance in the hub's log are followed instead. What comes
    /// twice by that is left out.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    #[inline]
    pub fn follow_log(&self) -> Result<Follow<JsonLines<LogLine>>, Error> {
        let client = self.host.client.fix_deadline();
        let (id, endpoint) = (self.id.clone(), client.known_endpoint()?);
        let operation = ReadStream {
            id: &self.id,
            stream: OutputStream::Log,
        };
        Follow::start(
            &client,
            &operation,
            flow::Follow::instance_log(endpoint, id)?,
        )
    }
}

/// Begins to open a stream that ends with its instance.
pub(crate) fn open_until_ended(
    client: &Client,
    id: &InstanceId,
    stream: OutputStream,
) -> Result<ByteStream, Error> {
    let call = client.describe(&ReadStream { id, stream });
    let (client, watch) = client.fix_deadline().watching_stream(id)?;
    let id = id.clone();
    let open = move |client: &Client| {
        let opened = client.open(&ReadStream { id: &id, stream });
        opened.map(ByteStream::into_body)
    };
    Ok(client.open_on_thread(call, open)?.ending_with(watch))
}
