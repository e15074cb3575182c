//! Data that an instance reads.

use std::time::Duration;

use scramjet_client_core::{
    Ended, InstanceId, Operation, Receipt, RunnerExit, SendInput, SendStdin, Streamed,
};

use super::wait::ended;
use crate::body::input::{Input, InputStream, Sent};
#[cfg(doc)]
use crate::body::upload::Upload;
use crate::body::watchdog::Watch;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::streams::writer::{StreamWriter, WriteOptions};

/// Upper bound for the status request after the hub has accepted an input.
const STATUS_LIMIT: Duration = Duration::from_secs(2);

/// Input of an instance.
impl InstanceClient {
    /// Sends data to a stream of the instance (`POST /instance/:id/{input,stdin}`).
    ///
    /// See [`send_input`](Self::send_input) and [`send_stdin`](Self::send_stdin).
    #[doc(alias = "sendStream")]
    pub fn send_stream(&self, stream: InputStream, data: impl Into<Input>) -> Result<Sent, Error> {
        let (client, watch) = self.host.client.fix_deadline().watching(&self.id)?;
        send(&client, &watch, &self.id, stream, data.into())
    }

    /// Sends data to the input of the sequence (`POST /instance/:id/input`), and then ends the
    /// input. [`Input::end`] with `false` keeps it open.
    ///
    /// Text, bytes, files and paths convert to [`Input`]. So does an [`Upload`], for example
    /// [`Upload::reader`].
    ///
    /// Returns when all data was written *and* the hub has accepted it. The program may exit right
    /// afterwards.
    ///
    /// Blocks while the sequence does not read. If the instance ends, the call fails within three
    /// seconds, because the client requests the status of the instance every second. Hubs of 1.x
    /// also accept data for an instance that has failed, so the client requests the status once
    /// more after the hub has accepted the data.
    ///
    /// An input that a call of this client has ended accepts no more data; sending is an error. If
    /// another program has ended it, a hub of 1.x does not respond. Set a deadline or an idle
    /// timeout if that can happen.
    ///
    /// On hubs of 0.18, a sequence may receive the first data twice if the data arrives before the
    /// instance reads its input. Wait for an event of the sequence before you send.
    ///
    /// # Errors
    /// - [`ErrorKind::Ended`] if the instance has ended.
    /// - [`ErrorKind::InputEnded`] if a call of this client has ended the input.
    /// - The hub refuses the data if the sequence reads its input from a topic.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, Input};
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// // Keeps the input open.
    /// instance.send_input(Input::text("one\n").end(false))?;
    /// // Ends it.
    /// instance.send_input("two\n")?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[doc(alias = "sendInput")]
    pub fn send_input(&self, data: impl Into<Input>) -> Result<Sent, Error> {
        self.send_stream(InputStream::Input, data)
    }

    /// Sends data to the standard input of the process (`POST /instance/:id/stdin`), and then ends
    /// the standard input. [`Input::end`] with `false` keeps it open.
    ///
    /// The content type of the data is ignored. All hubs damage bytes that are not UTF-8.
    ///
    /// Returns when all data was written and the hub has accepted it, and fails within three
    /// seconds if the instance ends, like [`send_input`](Self::send_input). This does not mean that
    /// the process reads: hubs of 1.x accept data that nobody reads, and keep it in memory (tested
    /// with 64 MiB).
    ///
    /// Hubs of 0.18 may reorder data. If the process has not yet read a chunk, they deliver the
    /// next chunk before it. The end of the standard input may overtake both. So send only data
    /// that fits into one chunk (some kB), and wait until the sequence reacts before you send more.
    ///
    /// # Errors
    /// - [`ErrorKind::Ended`] if the instance has ended.
    /// - [`ErrorKind::InputEnded`] if a call of this client has ended the standard input.
    #[doc(alias = "sendStdin")]
    pub fn send_stdin(&self, data: impl Into<Input>) -> Result<Sent, Error> {
        self.send_stream(InputStream::Stdin, data)
    }

