//! Lets the writer of an upload send chunks on its own thread, without waking the thread that runs
//! the request.

use std::ptr;
use std::sync::{Arc, Mutex, Weak};

use http::header;
use http::request::Parts;
use scramjet_client_core::NdjsonGuard;

use super::RequestBody;
use crate::support::sync::lock;

/// The connection of an upload, as far as its writer needs it.
pub(crate) trait ChunkSender: Send + Sync {
    /// Sends data as one chunk. Returns `false` if the reader of the upload must return the data
    /// instead. If a part of the chunk was sent, the connection then sends nothing more.
    fn send_chunk(&self, data: &[u8]) -> bool;
}

/// The way from the writer of an upload to its connection. Clones share it.
///
/// The writer uses it only while the transport waits for the reader of the upload, so each chunk of
/// the transport is complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirectWrites(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    sender: Option<Weak<dyn ChunkSender>>,
    /// The check for lines `null`, which also checks the data that the reader returns.
    guard: Option<Arc<Mutex<NdjsonGuard>>>,
    /// Number of bytes sent.
    sent: u64,
}

impl DirectWrites {
    /// Allows direct writes.
    pub(crate) fn open(&self, sender: Weak<dyn ChunkSender>) {
        lock(&self.0).sender = Some(sender);
    }

    /// Waits until a running write has ended, and allows no more of them.
    pub(crate) fn close(&self) {
        lock(&self.0).sender = None;
    }

    /// Checks the data for lines `null` with this guard.
    pub(crate) fn check_null_lines(&self, guard: Arc<Mutex<NdjsonGuard>>) {
        lock(&self.0).guard = Some(guard);
    }

    /// Returns the number of bytes sent.
    pub(crate) fn sent(&self) -> u64 {
        lock(&self.0).sent
    }

    /// Sends data as one chunk, if that is possible and the transport waits for the reader. Returns
    /// `false` if the reader must return the data instead.
    pub(crate) fn send(&self, data: &[u8], transport_waits: impl FnOnce() -> bool) -> bool {
        // Locked until the data was sent, so that `close` waits for that.
        let mut state = lock(&self.0);
        let Some(sender) = state.sender.as_ref().and_then(Weak::upgrade) else {
            return false;
        };
        if !transport_waits() {
            return false;
        }
        let guard = state.guard.clone();
        let mut guard = guard.as_ref().map(|guard| lock(guard));
        let (mut passed, mut checked) = (Vec::new(), None);
        let data = match &guard {
            None => data,
            Some(guard) => {
                let mut next = (**guard).clone();
                // The reader finds the line `null` again, and fails.
                if next.pass(data, &mut passed).is_err() {
                    return false;
                }
                checked = Some(next);
                passed.as_slice()
            }
        };
        // An empty chunk would end the upload.
        if !data.is_empty() && !sender.send_chunk(data) {
            return false;
        }
        if let Some((guard, checked)) = guard.as_mut().zip(checked) {
            **guard = checked;
        }
        state.sent += u64::try_from(data.len()).unwrap_or(u64::MAX);
        true
    }
}

/// The direct writes of an upload, as an extension of its request.
#[derive(Clone)]
pub(crate) struct DirectUpload {
    pub(crate) writes: DirectWrites,
    /// Address of the reader of the upload.
    pub(crate) reader: usize,
}

impl DirectUpload {
    /// Takes the direct writes of a request with this body. `None` in three cases:
    ///
    /// - The length of the body is known. Another transport may have set it as a header.
    /// - Another transport has replaced the reader, for example to compress the data.
    /// - The request expects `100 Continue`. What is read while waiting for that may contain a
    ///   refusal, which direct writes would not find.
    pub(crate) fn take(head: &mut Parts, body: &RequestBody<'_>) -> Option<DirectWrites> {
        let direct: Self = head.extensions.remove()?;
        let has = |name| head.headers.contains_key(name);
        if has(header::CONTENT_LENGTH) || has(header::EXPECT) {
            return None;
        }
        match body {
            RequestBody::Reader {
                reader,
                length: None,
            } if address(&**reader) == direct.reader => Some(direct.writes),
            _ => None,
        }
    }
}

/// Returns the address of a reader.
pub(crate) fn address<T: ?Sized>(reader: &T) -> usize {
    ptr::from_ref(reader).cast::<()>().addr()
}
