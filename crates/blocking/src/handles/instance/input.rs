//! What an instance reads.

use std::time::Duration;

use scramjet_client_core::{
    Ended, InstanceId, Operation, Receipt, RunnerExit, SendInput, SendStdin, Streamed,
};

use super::wait::ended;
use crate::body::input::{Input, InputStream, Sent};
use crate::body::watchdog::Watch;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::streams::writer::{StreamWriter, WriteOptions};

/// How long the state of an instance is asked for after its input was taken.
const STATE_LIMIT: Duration = Duration::from_secs(2);

impl InstanceClient {
    /// `POST /instance/:id/{input,stdin}`: sends data to one of the instance's streams, see [`send_input`](Self::send_input) and
    /// [`send_stdin`](Self::send_stdin).
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "sendStream")]
    pub fn send_stream(&self, stream: InputStream, data: impl Into<Input>) -> Result<Sent, Error> {
        let (client, watch) = self.host.client.fix_deadline().watching(&self.id)?;
        send(&client, &watch, &self.id, stream, data.into())
    }

    /// `POST /instance/:id/input`: sends data to the sequence's input, and ends the input after it unless told otherwise.
    ///
    /// Returns when all of it was written *and* the hub has taken it, so that a program may end
    /// right afterwards. Blocks while the sequence does not read, and fails within three seconds if
    /// the instance ends: it is asked for its state every second meanwhile. A hub of 1.x is asked
    /// once more when it has taken the data, because it also takes data for an instance that has
    /// failed.
    ///
    /// An input that has ended by a call of this client takes no more data: that is an error. If
    /// another program has ended it, a hub does not answer; set a deadline or an idle timeout.
    ///
    /// On hubs of 0.18, a sequence may get the first data twice where that comes before its instance listens, in the moment after the start:
    /// wait for an event of the sequence before anything is sent.
    ///
    /// # Errors
    /// See [`Error`]; [`ErrorKind::Ended`] if the instance has ended, [`ErrorKind::InputEnded`] if
    /// its input has; refused if the sequence takes its input from a topic.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, Input};
    /// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
    /// instance.send_input(Input::text("one\n").end(false))?;
    /// instance.send_input("two\n")?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[doc(alias = "sendInput")]
    pub fn send_input(&self, data: impl Into<Input>) -> Result<Sent, Error> {
        self.send_stream(InputStream::Input, data)
    }

    /// `POST /instance/:id/stdin`: sends data to the standard input of the instance's process, and ends it unless told
    /// otherwise. The data's content type does not matter here. No hub keeps bytes undamaged that
    /// are not UTF-8.
    ///
    /// Returns when all of it was written and the hub has taken it, and fails within three seconds
    /// if the instance ends, like [`send_input`](Self::send_input). But it does not show that the
    /// process reads: a hub of 1.x also takes what nobody reads and keeps it in memory (seen with
    /// 64 MiB).
    ///
    /// On hubs of 0.18, a piece that comes before the process has read the one before it is put in front of that, and the end may overtake
    /// both: send what fits into one piece (some kB), and wait for an answer to each.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "sendStdin")]
    pub fn send_stdin(&self, data: impl Into<Input>) -> Result<Sent, Error> {
        self.send_stream(InputStream::Stdin, data)
    }

    /// `POST /instance/:id/input`, bit by bit: what is written to it reaches the instance at once. The request is made right away, and
    /// the input ends with it unless told otherwise. See [`StreamWriter`].
    ///
    /// # Errors
    /// See [`Error`]. What the hub refuses is told when it is written to, and by [`finish`](StreamWriter::finish).
    pub fn input_writer(&self, options: impl Into<WriteOptions>) -> Result<StreamWriter, Error> {
        self.writer::<SendInput<'_>>(InputStream::Input, options.into())
    }

    /// `POST /instance/:id/stdin`, bit by bit, like [`input_writer`](Self::input_writer). The content type does not matter here; and see
    /// [`send_stdin`](Self::send_stdin) for what hubs of 0.18 do to data that comes in quick pieces.
    ///
    /// # Errors
    /// Like [`input_writer`](Self::input_writer).
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

/// Sends data to an instance as long as it lives.
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
        // A hub would never answer.
        return Err(client.describe(operation).failed(ErrorKind::InputEnded));
    }
    let upload = match stream {
        InputStream::Input => data.into_upload(),
        // Not checked for lines of `null`: a standard input is bytes to the hub.
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
    match loss(client, id) {
        Some(ended) => Err(client
            .describe(operation)
            .failed(ErrorKind::Ended(Box::new(ended)))),
        None => Ok(Sent { bytes }),
    }
}

/// How the instance has ended, if nobody reads the data that the hub has taken: a hub of 1.x takes
/// data for an instance that has died of an uncaught exception.
fn loss(client: &Client, id: &InstanceId) -> Option<Ended> {
    let dialect = client.endpoint().dialect();
    if dialect.is_some_and(|dialect| !dialect.remembers_ended_instances()) {
        return None;
    }
    // If this is not to be found out, the word of the hub stands.
    let ended = ended(&client.tightened(Some(STATE_LIMIT)), id).ok()??;
    // The data may have been what completed it.
    (ended.exit != Some(RunnerExit::Completed)).then_some(ended)
}
