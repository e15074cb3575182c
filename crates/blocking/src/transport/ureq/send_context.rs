//! The state that one `UreqTransport::send` shares with the connectors and transports below ureq.
//! The head of `ureq.rs` explains why it is a thread-local.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use super::proxy::ForwardProxy;
use super::shared_socket::SharedSocket;
use crate::limits::call_limits::CallLimits;
use crate::transport::direct::DirectWrites;
use crate::transport::{BoxError, Phase, Timings};

/// The state of one `UreqTransport::send`.
#[derive(Debug)]
pub(super) struct SendContext {
    /// The limits of the call, for the connector and the socket.
    pub(super) limits: CallLimits,
    /// Lets the writer of a chunked upload send chunks itself.
    pub(super) direct: Option<DirectWrites>,
    /// Forbids a connection that was used before.
    pub(super) needs_new_connection: bool,
    /// Upper bound for the size of the head.
    pub(super) head_size: usize,
    /// The socket that `TcpConnector` has opened, for the `ExchangeMonitor` above it.
    pub(super) socket: Option<Arc<SharedSocket>>,
    /// The proxy that forwards the request.
    pub(super) forward_proxy: Option<Arc<ForwardProxy>>,
    /// The phase that the request has reached.
    pub(super) phase: Phase,
    /// The server has responded or closed the connection, so the rest of the upload is not needed.
    pub(super) upload_is_over: bool,
    /// The error by which the server closed the connection during the upload.
    pub(super) closed: Option<BoxError>,
    /// The status and reason phrase of the response.
    pub(super) status_line: Option<(u16, String)>,
    pub(super) timings: Timings,
    /// Start of the current phase, or time of the last write.
    since: Instant,
}

impl Default for SendContext {
    fn default() -> Self {
        Self {
            limits: CallLimits::default(),
            direct: None,
            needs_new_connection: false,
            head_size: 0,
            socket: None,
            forward_proxy: None,
            phase: Phase::Resolve,
            upload_is_over: false,
            closed: None,
            status_line: None,
            timings: Timings::default(),
            since: Instant::now(),
        }
    }
}

impl SendContext {
    /// Records the duration of the current phase of connecting until `now`, and begins the next
    /// one.
    pub(super) fn enter(&mut self, next: Phase, now: Instant) {
        let took = Some(now.saturating_duration_since(self.since));
        match self.phase {
            Phase::Resolve => self.timings.resolve = took,
            Phase::Tls => self.timings.tls = took,
            _ => self.timings.connect = took,
        }
        (self.phase, self.since) = (next, now);
    }

    /// Records that a connection, new or reused, is about to send the request.
    pub(super) fn begin_request(&mut self) {
        self.timings.reused = Some(self.timings.connect.is_none());
        (self.phase, self.since) = (self.phase.max(Phase::Connect), Instant::now());
    }

    /// Records that a part of the request was sent. It may be the last one, so the phase becomes
    /// [`Phase::Wait`].
    pub(super) fn part_sent(&mut self) {
        let now = Instant::now();
        self.timings.send =
            Some(self.timings.send.unwrap_or_default() + now.saturating_duration_since(self.since));
        (self.phase, self.since) = (Phase::Wait, now);
    }

    /// Records that the head of the response was received.
    pub(super) fn head_received(&mut self, status: u16, reason: String) {
        self.status_line = Some((status, reason));
        self.timings.wait = Some(self.since.elapsed());
    }
}

thread_local! {
    /// Boxed, so that a waiting thread occupies less of its stack.
    static CONTEXT: RefCell<Option<Box<SendContext>>> = RefCell::default();
}

/// Returns `false` while the thread exits and destroys its thread-local values.
pub(super) fn is_available() -> bool {
    CONTEXT.try_with(|_| ()).is_ok()
}

/// Runs `send` with a new context. Returns its result and the context.
pub(super) fn run<T>(
    limits: CallLimits,
    direct: Option<DirectWrites>,
    needs_new_connection: bool,
    send: impl FnOnce() -> T,
) -> (T, Box<SendContext>) {
    /// Restores the context of the outer call, also after a panic.
    struct Outer(Option<Box<SendContext>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            CONTEXT.set(self.0.take());
        }
    }
    // Calls may be nested, because the reader of an upload may itself make a call.
    let context = Box::new(SendContext {
        limits,
        direct,
        needs_new_connection,
        ..SendContext::default()
    });
    let _outer = Outer(CONTEXT.replace(Some(context)));
    let result = send();
    (result, CONTEXT.take().unwrap_or_default())
}

/// Returns an upper bound for the size of the head that this thread sends.
pub(super) fn head_size() -> usize {
    let size = CONTEXT.try_with(|context| Some(context.try_borrow().ok()?.as_ref()?.head_size));
    size.ok().flatten().unwrap_or_default()
}

/// Accesses the context of this thread.
pub(super) fn with<T>(access: impl FnOnce(&mut SendContext) -> T) -> T {
    CONTEXT.with_borrow_mut(|context| access(context.get_or_insert_default()))
}
