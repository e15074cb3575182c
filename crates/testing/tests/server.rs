//! Tests of `Server`. They use raw sockets, because they check the bytes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use scramjet_client_testing::script::Answer;
use scramjet_client_testing::server::{Connection, Server, Stream, plain, refused_url};

/// Upper bound for waits, even on a busy machine.
const SOON: Duration = Duration::from_secs(10);

const GET: &[u8] = b"GET /x HTTP/1.1\r\n\r\n";

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Sends bytes, and returns what the server sends until it closes the connection.
fn exchange(server: &Server, request: &[u8]) -> String {
    let mut stream = connect(server);
    stream.write_all(request).unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).unwrap();
    received
}

/// Starts a server that answers one request.
fn answering(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |connection| {
        connection.read_request()?;
        connection.respond(answer())
    })
    .unwrap()
}

/// Starts a server that reports the result of the handler.
fn reporting<T: Send + 'static>(
    handler: impl Fn(&mut Connection) -> T + Send + Sync + 'static,
) -> (Server, Receiver<T>) {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let server = Server::start(move |connection| {
        let result = handler(connection);
        sender.lock().unwrap().send(result).unwrap();
        Ok(())
    });
    (server.unwrap(), receiver)
}

#[test]
fn respond_announces_the_length_of_a_whole_body() {
    let server = answering(|| Answer::status(404, "no").header("x-a", "b"));
    assert_eq!(
        exchange(&server, GET),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-a: b\r\n\r\nno"
    );
    let server = answering(|| Answer::status(204, ""));
    assert_eq!(exchange(&server, GET), "HTTP/1.1 204 No Content\r\n\r\n");
}

#[test]
fn respond_sends_a_chunk_for_each_piece() {
    let server = answering(|| Answer::pieces(["one", "", "three"]).reason("Fine"));
    assert_eq!(
        exchange(&server, GET),
        "HTTP/1.1 200 Fine\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"
    );
}

#[test]
fn respond_fails_for_truncated_answers() {
    let answers: [fn() -> Answer; 4] = [
        || Answer::pieces(["one"]).lost(),
        || Answer::ok("one").header("content-length", "9"),
        || Answer::error("no response"),
        || {
            let (answer, response) = Answer::live();
            response.piece("one");
            drop(response);
            answer
        },
    ];
    for answer in answers {
        let (server, results) = reporting(move |connection| {
            connection.read_request()?;
            connection.respond(answer())
        });
        let received = exchange(&server, GET);
        assert!(!received.ends_with("0\r\n\r\n"), "{received}");
        assert!(results.recv_timeout(SOON).unwrap().is_err(), "{received}");
    }
}

#[test]
fn respond_sends_a_live_answer_in_pieces() {
    let (sender, handles) = channel();
    let sender = Mutex::new(sender);
    let server = answering(move || {
        let (answer, response) = Answer::live();
        sender.lock().unwrap().send(response).unwrap();
        answer
    });
    let mut stream = connect(&server);
    stream.write_all(GET).unwrap();
    let response = handles.recv_timeout(SOON).unwrap();
    response.piece("one");
    let mut received = vec![0; 55];
    stream.read_exact(&mut received).unwrap();
    assert!(received.ends_with(b"3\r\none\r\n"));
    response.end();
    received.clear();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"0\r\n\r\n");
}

#[test]
fn respond_blocks_with_a_silent_answer_until_the_client_closes() {
    let (server, results) = reporting(|connection| {
        connection.read_request()?;
        connection.respond(Answer::silent())
    });
    let mut stream = connect(&server);
    stream.write_all(GET).unwrap();
    assert!(results.recv_timeout(Duration::from_millis(50)).is_err());
    drop(stream);
    assert!(results.recv_timeout(SOON).unwrap().is_ok());
}

#[test]
fn read_body_keeps_the_bytes_before_the_client_closed() {
    let (server, requests) = reporting(|connection| {
        let mut request = connection.read_head().unwrap();
        let error = connection.read_body(&mut request).unwrap_err();
        (request, error.kind())
    });
    let mut stream = connect(&server);
    stream
        .write_all(b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let (request, error) = requests.recv_timeout(SOON).unwrap();
    assert_eq!(error, io::ErrorKind::UnexpectedEof);
    assert_eq!(
        (request.text().as_str(), request.complete),
        ("abcde", false)
    );
}

#[test]
fn read_head_fails_if_the_client_sends_no_request() {
    let (server, results) = reporting(|connection| connection.read_head().map(drop));
    let mut stream = connect(&server);
    stream.write_all(b"not HTTP\r\nat all\r\n\r\n").unwrap();
    let error = results.recv_timeout(SOON).unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    drop(connect(&server));
    let error = results.recv_timeout(SOON).unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

/// A protocol that writes in upper case.
struct Capitals(Box<dyn Stream>);

impl Read for Capitals {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Capitals {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes.to_ascii_uppercase())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Capitals {
    fn send_end(&mut self) -> io::Result<()> {
        self.0.write_all(b"(end)")
    }
}

#[test]
fn start_on_wraps_each_connection() {
    let refused = Arc::new(AtomicUsize::new(0));
    let server = Server::start_on(
        TcpListener::bind("127.0.0.1:0").unwrap(),
        {
            let refused = Arc::clone(&refused);
            move |socket| match refused.fetch_add(1, Ordering::SeqCst) {
                0 => Err(io::Error::other("no handshake")),
                _ => Ok(Box::new(Capitals(plain(socket)?))),
            }
        },
        |connection| {
            let index = connection.index();
            connection.send(format!("connection {index} "))?;
            connection.close_after_client()
        },
    );
    let server = server.unwrap();
    assert_eq!(exchange(&server, b""), "");
    let mut stream = connect(&server);
    let mut received = [0; 18];
    stream.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"CONNECTION 1 (end)");
    assert_eq!(server.connections(), 2);
}

#[test]
fn join_waits_for_the_handlers_and_closes_their_connections() {
    let (server, ends) = reporting(|connection| {
        let end = connection.read_request().unwrap_err();
        thread::sleep(Duration::from_millis(50));
        end.kind()
    });
    let mut stream = connect(&server);
    while server.connections() == 0 {
        thread::yield_now();
    }
    server.join();
    assert_eq!(ends.try_recv().unwrap(), io::ErrorKind::UnexpectedEof);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn refused_url_refuses_connections() {
    let url = refused_url().unwrap();
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/api/v1");
    let error = TcpStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}
