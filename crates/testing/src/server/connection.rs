use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::http1::{BodyReader, Framing, MessageHead, read_chunk};
use crate::script::Answer;
use crate::{IncomingRequest, ReceivedRequest};

/// The byte stream of a connection: a socket, or a protocol such as TLS on top of it.
pub trait Stream: Read + Write + Send {
    /// Sends the message of the protocol that ends the stream, such as `close_notify` in TLS. By
    /// default, it does nothing.
    ///
    /// # Errors
    /// If the message cannot be sent.
    fn send_end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a connection without a protocol on top of it, for
/// [`Server::start_on`](super::Server::start_on).
///
/// # Errors
/// Never.
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

/// A connection that the server has accepted.
///
/// Its [`Read`] implementation returns the raw bytes after those that were read before, including
/// chunk framing.
///
/// When the handler returns, the socket is closed, without the closing message of TLS. Call
/// [`close_after_client`](Self::close_after_client) before for an orderly close, or
/// [`wait_unread`](Self::wait_unread) for a reset.
pub struct Connection {
    index: usize,
    socket: Arc<TcpStream>,
    reader: BufReader<Box<dyn Stream>>,
    /// The framing of the rest of the last request's body.
    framing: Framing,
}

impl Connection {
    pub(super) fn new(index: usize, socket: Arc<TcpStream>, stream: Box<dyn Stream>) -> Self {
        Self {
            index,
            socket,
            reader: BufReader::new(stream),
            framing: Framing::Length(0),
        }
    }

    /// Returns the number of this connection, counted from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Reads the next request with its body.
    ///
    /// # Errors
    /// If the client closed the connection before the end of the request, or sent something else.
    pub fn read_request(&mut self) -> io::Result<ReceivedRequest> {
        let mut request = self.read_head()?;
        self.read_body(&mut request)?;
        Ok(request)
    }

    /// Reads the first line and the headers of the next request. Its body stays unread, and is
    /// empty in the result.
    ///
    /// # Errors
    /// If the client closed the connection before the end of the headers, or sent something else.
    pub fn read_head(&mut self) -> io::Result<ReceivedRequest> {
        let head = MessageHead::read(&mut self.reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.framing = head.framing(Framing::Length(0));
        ReceivedRequest::from_head(head)
    }

    /// Reads the body of a request after [`read_head`](Self::read_head), or the rest of the body.
    ///
    /// # Errors
    /// If the client closed the connection before the end of the body. `request` then contains the
    /// part that arrived.
    pub fn read_body(&mut self, request: &mut ReceivedRequest) -> io::Result<()> {
        self.body().read_to_end(&mut request.body)?;
        request.complete = true;
        Ok(())
    }

    /// Reads the next chunk of a chunked body, after [`read_head`](Self::read_head). The last chunk
    /// is empty.
    ///
    /// # Errors
    /// If the client closed the connection before the end of the chunk, or sent something else.
    pub fn read_chunk(&mut self) -> io::Result<Vec<u8>> {
        read_chunk(&mut self.reader)
    }

    /// Sends raw bytes at once.
    ///
    /// # Errors
    /// If the client has closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.reader.get_mut();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Sends an answer. Waits for the pieces of an [`Answer::live`].
    ///
    /// A body without `Content-Length` is sent in chunks, one for each piece. An
    /// [`Answer::silent`] blocks until the client closes the connection.
    ///
    /// # Errors
    /// If the client has closed the connection, the answer is an error, or its body is truncated.
    /// The handler should then return, to close the connection.
    pub fn respond(&mut self, answer: Answer) -> io::Result<()> {
        if answer.is_silent() {
            return io::copy(self, &mut io::sink()).map(drop);
        }
        answer.write_to(self.reader.get_mut())
    }

    /// Closes the sending half, then reads until the client closes the connection.
    ///
    /// Otherwise, the operating system may reset a connection that has unread bytes, and the client
    /// may lose a response that it has not read.
    ///
    /// # Errors
    /// If the connection fails before the client closes it.
    pub fn close_after_client(&mut self) -> io::Result<()> {
        self.reader.get_mut().send_end()?;
        self.socket.shutdown(Shutdown::Write)?;
        io::copy(&mut &*self.socket, &mut io::sink()).map(drop)
    }

    /// Blocks until there are unread bytes. If the handler then returns, the connection is reset,
    /// because Linux resets a connection that is closed with unread bytes.
    ///
    /// # Errors
    /// If the client has closed the connection.
    pub fn wait_unread(&self) -> io::Result<()> {
        match self.socket.peek(&mut [0])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Returns the socket, which is below TLS if the connection uses it. Bytes that are buffered
    /// cannot be read from it.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads a request, calls `answer`, sends its result, and then reads the rest of the body and
    /// passes the request to `record`. Returns `false` if the connection cannot be used further.
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
            // A close with unread bytes would reset the connection.
            self.socket.shutdown(Shutdown::Write)?;
            io::copy(self, &mut io::sink())?;
        }
        Ok(whole)
    }

    /// Blocks until bytes of the next request have arrived. Returns `false` if none arrived within
    /// the limit.
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

    /// Returns the byte stream, to parse a request in another way than
    /// [`read_head`](Self::read_head).
    pub(crate) fn reader(&mut self) -> &mut impl BufRead {
        &mut self.reader
    }

    /// Sets the framing of the body of such a request.
    pub(crate) fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Returns a reader of the rest of the last request's body, without its framing.
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
