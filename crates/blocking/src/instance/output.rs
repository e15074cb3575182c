//! What an instance writes.

use scramjet_client_core::{JsonLines, LogLine, OutputStream, ReadStream};

use crate::{ByteStream, Error, Follow, InstanceClient, Items};
use scramjet_client_core::flow;

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

    /// `GET /instance/:id/output`: what the sequence returns. See [`stream`](Self::stream).
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
        let client = self.host.client.begin();
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
