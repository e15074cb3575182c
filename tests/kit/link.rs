//! A link to a hub that can be cut, with a word or without.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Passes connections on to a server. It ends when it is dropped.
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
    /// Connections before this number pass nothing on any more.
    frozen: usize,
    /// The number that holds when it is mended.
    dead: usize,
    /// Nothing passes on the way from the server.
    mute: bool,
    over: bool,
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
                if state.over {
                    return;
                }
                let number = state.connections.len();
                let pair = || Ok([client.try_clone()?, server.try_clone()?]);
                let pair: std::io::Result<_> = pair();
                state.connections.push(pair.expect("second handles"));
                drop(state);
                for (from, to, answers) in [(&client, &server, false), (&server, &client, true)] {
                    let pair = (from.try_clone(), to.try_clone());
                    let (from, to) = (pair.0.expect("a handle"), pair.1.expect("a handle"));
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || copy(from, to, (number, answers), &shared));
                }
            }
        });
        Self { address, state }
    }

    /// The base URL of the server through this link.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Lets nothing through any more on the connections that there are. Neither side is told.
    pub fn freeze(&self) {
        let mut state = self.state.lock();
        state.frozen = state.connections.len();
    }

    /// Lets nothing through any more until it is [mended](Self::mend), also on new connections.
    pub fn freeze_all(&self) {
        let mut state = self.state.lock();
        state.dead = state.connections.len();
        state.frozen = usize::MAX;
    }

    /// Lets requests through, and no answers, until it is [mended](Self::mend).
    pub fn freeze_answers(&self) {
        self.state.lock().mute = true;
    }

    /// Lets those connections through again that were made since it was frozen.
    pub fn mend(&self) {
        let mut state = self.state.lock();
        (state.frozen, state.mute) = (state.dead, false);
        drop(state);
        self.state.changed.notify_all();
    }

    /// Closes all connections.
    pub fn cut(&self) {
        let state = self.state.lock();
        close(&state);
    }

    /// The port of this link.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The number of connections so far.
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
        state.over = true;
        close(&state);
        drop(state);
        self.state.changed.notify_all();
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

/// `which` is the number of the connection, and if it is the way from the server.
fn copy(mut from: TcpStream, mut to: TcpStream, which: (usize, bool), shared: &Shared) {
    let mut piece = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut piece).unwrap_or(0);
        let (number, answers) = which;
        let frozen =
            |state: &mut State| (number < state.frozen || answers && state.mute) && !state.over;
        let state = shared.changed.wait_while(shared.lock(), frozen);
        drop(state.unwrap_or_else(PoisonError::into_inner));
        if read == 0 || to.write_all(&piece[..read]).is_err() {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
    }
}
