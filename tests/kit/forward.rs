//! A forward proxy, which opens CONNECT tunnels, or does what the test says instead.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use scramjet_client_testing::ReceivedRequest;

use crate::scripted::{Connection, ScriptedServer};

/// A forward proxy on the loopback interface. It stops when it is dropped.
pub struct ForwardProxy {
    server: ScriptedServer,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl ForwardProxy {
    /// Starts a proxy that opens tunnels for `reachable` (`hub.example:443`) to the server with
    /// this base URL, and refuses all others. `answer` is the head of the response to a CONNECT
    /// request, with its empty line.
    pub fn start(reachable: &str, server: &str, answer: &str) -> Self {
        let (_, address) = server.split_once("://").expect("a base URL");
        let (address, _) = address.split_once('/').expect("a base URL");
        let (reachable, address, answer) =
            (reachable.to_owned(), address.to_owned(), answer.to_owned());
        Self::scripted(move |request, client| {
            if request.method == "CONNECT" && request.target == reachable {
                let server = TcpStream::connect(&address).expect("a connection to the server");
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
        let requests = Arc::<Mutex<Vec<ReceivedRequest>>>::default();
        let server = ScriptedServer::start({
            let requests = Arc::clone(&requests);
            move |client| {
                if let Ok(request) = client.read_head() {
                    requests
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(request.clone());
                    handler(&request, client);
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

/// Copies bytes in both directions, until both sides have ended.
fn join(client: &mut Connection, mut server: TcpStream) {
    let to_server = server.try_clone().expect("a second handle");
    let to_client = client.socket().try_clone().expect("a second handle");
    let back = thread::spawn(move || copy(&mut server, &to_client));
    // Through the connection, which may have read ahead.
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
