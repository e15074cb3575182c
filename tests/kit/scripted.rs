//! The scripted server of `scramjet-client-testing` over http or https, with infallible handlers.

use std::net::TcpListener;
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, ServerConfig};
use scramjet_client_testing::server::{self, Server};

pub use scramjet_client_testing::server::{Connection, response};

use crate::authority::{Authority, Identity};
use crate::tls;

/// A [`Server`] with a base URL for clients.
pub struct ScriptedServer {
    server: Server,
    https: bool,
    pem: Option<&'static str>,
}

impl ScriptedServer {
    /// Starts a server over http on a free port.
    pub fn start(handler: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::listen(0, None, handler)
    }

    /// Starts a server over http on this port.
    pub fn start_at(port: u16, handler: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::listen(port, None, handler)
    }

    /// Starts a server over https with a certificate for `localhost`, see
    /// [`certificate`](Self::certificate). The handler gets the connections whose handshake
    /// succeeded.
    pub fn start_tls(handler: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let server = Self::listen(0, Some(tls::config()), handler);
        Self {
            pem: Some(tls::pem()),
            ..server
        }
    }

    /// Starts a server over https with this certificate, in TLS 1.3 and 1.2.
    pub fn start_tls_as(
        identity: &Identity,
        handler: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let config = tls::config_of(identity, None, ALL_VERSIONS);
        Self::listen(0, Some(config), handler)
    }

    /// Starts a server over https with this certificate, which requires client certificates of
    /// `clients`. It uses TLS 1.3, or only 1.2.
    pub fn start_tls_for(
        clients: &Authority,
        identity: &Identity,
        only_1_2: bool,
        handler: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let versions: tls::Versions = if only_1_2 { &[&TLS12] } else { &[&TLS13] };
        let config = tls::config_of(identity, Some(clients), versions);
        Self::listen(0, Some(config), handler)
    }

    fn listen(
        port: u16,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free loopback port");
        let https = tls.is_some();
        let server = Server::start_on(
            listener,
            move |socket| match &tls {
                None => server::plain(socket),
                Some(config) => tls::accept(socket, Arc::clone(config)),
            },
            move |connection| {
                handler(connection);
                Ok(())
            },
        );
        Self {
            server: server.expect("an address of the listener"),
            https,
            pem: None,
        }
    }

    /// Returns the base URL for clients.
    pub fn url(&self) -> String {
        match self.https {
            true => format!("https://localhost:{}/api/v1", self.server.address().port()),
            false => self.server.url(),
        }
    }

    /// Returns the certificate to trust, in PEM, of a server from [`start_tls`](Self::start_tls).
    pub fn certificate(&self) -> Option<&str> {
        self.pem
    }

    /// Returns the number of connections so far, including those whose handshake failed.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }
}

