//! A platform in front of a real hub: a reverse proxy that knows the prefixes of Middleware and
//! Manager, over http or https.
//!
//! No Manager is available for tests. The proxy forwards requests for a hub to a real hub, and the
//! test answers those for the Manager.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
};

use scramjet_client_testing::ReceivedRequest;

use crate::scripted::{Connection, ScriptedServer, response};

/// Answers the Manager's own routes with a whole response, or with `None` for 404.
pub type Answer = dyn Fn(&ReceivedRequest) -> Option<Vec<u8>> + Send + Sync;

/// The platform. Stops when dropped.
pub struct PlatformProxy {
    server: ScriptedServer,
    shared: Arc<Shared>,
}

struct Shared {
    hub: String,
    answer: Box<Answer>,
    requests: Mutex<Vec<ReceivedRequest>>,
}

impl PlatformProxy {
    /// Starts a platform over http, in front of the hub with this base URL.
    pub fn start(
        hub: &str,
        answer: impl Fn(&ReceivedRequest) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared::new(hub, answer);
        let server = ScriptedServer::start({
            let shared = Arc::clone(&shared);
            move |connection| shared.serve(connection)
        });
        Self { server, shared }
    }

    /// Starts a platform over https, with a certificate for `localhost` that is in
    /// [`certificate`](Self::certificate).
    pub fn start_tls(
        hub: &str,
        answer: impl Fn(&ReceivedRequest) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared::new(hub, answer);
        let server = ScriptedServer::start_tls({
            let shared = Arc::clone(&shared);
            move |connection| shared.serve(connection)
        });
        Self { server, shared }
    }

    /// Returns the base URL of the Middleware.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Returns the certificate to trust, in PEM, of a platform over https.
    pub fn certificate(&self) -> Option<&str> {
        self.server.certificate()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Shared {
    fn new(
        hub: &str,
        answer: impl Fn(&ReceivedRequest) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let hub = hub
            .trim_start_matches("http://")
            .trim_end_matches("/api/v1")
            .to_owned();
        Arc::new(Self {
            hub,
            answer: Box::new(answer),
            requests: Mutex::default(),
        })
    }

    fn serve(&self, client: &mut Connection) {
        while let Ok(request) = client.read_request() {
            self.requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(request.clone());
            if self.reply(&request, client).is_none() {
                break;
            }
        }
    }

    fn reply(&self, request: &ReceivedRequest, client: &mut Connection) -> Option<()> {
        match target_on_the_hub(&request.target) {
            Some(target) => self.forward(request, target, client),
            None => {
                let reply =
                    (self.answer)(request).unwrap_or_else(|| response("404 Not Found", &[], b""));
                client.send(reply).ok()
            }
        }
    }

    /// Forwards the request, and copies the response as it comes.
    fn forward(
        &self,
        request: &ReceivedRequest,
        target: &str,
        client: &mut Connection,
    ) -> Option<()> {
        let mut head = format!(
            "{} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            request.method, self.hub
        );
        for (name, value) in &request.headers {
            let own = ["host", "connection", "content-length", "transfer-encoding"];
            if !own.contains(&name.as_str()) {
                let value = value.to_str().expect("a header value in ASCII");
                head += &format!("{name}: {value}\r\n");
            }
        }
        if request.method != "GET" {
            head += &format!("Content-Length: {}\r\n", request.body.len());
        }
        let mut hub = TcpStream::connect(&self.hub).ok()?;
        hub.write_all(&[head.as_bytes(), b"\r\n", &request.body].concat())
            .ok()?;

        // The hub closes its connection after the response. The client's connection stays open,
        // because all responses of the hub say where they end.
        let mut hub = BufReader::new(hub);
        let (mut head, mut line) = (String::new(), String::new());
        while hub.read_line(&mut line).ok()? > 2 {
            if !line.to_ascii_lowercase().starts_with("connection:") {
                head += &line;
            }
            line.clear();
        }
        client.send(format!("{head}\r\n")).ok()?;
        let mut piece = [0; 16 << 10];
        loop {
            let read = hub.read(&mut piece).ok()?;
            if read == 0 {
                return Some(());
            }
            client.send(&piece[..read]).ok()?;
        }
    }
}

/// Returns the target on the hub: `/api/v1/version` for
/// `/api/v1/space/S/api/v1/sth/H/api/v1/version`.
fn target_on_the_hub(target: &str) -> Option<&str> {
    let (_, rest) = target.split_once("/sth/")?;
    rest.find('/').and_then(|at| rest.get(at..))
}
