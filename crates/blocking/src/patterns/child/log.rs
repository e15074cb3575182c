use std::time::{Duration, Instant};

use memchr::memmem;
use scramjet_client_core::{OutputStream, ReadStream};

use crate::body::byte_stream::ByteStream;
use crate::client::Client;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::instance::output::HEAD_LIMIT;
use crate::limits::cancel::CancelToken;
use crate::support::channel::{Receiver, Sender};

/// Time to wait for the end of the log after the instance has ended. Hubs of 1.x never end it.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// Part of the log line in which the runner says that the sequence is loaded and reads its input.
const LOADED: &[u8] = br#""msg":"Sequence loaded"#;

/// A log that a thread is reading.
pub(super) struct LogReader {
    /// The caller wants the log in the output.
    pub(super) wanted: bool,
    pub(super) token: CancelToken,
    pub(super) result: Receiver<Result<Vec<u8>, Error>>,
}

impl LogReader {
    /// Waits until the log ends, at most for [`END_TIMEOUT`], and returns it.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        self.result.recv_timeout(END_TIMEOUT).unwrap_or_else(|_| {
            self.token.cancel();
            self.result
                .recv_until(None)
                .unwrap_or_else(|_| Ok(Vec::new()))
        })
    }
}

/// Opens the log of an instance, which `token` cancels. `None` if the hub no longer knows the
/// instance.
pub(super) fn open(
    instance: &InstanceClient,
    token: &CancelToken,
) -> Result<Option<ByteStream>, Error> {
    let id = instance.id().clone();
    let operation = ReadStream {
        id: instance.id(),
        stream: OutputStream::Log,
    };
    let call = instance.host.client.describe(&operation);
    let open = move |client: &Client| {
        let opened = client.open(&ReadStream {
            id: &id,
            stream: OutputStream::Log,
        });
        opened.map(ByteStream::into_body)
    };
    let instance = instance.with_cancel(token).with_idle_timeout(None);
    let mut log = instance.host.client.open_on_thread(call, open)?;
    match log.await_head(Some(Instant::now() + HEAD_LIMIT)) {
        Err(error) if error.is_not_found_by_hub() => Ok(None),
        opened => opened.map(|()| Some(log)),
    }
}

/// Collects the chunks of a log, and detects that the sequence is loaded.
pub(super) struct LogBuffer {
    keep: bool,
    bytes: Vec<u8>,
    /// Notified once, when the sequence is loaded.
    loaded: Option<Sender<()>>,
}

impl LogBuffer {
    /// Creates a buffer. If `keep` is `false`, it discards the data.
    pub(super) fn new(keep: bool, loaded: Sender<()>) -> Self {
        Self {
            keep,
            bytes: Vec::new(),
            loaded: Some(loaded),
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        // The line may be split between two chunks.
        let searched_from = self.bytes.len().saturating_sub(LOADED.len());
        self.bytes.extend_from_slice(chunk);
        let searched = self.bytes.get(searched_from..).unwrap_or_default();
        if self.loaded.is_some() && memmem::find(searched, LOADED).is_some() {
            if let Some(loaded) = self.loaded.take() {
                loaded.send(());
            }
        }
        if !self.keep {
            let forget = self.bytes.len().saturating_sub(LOADED.len());
            self.bytes.drain(..forget);
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