/// Returns a base URL that refuses connections.
pub fn refused_url() -> String {
    server::refused_url().expect("a free loopback port")
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::{Shutdown, TcpStream};
    use std::sync::{Mutex, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::*;

    trait Duplex: Read + Write {}

    impl<T: Read + Write> Duplex for T {}

    type Handler = fn(&mut Connection);

    /// Upper bound for one step, longer than any step takes on a busy machine.
    const STEP_TIMEOUT: Duration = Duration::from_secs(10);

    const REQUEST: &[u8] = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

    fn close_after_client(connection: &mut Connection) {
        connection
            .close_after_client()
            .expect("a client that closes");
    }

    /// Starts a server over http, and one over https.
    fn servers(
        handler: impl Fn(&mut Connection) + Clone + Send + Sync + 'static,
    ) -> [ScriptedServer; 2] {
        [
            ScriptedServer::start(handler.clone()),
            ScriptedServer::start_tls(handler),
        ]
    }

    /// Connects to the server, with a time limit for reads.
    fn socket(server: &ScriptedServer) -> TcpStream {
        let socket = TcpStream::connect(server.server.address()).expect("a connection");
        socket
            .set_read_timeout(Some(STEP_TIMEOUT))
            .expect("a bound for reading");
        socket
    }

    fn connect(server: &ScriptedServer) -> Box<dyn Duplex> {
        match server.certificate() {
            Some(pem) => Box::new(tls::tests::client(pem, socket(server))),
            None => Box::new(socket(server)),
        }
    }

    fn send(client: &mut dyn Duplex, bytes: &[u8]) {
        client
            .write_all(bytes)
            .and_then(|()| client.flush())
            .expect("sent bytes");
    }

    /// Returns what the client reads, and the error that ends it.
    fn read_to_end(client: &mut dyn Duplex) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut received = Vec::new();
        let end = client
            .read_to_end(&mut received)
            .err()
            .map(|error| error.kind());
        (received, end)
    }

    #[test]
    fn dropping_the_server_ends_handlers_that_wait_for_their_client() {
        let (report, reported) = mpsc::channel();
        let servers = servers(move |connection| {
            report
                .send(connection.read_head().ok().map(|head| head.target))
                .expect("a waiting test");
            report
                .send(connection.read_request().ok().map(|next| next.target))
                .expect("a waiting test");
        });
        for server in servers {
            let mut client = connect(&server);
            send(&mut *client, b"GET /first HTTP/1.1\r\n\r\n");
            assert_eq!(
                reported.recv_timeout(STEP_TIMEOUT).expect("a handler"),
                Some("/first".to_owned())
            );
            assert_eq!(server.connections(), 1);

            let cut = server.certificate().map(|_| io::ErrorKind::UnexpectedEof);
            drop(server);
            assert_eq!(
                reported.recv_timeout(STEP_TIMEOUT).expect("a handler"),
                None
            );
            assert_eq!(read_to_end(&mut *client), (Vec::new(), cut));
        }
    }

    #[test]
    fn join_ends_a_handshake() {
        let server = ScriptedServer::start_tls(|_| panic!("a handshake without a ClientHello"));
        let _client = socket(&server);
        while server.connections() == 0 {
            thread::yield_now();
        }
        let (report, joined) = mpsc::channel();
        thread::spawn(move || {
            server.server.join();
            report.send(()).expect("a waiting test");
        });
        joined
            .recv_timeout(STEP_TIMEOUT)
            .expect("an end of the handshake");
    }

    #[test]
    fn dropping_the_server_does_not_join_its_handlers() {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let server = ScriptedServer::start(move |_| {
            let _ = released.lock().expect("the only handler").recv();
        });
        let _client = TcpStream::connect(server.server.address()).expect("a connection");
        drop(server);
        drop(release);
    }

    #[test]
    fn failed_handshakes_do_not_reach_the_handler() {
        let server = ScriptedServer::start_tls(|connection| {
            let _ = connection.send(connection.index().to_string().as_bytes());
            let _ = connection.close_after_client();
        });
        assert!(server.url().starts_with("https://localhost:"));
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b""] {
            let mut client = socket(&server);
            client.write_all(garbage).expect("sent bytes");
            // An error means that the server has already closed the connection.
            let _ = client.shutdown(Shutdown::Write);
            assert!(!read_to_end(&mut client).0.contains(&b'0'));
        }
        assert_eq!(read_to_end(&mut *connect(&server)), (b"2".to_vec(), None));
        assert_eq!(server.connections(), 3);
    }

    #[test]
    fn start_tls_sends_session_tickets() {
        let server = ScriptedServer::start_tls(close_after_client);
        let mut client = tls::tests::client(tls::pem(), socket(&server));
        assert_eq!(read_to_end(&mut client), (Vec::new(), None));
        assert_eq!(client.conn.tls13_tickets_received(), 2);
    }

    #[test]
    fn send_does_not_delay_small_pieces() {
        let (arrived, arrivals) = mpsc::channel();
        let arrivals = Arc::new(Mutex::new(arrivals));
        let servers = servers(move |connection| {
            // Does not touch the connection between the pieces, because TLS sends what is buffered
            // when it reads.
            for piece in *b"abc" {
                let _ = connection.send([piece]);
                arrivals
                    .lock()
                    .expect("the only handler")
                    .recv_timeout(STEP_TIMEOUT)
                    .expect("a signal that the piece arrived");
            }
        });
        for server in servers {
            let mut client = connect(&server);
            for piece in *b"abc" {
                let mut received = [0];
                client.read_exact(&mut received).expect("a piece");
                assert_eq!(received, [piece]);
                arrived.send(()).expect("a waiting handler");
            }
        }
    }

    #[test]
    fn send_fails_when_the_client_is_gone() {
        let (report, reported) = mpsc::channel();
        let servers = servers(move |connection| {
            while connection.send([b'.'; 4096]).is_ok() {}
            report.send(()).expect("a waiting test");
        });
        for server in servers {
            connect(&server)
                .read_exact(&mut [0; 100])
                .expect("the first bytes");
            reported.recv_timeout(STEP_TIMEOUT).expect("an end");
        }
    }

    #[test]
    fn read_and_read_chunk_return_a_body_as_it_arrives() {
        let (report, reported) = mpsc::channel();
        let servers = servers(move |connection| {
            connection.read_head().expect("a head");
            let mut framed = Vec::new();
            while framed.len() < 7 {
                let mut some = [0; 100];
                let length = connection.read(&mut some).unwrap_or(0);
                framed.extend(&some[..length]);
            }
            report.send(framed).expect("a waiting test");
            while let Ok(chunk) = connection.read_chunk() {
                report.send(chunk).expect("a waiting test");
            }
            assert_eq!(
                connection.read(&mut [0]).unwrap_or(0),
                0,
                "the client is gone"
            );
            report.send(b"gone".to_vec()).expect("a waiting test");
        });
        for server in servers {
            let mut client = connect(&server);
            send(&mut *client, REQUEST);
            let pieces = [
                &b"2\r\nab\r\n"[..],
                b"3;x=y\r\ncde\r\n",
                b"0\r\nX-Trailer: 1\r\n\r\n",
            ];
            for (piece, expected) in pieces.into_iter().zip([&b"2\r\nab\r\n"[..], b"cde", b""]) {
                send(&mut *client, piece);
                assert_eq!(
                    reported.recv_timeout(STEP_TIMEOUT).expect("a piece"),
                    expected
                );
            }
            send(&mut *client, b"9\r\nabc");
            drop(client);
            assert_eq!(
                reported.recv_timeout(STEP_TIMEOUT).expect("an end"),
                b"gone"
            );
        }
    }

    /// The servers outlive the clients, so the handlers end the connections.
    #[test]
    fn handlers_choose_how_the_connection_ends() {
        let read: Handler = |connection| assert!(connection.read_head().is_ok());
        let ends: [(Handler, [Option<io::ErrorKind>; 2]); 4] = [
            (|_| {}, [None, Some(io::ErrorKind::UnexpectedEof)]),
            (close_after_client, [None, None]),
            (
                |connection| {
                    connection
                        .socket()
                        .shutdown(Shutdown::Both)
                        .expect("an open socket")
                },
                [None, Some(io::ErrorKind::UnexpectedEof)],
            ),
            (
                |connection| connection.wait_unread().unwrap(),
                [Some(io::ErrorKind::ConnectionReset); 2],
            ),
        ];
        for (end, expected) in ends {
            let servers = servers(move |connection| {
                read(connection);
                let _ = connection.send(b"bye");
                end(connection);
            });
            for (server, expected) in servers.iter().zip(expected) {
                let mut client = connect(server);
                send(&mut *client, REQUEST);
                let mut received = [0; 3];
                client
                    .read_exact(&mut received)
                    .expect("the bytes before the end");
                if expected == Some(io::ErrorKind::ConnectionReset) {
                    send(&mut *client, b"more");
                }
                assert_eq!(
                    (received, read_to_end(&mut *client)),
                    (*b"bye", (Vec::new(), expected)),
                    "{}",
                    server.url()
                );
            }
        }
    }

    #[test]
    fn close_after_client_waits_for_the_client() {
        for server in servers(close_after_client) {
            let mut client = connect(&server);
            assert_eq!(read_to_end(&mut *client), (Vec::new(), None));
            for _ in 0..20 {
                send(&mut *client, REQUEST);
            }
        }
    }

    #[test]
    fn wait_unread_resets_a_connection_that_was_not_read() {
        let [plain, tls] = servers(|connection| connection.wait_unread().unwrap());
        let reset = (Vec::new(), Some(io::ErrorKind::ConnectionReset));
        let mut client = socket(&plain);
        send(&mut client, REQUEST);
        assert_eq!(read_to_end(&mut client), reset);

        // A request that is written before the handshake is sent together with its end.
        let mut client = tls::tests::client(tls::pem(), socket(&tls));
        client
            .conn
            .writer()
            .write_all(REQUEST)
            .expect("a buffered request");
        assert_eq!(read_to_end(&mut client), reset);
    }

    #[test]
    fn wait_unread_fails_when_the_client_is_gone() {
        let (report, reported) = mpsc::channel();
        for server in servers(move |connection| {
            report
                .send(connection.wait_unread().is_ok())
                .expect("a waiting test")
        }) {
            let client = socket(&server);
            if server.certificate().is_some() {
                let mut client = tls::tests::client(tls::pem(), client);
                while client.conn.is_handshaking() {
                    client
                        .conn
                        .complete_io(&mut client.sock)
                        .expect("a handshake");
                }
            } else {
                drop(client);
            }
            assert!(!reported.recv_timeout(STEP_TIMEOUT).expect("a handler"));
        }
    }
}
