//! TLS configurations and the certificate of the kit's servers.

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

use scramjet_client_testing::server::Stream;

use crate::authority::{Authority, Identity};

/// The certificate for `localhost` of all servers of this process.
struct Certificate {
    pem: String,
    public: CertificateDer<'static>,
    private: PrivatePkcs8KeyDer<'static>,
}

impl Certificate {
    fn get() -> &'static Self {
        static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
        CERTIFICATE.get_or_init(|| {
            let generated = rcgen::generate_simple_self_signed(["localhost".to_owned()])
                .expect("a certificate");
            Self {
                pem: generated.cert.pem(),
                public: generated.cert.der().clone(),
                private: generated.signing_key.serialize_der().into(),
            }
        })
    }
}

/// Returns the certificate to trust, in PEM.
pub(crate) fn pem() -> &'static str {
    &Certificate::get().pem
}

/// Returns the TLS configuration of one server. No other server accepts its session tickets.
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

/// Returns the TLS configuration of a server with this certificate. It requires client certificates
/// of `clients`, if given.
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

/// Accepts a TLS connection. Fails if the handshake does.
pub(crate) fn accept(
    socket: Arc<TcpStream>,
    config: Arc<ServerConfig>,
) -> io::Result<Box<dyn Stream>> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    // Byte by byte, so that what the client sends after the handshake stays in the socket.
    let mut tls = StreamOwned::new(
        connection,
        Socket {
            stream: socket,
            max_read: 1,
        },
    );
    // A flush sends what is buffered, beginning with the handshake.
    if let Err(error) = tls.flush() {
        // The alert with the reason was sent. Closing with bytes unread would reset the connection
        // before the client has read it.
        let _ = tls.sock.stream.shutdown(Shutdown::Write);
        let _ = io::copy(&mut tls.sock, &mut io::sink());
        return Err(error);
    }
    tls.sock.max_read = usize::MAX;
    Ok(Box::new(Tls(tls)))
}

struct Tls(StreamOwned<ServerConnection, Socket>);

impl Stream for Tls {
    fn send_end(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        self.0.flush()
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Socket {
    stream: Arc<TcpStream>,
    /// The largest number of bytes that one `read` returns.
    max_read: usize,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.max_read);
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

    /// Returns the client's side of a connection, before the handshake.
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
