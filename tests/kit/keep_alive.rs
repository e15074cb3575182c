//! A Node.js server that closes idle connections early, as hubs do, and accepts every request.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use crate::{hub::check_node, node::NodeProcess};

/// A running server. Stops when dropped.
#[derive(Debug)]
pub struct KeepAliveServer {
    url: String,
    process: NodeProcess,
}

/// The requests that a server has received.
#[derive(Debug)]
pub struct Stats {
    pub requests: u64,
    pub connections: u64,
    /// Paths of POST requests that arrived more than once.
    pub posted_twice: Vec<String>,
}

impl KeepAliveServer {
    /// Starts a server that announces an idle timeout of `limit` ms. It blocks for `busy` ms of
    /// every 40 ms.
    ///
    /// # Panics
    /// Node.js is missing.
    pub fn start(limit: u32, busy: u32) -> Self {
        check_node().unwrap_or_else(|error| panic!("{error}"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/keep_alive.js");
        let (limit, busy) = (limit.to_string(), busy.to_string());
        let mut process = NodeProcess::spawn(&script, [&*limit, &*busy], BTreeMap::new())
            .expect("a process of node");
        let ready = process
            .announcement()
            .unwrap_or_else(|what| panic!("{what}\n{}", process.stderr.tail()));
        let url = ready["url"].as_str().expect("an address").to_owned();
        Self { url, process }
    }

    /// Returns the base URL for clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the statistics so far.
    pub fn stats(&self) -> Stats {
        let address = self
            .url
            .trim_start_matches("http://")
            .trim_end_matches("/api/v1");
        let mut socket = TcpStream::connect(address).expect("a connection");
        write!(
            socket,
            "GET /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .expect("a request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a head").1;
        let stats: serde_json::Value = serde_json::from_str(body).expect("an answer in JSON");
        let number = |name: &str| stats[name].as_u64().expect("a number");
        let posted_twice = stats["posted_twice"].as_array().expect("a list");
        Stats {
            requests: number("requests"),
            connections: number("connections"),
            posted_twice: posted_twice.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Drop for KeepAliveServer {
    fn drop(&mut self) {
        // Kills it if necessary.
        let _ = self.process.end();
    }
}
