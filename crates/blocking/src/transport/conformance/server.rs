//! Servers that do what a case tells them to, on a port of the loopback interface.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use http::{HeaderMap, Method, StatusCode, header};

use crate::CallLimits;
use crate::transport::http1::{Body, Head, Left, chunk};
use crate::transport::script::{Answer, Asked, Queue, Sent};

/// Runs a handler for each connection, on a thread of its own, until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    stopping: AtomicBool,
    open: Mutex<Vec<Weak<TcpStream>>>,
}

impl Server {
    /// The connection is closed when the handler returns, be it with an error: that is for what a client has given up.
    pub(super) fn start(
        handler: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        thread::spawn({
            let (shared, handler) = (Arc::clone(&shared), Arc::new(handler));
            move || {
                for stream in listener.incoming() {
                    if shared.stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    // An error means that the client is gone again.
                    let Ok(mut connection) =
                        stream.and_then(|stream| Connection::new(stream, &shared))
                    else {
                        continue;
                    };
                    let handler = Arc::clone(&handler);
                    thread::spawn(move || handler(&mut connection));
                }
            }
        });
        Ok(Self { address, shared })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections came so far.
    pub(super) fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes who accepts; and closes what is open, which wakes the others.
        let _ = TcpStream::connect(self.address);
        let open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in open.iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// An address at which nobody listens.
pub(super) fn refused_url() -> io::Result<String> {
    Ok(format!(
        "http://{}",
        TcpListener::bind("127.0.0.1:0")?.local_addr()?
    ))
}

pub(super) struct Connection {
    /// Counts the connections of a server from 0.
    pub(super) index: usize,
    stream: Arc<TcpStream>,
    reader: BufReader<Socket>,
}

/// The stream, to be read from.
struct Socket(Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buf)
    }
}

impl Connection {
    fn new(stream: TcpStream, shared: &Shared) -> io::Result<Self> {
        // Each write is a segment of its own.
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&stream));
        let index = shared.accepted.fetch_add(1, Ordering::SeqCst);
        Ok(Self {
            index,
            reader: BufReader::new(Socket(Arc::clone(&stream))),
            stream,
        })
    }

    /// The head of the next request. An error where the client has closed.
    pub(super) fn head(&mut self) -> io::Result<Head> {
        Head::read(&mut self.reader)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The next request with its body. An error where the client has closed.
    pub(super) fn request(&mut self) -> io::Result<Sent> {
        let head = self.head()?;
        let mut body = head.body(&mut self.reader);
        let mut asked = asked(&head, &mut body)?;
        asked.read_all();
        if asked.so_far().complete {
            Ok(asked.into_sent().0)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Sends these bytes in one piece.
    pub(super) fn send(&self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        (&*self.stream).write_all(bytes.as_ref())
    }

    /// Reads until the client closes.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        io::copy(&mut self.reader, &mut io::sink()).map(drop)
    }

    pub(super) fn close(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Both)
    }

    /// Waits until the client has sent something that is then not read: a connection that is closed now is reset.
    pub(super) fn await_unread(&self) -> io::Result<()> {
        self.stream.peek(&mut [0]).map(drop)
    }

    /// Answers requests as they are asked, and tells of each when it is over.
    pub(super) fn play(
        &mut self,
        answer: &dyn Fn(&mut Asked<'_>) -> Answer,
        tell: &dyn Fn(Sent),
    ) -> io::Result<()> {
        while let Some(head) = Head::read(&mut self.reader)? {
            let mut body = head.body(&mut self.reader);
            let mut asked = asked(&head, &mut body)?;
            let answer = answer(&mut asked);
            let refused = answer.refuses();
            if let Some(answer) = answer.into_parts() {
                write_answer(&mut &*self.stream, answer)?;
            } else {
                return Ok(());
            }
            if !refused {
                asked.read_all();
            }
            let (sent, error) = asked.into_sent();
            let whole = sent.complete || !sent.announces_body();
            tell(sent);
            if error.is_some() || !whole {
                // What is closed with bytes unread is reset, and the client may lose what it has not read yet.
                self.stream.shutdown(Shutdown::Write)?;
                return self.drain();
            }
        }
        Ok(())
    }
}

impl Head {
    fn body<R>(&self, reader: R) -> Body<R> {
        Body {
            reader,
            left: self.left(Left::Bytes(0)),
        }
    }
}

impl Sent {
    fn announces_body(&self) -> bool {
        self.headers.contains_key(header::TRANSFER_ENCODING)
            || self
                .header("content-length")
                .is_some_and(|length| length != "0")
    }
}

fn asked<'a>(head: &Head, body: &'a mut (dyn Read + Send)) -> io::Result<Asked<'a>> {
    let [method, target, _] = head.words();
    let method = method.parse::<Method>().map_err(io::Error::other)?;
    Ok(Asked::with(
        method,
        target.to_owned(),
        head.headers.clone(),
        body,
    ))
}

/// Writes an answer as its parts come. One whose body breaks off is an error, so that the connection is closed.
pub(super) fn write_answer(
    to: &mut impl Write,
    answer: (StatusCode, String, HeaderMap, Arc<Queue>),
) -> io::Result<()> {
    let (status, reason, mut headers, queue) = answer;
    let limits = CallLimits::default();
    if !queue.head(&limits).map_err(io::Error::from)? {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let chunked = !bodiless && !headers.contains_key(header::CONTENT_LENGTH);
    if chunked {
        headers.insert(
            header::TRANSFER_ENCODING,
            header::HeaderValue::from_static("chunked"),
        );
    }
    let head = Head {
        first_line: format!("HTTP/1.1 {} {reason}", status.as_u16()),
        headers,
    };
    let mut left = if let Left::Bytes(length) = head.left(Left::Bytes(0)) {
        length
    } else {
        0
    };
    to.write_all(&head.to_bytes())?;
    while let Some(piece) = queue.next(&limits)? {
        left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        match chunked {
            true if piece.is_empty() => {}
            true => to.write_all(&chunk(&piece))?,
            false => to.write_all(&piece)?,
        }
    }
    match left {
        0 if chunked => to.write_all(b"0\r\n\r\n"),
        0 => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
