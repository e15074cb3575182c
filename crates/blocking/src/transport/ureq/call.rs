//! The call that this thread makes: what bounds it, and what became known of it.

use std::cell::RefCell;
use std::sync::Arc;

use super::socket::Wire;
use crate::{BoxError, CallLimits};

/// What is known of a call.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) limits: CallLimits,
    /// The socket that was opened for it.
    pub(super) wire: Option<Arc<Wire>>,
    pub(super) connected: bool,
    pub(super) sending: bool,
    pub(super) sending_failed: bool,
    /// The other side takes no more, because it has answered or is gone. What is left of an upload need not be read.
    pub(super) enough: bool,
    /// Why it takes no more, where it closed the connection.
    pub(super) closed: Option<BoxError>,
    pub(super) status_line: Option<(u16, String)>,
}

thread_local! {
    // ureq connects, sends and receives the head on the calling thread, and gives its transports no other way to tell calls apart.
    static CALL: RefCell<Call> = RefCell::default();
}

/// Makes a call and gives what became known of it.
pub(super) fn make<T>(limits: CallLimits, call: impl FnOnce() -> T) -> (T, Call) {
    // An upload's reader may make a call of its own in the midst of this one: what is known of the outer one is set aside.
    let outer = CALL.replace(Call { limits, ..Call::default() });
    let result = call();
    (result, CALL.replace(outer))
}

/// Looks at the call that this thread makes, or notes something.
pub(super) fn current<T>(look: impl FnOnce(&mut Call) -> T) -> T {
    CALL.with_borrow_mut(look)
}
