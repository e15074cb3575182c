//! A server whose every connection is handled by the test, over http or https: for replies that no proper server gives.

use std::{
    io::{self, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustls::{
    ALL_VERSIONS, ServerConfig,
    version::{TLS12, TLS13},
};

use crate::{
    authority::{Authority, Identity},
    fixture::{self, Request},
    tls::{self, Stream},
};

/// Runs a handler per connection, each on its own thread. Stops when dropped: open connections are shut down, so that
/// handlers waiting for the client go on.
pub struct ScriptedServer {
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    pem: Option<&'static str>,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    stopping: AtomicBool,
}

impl ScriptedServer {
    /// The connection is closed when the handler returns.
    pub fn start(handler: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::listen(0, None, handler)
    }

    /// The same at a port of this machine at which nobody listens.
    pub fn start_at(port: u16, handler: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::listen(port, None, handler)
    }

    /// The same over https, with a certificate for `localhost` that [`certificate`](Self::certificate) vouches for. The
    /// handler gets the connections whose handshake succeeded.
    pub fn start_tls(handler: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let mut server = Self::listen(0, Some(tls::config()), handler);
        server.pem = Some(tls::pem());
        server
    }

    /// Over https with this certificate, in TLS 1.3 and 1.2.
    pub fn start_tls_as(
        identity: &Identity,
        handler: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        Self::listen(
            0,
            Some(tls::config_of(identity, None, ALL_VERSIONS)),
            handler,
        )
    }

    /// Over https with this certificate, for clients that have one which the authority vouches for, in TLS 1.3 or only in 1.2.
    pub fn start_tls_for(
        clients: &Authority,
        identity: &Identity,
        only_1_2: bool,
        handler: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let versions: tls::Versions = if only_1_2 { &[&TLS12] } else { &[&TLS13] };
        Self::listen(
            0,
            Some(tls::config_of(identity, Some(clients), versions)),
            handler,
        )
    }

    fn listen(
        port: u16,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free loopback port");
        let address = listener.local_addr().expect("an address of the listener");
        let shared = Arc::new(Shared::default());
        let acceptor = thread::spawn({
            let (shared, tls) = (Arc::clone(&shared), tls.clone());
            move || accept(&listener, &shared, tls.as_ref(), &Arc::new(handler))
        });
        Self {
            address,
            tls,
            pem: None,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// The base address, in the form in which clients take it.
    pub fn url(&self) -> String {
        match self.tls {
            Some(_) => format!("https://localhost:{}/api/v1", self.address.port()),
            None => base_url(self.address),
        }
    }

    /// The certificate to trust in PEM, where it speaks https with one of its own.
    pub fn certificate(&self) -> Option<&str> {
        self.pem
    }

    /// How many connections were accepted so far, whatever became of their handshakes.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Stops, and waits for the handlers. Only for handlers that wait for nothing but their connection.
    pub(crate) fn join(mut self) {
        for handler in self.stop() {
            let _ = handler.join();
        }
    }

    fn stop(&mut self) -> Vec<JoinHandle<()>> {
        let Some(acceptor) = self.acceptor.take() else {
            return Vec::new();
        };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor. If this fails, it has already ended.
        let _ = TcpStream::connect(self.address);
        acceptor.join().unwrap_or_default()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        // The handlers are not joined: one may wait for a channel of the test that is dropped after the server.
        self.stop();
    }
}

/// Accepts until told to stop, then shuts down what is open and gives back the handlers.
fn accept<H>(
    listener: &TcpListener,
    shared: &Shared,
    tls: Option<&Arc<ServerConfig>>,
    handler: &Arc<H>,
) -> Vec<JoinHandle<()>>
where
    H: Fn(&mut Connection) + Send + Sync + 'static,
{
    // Weak, for a connection must really be closed as soon as its handler is done with it.
    let mut open: Vec<Weak<TcpStream>> = Vec::new();
    let mut handlers = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        // Without delay, so that each write is a segment of its own. An error means that the client is gone again.
        let Ok(stream) =
            stream.and_then(|stream| stream.set_nodelay(true).map(|()| Arc::new(stream)))
        else {
            continue;
        };
        // A thread that has ended keeps its stack until it is forgotten, and a process has not so many.
        handlers.retain(|handler: &JoinHandle<()>| !handler.is_finished());
        open.retain(|stream| stream.strong_count() > 0);
        open.push(Arc::downgrade(&stream));
        let index = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let (handler, tls) = (Arc::clone(handler), tls.cloned());
        handlers.push(thread::spawn(move || {
            let stream = match tls {
                None => Some(Stream::plain(stream)),
                Some(config) => Stream::tls(stream, config),
            };
            if let Some(stream) = stream {
                handler(&mut Connection {
                    index,
                    reader: BufReader::new(stream),
                });
            }
        }));
    }
    for stream in open.iter().filter_map(Weak::upgrade) {
        let _ = stream.shutdown(Shutdown::Both);
    }
    handlers
}

/// One accepted connection. How it ends is up to the handler: a return closes the socket without a word, which over TLS is a cut;
/// `close_after_client` is the orderly end; `reset` is the rudest.
pub struct Connection {
    index: usize,
    reader: BufReader<Stream>,
}

impl Connection {
    /// Counts the connections of the server from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The next request with its body; `None` if the client closed before its end.
    pub fn read_request(&mut self) -> Option<Request> {
        Request::read(&mut self.reader)
    }

    /// The head of the next request; the body stays unread.
    pub fn read_head(&mut self) -> Option<Request> {
        Request::read_head(&mut self.reader)
    }

    /// Reads the body that `read_head` left; false if the client closed before its end.
    pub fn read_body(&mut self, request: &mut Request) -> bool {
        request.read_body(&mut self.reader)
    }

    /// Some bytes of what follows the head, with their framing, as they come; 0 if the client is gone.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> usize {
        self.reader.read(buffer).unwrap_or(0)
    }

    /// The next chunk of a chunked body that `read_head` left, empty at its end; `None` if the client closed before.
    pub fn read_chunk(&mut self) -> Option<Vec<u8>> {
        let mut chunk = Vec::new();
        fixture::read_chunk(&mut self.reader, &mut chunk).map(|_| chunk)
    }

    /// Sends the bytes in one piece; false if the client is gone.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let stream = self.reader.get_mut();
        stream
            .write_all(bytes)
            .and_then(|()| stream.flush())
            .is_ok()
    }

    /// Ends the sending side, then reads on until the client closes. Without it, a connection closed with bytes still
    /// unread is reset, and the client may lose a reply that it has not read yet.
    pub fn close_after_client(&mut self) {
        let _ = self.reader.get_mut().say_the_end();
        let _ = self.stream().shutdown(Shutdown::Write);
        let _ = io::copy(&mut self.stream(), &mut io::sink());
    }

    /// Resets the connection, which is over when the handler then returns; false if the client closed it before. The client
    /// must have more to send than was read: Linux resets a connection that is closed with bytes unread, so this waits for one.
    pub fn reset(&self) -> bool {
        self.stream().peek(&mut [0]).is_ok_and(|unread| unread > 0)
    }

    /// The socket itself, below TLS. Bytes that were read ahead with a request are not in it any more.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref().socket()
    }
}

