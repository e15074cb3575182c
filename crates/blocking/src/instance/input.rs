//! What an instance reads.

use scramjet_client_core::{InstanceId, SendInput, SendStdin};

use crate::client::Client;
use crate::{Error, Input, InstanceClient, Sent, StreamWriter, WriteOptions};

/// A stream that goes into an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputStream {
    /// The sequence's input.
    Input,
    /// The standard input of its process.
    Stdin,
}

impl InstanceClient {
    /// `POST /instance/:id/{input,stdin}`: sends data to one of the instance's streams, see [`send_input`](Self::send_input) and
    /// [`send_stdin`](Self::send_stdin).
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "sendStream")]
    pub fn send_stream(&self, stream: InputStream, data: impl Into<Input>) -> Result<Sent, Error> {
        match stream {
            InputStream::Input => send_input(&self.host.client, &self.id, data.into()),
            InputStream::Stdin => send_stdin(&self.host.client, &self.id, data.into()),
        }
    }

    /// `POST /instance/:id/input`: sends data to the sequence's input, and ends the input after it unless told otherwise.
    ///
    /// Returns when all of it was written *and* the hub has taken it, so that a program may end right afterwards. Blocks
    /// while the sequence does not read. To an input that has already ended, it may wait for ever.
    ///
    /// On hubs of 0.18, a sequence may get the first data twice where that comes before its instance listens, in the moment after the start:
    /// wait for an event of the sequence before anything is sent.
    ///
    /// # Errors
    /// See [`Error`]; refused where the sequence takes its input from a topic.
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
    /// otherwise. Waits like [`send_input`](Self::send_input); the data's content type does not matter here. No hub keeps bytes
    /// undamaged that are not UTF-8.
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
        let id = self.id.clone();
        StreamWriter::start::<SendInput<'_>>(
            &self.host.client,
            options.into(),
            move |client, data| send_input(client, &id, data),
        )
    }

    /// `POST /instance/:id/stdin`, bit by bit, like [`input_writer`](Self::input_writer). The content type does not matter here; and see
    /// [`send_stdin`](Self::send_stdin) for what hubs of 0.18 do to data that comes in quick pieces.
    ///
    /// # Errors
    /// Like [`input_writer`](Self::input_writer).
    pub fn stdin_writer(&self, options: impl Into<WriteOptions>) -> Result<StreamWriter, Error> {
        let id = self.id.clone();
        StreamWriter::start::<SendStdin<'_>>(
            &self.host.client,
            options.into(),
            move |client, data| send_stdin(client, &id, data),
        )
    }
}

pub(super) fn send_input(client: &Client, id: &InstanceId, data: Input) -> Result<Sent, Error> {
    let operation = SendInput {
        id,
        content_type: data.content_type,
        end: data.end,
    };
    let ((), bytes) = client.send(&operation, data.into_upload())?;
    Ok(Sent { bytes })
}

/// Not checked for lines of `null`: a standard input is bytes to the hub, whatever they are called.
fn send_stdin(client: &Client, id: &InstanceId, data: Input) -> Result<Sent, Error> {
    let ((), bytes) = client.send(&SendStdin { id, end: data.end }, data.upload)?;
    Ok(Sent { bytes })
}
