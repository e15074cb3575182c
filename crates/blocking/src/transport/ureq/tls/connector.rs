//! Performs the TLS handshake and replaces the errors of the TLS libraries.

use std::io::{self, ErrorKind};

use ::ureq::Error;
#[cfg(feature = "native-tls")]
use ::ureq::unversioned::transport::NativeTlsConnector;
#[cfg(feature = "rustls")]
use ::ureq::unversioned::transport::RustlsConnector;
use ::ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport,
};

use super::super::socket::Socket;
use super::error::{TlsError, TlsProblem, is_client_rejected};
use super::messages::TlsContext;
use super::plain::PlainTransport;
use crate::transport::is_closed;

/// Performs the TLS handshake with `https` hubs.
#[derive(Debug, Default)]
pub(in super::super) struct TlsConnector {
    #[cfg(feature = "rustls")]
    rustls: RustlsConnector,
    #[cfg(feature = "native-tls")]
    native_tls: NativeTlsConnector,
}

impl Connector<Socket> for TlsConnector {
    type Out = Either<PlainTransport, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<Socket>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(socket) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() {
            return Ok(Some(Either::A(PlainTransport::new(socket))));
        }
        let handshake = TlsContext {
            is_handshake: true,
            has_client_certificate: details.config.tls_config().client_cert().is_some(),
        };
        let inner = self
            .handshake(details, socket.boxed())
            .map_err(|error| explain(error, handshake))?;
        Ok(Some(Either::B(TlsTransport {
            inner,
            context: TlsContext {
                is_handshake: false,
                ..handshake
            },
            is_client_rejected: false,
        })))
    }
}

impl TlsConnector {
    /// Runs the connectors of both backends. Only the chosen one performs a handshake, the other
    /// returns its input.
    // Not inlined, so that connections without TLS occupy less of the stack.
    #[inline(never)]
    fn handshake(
        &self,
        details: &ConnectionDetails<'_>,
        socket: Box<dyn Transport>,
    ) -> Result<Box<dyn Transport>, Error> {
        let chained = Some(socket);
        #[cfg(feature = "rustls")]
        let chained = self.rustls.connect(details, chained)?.map(Transport::boxed);
        #[cfg(feature = "native-tls")]
        let chained = self
            .native_tls
            .connect(details, chained)?
            .map(Transport::boxed);
        chained.ok_or(Error::ConnectionFailed)
    }
}

/// A connection to an `https` hub.
#[derive(Debug)]
pub(in super::super) struct TlsTransport {
    inner: Box<dyn Transport>,
    context: TlsContext,
    is_client_rejected: bool,
}

impl TlsTransport {
    /// Fails if the server has already rejected the client certificate. The check for an early
    /// response may have received that error first, and it ignores errors.
    fn check(&self) -> Result<(), Error> {
        if self.is_client_rejected {
            return Err(io_error(TlsError::client_certificate(self.context)));
        }
        Ok(())
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.check()?;
        self.inner
            .transmit_output(amount, timeout)
            .map_err(|error| explain(error, self.context))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.check()?;
        let result = self
            .inner
            .await_input(timeout)
            .map_err(|error| explain(error, self.context));
        self.is_client_rejected =
            matches!(&result, Err(Error::Io(error)) if is_client_rejected(error));
        result
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn io_error(error: TlsError) -> Error {
    Error::Io(io::Error::new(ErrorKind::InvalidData, error))
}

/// Replaces an error of a TLS library with a [`TlsError`]. Returns other errors unchanged.
fn explain(error: Error, context: TlsContext) -> Error {
    let explained = match error {
        #[cfg(feature = "rustls")]
        Error::Rustls(error) => super::rustls::explain(error, context),
        #[cfg(feature = "native-tls")]
        Error::NativeTls(error) => super::native_tls::explain(&error, context),
        Error::Tls(_) => TlsError::new(
            TlsProblem::WrongHost,
            "the hub's host name cannot be in a certificate",
        ),
        Error::Io(error) => return Error::Io(explain_io(error, context)),
        error => return error,
    };
    io_error(explained)
}

/// Like [`explain`], for an error of a TLS library inside an I/O error.
fn explain_io(error: io::Error, context: TlsContext) -> io::Error {
    #[cfg(feature = "rustls")]
    let error = match error.downcast() {
        Ok(error) => {
            return io::Error::new(
                ErrorKind::InvalidData,
                super::rustls::explain(error, context),
            );
        }
        Err(error) => error,
    };
    #[cfg(feature = "native-tls")]
    if let Some(explained) = super::native_tls::explain_io(&error, context) {
        return io::Error::new(ErrorKind::InvalidData, explained);
    }
    if context.is_handshake && is_closed(error.kind()) {
        let kind = error.kind();
        // Only an error of the operating system adds something to the message.
        let closed = if error.raw_os_error().is_some() {
            TlsError::closed().with_source(error)
        } else {
            TlsError::closed()
        };
        return io::Error::new(kind, closed);
    }
    error
}
