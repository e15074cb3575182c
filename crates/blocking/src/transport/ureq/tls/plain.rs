//! Connections to `http` hubs.

use std::io::{self, ErrorKind};

use ::ureq::Error;
use ::ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::super::socket::Socket;
use super::error::{SERVER_SPEAKS_TLS, TlsError, TlsProblem};

/// A connection to an `http` hub. Recognizes a server that expects TLS and replies with a TLS
/// alert, which ureq would report as malformed HTTP.
#[derive(Debug)]
pub(in super::super) struct PlainTransport {
    socket: Socket,
    server: Server,
}

#[derive(Debug)]
enum Server {
    /// Has sent nothing yet.
    Unknown,
    /// Has sent something that is not a TLS alert.
    Plain,
    /// Has sent a TLS alert.
    Tls,
}

/// The first byte of a TLS alert. No HTTP response begins with it.
const ALERT: u8 = 0x15;

impl PlainTransport {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            server: Server::Unknown,
        }
    }
}

impl Transport for PlainTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.socket.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.socket.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let more = match self.server {
            Server::Tls => false,
            Server::Unknown | Server::Plain => self.socket.await_input(timeout)?,
        };
        if let Server::Unknown = self.server {
            let is_alert = self.socket.buffers().input().first() == Some(&ALERT);
            self.server = if is_alert { Server::Tls } else { Server::Plain };
        }
        match self.server {
            Server::Tls => Err(Error::Io(io::Error::new(
                ErrorKind::InvalidData,
                TlsError::new(TlsProblem::OnlyTls, SERVER_SPEAKS_TLS),
            ))),
            Server::Unknown | Server::Plain => Ok(more),
        }
    }

    fn is_open(&mut self) -> bool {
        self.socket.is_open()
    }
}
