//! A platform in front of a real hub: a reverse proxy that knows the prefixes of Middleware and Manager, over http or https.
//!
//! No Manager is to be had for tests. What reaches a hub through one is forwarded to a real hub; the Manager's own routes are
//! answered by the test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    fixture::Request,
    scripted::{Connection, ScriptedServer, response},
};

/// Answers the Manager's own routes: the whole reply, or `None` for 404.
pub type Answer = dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync;

/// The platform. Stops when dropped.
pub struct PlatformProxy {
    server: ScriptedServer,
    shared: Arc<Shared>,
}

struct Shared {
    hub: String,
    answer: Box<Answer>,
    requests: Mutex<Vec<Request>>,
}

impl PlatformProxy {
    /// A platform over http, in front of the hub at `hub` (a base address with `/api/v1`).
    pub fn start(
        hub: &str,
        answer: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared::new(hub, answer);
        let server = ScriptedServer::start({
            let shared = Arc::clone(&shared);
            move |connection| shared.serve(connection)
        });
        Self { server, shared }
    }

    /// The same over https, with a certificate for `localhost` that [`certificate`](Self::certificate) vouches for.
    pub fn start_tls(
        hub: &str,
        answer: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared::new(hub, answer);
        let server = ScriptedServer::start_tls({
            let shared = Arc::clone(&shared);
            move |connection| shared.serve(connection)
        });
        Self { server, shared }
    }

    /// The base address of the Middleware.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The certificate to trust in PEM, where it speaks https.
    pub fn certificate(&self) -> Option<&str> {
        self.server.certificate()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
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
        answer: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static,
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
        while let Some(request) = client.read_request() {
            self.requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(request.clone());
            if self.reply(&request, client).is_none() {
                break;
            }
        }
    }

    fn reply(&self, request: &Request, client: &mut Connection) -> Option<()> {
        match behind_a_manager(&request.target) {
            Some(target) => self.forward(request, target, client),
            None => {
                let reply =
                    (self.answer)(request).unwrap_or_else(|| response("404 Not Found", &[], b""));
                client.send(&reply).then_some(())
            }
        }
    }

    /// Sends the request on and copies the reply as it comes.
    fn forward(&self, request: &Request, target: &str, client: &mut Connection) -> Option<()> {
        let mut head = format!(
            "{} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            request.method, self.hub
        );
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
        hub.write_all(&[head.as_bytes(), b"\r\n", &request.body].concat())
            .ok()?;

        // The hub closes after this reply, the client's connection goes on: its replies all tell where they end.
        let mut hub = BufReader::new(hub);
        let (mut head, mut line) = (String::new(), String::new());
        while hub.read_line(&mut line).ok()? > 2 {
            if !line.to_ascii_lowercase().starts_with("connection:") {
                head += &line;
            }
            line.clear();
        }
        client
            .send(format!("{head}\r\n").as_bytes())
            .then_some(())?;
        let mut piece = [0; 16 << 10];
        loop {
            let read = hub.read(&mut piece).ok()?;
            if read == 0 {
                return Some(());
            }
            client.send(&piece[..read]).then_some(())?;
        }
    }
}

/// `/api/v1/space/S/api/v1/sth/H/api/v1/version` is `/api/v1/version` on the hub.
fn behind_a_manager(target: &str) -> Option<&str> {
    let (_, rest) = target.split_once("/sth/")?;
    rest.find('/').and_then(|at| rest.get(at..))
}
