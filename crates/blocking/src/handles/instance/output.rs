//! Streams that an instance writes.

use std::time::{Duration, Instant};

use scramjet_client_core::{InstanceId, JsonLines, LogLine, OutputStream, ReadStream, flow};

use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::client::Client;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::streams::follow::Follow;

/// Upper bound for the wait for the head of a stream. A healthy hub responds within milliseconds; a
/// proxy may withhold the head until the first byte of the body.
pub(crate) const HEAD_LIMIT: Duration = Duration::from_millis(500);

/// Output and log of an instance.
impl InstanceClient {
    /// Opens a stream of the instance (`GET /instance/:id/{stdout,stderr,output,log}`).
    ///
    /// Returns when the hub has responded. The data arrives as the instance writes it.
    ///
    /// The first reader also gets the data written before. If several clients read the same stream,
    /// the slowest one blocks the others and, when the buffers are full, the instance. So read
    /// every stream that you open, or drop it.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone.
    #[doc(alias = "getStream")]
    #[inline]
    pub fn stream(&self, stream: OutputStream) -> Result<ByteStream, Error> {
        self.host.open(&ReadStream {
            id: &self.id,
            stream,
        })
    }

    /// Opens a stream like [`stream`](Self::stream) that also ends when the instance does.
    ///
    /// Hubs of 1.x may keep the stream of an ended instance open. Reading then fails with
    /// [`ErrorKind::Ended`](crate::ErrorKind::Ended) within three seconds, after all data that was
    /// written. This includes instances that have completed, whose log stays open. The error
    /// contains how the instance ended. The client requests the status of the instance every second
    /// for this.
    ///
    /// Returns when the hub has responded, or after half a second. A refusal that arrives later is
    /// the error of the first read.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone.
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

    /// Opens the output of the sequence like [`stream_until_ended`](Self::stream_until_ended)
    /// (`GET /instance/:id/output`).
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone.
    pub fn output_until_ended(&self) -> Result<ByteStream, Error> {
        self.stream_until_ended(OutputStream::Output)
    }

    /// Opens the output of the sequence (`GET /instance/:id/output`).
    ///
    /// The stream ends when the sequence ends its output, or the instance ends. But hubs of 1.x
    /// keep it open without data for 195 seconds after an uncaught exception.
    /// [`output_until_ended`](Self::output_until_ended) does not wait for that.
    ///
    /// See [`stream`](Self::stream) for slow readers and errors.
    pub fn output(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Output)
    }

    /// Opens the standard output of the process (`GET /instance/:id/stdout`).
    ///
    /// See [`stream`](Self::stream) for slow readers and errors.
    pub fn stdout(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Stdout)
    }

    /// Opens the standard error of the process (`GET /instance/:id/stderr`).
    ///
    /// See [`stream`](Self::stream) for slow readers and errors.
    pub fn stderr(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Stderr)
    }

    /// Opens the log of the instance, as JSON lines (`GET /instance/:id/log`).
    ///
    /// On 1.x, the stream does not end. See [`stream`](Self::stream) for slow readers and errors.
    #[doc(alias = "getLogStream")]
    pub fn log(&self) -> Result<ByteStream, Error> {
        self.stream(OutputStream::Log)
    }

    /// Opens the log of the instance, as records (`GET /instance/:id/log`).
    ///
    /// See [`log`](Self::log) and [`ByteStream::json_lines`].
    pub fn log_lines(&self) -> Result<Items<JsonLines<LogLine>>, Error> {
        Ok(self.log()?.json_lines())
    }

    /// Follows the log of the instance, as records, until the instance ends
    /// (`GET /instance/:id/log`).
    ///
    /// Reconnects if the connection is lost, see [`Follow`]. Hubs of 0.18 buffer lines while nobody
    /// reads. Hubs of 1.x send the lines that they have kept only to the first reader. After a gap,
    /// the client therefore reads the lines of the instance from the hub's log, and removes
    /// duplicates.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone.
    #[inline]
    pub fn follow_log(&self) -> Result<Follow<JsonLines<LogLine>>, Error> {
        let client = self.host.client.fix_deadline();
        let (id, endpoint) = (self.id.clone(), client.known_endpoint()?);
        let operation = ReadStream {
            id: &self.id,
            stream: OutputStream::Log,
        };
        let flow = flow::Follow::instance_log(endpoint, id)?;
        Follow::start(&client, &operation, flow)
    }
}

/// Starts to open a stream that ends with its instance, on a separate thread.
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
