//! Looks over ureq's shoulder for two things that it does not tell: how far a request got, and the reason phrase.
//!
//! This is the only file that uses ureq's `unversioned` API.

use std::cell::RefCell;

use ::ureq::Error;
use ::ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// What is known of the call that this thread makes.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) connected: bool,
    pub(super) sending: bool,
    pub(super) sending_failed: bool,
    pub(super) status_line: Option<(u16, String)>,
}

thread_local! {
    // ureq connects, sends and receives the head on the calling thread, and gives its transports no other way to tell calls apart.
    static CALL: RefCell<Facts> = RefCell::default();
}

/// Runs a call and gives what became known of it.
pub(super) fn watch<T>(call: impl FnOnce() -> T) -> (T, Facts) {
    // An upload's reader may make a call of its own in the midst of this one: the facts of the outer call are set aside.
    let outer = CALL.take();
    let result = call();
    (result, CALL.replace(outer))
}

fn note(fact: impl FnOnce(&mut Facts)) {
    CALL.with_borrow_mut(fact);
}

/// Wraps the connection that the connectors before it made.
#[derive(Debug)]
pub(super) struct Watch;

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Watched<In>>, Error> {
        note(|facts| facts.connected = chained.is_some());
        Ok(chained.map(|inner| Watched { inner, awaits_head: false }))
    }
}

#[derive(Debug)]
pub(super) struct Watched<In> {
    inner: In,
    awaits_head: bool,
}

impl<In: Transport> Transport for Watched<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        if self.awaits_head {
            if let Some((status, reason)) = status_line(self.inner.buffers().input()) {
                // Interim answers (1xx) come before the one that counts.
                if status >= 200 {
                    self.awaits_head = false;
                    note(|facts| facts.status_line = Some((status, reason)));
                }
            }
        }
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.awaits_head = true;
        note(|facts| facts.sending = true);
        let result = self.inner.transmit_output(amount, timeout);
        note(|facts| facts.sending_failed = result.is_err());
        result
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Reads `HTTP/1.1 400 Could not parse content`, where the whole line is there.
fn status_line(input: &[u8]) -> Option<(u16, String)> {
    let rest = input.strip_prefix(b"HTTP/1.")?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = String::from_utf8_lossy(rest.get(..end)?);
    let mut parts = line.trim_end().splitn(3, ' ').skip(1);
    let status = parts.next()?.parse().ok()?;
    Some((status, parts.next().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::status_line;

    #[test]
    fn status_lines_are_read_when_they_are_whole() {
        let read = |text: &str| status_line(text.as_bytes());
        assert_eq!(read("HTTP/1.1 400 Could not parse content\r\nDate"), Some((400, "Could not parse content".into())));
        assert_eq!(read("HTTP/1.0 200\r\n"), Some((200, String::new())));
        assert_eq!(read("HTTP/1.1 200 \r\n"), Some((200, String::new())));
        assert_eq!(read("HTTP/1.1 400 Could not par"), None);
        assert_eq!(read("garbage\r\n"), None);
        assert_eq!(read("HTTP/1.1 abc\r\n"), None);
        assert_eq!(read(""), None);
    }
}