/// A base address at which nobody listens.
pub fn refused_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
    base_url(listener.local_addr().expect("an address of the listener"))
}

/// A reply with `Content-Length`; `status` is what follows the version: `"200 OK"`.
pub fn response(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}/api/v1")
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, mpsc},
        time::Duration,
    };

    use super::*;

    trait Duplex: Read + Write {}

    impl<T: Read + Write> Duplex for T {}

    type Handler = fn(&mut Connection);

    /// Longer than anything takes, also on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(10);

    const REQUEST: &[u8] = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// A server of each kind.
    fn servers(
        handler: impl Fn(&mut Connection) + Clone + Send + Sync + 'static,
    ) -> [ScriptedServer; 2] {
        [
            ScriptedServer::start(handler.clone()),
            ScriptedServer::start_tls(handler),
        ]
    }

    /// A socket to the server that does not wait forever.
    fn socket(server: &ScriptedServer) -> TcpStream {
        let socket = TcpStream::connect(server.address).expect("a connection");
        socket
            .set_read_timeout(Some(PATIENCE))
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

    /// What the client reads, and how that ends.
    fn read_to_end(client: &mut dyn Duplex) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut received = Vec::new();
        let end = client
            .read_to_end(&mut received)
            .err()
            .map(|error| error.kind());
        (received, end)
    }

    #[test]
    fn dropping_the_server_ends_a_handler_that_waits_for_its_client() {
        let (report, reported) = mpsc::channel();
        let servers = servers(move |connection| {
            report
                .send(connection.read_head().map(|head| head.target))
                .expect("a waiting test");
            report
                .send(connection.read_request().map(|next| next.target))
                .expect("a waiting test");
        });
        for server in servers {
            let mut client = connect(&server);
            send(&mut *client, b"GET /first HTTP/1.1\r\n\r\n");
            assert_eq!(
                reported.recv_timeout(PATIENCE).expect("a handler"),
                Some("/first".to_owned())
            );
            assert_eq!(server.connections(), 1);

            let cut = server.certificate().map(|_| io::ErrorKind::UnexpectedEof);
            drop(server);
            assert_eq!(reported.recv_timeout(PATIENCE).expect("a handler"), None);
            assert_eq!(read_to_end(&mut *client), (Vec::new(), cut));
        }
    }

    #[test]
    fn stopping_the_server_ends_a_handshake() {
        let server = ScriptedServer::start_tls(|_| panic!("a handshake without a client's word"));
        let _client = socket(&server);
        while server.connections() == 0 {
            thread::yield_now();
        }
        let (report, joined) = mpsc::channel();
        thread::spawn(move || {
            server.join();
            report.send(()).expect("a waiting test");
        });
        joined
            .recv_timeout(PATIENCE)
            .expect("an end of the handshake");
    }

    #[test]
    fn dropping_the_server_does_not_wait_for_a_handler_that_waits_for_the_test() {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let server = ScriptedServer::start(move |_| {
            let _ = released.lock().expect("the only handler").recv();
        });
        let _client = TcpStream::connect(server.address).expect("a connection");
        drop(server);
        drop(release);
    }

    #[test]
    fn a_handshake_that_fails_is_not_handled_and_harms_no_other() {
        let server = ScriptedServer::start_tls(|connection| {
            connection.send(connection.index().to_string().as_bytes());
            connection.close_after_client();
        });
        assert!(server.url().starts_with("https://localhost:"));
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b""] {
            let mut client = socket(&server);
            client.write_all(garbage).expect("sent bytes");
            // An error means that the server has already given up.
            let _ = client.shutdown(Shutdown::Write);
            assert!(!read_to_end(&mut client).0.contains(&b'0'));
        }
        assert_eq!(read_to_end(&mut *connect(&server)), (b"2".to_vec(), None));
        assert_eq!(server.connections(), 3);
    }

    #[test]
    fn clients_get_tickets() {
        let server = ScriptedServer::start_tls(Connection::close_after_client);
        let mut client = tls::tests::client(tls::pem(), socket(&server));
        assert_eq!(read_to_end(&mut client), (Vec::new(), None));
        assert_eq!(client.conn.tls13_tickets_received(), 2);
    }

    #[test]
    fn each_piece_leaves_at_once() {
        let (arrived, go_on) = mpsc::channel();
        let go_on = Arc::new(Mutex::new(go_on));
        let servers = servers(move |connection| {
            // Between the pieces it does not touch the connection, for TLS would send what is left when it reads.
            for piece in *b"abc" {
                connection.send(&[piece]);
                go_on
                    .lock()
                    .expect("the only handler")
                    .recv_timeout(PATIENCE)
                    .expect("word that it arrived");
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
    fn sending_fails_when_the_client_is_gone() {
        let (report, reported) = mpsc::channel();
        let servers = servers(move |connection| {
            while connection.send(&[b'.'; 4096]) {}
            report.send(()).expect("a waiting test");
        });
        for server in servers {
            connect(&server)
                .read_exact(&mut [0; 100])
                .expect("the first of it");
            reported.recv_timeout(PATIENCE).expect("an end");
        }
    }

    #[test]
    fn a_body_is_read_as_it_comes_or_by_chunks() {
        let (report, reported) = mpsc::channel();
        let servers = servers(move |connection| {
            connection.read_head().expect("a head");
            let mut framed = Vec::new();
            while framed.len() < 7 {
                let mut some = [0; 100];
                let length = connection.read_some(&mut some);
                framed.extend(&some[..length]);
            }
            report.send(framed).expect("a waiting test");
            while let Some(chunk) = connection.read_chunk() {
                report.send(chunk).expect("a waiting test");
            }
            assert_eq!(connection.read_some(&mut [0]), 0, "the client is gone");
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
                assert_eq!(reported.recv_timeout(PATIENCE).expect("a piece"), expected);
            }
            send(&mut *client, b"9\r\nabc");
            drop(client);
            assert_eq!(reported.recv_timeout(PATIENCE).expect("an end"), b"gone");
        }
    }

    /// The servers outlive their clients here, so what ends the connections is the handler.
    #[test]
    fn the_handler_chooses_how_the_connection_ends() {
        let read: Handler = |connection| assert!(connection.read_head().is_some());
        let ends: [(Handler, [Option<io::ErrorKind>; 2]); 4] = [
            (|_| {}, [None, Some(io::ErrorKind::UnexpectedEof)]),
            (Connection::close_after_client, [None, None]),
            (
                |connection| {
                    connection
                        .stream()
                        .shutdown(Shutdown::Both)
                        .expect("an open socket")
                },
                [None, Some(io::ErrorKind::UnexpectedEof)],
            ),
            (
                |connection| assert!(connection.reset()),
                [Some(io::ErrorKind::ConnectionReset); 2],
            ),
        ];
        for (end, expected) in ends {
            let servers = servers(move |connection| {
                read(connection);
                connection.send(b"bye");
                end(connection);
            });
            for (server, expected) in servers.iter().zip(expected) {
                let mut client = connect(server);
                send(&mut *client, REQUEST);
                let mut received = [0; 3];
                client.read_exact(&mut received).expect("a last word");
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
    fn the_orderly_end_waits_for_the_client() {
        for server in servers(Connection::close_after_client) {
            let mut client = connect(&server);
            assert_eq!(read_to_end(&mut *client), (Vec::new(), None));
            for _ in 0..20 {
                send(&mut *client, REQUEST);
            }
        }
    }

    #[test]
    fn a_connection_is_reset_before_anything_is_read_from_it() {
        let [plain, tls] = servers(|connection| assert!(connection.reset()));
        let reset = (Vec::new(), Some(io::ErrorKind::ConnectionReset));
        let mut client = socket(&plain);
        send(&mut client, REQUEST);
        assert_eq!(read_to_end(&mut client), reset);

        // Written before the handshake, the request leaves together with the end of it.
        let mut client = tls::tests::client(tls::pem(), socket(&tls));
        client
            .conn
            .writer()
            .write_all(REQUEST)
            .expect("a buffered request");
        assert_eq!(read_to_end(&mut client), reset);
    }

    #[test]
    fn nobody_is_reset_who_is_gone() {
        let (report, reported) = mpsc::channel();
        for server in
            servers(move |connection| report.send(connection.reset()).expect("a waiting test"))
        {
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
            assert!(!reported.recv_timeout(PATIENCE).expect("a handler"));
        }
    }

    #[test]
    fn a_reply_tells_its_length() {
        let reply = response("200 OK", &[("X-A", "b")], b"{}");
        assert_eq!(
            reply,
            b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}"
        );
    }
}
