//! A server on the loopback interface whose connections are handled by the test, byte by byte if
//! need be: for programs in other processes, for transports, and for responses that no proper
//! server gives.
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
//!             // Raw bytes: a response that is cut off.
//!             _ => return connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
//!         }
//!     }
//! })?;
//! let host = HostClient::new(server.url())?;
//! assert_eq!(host.version()?.version, "1.0.1");
//! assert!(host.list_sequences().unwrap_err().to_string().contains("cut off"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use crate::http1::{chunk, response};

use crate::http1::{BodyReader, Framing, MessageHead, read_chunk};
use crate::script::Answer;
use crate::{IncomingRequest, ReceivedRequest};

/// Runs a function for each connection, on a thread of its own.
///
/// The server stops when it is dropped. It then shuts the open connections down, so that functions
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
    /// The connection is closed when the handler returns. Its error is ignored: it means that the
    /// client has closed the connection, so the handler can use `?`.
    ///
    /// # Errors
    /// No port is free, or a thread could not be created.
    pub fn start(
        handler: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_on(TcpListener::bind("127.0.0.1:0")?, plain, handler)
    }

    /// Starts a server on this listener, whose connections are wrapped by a function: for example
    /// in TLS. To wrap nothing, pass [`plain`].
    ///
    /// The function runs on the thread of the connection. If it fails, the connection is closed.
    ///
    /// # Errors
    /// The address of the listener is not known, or a thread could not be created.
    pub fn start_on(
        listener: TcpListener,
        wrap: impl Fn(Arc<TcpStream>) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
        handler: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serve = move |index, socket: Arc<TcpStream>| {
            let mut connection = Connection {
                index,
                reader: BufReader::new(wrap(Arc::clone(&socket))?),
                socket,
                framing: Framing::Length(0),
            };
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

    /// The address at which the server listens.
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
    /// It blocks forever if a handler waits for something other than its connection.
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
        // Wakes the acceptor. If this fails, it has already ended.
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

/// Accepts connections until the server stops, then shuts the open ones down and returns the
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
        // Without delay, so that each write is a segment of its own. An error means that the client
        // has already closed the connection.
        let Ok(socket) = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) else {
            continue;
        };
        let socket = Arc::new(socket);
        // The stack of a thread that has ended is kept as long as its handle.
        handlers.retain(|handler| !handler.is_finished());
        open.retain(|socket| socket.strong_count() > 0);
        open.push(Arc::downgrade(&socket));
        let index = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let serve = Arc::clone(serve);
        let handle = move || drop(serve(index, socket));
        let handler = thread::Builder::new().name("server-connection".into());
        // Without a thread for it, the connection is closed.
        handlers.extend(handler.spawn(handle));
    }
    for socket in open.iter().filter_map(Weak::upgrade) {
        let _ = socket.shutdown(Shutdown::Both);
    }
    handlers
}

/// The bytes of a connection: those of the socket, or what a protocol such as TLS makes of them.
pub trait Stream: Read + Write + Send {
    /// Tells the client that nothing more will be sent, if the protocol has a message for that:
    /// `close_notify` in TLS. By default it does nothing.
    ///
    /// # Errors
    /// The message cannot be sent.
    fn send_end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Wraps a connection in nothing, for [`Server::start_on`].
///
/// # Errors
/// It never fails.
pub fn plain(socket: Arc<TcpStream>) -> io::Result<Box<dyn Stream>> {
    Ok(Box::new(Plain(socket)))
}

struct Plain(Arc<TcpStream>);

impl Read for Plain {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buf)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

impl Stream for Plain {}

/// An accepted connection.
///
/// Reading it reads the bytes that follow what was read before, with their framing. When the
/// handler returns, the socket is closed without a message, which over TLS is a truncation. Call
/// [`close_after_client`](Self::close_after_client) for an orderly end, or
/// [`wait_unread`](Self::wait_unread) for a reset.
pub struct Connection {
    index: usize,
    socket: Arc<TcpStream>,
    reader: BufReader<Box<dyn Stream>>,
    /// How the rest of the body of the last request is delimited.
    framing: Framing,
}

impl Connection {
    /// Returns the number of this connection, counted from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Reads the next request with its body.
    ///
    /// # Errors
    /// The client closed the connection before the end of the request, or did not send a request.
    pub fn read_request(&mut self) -> io::Result<ReceivedRequest> {
        let mut request = self.read_head()?;
        self.read_body(&mut request)?;
        Ok(request)
    }

