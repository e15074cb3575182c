//! A forward proxy, which connects clients to where they ask it to, or does what the test says instead.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::{
    fixture::Request,
    scripted::{Connection, ScriptedServer},
};

/// A forward proxy on this machine. Stops when dropped.
pub struct ForwardProxy {
    server: ScriptedServer,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl ForwardProxy {
    /// One that connects whoever asks for `reachable` (`hub.example:443`) to the server with this base address, and refuses everybody else.
    /// Its answer is this head, with its empty line.
    pub fn start(reachable: &str, server: &str, answer: &str) -> Self {
        let (_, address) = server.split_once("://").expect("a base address");
        let (address, _) = address.split_once('/').expect("a base address");
        let (reachable, address, answer) =
            (reachable.to_owned(), address.to_owned(), answer.to_owned());
        Self::scripted(move |asked, client| {
            if asked.method == "CONNECT" && asked.target == reachable {
                let server = TcpStream::connect(&address).expect("a connection to the server");
                client.send(answer.as_bytes());
                client.join(server);
            } else {
                client.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            }
        })
    }

    /// One that does this with each request for a connection.
    pub fn scripted(handler: impl Fn(&Request, &mut Connection) + Send + Sync + 'static) -> Self {
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let server = ScriptedServer::start({
            let asked = Arc::clone(&asked);
            move |client| {
                if let Some(request) = client.read_head() {
                    asked
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(request.clone());
                    handler(&request, client);
                }
            }
        });
        Self { server, asked }
    }

    /// Its address, with the port.
    pub fn address(&self) -> String {
        let url = self.server.url();
        url.trim_start_matches("http://")
            .trim_end_matches("/api/v1")
            .to_owned()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What it was asked for so far, each with its headers.
    pub fn asked(&self) -> Vec<Request> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }
}

impl Connection {
    /// Passes on what comes from either side, until both have ended.
    fn join(&mut self, server: TcpStream) {
        let to_server = server.try_clone().expect("a second handle");
        let to_client = self.stream().try_clone().expect("a second handle");
        let back = thread::spawn(move || copy(server, to_client));
        let mut early = vec![0; 16 << 10];
        let mut to = &to_server;
        loop {
            let read = self.read_some(&mut early);
            if read == 0 || to.write_all(&early[..read]).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Write);
        let _ = back.join();
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
