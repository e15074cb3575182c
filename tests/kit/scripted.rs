//! A server whose every connection is handled by the test: for replies that no proper server gives.

use std::{
    io::{self, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::fixture::Request;

/// Runs a handler per connection, each on its own thread. Stops when dropped: open connections are shut down, so that
/// handlers waiting for the client go on.
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    stopping: AtomicBool,
}

impl ScriptedServer {
    /// The connection is closed when the handler returns.
    pub fn start(handler: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener.local_addr().expect("an address of the listener");
        let shared = Arc::new(Shared::default());
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared, &Arc::new(handler))
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// The base address, in the form in which clients take it.
    pub fn url(&self) -> String {
        base_url(self.address)
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Stops, and waits for the handlers. Only for handlers that wait for nothing but their connection.
    pub(crate) fn join(mut self) {
        for handler in self.stop() {
            let _ = handler.join();
        }
    }

    fn stop(&mut self) -> Vec<JoinHandle<()>> {
        let Some(acceptor) = self.acceptor.take() else { return Vec::new() };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor. If this fails, it has already ended.
        let _ = TcpStream::connect(self.address);
        acceptor.join().unwrap_or_default()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        // The handlers are not joined: one may wait for a channel of the test that is dropped after the server.
        self.stop();
    }
}

/// Accepts until told to stop, then shuts down what is open and gives back the handlers.
fn accept<H>(listener: &TcpListener, shared: &Shared, handler: &Arc<H>) -> Vec<JoinHandle<()>>
where
    H: Fn(&mut Connection) + Send + Sync + 'static,
{
    // Weak, for a connection must really be closed as soon as its handler is done with it.
    let mut open: Vec<Weak<TcpStream>> = Vec::new();
    let mut handlers = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        // Without delay, so that each write is a segment of its own. An error means that the client is gone again.
        let Ok(stream) = stream.and_then(|stream| stream.set_nodelay(true).map(|()| Arc::new(stream))) else { continue };
        open.push(Arc::downgrade(&stream));
        let index = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let handler = Arc::clone(handler);
        handlers.push(thread::spawn(move || {
            handler(&mut Connection { index, reader: BufReader::new(Stream(stream)) });
        }));
    }
    for stream in open.iter().filter_map(Weak::upgrade) {
        let _ = stream.shutdown(Shutdown::Both);
    }
    handlers
}

/// One accepted connection.
pub struct Connection {
    index: usize,
    reader: BufReader<Stream>,
}

struct Stream(Arc<TcpStream>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Connection {
    /// Counts the connections of the server from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The next request with its body; `None` if the client closed before its end.
    pub fn read_request(&mut self) -> Option<Request> {
        Request::read(&mut self.reader)
    }

    /// The head of the next request; the body stays unread.
    pub fn read_head(&mut self) -> Option<Request> {
        Request::read_head(&mut self.reader)
    }

    /// Reads the body that `read_head` left; false if the client closed before its end.
    pub fn read_body(&mut self, request: &mut Request) -> bool {
        request.read_body(&mut self.reader)
    }

    /// Sends the bytes in one piece; false if the client is gone.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let mut stream = self.stream();
        stream.write_all(bytes).and_then(|()| stream.flush()).is_ok()
    }

    /// Ends the sending side, then reads on until the client closes. Without it, a connection closed with bytes still
    /// unread is reset, and the client may lose a reply that it has not read yet.
    pub fn close_after_client(&mut self) {
        let _ = self.stream().shutdown(Shutdown::Write);
        let _ = io::copy(&mut self.reader, &mut io::sink());
    }

    /// The socket itself. Bytes that were read ahead with a request are not in it any more.
    pub fn stream(&self) -> &TcpStream {
        &self.reader.get_ref().0
    }
}

/// A base address at which nobody listens.
pub fn refused_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
    base_url(listener.local_addr().expect("an address of the listener"))
}

/// A reply with `Content-Length`; `status` is what follows the version: `"200 OK"`.
pub fn response(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}/api/v1")
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;

    #[test]
    fn dropping_the_server_ends_a_handler_that_waits_for_its_client() {
        let (report, reported) = mpsc::channel();
        let server = ScriptedServer::start(move |connection| {
            report.send(connection.read_head().map(|head| head.target)).expect("a waiting test");
            report.send(connection.read_request().map(|next| next.target)).expect("a waiting test");
        });
        let mut client = TcpStream::connect(server.address).expect("a connection");
        client.write_all(b"GET /first HTTP/1.1\r\n\r\n").expect("a sent request");
        assert_eq!(reported.recv().expect("a handler"), Some("/first".to_owned()));
        assert_eq!(server.connections(), 1);

        drop(server);
        assert_eq!(reported.recv().expect("a handler"), None);
        assert_eq!(client.read(&mut [0]).expect("an orderly end"), 0);
    }

    #[test]
    fn dropping_the_server_does_not_wait_for_a_handler_that_waits_for_the_test() {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let server = ScriptedServer::start(move |_| {
            let _ = released.lock().expect("the only handler").recv();
        });
        let _client = TcpStream::connect(server.address).expect("a connection");
        drop(server);
        drop(release);
    }

    #[test]
    fn a_reply_tells_its_length() {
        let reply = response("200 OK", &[("X-A", "b")], b"{}");
        assert_eq!(reply, b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}");
    }
}
