//! A TCP relay in front of a hub, which can stall or close the connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Relays connections to a server. Stops when dropped.
pub struct Link {
    address: SocketAddr,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The sockets of all connections so far, client and server.
    connections: Vec<[TcpStream; 2]>,
    /// Connections with a lower number are frozen.
    frozen: usize,
    /// The value of `frozen` after `unfreeze`.
    still_frozen: usize,
    /// Responses are frozen.
    responses_frozen: bool,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Starts a link to the server with this base URL.
    pub fn to(url: &str) -> Self {
        let server = url.trim_start_matches("http://");
        let server = server.split('/').next().expect("an address").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Shared>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                    continue;
                };
                let mut state = shared.lock();
                if state.stopped {
                    return;
                }
                let number = state.connections.len();
                let pair = || Ok([client.try_clone()?, server.try_clone()?]);
                let pair: std::io::Result<_> = pair();
                state.connections.push(pair.expect("second handles"));
                drop(state);
                for (from, to, is_response) in [(&client, &server, false), (&server, &client, true)]
                {
                    let pair = (from.try_clone(), to.try_clone());
                    let (from, to) = (pair.0.expect("a handle"), pair.1.expect("a handle"));
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || copy(from, to, (number, is_response), &shared));
                }
            }
        });
        Self { address, state }
    }

    /// Returns the base URL of the server through this relay.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Freezes the existing connections: no more bytes pass, but both sockets stay open.
    pub fn freeze(&self) {
        let mut state = self.state.lock();
        state.frozen = state.connections.len();
    }

    /// Freezes existing and new connections until [`unfreeze`](Self::unfreeze).
    pub fn freeze_all(&self) {
        let mut state = self.state.lock();
        state.still_frozen = state.connections.len();
        state.frozen = usize::MAX;
    }

    /// Freezes responses, but not requests, until [`unfreeze`](Self::unfreeze).
    pub fn freeze_responses(&self) {
        self.state.lock().responses_frozen = true;
    }

    /// Unfreezes the connections made since the last `freeze_all`.
    pub fn unfreeze(&self) {
        let mut state = self.state.lock();
        (state.frozen, state.responses_frozen) = (state.still_frozen, false);
        drop(state);
        self.state.changed.notify_all();
    }

    /// Closes all connections.
    pub fn close_connections(&self) {
        let state = self.state.lock();
        close(&state);
    }

    /// Returns the port of this relay.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.state.lock().connections.len()
    }
}

fn close(state: &State) {
    for socket in state.connections.iter().flatten() {
        // It may be closed already.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.stopped = true;
        close(&state);
        drop(state);
        self.state.changed.notify_all();
        // Wakes the listener thread.
        let _ = TcpStream::connect(self.address);
    }
}

/// Copies one direction. `which` is the connection's number, and `true` for responses.
fn copy(mut from: TcpStream, mut to: TcpStream, which: (usize, bool), shared: &Shared) {
    let mut piece = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut piece).unwrap_or(0);
        let (number, is_response) = which;
        let frozen = |state: &mut State| {
            (number < state.frozen || is_response && state.responses_frozen) && !state.stopped
        };
        let state = shared.changed.wait_while(shared.lock(), frozen);
        drop(state.unwrap_or_else(PoisonError::into_inner));
        if read == 0 || to.write_all(&piece[..read]).is_err() {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
    }
}
