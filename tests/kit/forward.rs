//! A forward proxy that opens CONNECT tunnels and forwards requests, or runs a test's handler.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use scramjet_client_testing::ReceivedRequest;

use crate::scripted::{Connection, ScriptedServer};

/// A forward proxy on the loopback interface. Stops when dropped.
pub struct ForwardProxy {
    server: ScriptedServer,
    requests: Arc<Requests>,
}

type Requests = Mutex<Vec<ReceivedRequest>>;

/// The port to which the proxy opens tunnels.
const TUNNEL_PORT: &str = ":443";

impl ForwardProxy {
    /// Starts a proxy that forwards connections for `reachable` (`hub.example:443`) to the server
    /// with the base URL `server`, and refuses all other hosts.
    ///
    /// It opens tunnels to port 443 only, and forwards requests in absolute form. `answer` is the
    /// head of the response to a CONNECT request, with its empty line.
    pub fn start(reachable: &str, server: &str, answer: &str) -> Self {
        let (_, address) = server.split_once("://").expect("a base URL");
        let (address, _) = address.split_once('/').expect("a base URL");
        let (reachable, address, answer) =
            (reachable.to_owned(), address.to_owned(), answer.to_owned());
        Self::recording(move |request, client, requests| {
            let connect = || TcpStream::connect(&address).expect("a connection to the server");
            if request.method != "CONNECT" && path_at(&reachable, request).is_some() {
                let _ = forward(&reachable, request, client, connect(), requests);
            } else if request.target == reachable && reachable.ends_with(TUNNEL_PORT) {
                let server = connect();
                let _ = client.send(&answer);
                join(client, server);
            } else {
                let _ = client.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            }
        })
    }

    /// Starts a proxy that calls `handler` for the head of each connection's first request.
    pub fn scripted(
        handler: impl Fn(&ReceivedRequest, &mut Connection) + Send + Sync + 'static,
    ) -> Self {
        Self::recording(move |request, client, _| handler(request, client))
    }

    fn recording(
        handler: impl Fn(&ReceivedRequest, &mut Connection, &Requests) + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::<Requests>::default();
        let server = ScriptedServer::start({
            let requests = Arc::clone(&requests);
            move |client| {
                if let Ok(request) = client.read_head() {
                    record(&requests, &request);
                    handler(&request, client, &requests);
                }
            }
        });
        Self { server, requests }
    }

    /// Returns the address, with the port.
    pub fn address(&self) -> String {
        let url = self.server.url();
        url.trim_start_matches("http://")
            .trim_end_matches("/api/v1")
            .to_owned()
    }

    /// Returns the URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }
}

fn record(requests: &Requests, request: &ReceivedRequest) {
    let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
    requests.push(request.clone());
}

/// Returns the path of a request in absolute form to this host.
fn path_at<'a>(reachable: &str, request: &'a ReceivedRequest) -> Option<&'a str> {
    let rest = request.target.strip_prefix("http://")?;
    let (host, path) = rest.split_at_checked(rest.find('/')?)?;
    (host == reachable || format!("{host}:80") == reachable).then_some(path)
}

/// Forwards requests with their bodies as they arrive, and copies the responses unparsed.
fn forward(
    reachable: &str,
    first: &ReceivedRequest,
    client: &mut Connection,
    mut server: TcpStream,
    requests: &Requests,
) -> io::Result<()> {
    let mut from_server = server.try_clone()?;
    let to_client = client.socket().try_clone()?;
    let back = thread::spawn(move || copy(&mut from_server, &to_client));
    let mut request = first.clone();
    let result = loop {
        let path = path_at(reachable, &request).expect("the same host");
        if let Err(error) = forward_one(path, &request, client, &mut server) {
            break Err(error);
        }
        match client.read_head() {
            Ok(next) => request = next,
            Err(error) => break Err(error),
        }
        record(requests, &request);
    };
    let _ = server.shutdown(Shutdown::Write);
    let _ = back.join();
    result
}

fn forward_one(
    path: &str,
    request: &ReceivedRequest,
    client: &mut Connection,
    server: &mut TcpStream,
) -> io::Result<()> {
    let mut head = format!("{} {path} HTTP/1.1\r\n", request.method);
    for (name, value) in &request.headers {
        if !name.as_str().starts_with("proxy-") {
            let value = value.to_str().expect("a header value in ASCII");
            head += &format!("{name}: {value}\r\n");
        }
    }
    server.write_all(format!("{head}\r\n").as_bytes())?;
    if request.header("transfer-encoding").is_none() {
        let mut complete = request.clone();
        client.read_body(&mut complete)?;
        return server.write_all(&complete.body);
    }
    loop {
        let chunk = client.read_chunk()?;
        let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), &chunk, b"\r\n"].concat();
        server.write_all(&framed)?;
        if chunk.is_empty() {
            return Ok(());
        }
    }
}

/// Copies bytes in both directions until both sides have ended.
fn join(client: &mut Connection, mut server: TcpStream) {
    let to_server = server.try_clone().expect("a second handle");
    let to_client = client.socket().try_clone().expect("a second handle");
    let back = thread::spawn(move || copy(&mut server, &to_client));
    // Reads through the connection, which may have buffered bytes.
    copy(client, &to_server);
    let _ = back.join();
}

fn copy(from: &mut impl Read, mut to: &TcpStream) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
