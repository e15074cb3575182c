//! The time for which a connection can be reused.

use std::time::{Duration, Instant};

use super::super::response_head::ResponseHead;

/// Upper bound for the idle time of a connection. Node, which hubs run on, closes connections after
/// 5 seconds. The margin avoids a request at the moment when the server closes the connection: such
/// a request is lost, and the client cannot know if the server has processed it.
pub(in super::super) const MAX_IDLE: Duration = Duration::from_secs(3);

/// The time for which a connection can be reused.
#[derive(Debug)]
pub(super) struct ReuseLimit {
    /// Start of the last response. The server may have sent all of it at this time, even if the
    /// client takes longer to read it.
    since: Instant,
    limit: Duration,
}

impl ReuseLimit {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            limit: MAX_IDLE,
        }
    }

    /// Restarts the time at a response, with the timeout that the server announces.
    pub(super) fn restart(&mut self, head: &ResponseHead, is_forward_proxy: bool) {
        self.since = Instant::now();
        self.limit = if is_forward_proxy && !head.stays_open {
            // Tinyproxy closes the connection after each response without announcing it.
            Duration::ZERO
        } else {
            // The same margin as for Node: three fifths.
            head.keep_alive
                .map_or(MAX_IDLE, |announced| MAX_IDLE.min(announced * 3 / 5))
        };
    }

    /// Returns `true` if the connection can be reused at all.
    pub(super) fn allows_reuse(&self) -> bool {
        !self.limit.is_zero()
    }

    /// Returns `true` if the time for reuse is over.
    pub(super) fn is_over(&self) -> bool {
        self.since.elapsed() >= self.limit
    }
}
