//! `CONNECT` tunnels to `https` hubs.

use std::io::Write;
use std::time::Instant;

use ::ureq::Error;
use ::ureq::unversioned::transport::{NextTimeout, Transport};

use super::super::config::USER_AGENT;
use super::super::response_head;
use super::super::socket::Socket;
use super::address::ProxyAddress;
use super::error::ProxyError;
use crate::transport::is_closed;

/// Upper bound for the head of a response to `CONNECT`.
const MAX_HEAD: usize = 16 << 10;

/// The beginning of all valid responses.
const HTTP_1: &[u8] = b"HTTP/1.";

/// Opens a tunnel to `hub` (`example.com:443`). Afterwards the socket is connected to the hub. The
/// timeout counts from `begin`.
pub(in super::super) fn open_tunnel(
    proxy: &ProxyAddress,
    socket: &mut Socket,
    hub: &str,
    timeout: NextTimeout,
    begin: Instant,
) -> Result<(), Error> {
    let left = || NextTimeout {
        after: timeout.after.saturating_sub(begin.elapsed()).into(),
        ..timeout
    };
    let authorization = proxy.authorization_header();
    let request = format!(
        "CONNECT {hub} HTTP/1.1\r\nHost: {hub}\r\nUser-Agent: {USER_AGENT}\r\n{authorization}\r\n"
    );
    let mut rest = request.as_bytes();
    while !rest.is_empty() {
        let written = socket.buffers().output().write(rest)?;
        socket
            .transmit_output(written, left())
            .map_err(|error| explain(proxy, error))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    loop {
        let input = socket.buffers().input();
        match response_head::first_complete(input) {
            Some((status, length)) => {
                socket.buffers().input_consume(length);
                match status {
                    100..200 => continue,
                    200..300 => return Ok(()),
                    status => return Err(ProxyError::refused(proxy, hub, status).into()),
                }
            }
            None if !may_become_head(input) => {
                return Err(ProxyError::invalid_response(proxy).into());
            }
            None => {}
        }
        if !socket
            .await_input(left())
            .map_err(|error| explain(proxy, error))?
        {
            return Err(ProxyError::closed(proxy).into());
        }
    }
}

fn explain(proxy: &ProxyAddress, error: Error) -> Error {
    match error {
        Error::Io(error) if is_closed(error.kind()) => ProxyError::closed(proxy).into(),
        error => ProxyError::unreachable(proxy, error),
    }
}

/// Returns `true` if this input, which is not a complete head, can be the beginning of one.
fn may_become_head(input: &[u8]) -> bool {
    let is_complete = input.windows(4).any(|end| end == b"\r\n\r\n");
    let begins_as_http = input
        .iter()
        .zip(HTTP_1)
        .all(|(byte, expected)| byte == expected);
    begins_as_http && !is_complete && input.len() < MAX_HEAD
}