    /// Opens a writer for the input of the sequence (`POST /instance/:id/input`).
    ///
    /// The client sends the request at once, and each write reaches the instance at once. The input
    /// ends with the writer, unless [`WriteOptions::end`] is `false`. See [`StreamWriter`].
    ///
    /// # Errors
    /// This call does not wait for the hub. If the hub refuses the request, later writes and
    /// [`finish`](StreamWriter::finish) fail.
    pub fn input_writer(&self, options: impl Into<WriteOptions>) -> Result<StreamWriter, Error> {
        self.writer::<SendInput<'_>>(InputStream::Input, options.into())
    }

    /// Opens a writer for the standard input of the process (`POST /instance/:id/stdin`).
    ///
    /// Like [`input_writer`](Self::input_writer), but the content type is ignored. See
    /// [`send_stdin`](Self::send_stdin) for the order of quick writes on hubs of 0.18.
    pub fn stdin_writer(&self, options: impl Into<WriteOptions>) -> Result<StreamWriter, Error> {
        self.writer::<SendStdin<'_>>(InputStream::Stdin, options.into())
    }

    fn writer<O>(&self, stream: InputStream, options: WriteOptions) -> Result<StreamWriter, Error>
    where
        O: Operation<Payload = Streamed>,
    {
        let id = self.id.clone();
        let (client, watch) = self.host.client.fix_deadline().watching(&id)?;
        StreamWriter::start::<O>(&client, options, move |client, data| {
            send(client, &watch, &id, stream, data)
        })
    }
}

/// Sends data to an instance, and fails if the instance ends.
pub(crate) fn send(
    client: &Client,
    watch: &Watch,
    id: &InstanceId,
    stream: InputStream,
    data: Input,
) -> Result<Sent, Error> {
    let ends = data.end != Some(false);
    match stream {
        InputStream::Input => {
            let operation = SendInput {
                id,
                content_type: data.content_type,
                end: data.end,
            };
            send_as(client, watch, &operation, id, stream, data)
        }
        InputStream::Stdin => {
            let operation = SendStdin { id, end: data.end };
            send_as(client, watch, &operation, id, stream, data)
        }
    }
    .inspect(|_| {
        if ends {
            client.known_inputs().note_end(id, stream);
        }
    })
}

fn send_as<O>(
    client: &Client,
    watch: &Watch,
    operation: &O,
    id: &InstanceId,
    stream: InputStream,
    data: Input,
) -> Result<Sent, Error>
where
    O: Operation<Payload = Streamed, Decoder = Receipt>,
{
    if client.known_inputs().has_ended(id, stream) {
        // The hub would never respond.
        return Err(client.describe(operation).failed(ErrorKind::InputEnded));
    }
    let upload = match stream {
        InputStream::Input => data.into_upload(),
        // No check for lines of `null`: the hub does not parse a standard input.
        InputStream::Stdin => data.upload,
    };
    let sent = client.send(operation, upload);
    let ((), bytes) = sent
        .map_err(|error| watch.explain(error))
        .inspect_err(|error| {
            if error.ended().is_some() {
                client.notice_end(id);
            }
        })?;
    match lost_to(client, id) {
        Some(ended) => Err(client
            .describe(operation)
            .failed(ErrorKind::Ended(Box::new(ended)))),
        None => Ok(Sent { bytes }),
    }
}

/// Returns how the instance ended, if it did not read data that the hub has accepted.
///
/// Hubs of 1.x accept data for an instance that has died of an uncaught exception.
fn lost_to(client: &Client, id: &InstanceId) -> Option<Ended> {
    let dialect = client.endpoint().dialect();
    if dialect.is_some_and(|dialect| !dialect.remembers_ended_instances()) {
        return None;
    }
    // If the status request fails, the response of the hub counts.
    let ended = ended(&client.tightened(Some(STATUS_LIMIT)), id).ok()??;
    // A completed instance may have read the data.
    (ended.exit != Some(RunnerExit::Completed)).then_some(ended)
}