    /// Reads the head of the next request. The body stays unread, and is empty in the record.
    ///
    /// # Errors
    /// The client closed the connection before the end of the head, or did not send a request.
    pub fn read_head(&mut self) -> io::Result<ReceivedRequest> {
        let head = MessageHead::read(&mut self.reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.framing = head.framing(Framing::Length(0));
        ReceivedRequest::from_head(head)
    }

    /// Reads the body, or the rest of it, of a request whose head was read.
    ///
    /// # Errors
    /// The client closed the connection before the end of the body. The record has what came.
    pub fn read_body(&mut self, request: &mut ReceivedRequest) -> io::Result<()> {
        self.body().read_to_end(&mut request.body)?;
        request.complete = true;
        Ok(())
    }

    /// Reads the next chunk of a chunked body whose head was read. The last chunk is empty.
    ///
    /// # Errors
    /// The client closed the connection before the end of the chunk, or did not send a chunk.
    pub fn read_chunk(&mut self) -> io::Result<Vec<u8>> {
        read_chunk(&mut self.reader)
    }

    /// Sends these bytes in one piece.
    ///
    /// # Errors
    /// The client has closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.reader.get_mut();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Sends an answer, each part as it comes.
    ///
    /// A body without `Content-Length` is sent in chunks, one for each piece. An
    /// [`Answer::silent`] blocks until the client closes the connection.
    ///
    /// # Errors
    /// The client has closed the connection, or the answer is an error or is cut off. The handler
    /// should return then, which closes the connection.
    pub fn respond(&mut self, answer: Answer) -> io::Result<()> {
        if answer.is_silent() {
            return io::copy(self, &mut io::sink()).map(drop);
        }
        answer.write_to(self.reader.get_mut())
    }

    /// Ends the sending side, then reads until the client closes the connection.
    ///
    /// A connection that is closed while bytes are unread is reset, and then the client may lose a
    /// response that it has not read yet.
    ///
    /// # Errors
    /// The connection failed before the client closed it.
    pub fn close_after_client(&mut self) -> io::Result<()> {
        self.reader.get_mut().send_end()?;
        self.socket.shutdown(Shutdown::Write)?;
        io::copy(&mut &*self.socket, &mut io::sink()).map(drop)
    }

    /// Blocks until the client has sent bytes that were not read. If the handler then returns, the
    /// connection is reset: Linux resets a connection that is closed with unread bytes.
    ///
    /// # Errors
    /// The client has closed the connection.
    pub fn wait_unread(&self) -> io::Result<()> {
        match self.socket.peek(&mut [0])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The socket. If the connection is wrapped in TLS, this is the socket below it. Bytes that
    /// were read ahead are no longer in it.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads a request, and sends the answer of the function to it before the rest of the body is
    /// read. Afterwards `record` gets the request. Returns false if the connection is over.
    pub(crate) fn play(
        &mut self,
        answer: &dyn Fn(&mut IncomingRequest<'_>) -> Answer,
        record: &dyn Fn(ReceivedRequest),
    ) -> io::Result<bool> {
        let head = self.read_head()?;
        let has_body = self.framing != Framing::Length(0);
        let mut body = self.body();
        let mut incoming = IncomingRequest::new(head, &mut body);
        let answer = answer(&mut incoming);
        let (mut request, error) = incoming.into_parts();
        let refused = answer.refuses();
        self.respond(answer)?;
        let read = match error {
            Some(error) => Err(error),
            None if refused => Ok(()),
            None => self.read_body(&mut request),
        };
        let whole = read.is_ok() && (request.complete || !has_body);
        record(request);
        if !whole {
            // Closing with bytes unread would reset the connection.
            self.socket.shutdown(Shutdown::Write)?;
            io::copy(self, &mut io::sink())?;
        }
        Ok(whole)
    }

    /// Blocks until bytes of the next request have come; false if none have after this time.
    pub(crate) fn wait_for_request(&mut self, limit: Duration) -> io::Result<bool> {
        if !self.reader.buffer().is_empty() {
            return Ok(true);
        }
        self.socket.set_read_timeout(Some(limit))?;
        let peeked = self.socket.peek(&mut [0]);
        self.socket.set_read_timeout(None)?;
        match peeked {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// The bytes of the connection, to read a head that [`read_head`](Self::read_head) does not.
    pub(crate) fn reader(&mut self) -> &mut impl BufRead {
        &mut self.reader
    }

    /// Sets how the body after such a head is delimited.
    pub(crate) fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// The rest of the body of a request whose head was read, without its framing.
    pub(crate) fn body(&mut self) -> BodyReader<'_, BufReader<Box<dyn Stream>>> {
        BodyReader {
            reader: &mut self.reader,
            framing: &mut self.framing,
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("index", &self.index)
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// Returns a base URL at which nobody listens, so that connections to it are refused.
///
/// # Errors
/// No port is free.
pub fn refused_url() -> io::Result<String> {
    Ok(base_url(TcpListener::bind("127.0.0.1:0")?.local_addr()?))
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}/api/v1")
}
