//! Encrypts connections, and says what is wrong with one.

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
use super::plain::Plain;
use super::words::Moment;
use super::{TlsError, TlsProblem, is_refusal};
use crate::transport::is_closed;

/// Encrypts the connections to `https` hubs.
#[derive(Debug, Default)]
pub(in super::super) struct Encrypt {
    #[cfg(feature = "rustls")]
    rustls: RustlsConnector,
    #[cfg(feature = "native-tls")]
    native: NativeTlsConnector,
}

impl Connector<Socket> for Encrypt {
    type Out = Either<Plain, Encrypted>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<Socket>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(socket) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() {
            return Ok(Some(Either::A(Plain::new(socket))));
        }
        let shaking = Moment {
            shaking: true,
            client_certificate: details.config.tls_config().client_cert().is_some(),
        };
        let inner = self
            .encrypt(details, socket.boxed())
            .map_err(|error| tell(error, shaking))?;
        Ok(Some(Either::B(Encrypted {
            inner,
            moment: Moment {
                shaking: false,
                ..shaking
            },
            refused: false,
        })))
    }
}

impl Encrypt {
    /// Of the two, the one that was chosen does something.
    fn encrypt(
        &self,
        details: &ConnectionDetails<'_>,
        socket: Box<dyn Transport>,
    ) -> Result<Box<dyn Transport>, Error> {
        let chained = Some(socket);
        #[cfg(feature = "rustls")]
        let chained = self.rustls.connect(details, chained)?.map(Transport::boxed);
        #[cfg(feature = "native-tls")]
        let chained = self.native.connect(details, chained)?.map(Transport::boxed);
        chained.ok_or(Error::ConnectionFailed)
    }
}

/// A connection to an `https` hub.
#[derive(Debug)]
pub(in super::super) struct Encrypted {
    inner: Box<dyn Transport>,
    moment: Moment,
    /// The hub does not accept this client.
    refused: bool,
}

impl Encrypted {
    /// Who looked for an early answer, and met a refusal, has not told of it.
    fn check(&self) -> Result<(), Error> {
        if self.refused {
            return Err(io_error(TlsError::client_certificate(self.moment)));
        }
        Ok(())
    }
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.check()?;
        self.inner
            .transmit_output(amount, timeout)
            .map_err(|error| tell(error, self.moment))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.check()?;
        let result = self
            .inner
            .await_input(timeout)
            .map_err(|error| tell(error, self.moment));
        self.refused = matches!(&result, Err(Error::Io(error)) if is_refusal(error));
        result
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn io_error(told: TlsError) -> Error {
    Error::Io(io::Error::new(ErrorKind::InvalidData, told))
}

/// Says in our words what the library that encrypts says in its own; what others say stays as it is.
fn tell(error: Error, moment: Moment) -> Error {
    let told = match error {
        #[cfg(feature = "rustls")]
        Error::Rustls(error) => super::with_rustls::tell(error, moment),
        #[cfg(feature = "native-tls")]
        Error::NativeTls(error) => super::with_native::tell(error, moment),
        Error::Tls(_) => TlsError::new(
            TlsProblem::WrongHost,
            "the hub's name is not one that a certificate can be for",
        ),
        Error::Io(error) => {
            return Error::Io(tell_of_io(error, moment).unwrap_or_else(|error| error));
        }
        error => return error,
    };
    io_error(told)
}

/// What is told of it, or the error itself.
fn tell_of_io(error: io::Error, moment: Moment) -> Result<io::Error, io::Error> {
    #[cfg(feature = "rustls")]
    let error = match error.downcast() {
        Ok(error) => {
            return Ok(io::Error::new(
                ErrorKind::InvalidData,
                super::with_rustls::tell(error, moment),
            ));
        }
        Err(error) => error,
    };
    #[cfg(feature = "native-tls")]
    let error = match super::with_native::tell_of_io(error, moment) {
        Ok(told) => return Ok(io::Error::new(ErrorKind::InvalidData, told)),
        Err(error) => error,
    };
    if moment.shaking && is_closed(error.kind()) {
        let kind = error.kind();
        // What the operating system says is worth telling; otherwise it is the same in other words.
        let told = if error.raw_os_error().is_some() {
            TlsError::cut().because(error)
        } else {
            TlsError::cut()
        };
        return Ok(io::Error::new(kind, told));
    }
    Err(error)
}
