//! The call that this thread makes: what bounds it, and what became known of it.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use super::proxy::Forward;
use super::socket::Wire;
use crate::limits::call_limits::CallLimits;
use crate::transport::BoxError;
use crate::transport::{Phase, Timings};

/// What is known of a call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) limits: CallLimits,
    /// A connection that has served before will not do.
    pub(super) fresh: bool,
    /// The socket that was opened for it.
    pub(super) wire: Option<Arc<Wire>>,
    /// The proxy that passes its request on.
    pub(super) forward: Option<Arc<Forward>>,
    /// How far it got.
    pub(super) phase: Phase,
    /// The other side takes no more, because it has answered or is gone. What is left of an upload need not be read.
    pub(super) enough: bool,
    /// Why it takes no more, where it closed the connection.
    pub(super) closed: Option<BoxError>,
    pub(super) status_line: Option<(u16, String)>,
    pub(super) timings: Timings,
    /// When the phase began, or the last piece was sent.
    since: Instant,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            limits: CallLimits::default(),
            fresh: false,
            wire: None,
            forward: None,
            phase: Phase::Resolve,
            enough: false,
            closed: None,
            status_line: None,
            timings: Timings::default(),
            since: Instant::now(),
        }
    }
}

impl Call {
    /// A part of connecting is done, since `end`, and the next one begins.
    pub(super) fn pass(&mut self, next: Phase, end: Instant) {
        let took = Some(end.saturating_duration_since(self.since));
        match self.phase {
            Phase::Resolve => self.timings.resolve = took,
            Phase::Tls => self.timings.tls = took,
            _ => self.timings.connect = took,
        }
        (self.phase, self.since) = (next, end);
    }

    /// The request is about to be sent, on a connection that was made for it or was there already.
    pub(super) fn begin_sending(&mut self) {
        self.timings.reused = Some(self.timings.connect.is_none());
        (self.phase, self.since) = (self.phase.max(Phase::Connect), Instant::now());
    }

    /// A piece of it was sent; if it is the last one, the answer is waited for.
    pub(super) fn sent(&mut self) {
        let now = Instant::now();
        self.timings.send =
            Some(self.timings.send.unwrap_or_default() + now.saturating_duration_since(self.since));
        (self.phase, self.since) = (Phase::Wait, now);
    }

    /// The head of the answer is there.
    pub(super) fn answered(&mut self, status: u16, reason: String) {
        self.status_line = Some((status, reason));
        self.timings.wait = Some(self.since.elapsed());
    }
}

thread_local! {
    // ureq connects, sends and receives the head on the calling thread, and gives its transports no other way to tell calls apart.
    static CALL: RefCell<Call> = RefCell::default();
}

/// Whether a call can be made on this thread: not while a thread ends and drops its local values.
pub(super) fn is_possible() -> bool {
    CALL.try_with(|_| ()).is_ok()
}

/// Makes a call and gives what became known of it.
pub(super) fn make<T>(limits: CallLimits, fresh: bool, call: impl FnOnce() -> T) -> (T, Call) {
    /// What is known of the call around this one, which it gets back also where a reader panics.
    struct Outer(Call);
    impl Drop for Outer {
        fn drop(&mut self) {
            CALL.set(std::mem::take(&mut self.0));
        }
    }
    // An upload's reader may make a call of its own in the midst of this one: what is known of the outer one is set aside.
    let _outer = Outer(CALL.replace(Call {
        limits,
        fresh,
        ..Call::default()
    }));
    let result = call();
    (result, CALL.take())
}

/// Looks at the call that this thread makes, or notes something.
pub(super) fn current<T>(look: impl FnOnce(&mut Call) -> T) -> T {
    CALL.with_borrow_mut(look)
}
