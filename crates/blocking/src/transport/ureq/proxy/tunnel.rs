//! The way through a proxy to an `https` hub.

use std::io::Write;
use std::time::Instant;

use ::ureq::Error;
use ::ureq::unversioned::transport::{NextTimeout, Transport};

use super::super::config::USER_AGENT;
use super::super::socket::Socket;
use super::super::status_line;
use super::{Address, ProxyError};
use crate::transport::is_closed;

/// An answer to a `CONNECT` is not longer than this.
const LONGEST_HEAD: usize = 16 << 10;

/// How each answer begins that is one.
const BEGINNING: &[u8] = b"HTTP/1.";

impl Address {
    /// Has the proxy connect to the hub (`example.com:443`). Afterwards what is sent goes there, and what comes is from there. The time
    /// that is left for it runs since `begin`.
    pub(in super::super) fn lead(
        &self,
        socket: &mut Socket,
        hub: &str,
        timeout: NextTimeout,
        begin: Instant,
    ) -> Result<(), Error> {
        let left = || NextTimeout {
            after: timeout.after.saturating_sub(begin.elapsed()).into(),
            ..timeout
        };
        let authorization = self.authorization_header();
        let request = format!(
            "CONNECT {hub} HTTP/1.1\r\nHost: {hub}\r\nUser-Agent: {USER_AGENT}\r\n{authorization}\r\n"
        );
        let mut rest = request.as_bytes();
        while !rest.is_empty() {
            let written = socket.buffers().output().write(rest)?;
            socket
                .transmit_output(written, left())
                .map_err(|error| self.ended(error))?;
            rest = rest.get(written..).unwrap_or_default();
        }
        loop {
            let input = socket.buffers().input();
            match status_line::whole(input) {
                Some((status, length)) => {
                    socket.buffers().input_consume(length);
                    match status {
                        100..200 => continue,
                        200..300 => return Ok(()),
                        status => return Err(ProxyError::refused(self, hub, status).into()),
                    }
                }
                None if !may_become_a_head(input) => return Err(ProxyError::nonsense(self).into()),
                None => {}
            }
            if !socket
                .await_input(left())
                .map_err(|error| self.ended(error))?
            {
                return Err(ProxyError::closed(self).into());
            }
        }
    }

    fn ended(&self, error: Error) -> Error {
        match error {
            Error::Io(error) if is_closed(error.kind()) => ProxyError::closed(self).into(),
            error => ProxyError::unreachable(self, error),
        }
    }
}

/// Whether what came, which is no whole head, can be the beginning of one.
fn may_become_a_head(input: &[u8]) -> bool {
    let is_whole = input.windows(4).any(|end| end == b"\r\n\r\n");
    let begins_so = input
        .iter()
        .zip(BEGINNING)
        .all(|(byte, expected)| byte == expected);
    begins_so && !is_whole && input.len() < LONGEST_HEAD
}
