//! The state of one request and its response.

use std::time::{Duration, Instant};

/// Interval of the checks for an early response while the server accepts an upload. If the server
/// stops accepting data, the client checks at once.
///
/// A check takes three system calls, and sending a line takes one. With a check before each line,
/// lines in a row take 1.33 times as long as with a bare socket. With this interval, they take 1.14
/// times as long.
pub(in super::super) const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// Upper bound for the bytes of interim responses: twice the limit of ureq for one head. Without a
/// bound, ureq would read interim responses forever.
const MAX_INTERIM_BYTES: usize = 128 << 10;

/// The state of an exchange, from the first byte of the request until ureq returns the connection
/// to its pool.
#[derive(Debug)]
pub(super) struct ExchangeState {
    last_check: Instant,
    /// The head of the final response was received.
    pub(super) has_head: bool,
    /// Early rejections are no longer checked for, because a success was received during the upload
    /// (hubs then accept the rest), or because nothing more can be read.
    pub(super) is_accepted: bool,
    /// [`await_input`](super::ExchangeMonitor) has reported a head that was already in the buffer.
    pub(super) head_announced: bool,
    /// Number of bytes received before the head of the final response.
    interim_bytes: usize,
}

impl ExchangeState {
    pub(super) fn new() -> Self {
        Self {
            // Nothing can have arrived when the request begins.
            last_check: Instant::now(),
            has_head: false,
            is_accepted: false,
            head_announced: false,
            interim_bytes: 0,
        }
    }

    /// Returns `true` once per [`CHECK_INTERVAL`].
    pub(super) fn is_check_due(&mut self) -> bool {
        let is_due = self.last_check.elapsed() >= CHECK_INTERVAL;
        if is_due {
            self.last_check = Instant::now();
        }
        is_due
    }

    /// Counts bytes received before the head of the final response.
    pub(super) fn add_interim_bytes(&mut self, count: usize) {
        self.interim_bytes = self.interim_bytes.saturating_add(count);
    }

    /// Returns `true` if the server has sent too many interim responses.
    pub(super) fn has_too_many_interim_bytes(&self) -> bool {
        self.interim_bytes > MAX_INTERIM_BYTES
    }
}
