//! A platform in front of a real hub: a reverse proxy that knows the prefixes of Middleware and Manager, over http or https.
//!
//! No Manager is to be had for tests. What reaches a hub through one is forwarded to a real hub; the Manager's own routes are
//! answered by the test.

use std::{
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivatePkcs8KeyDer};

use crate::fixture::Request;

/// Answers the Manager's own routes: the whole reply, or `None` for 404.
pub type Answer = dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync;

/// The platform. Stops when dropped.
pub struct PlatformProxy {
    address: SocketAddr,
    certificate: Option<String>,
    shared: Arc<Shared>,
}

struct Shared {
    hub: String,
    tls: Option<Arc<ServerConfig>>,
    answer: Box<Answer>,
    accepted: AtomicUsize,
    stopping: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

impl PlatformProxy {
    /// A platform over http, in front of the hub at `hub` (a base address with `/api/v1`).
    pub fn start(hub: &str, answer: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::listen(hub, None, Box::new(answer))
    }

    /// The same over https, with a certificate for `localhost` that [`certificate`](Self::certificate) vouches for.
    pub fn start_tls(hub: &str, answer: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], private.into())
            .expect("a certificate and its key");
        Self::listen(hub, Some((config, key.cert.pem())), Box::new(answer))
    }

    fn listen(hub: &str, tls: Option<(ServerConfig, String)>, answer: Box<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener.local_addr().expect("an address of the listener");
        let (tls, certificate) = tls.map(|(config, pem)| (Arc::new(config), pem)).unzip();
        let hub = hub.trim_start_matches("http://").trim_end_matches("/api/v1").to_owned();
        let shared =
            Shared { hub, tls, answer, accepted: AtomicUsize::new(0), stopping: AtomicBool::new(false), requests: Mutex::default() };
        let shared = Arc::new(shared);
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if shared.stopping.load(Ordering::SeqCst) {
                        break;
                    }
                    shared.accepted.fetch_add(1, Ordering::SeqCst);
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || shared.accept(stream));
                }
            }
        });
        Self { address, certificate, shared }
    }

    /// The base address of the Middleware.
    pub fn url(&self) -> String {
        match self.certificate {
            Some(_) => format!("https://localhost:{}/api/v1", self.address.port()),
            None => format!("http://{}/api/v1", self.address),
        }
    }

    /// The certificate to trust, where it speaks https.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for PlatformProxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor. If this fails, it has already ended.
        let _ = TcpStream::connect(self.address);
    }
}

trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

impl Shared {
    fn accept(&self, stream: TcpStream) {
        let stream: Box<dyn Duplex> = match &self.tls {
            None => Box::new(stream),
            Some(config) => match ServerConnection::new(Arc::clone(config)) {
                Ok(connection) => Box::new(StreamOwned::new(connection, stream)),
                Err(_) => return,
            },
        };
        let mut client = BufReader::new(stream);
        while let Some(request) = Request::read(&mut client) {
            self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
            if self.reply(&request, client.get_mut()).is_none() {
                break;
            }
        }
    }

    fn reply(&self, request: &Request, client: &mut dyn Duplex) -> Option<()> {
        match behind_a_manager(&request.target) {
            Some(target) => self.forward(request, target, client),
            None => {
                let not_found = || b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
                let reply = (self.answer)(request).unwrap_or_else(not_found);
                client.write_all(&reply).and_then(|()| client.flush()).ok()
            }
        }
    }

    /// Sends the request on and copies the reply as it comes.
    fn forward(&self, request: &Request, target: &str, client: &mut dyn Duplex) -> Option<()> {
        let mut head = format!("{} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", request.method, self.hub);
        for (name, value) in &request.headers {
            let own = ["host", "connection", "content-length", "transfer-encoding"];
            if !own.contains(&name.to_ascii_lowercase().as_str()) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        if request.method != "GET" {
            head += &format!("Content-Length: {}\r\n", request.body.len());
        }
        let mut hub = TcpStream::connect(&self.hub).ok()?;
        hub.write_all(&[head.as_bytes(), b"\r\n", &request.body].concat()).ok()?;

        // The hub closes after this reply, the client's connection goes on: its replies all tell where they end.
        let mut hub = BufReader::new(hub);
        let mut line = String::new();
        while std::io::BufRead::read_line(&mut hub, &mut line).ok()? > 2 {
            if !line.to_ascii_lowercase().starts_with("connection:") {
                client.write_all(line.as_bytes()).ok()?;
            }
            line.clear();
        }
        client.write_all(b"\r\n").and_then(|()| client.flush()).ok()?;
        let mut piece = [0; 16 << 10];
        loop {
            let read = hub.read(&mut piece).ok()?;
            if read == 0 {
                return Some(());
            }
            client.write_all(&piece[..read]).and_then(|()| client.flush()).ok()?;
        }
    }
}

/// `/api/v1/space/S/api/v1/sth/H/api/v1/version` is `/api/v1/version` on the hub.
fn behind_a_manager(target: &str) -> Option<&str> {
    let (_, rest) = target.split_once("/sth/")?;
    rest.find('/').and_then(|at| rest.get(at..))
}
