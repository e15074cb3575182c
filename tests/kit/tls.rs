//! The two kinds of connection that servers of the kit accept, plain and over TLS, and the certificate for the second.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, OnceLock},
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

use crate::authority::{Authority, Identity};

/// A certificate for `localhost`, which all servers of this process have.
struct Certificate {
    pem: String,
    public: CertificateDer<'static>,
    private: PrivatePkcs8KeyDer<'static>,
}

impl Certificate {
    fn get() -> &'static Self {
        static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
        CERTIFICATE.get_or_init(|| {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
                .expect("a certificate");
            Self {
                pem: made.cert.pem(),
                public: made.cert.der().clone(),
                private: made.signing_key.serialize_der().into(),
            }
        })
    }
}

/// The certificate to trust.
pub(crate) fn pem() -> &'static str {
    &Certificate::get().pem
}

/// How one server speaks TLS. No other takes the tickets that it gives out.
pub(crate) fn config() -> Arc<ServerConfig> {
    let Certificate {
        public, private, ..
    } = Certificate::get();
    server(
        rustls::ALL_VERSIONS,
        None,
        vec![public.clone()],
        private.clone_key().into(),
    )
}

/// How a server speaks TLS that shows this certificate, and that asks for one which this authority vouches for.
pub(crate) fn config_of(
    identity: &Identity,
    clients: Option<&Authority>,
    versions: Versions,
) -> Arc<ServerConfig> {
    server(versions, clients, identity.chain.clone(), identity.key())
}

/// Versions of TLS.
pub(crate) type Versions<'a> = &'a [&'static SupportedProtocolVersion];

fn server(
    versions: Versions,
    clients: Option<&Authority>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("protocol versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(authority.der().clone())
                .expect("a usable certificate");
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    Arc::new(
        builder
            .with_single_cert(chain, key)
            .expect("a certificate and its key"),
    )
}

/// An accepted connection. Dropped, it closes the socket and says nothing; over TLS, clients take that for a cut.
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

impl Stream {
    pub(crate) fn plain(socket: Arc<TcpStream>) -> Self {
        Self::Plain(Socket {
            stream: socket,
            at_once: usize::MAX,
        })
    }

    /// Shakes hands; `None` if that fails.
    pub(crate) fn tls(socket: Arc<TcpStream>, config: Arc<ServerConfig>) -> Option<Self> {
        let connection = ServerConnection::new(config).ok()?;
        // Byte by byte, so that what the client sends after the handshake stays in the socket.
        let mut tls = StreamOwned::new(
            connection,
            Socket {
                stream: socket,
                at_once: 1,
            },
        );
        // A flush sends what there is to say, and that begins with the handshake.
        if tls.flush().is_err() {
            // It has told the client why. With something unread, the client would get a reset in place of it.
            let _ = tls.sock.stream.shutdown(Shutdown::Write);
            let _ = io::copy(&mut tls.sock, &mut io::sink());
            return None;
        }
        tls.sock.at_once = usize::MAX;
        Some(Self::Tls(Box::new(tls)))
    }

    /// The socket below it all.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => &socket.stream,
            Self::Tls(tls) => &tls.sock.stream,
        }
    }

    /// Says, where TLS has a word for it, that nothing more will be sent.
    pub(crate) fn say_the_end(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => {
                tls.conn.send_close_notify();
                tls.flush()
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    /// How many bytes one `read` takes at most.
    at_once: usize,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.at_once);
        (&*self.stream).read(&mut buffer[..length])
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rustls::{ClientConfig, ClientConnection, pki_types::pem::PemObject};

    use super::*;

    /// The client's side, before the handshake.
    pub(crate) fn client(pem: &str, socket: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate"))
            .expect("a usable certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        StreamOwned::new(
            ClientConnection::new(Arc::new(config), name).expect("a client"),
            socket,
        )
    }
}
