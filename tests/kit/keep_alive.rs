//! A server of Node.js that closes idle connections soon, as hubs do, and says yes to everything.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use crate::{hub::check_node, node::NodeProcess};

/// Ends when it is dropped.
#[derive(Debug)]
pub struct KeepAliveServer {
    url: String,
    process: NodeProcess,
}

/// What came to a server.
#[derive(Debug)]
pub struct Seen {
    pub requests: u64,
    pub connections: u64,
    /// What was posted more than once.
    pub twice: Vec<String>,
}

impl KeepAliveServer {
    /// Starts a server that announces to keep idle connections for so many milliseconds, and is busy with something else for so many of each 40.
    ///
    /// # Panics
    ///
    /// When there is no Node.js.
    pub fn start(limit: u32, busy: u32) -> Self {
        check_node().unwrap_or_else(|error| panic!("{error}"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/keep_alive.js");
        let (limit, busy) = (limit.to_string(), busy.to_string());
        let mut process = NodeProcess::spawn(&script, [&*limit, &*busy], BTreeMap::new())
            .expect("a process of node");
        let told = process
            .announcement()
            .unwrap_or_else(|what| panic!("{what}\n{}", process.stderr.tail()));
        let url = told["url"].as_str().expect("an address").to_owned();
        Self { url, process }
    }

    /// The base address, in the form in which clients take it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What came so far.
    pub fn seen(&self) -> Seen {
        let address = self
            .url
            .trim_start_matches("http://")
            .trim_end_matches("/api/v1");
        let mut socket = TcpStream::connect(address).expect("a connection");
        write!(
            socket,
            "GET /seen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .expect("a request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a head").1;
        let seen: serde_json::Value = serde_json::from_str(body).expect("an answer in JSON");
        let number = |name: &str| seen[name].as_u64().expect("a number");
        let twice = seen["twice"].as_array().expect("a list");
        Seen {
            requests: number("requests"),
            connections: number("connections"),
            twice: twice.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Drop for KeepAliveServer {
    fn drop(&mut self) {
        // Killed if it has to be.
        let _ = self.process.end();
    }
}
