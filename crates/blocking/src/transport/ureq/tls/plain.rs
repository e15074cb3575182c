//! Connections that are not encrypted, and should perhaps be.

use std::io::{self, ErrorKind};

use ::ureq::Error;
use ::ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::super::socket::Socket;
use super::error::ONLY_TLS;
use super::{TlsError, TlsProblem};

/// A connection to an `http` hub.
#[derive(Debug)]
pub(in super::super) struct Plain {
    socket: Socket,
    other_side: OtherSide,
}

#[derive(Debug)]
enum OtherSide {
    /// Has said nothing yet.
    Silent,
    /// Speaks, and it may be HTTP.
    Plain,
    /// Complains that it is not spoken to in TLS.
    Encrypted,
}

/// How an alert of TLS begins, and nothing of HTTP.
const ALERT: u8 = 0x15;

impl Plain {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            other_side: OtherSide::Silent,
        }
    }
}

impl Transport for Plain {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.socket.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.socket.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let more = match self.other_side {
            OtherSide::Encrypted => false,
            OtherSide::Silent | OtherSide::Plain => self.socket.await_input(timeout)?,
        };
        if let OtherSide::Silent = self.other_side {
            let is_alert = self.socket.buffers().input().first() == Some(&ALERT);
            self.other_side = if is_alert {
                OtherSide::Encrypted
            } else {
                OtherSide::Plain
            };
        }
        match self.other_side {
            OtherSide::Encrypted => Err(Error::Io(io::Error::new(
                ErrorKind::InvalidData,
                TlsError::new(TlsProblem::OnlyTls, ONLY_TLS),
            ))),
            OtherSide::Silent | OtherSide::Plain => Ok(more),
        }
    }

    fn is_open(&mut self) -> bool {
        self.socket.is_open()
    }
}
