//! A server on the loopback interface, whose connections the test handles itself.
//!
//! It is for programs in other processes, for tests of transports, and for responses that no
//! correct server sends.
//!
//! ```
//! use scramjet_client_blocking::HostClient;
//! use scramjet_client_testing::script::Answer;
//! use scramjet_client_testing::server::Server;
//!
//! let server = Server::start(|connection| {
//!     loop {
//!         let request = connection.read_request()?;
//!         match request.target.as_str() {
//!             "/api/v1/version" => connection.respond(Answer::ok(r#"{"version":"1.0.1"}"#))?,
//!             // Raw bytes: a truncated response.
//!             _ => return connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
//!         }
//!     }
//! })?;
//! let host = HostClient::new(server.url())?;
//! assert_eq!(host.version()?.version, "1.0.1");
//! assert!(host.list_sequences().unwrap_err().to_string().contains("connection lost"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

pub use self::connection::{Connection, Stream, plain};
pub use crate::http1::{chunk, response};

/// A server that calls a handler for each connection, on a thread of its own.
///
/// The server stops when it is dropped. It then shuts down the open connections, so that handlers
/// that wait for their client return.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    stopping: AtomicBool,
}

impl Server {
    /// Starts a server on a free port.
    ///
    /// The connection is closed when the handler returns. The server ignores the error of the
    /// handler, so the handler can use `?` if the client closes the connection.
    ///
    /// # Errors
    /// If no port is free, or a thread could not be created.
    pub fn start(
        handler: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_on(TcpListener::bind("127.0.0.1:0")?, plain, handler)
    }

    /// Starts a server on this listener. `wrap` adds a protocol such as TLS to each connection;
    /// pass [`plain`] to add none.
    ///
    /// `wrap` runs on the thread of the connection. If it fails, the connection is closed.
    ///
    /// # Errors
    /// If the address of the listener is unknown, or a thread could not be created.
    pub fn start_on(
        listener: TcpListener,
        wrap: impl Fn(Arc<TcpStream>) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
        handler: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serve = move |index, socket: Arc<TcpStream>| {
            let stream = wrap(Arc::clone(&socket))?;
            let mut connection = Connection::new(index, socket, stream);
            handler(&mut connection)
        };
        let acceptor = thread::Builder::new().name("server".into()).spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared, &Arc::new(serve))
        })?;
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Returns the address that the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for clients: `http://127.0.0.1:<port>/api/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        base_url(self.address)
    }

    /// Returns the number of connections so far, including those that could not be wrapped.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Stops the server, and blocks until all handlers have returned.
    ///
    /// It may block forever if a handler waits for something other than its connection.
    pub fn join(mut self) {
        for handler in self.stop() {
            let _ = handler.join();
        }
    }

    fn stop(&mut self) -> Vec<JoinHandle<()>> {
        let Some(acceptor) = self.acceptor.take() else {
            return Vec::new();
        };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread. An error means that it has already ended.
        let _ = TcpStream::connect(self.address);
        acceptor.join().unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Does not join the handlers: one may wait for a channel that the test drops later.
        self.stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

/// Accepts connections until the server stops. Then shuts down the open ones, and returns the
/// threads of their handlers.
fn accept<F>(listener: &TcpListener, shared: &Shared, serve: &Arc<F>) -> Vec<JoinHandle<()>>
where
    F: Fn(usize, Arc<TcpStream>) -> io::Result<()> + Send + Sync + 'static,
{
    // Weak, because a connection must be closed as soon as its handler returns.
    let mut open: Vec<Weak<TcpStream>> = Vec::new();
    let mut handlers: Vec<JoinHandle<()>> = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        // Without Nagle's algorithm, so that each write is sent at once. An error means that the
        // client has already closed the connection.
        let Ok(socket) = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) else {
            continue;
        };
        let socket = Arc::new(socket);
        // The handle of a thread that has ended keeps its stack.
        handlers.retain(|handler| !handler.is_finished());
        open.retain(|socket| socket.strong_count() > 0);
        open.push(Arc::downgrade(&socket));
        let index = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let serve = Arc::clone(serve);
        let handle = move || drop(serve(index, socket));
        let handler = thread::Builder::new().name("server-connection".into());
        // If the thread cannot be created, the connection is closed.
        handlers.extend(handler.spawn(handle));
    }
    for socket in open.iter().filter_map(Weak::upgrade) {
        let _ = socket.shutdown(Shutdown::Both);
    }
    handlers
}

/// Returns a base URL whose port is closed, so that connections to it are refused.
///
/// # Errors
/// If no port is free.
pub fn refused_url() -> io::Result<String> {
    Ok(base_url(TcpListener::bind("127.0.0.1:0")?.local_addr()?))
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}/api/v1")
}
