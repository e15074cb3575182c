//! The contract of [`Transport`], sentence by sentence, for the default transport and for one that is written here.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, thread};

use http::{Method, Request, Response, header, request};
use scramjet_client_blocking::{
    BoxError, HostClient, Outgoing, Phase, Reason, StartOptions, Transport, TransportError, Upload, UreqConfig, UreqTransport,
};
use scramjet_client_tests::fixture;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, refused_url, response};

/// Longer than any step takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does the work, which may fail but must not hang.
pub(crate) fn within<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    let worker = thread::spawn(move || drop(done.send(work())));
    match result.recv_timeout(PATIENCE * 3) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{name}: it hangs"),
        Err(RecvTimeoutError::Disconnected) => resume_unwind(worker.join().unwrap_err()),
    }
}

/// Word from one side of an exchange to the other.
pub(crate) struct Mailbox<T> {
    sender: Sender<T>,
    receiver: Mutex<Receiver<T>>,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Arc<Self> {
        let (sender, receiver) = channel();
        Arc::new(Self { sender, receiver: Mutex::new(receiver) })
    }

    pub(crate) fn put(&self, word: T) {
        self.sender.send(word).unwrap();
    }

    pub(crate) fn take(&self) -> T {
        self.receiver.lock().unwrap().recv_timeout(PATIENCE).expect("word from the other side")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.lock().unwrap().try_recv().is_err()
    }
}

/// A server that answers every request, on connections that stay open.
pub(crate) fn serving(answer: impl Fn(&fixture::Request) -> Vec<u8> + Send + Sync + 'static) -> ScriptedServer {
    ScriptedServer::start(move |connection| {
        while let Some(request) = connection.read_request() {
            if !connection.send(&answer(&request)) {
                break;
            }
        }
    })
}

/// A server that answers every request with success, and passes the requests on.
pub(crate) fn recording(body: &'static [u8]) -> (ScriptedServer, Arc<Mailbox<fixture::Request>>) {
    let requests = Mailbox::new();
    let server = serving({
        let requests = Arc::clone(&requests);
        move |request| {
            requests.put(request.clone());
            response("200 OK", &[], body)
        }
    });
    (server, requests)
}

/// Runs the test of this name alone in a process of its own, with these variables, in which it finds out by them what to do.
pub(crate) fn in_child(test: &str, variables: &[(&str, &str)]) {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]).envs(variables.iter().copied());
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

type Body = Box<dyn Read + Send>;

fn request<'a>(method: Method, server: &ScriptedServer, path: &str, body: Outgoing<'a>) -> Request<Outgoing<'a>> {
    Request::builder().method(method).uri(format!("{}/{path}", server.url())).body(body).unwrap()
}

fn get(transport: &dyn Transport, server: &ScriptedServer, path: &str) -> Response<Body> {
    transport.send(request(Method::GET, server, path, Outgoing::Empty)).unwrap()
}

fn upload<'a>(server: &ScriptedServer, reader: &'a mut (dyn Read + Send), length: Option<u64>) -> Request<Outgoing<'a>> {
    request(Method::POST, server, "upload", Outgoing::Reader { reader, length })
}

fn text(response: Response<Body>) -> String {
    io::read_to_string(response.into_body()).unwrap()
}

/// What the transport does beyond the contract, or where it may.
#[derive(Clone, Copy)]
struct Gives {
    reason: bool,
    reuse: bool,
}

fn conforms(transport: Arc<dyn Transport>, gives: Gives) {
    let mut broken = Vec::new();
    let mut check = |name: &'static str, check: fn(&dyn Transport)| {
        let transport = Arc::clone(&transport);
        if catch_unwind(AssertUnwindSafe(|| within(name, move || check(&*transport)))).is_err() {
            broken.push(name);
        }
    };
    check("every status is Ok, with its body", every_status_is_ok);
    check("redirects are not followed", redirects_are_not_followed);
    check("requests go out as they are", requests_go_out_as_they_are);
    check("bodies are announced and sent", bodies_are_announced_and_sent);
    check("no body is not announced", no_body_is_not_announced);
    check("a reader is read up to its announced length", a_reader_is_read_up_to_its_length);
    check("an upload is sent as it is read", |transport| uploads_are_streamed(transport, true));
    check("an upload of known length is sent as it is read", |transport| uploads_are_streamed(transport, false));
    check("an upload goes on after an early answer", uploads_go_on_after_an_early_answer);
    check("a reply is read as it comes", replies_are_streamed);
    check("a reply that is cut off is an error", cut_replies_are_errors);
    check("a reply that is cut off between its bytes is an error", cut_framing_is_an_error);
    check("a long reply is read whole", long_replies_are_read_whole);
    check("dropping a body closes its connection", dropping_a_body_closes_the_connection);
    check("a closed connection is not used", closed_connections_are_not_used);
    check("errors say how far the request got", errors_say_how_far_the_request_got);
    check("requests do not wait for each other", requests_do_not_wait_for_each_other);
    if gives.reuse {
        check("connections are used again", connections_are_used_again);
    }
    if gives.reason {
        check("the reason phrase is told", reason_phrases_are_told);
    }
    assert!(broken.is_empty(), "the transport breaks its contract: {broken:#?}");
}

fn every_status_is_ok(transport: &dyn Transport) {
    let server = serving(|request| {
        let status = request.target.rsplit('/').next().unwrap();
        response(&format!("{status} Some Words"), &[("X-Status", status)], format!("the body of {status}").as_bytes())
    });
    let statuses = [200, 201, 202, 206, 299, 400, 401, 403, 404, 405, 409, 418, 419, 422, 429, 431, 499, 500, 501, 502, 503, 504, 599];
    for status in statuses {
        let response = get(transport, &server, &status.to_string());
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["x-status"], status.to_string());
        assert_eq!(text(response), format!("the body of {status}"));
    }
    let server = serving(|_| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    let response = get(transport, &server, "none");
    assert_eq!((response.status().as_u16(), text(response)), (204, String::new()));
}

fn redirects_are_not_followed(transport: &dyn Transport) {
    let arrived = Mailbox::new();
    let server = serving({
        let arrived = Arc::clone(&arrived);
        move |request| {
            arrived.put(request.target.clone());
            let status = request.target.rsplit('/').next().unwrap();
            response(&format!("{status} Moved"), &[("Location", "/api/v1/elsewhere")], b"over there")
        }
    });
    for status in [301, 302, 303, 307, 308] {
        for (method, body) in [(Method::GET, Outgoing::Empty), (Method::POST, Outgoing::Bytes(b"{}"))] {
            let response = transport.send(request(method, &server, &status.to_string(), body)).unwrap();
            assert_eq!((response.status().as_u16(), &response.headers()["location"]), (status, &"/api/v1/elsewhere".parse().unwrap()));
            assert_eq!(text(response), "over there");
            assert_eq!(arrived.take(), format!("/api/v1/{status}"));
            assert!(arrived.is_empty());
        }
    }
}

fn requests_go_out_as_they_are(transport: &dyn Transport) {
    let (server, arrived) = recording(b"");
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
        for path in ["a+b:c@d", "100%", "%2e%2e/%41%2Fx", "!$&'()*,;=~", "a//b/", "q?x=%20+y&z"] {
            let body = if method == Method::GET { Outgoing::Empty } else { Outgoing::Bytes(b"{}") };
            let mut request = request(method.clone(), &server, path, body);
            for (name, value) in
                [("x-one", "a b"), ("x-two", "first"), ("x-two", "second"), ("authorization", "Bearer abc=="), ("accept", "*/*")]
            {
                request.headers_mut().append(name, value.parse().unwrap());
            }
            text(transport.send(request).unwrap());
            let arrived = arrived.take();
            assert_eq!((arrived.method.as_str(), arrived.target), (method.as_str(), format!("/api/v1/{path}")));
            let values = |name: &str| {
                let values = arrived.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
                values.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
            };
            assert_eq!(values("x-one"), ["a b"]);
            assert_eq!(values("x-two"), ["first", "second"]);
            assert_eq!(values("authorization"), ["Bearer abc=="]);
            assert_eq!(values("accept"), ["*/*"]);
            assert_eq!(values("host").len(), 1);
            for name in ["accept-encoding", "expect", "content-type", "cookie"] {
                assert!(values(name).is_empty(), "{name} was added");
            }
        }
    }
}

fn bodies_are_announced_and_sent(transport: &dyn Transport) {
    let (server, arrived) = recording(b"");
    let long = b"0123456789abcdef".repeat(20_000);
    let send = |method: Method, body: Outgoing<'_>, length: Option<usize>, chunked: bool, content: &[u8]| {
        let what = format!("{method} {body:?}");
        text(transport.send(request(method, &server, "x", body)).unwrap());
        let arrived = arrived.take();
        assert_eq!(arrived.header("content-length"), length.map(|length| length.to_string()).as_deref(), "{what}");
        assert_eq!(arrived.header("transfer-encoding"), chunked.then_some("chunked"), "{what}");
        assert!(arrived.body == content, "{what}: other bytes arrived");
    };
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        for content in [&b""[..], b"{}", &long] {
            send(method.clone(), Outgoing::Bytes(content), Some(content.len()), false, content);
            let length = Some(u64::try_from(content.len()).unwrap());
            send(method.clone(), Outgoing::Reader { reader: &mut &*content, length }, Some(content.len()), false, content);
            send(method.clone(), Outgoing::Reader { reader: &mut &*content, length: None }, None, true, content);
        }
    }
}

fn no_body_is_not_announced(transport: &dyn Transport) {
    let (server, arrived) = recording(b"");
    for method in [Method::GET, Method::DELETE] {
        text(transport.send(request(method.clone(), &server, "x", Outgoing::Empty)).unwrap());
        let arrived = arrived.take();
        for name in ["content-length", "transfer-encoding"] {
            assert_eq!(arrived.header(name), None, "{method}: {name}");
        }
    }
}

fn a_reader_is_read_up_to_its_length(transport: &dyn Transport) {
    let (server, arrived) = recording(b"");
    text(transport.send(upload(&server, &mut &b"0123456789"[..], Some(4))).unwrap());
    assert_eq!(arrived.take().body, b"0123");
}

/// A reader that gives a piece of `#` when it is told that the one before has arrived.
struct Pieces {
    arrived: Arc<Mailbox<()>>,
    given: usize,
}

impl Pieces {
    const COUNT: usize = 5;
    const LENGTH: usize = 30_000;

    /// Tells of each piece that arrives. Counts the bytes, so that their framing does not matter.
    fn receive(connection: &Connection, arrived: &Mailbox<()>) {
        let (mut buffer, mut seen, mut told) = ([0; 4096], 0, 0);
        while told < Self::COUNT {
            let read = connection.stream().read(&mut buffer).unwrap();
            assert_ne!(read, 0, "the upload ends early");
            seen += buffer[..read].iter().filter(|byte| **byte == b'#').count();
            while told < seen / Self::LENGTH {
                arrived.put(());
                told += 1;
            }
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (piece, done) = (self.given / Self::LENGTH, self.given % Self::LENGTH);
        if done == 0 && piece > 0 {
            self.arrived.take();
        }
        let wanted = if piece == Self::COUNT { 0 } else { buffer.len().min(Self::LENGTH - done) };
        buffer[..wanted].fill(b'#');
        self.given += wanted;
        Ok(wanted)
    }
}

fn uploads_are_streamed(transport: &dyn Transport, chunked: bool) {
    let arrived = Mailbox::new();
    let server = ScriptedServer::start({
        let arrived = Arc::clone(&arrived);
        move |connection| {
            Pieces::receive(connection, &arrived);
            if chunked {
                // The end of the chunks, which is sent when the reader has ended.
                let mut end = Vec::new();
                while !end.ends_with(b"0\r\n\r\n") {
                    let mut byte = [0];
                    connection.stream().read_exact(&mut byte).unwrap();
                    end.extend(byte);
                }
            }
            connection.send(&response("200 OK", &[("Connection", "close")], b"thanks"));
            connection.close_after_client();
        }
    });
    let length = u64::try_from(Pieces::COUNT * Pieces::LENGTH).unwrap();
    let mut pieces = Pieces { arrived, given: 0 };
    assert_eq!(text(transport.send(upload(&server, &mut pieces, (!chunked).then_some(length))).unwrap()), "thanks");
}

fn uploads_go_on_after_an_early_answer(transport: &dyn Transport) {
    struct Late(Arc<Mailbox<()>>, bool);
    impl Read for Late {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.1, true) {
                return Ok(0);
            }
            self.0.take();
            buffer[..4].copy_from_slice(b"late");
            Ok(4)
        }
    }
    let answered = Mailbox::new();
    let server = ScriptedServer::start({
        let answered = Arc::clone(&answered);
        move |connection| {
            let mut request = connection.read_head().unwrap();
            connection.send(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ngot\r\n");
            answered.put(());
            assert!(connection.read_body(&mut request), "the upload was given up");
            connection.send(format!("{:x}\r\n {}\r\n0\r\n\r\n", request.body.len() + 1, String::from_utf8_lossy(&request.body)).as_bytes());
            connection.close_after_client();
        }
    });
    let response = transport.send(upload(&server, &mut Late(answered, false), None)).unwrap();
    assert_eq!((response.status().as_u16(), text(response)), (202, "got late".into()));
}

fn replies_are_streamed(transport: &dyn Transport) {
    type Framed = fn(&str) -> String;
    let framings: [(&str, Framed); 3] = [
        ("Transfer-Encoding: chunked", |piece| if piece.is_empty() { "0\r\n\r\n".into() } else { format!("7\r\n{piece}\r\n") }),
        ("Content-Length: 35", str::to_owned),
        ("Connection: close", str::to_owned),
    ];
    for (header, framed) in framings {
        let read = Mailbox::new();
        let server = ScriptedServer::start({
            let read = Arc::clone(&read);
            move |connection| {
                connection.read_request().unwrap();
                connection.send(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n").as_bytes());
                for _ in 0..5 {
                    read.take();
                    connection.send(framed("piece!\n").as_bytes());
                }
                read.take();
                connection.send(framed("").as_bytes());
            }
        });
        let mut body = get(transport, &server, "stream").into_body();
        for _ in 0..5 {
            read.put(());
            // Larger than a piece: a read must not wait until it is full.
            let (mut buffer, mut piece) = ([0; 4096], Vec::<u8>::new());
            while piece.len() < 7 {
                let read = body.read(&mut buffer).unwrap();
                assert_ne!(read, 0, "{header}: an early end");
                piece.extend(&buffer[..read]);
            }
            assert_eq!(piece, b"piece!\n", "{header}");
        }
        read.put(());
        assert_eq!(body.read(&mut [0; 8]).unwrap(), 0, "{header}");
    }
}

fn cut_replies_are_errors(transport: &dyn Transport) {
    let sized = "Content-Length: 10\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    assert_cut(transport, sized, &[("12345", "12345"), ("", "")]);
    assert_cut(transport, chunked, &[("a\r\n12345", "12345"), ("5\r\n12345", "12345"), ("5\r\n12345\r\n", "12345"), ("", "")]);
}

fn cut_framing_is_an_error(transport: &dyn Transport) {
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    assert_cut(transport, chunked, &[("5\r\n12345\r\na", "12345"), ("a\r", ""), ("5\r\n12345\r", "12345"), ("5\r\n12345\r\n0", "12345")]);
}

/// Each of the replies is followed by the end of the connection.
fn assert_cut(transport: &dyn Transport, header: &str, replies: &[(&str, &str)]) {
    for (reply, before) in replies {
        let reply = format!("HTTP/1.1 200 OK\r\n{header}{reply}");
        let server = ScriptedServer::start({
            let reply = reply.clone();
            move |connection| {
                connection.read_request().unwrap();
                connection.send(reply.as_bytes());
            }
        });
        let (mut body, mut content) = (get(transport, &server, "cut").into_body(), Vec::new());
        let error = body.read_to_end(&mut content).expect_err(&reply);
        assert_eq!((error.kind(), content.as_slice()), (io::ErrorKind::UnexpectedEof, before.as_bytes()), "{reply:?}: {error}");
    }
}

fn long_replies_are_read_whole(transport: &dyn Transport) {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 512;
    let server = ScriptedServer::start(|connection| {
        let request = connection.read_request().unwrap();
        let chunked = request.target.ends_with("chunked");
        let header = if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {}", PIECE * PIECES) };
        connection.send(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n").as_bytes());
        let piece = vec![b'.'; PIECE];
        let chunk = [format!("{PIECE:x}\r\n").as_bytes(), &piece, b"\r\n"].concat();
        for _ in 0..PIECES {
            connection.send(if chunked { &chunk } else { &piece });
        }
        if chunked {
            connection.send(b"0\r\n\r\n");
        }
    });
    for path in ["chunked", "sized"] {
        let length = io::copy(get(transport, &server, path).body_mut(), &mut io::sink()).unwrap();
        assert_eq!(length, 32 << 20, "{path}");
    }
}

fn dropping_a_body_closes_the_connection(transport: &dyn Transport) {
    for path in ["endless", "idle"] {
        let gone = Mailbox::new();
        let server = ScriptedServer::start({
            let gone = Arc::clone(&gone);
            move |connection| {
                connection.read_request().unwrap();
                connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = [b"1000\r\n".as_slice(), &[b'.'; 4096], b"\r\n"].concat();
                while connection.send(&chunk) && path == "endless" {}
                assert!(connection.read_head().is_none());
                gone.put(());
            }
        });
        let mut body = get(transport, &server, path).into_body();
        body.read_exact(&mut [0; 1000]).unwrap();
        assert!(gone.is_empty());
        drop(body);
        gone.take();
    }
}

fn closed_connections_are_not_used(transport: &dyn Transport) {
    let closed = Mailbox::new();
    let server = ScriptedServer::start({
        let closed = Arc::clone(&closed);
        move |connection| {
            connection.read_request().unwrap();
            // It does not say that it will close.
            connection.send(&response("200 OK", &[], connection.index().to_string().as_bytes()));
            connection.stream().shutdown(std::net::Shutdown::Both).unwrap();
            closed.put(());
        }
    });
    for index in 0..3 {
        let body = Outgoing::Bytes(b"{}");
        assert_eq!(text(transport.send(request(Method::POST, &server, "x", body)).unwrap()), index.to_string());
        closed.take();
    }
}

fn errors_say_how_far_the_request_got(transport: &dyn Transport) {
    let phase = |request: Request<Outgoing<'_>>| {
        let error = transport.send(request).map(drop).unwrap_err();
        error.downcast::<TransportError>().expect("a TransportError").phase
    };
    let refused = Request::get(refused_url()).body(Outgoing::Empty).unwrap();
    assert_eq!(phase(refused), Phase::Connect);
    let refused = Request::post(refused_url()).body(Outgoing::Bytes(b"{}")).unwrap();
    assert_eq!(phase(refused), Phase::Connect);

    let server = ScriptedServer::start(|connection| drop(connection.read_request()));
    assert_eq!(phase(request(Method::GET, &server, "x", Outgoing::Empty)), Phase::Wait);
    assert_eq!(phase(request(Method::POST, &server, "x", Outgoing::Bytes(b"{}"))), Phase::Wait);
    assert_eq!(phase(upload(&server, &mut &b"{}"[..], None)), Phase::Wait);

    let server = ScriptedServer::start(|connection| drop(connection.read_head()));
    assert_eq!(phase(upload(&server, &mut io::repeat(b'.'), None)), Phase::Send);
}

fn requests_do_not_wait_for_each_other(transport: &dyn Transport) {
    let (arrived, go_on) = (Mailbox::new(), Mailbox::new());
    let server = ScriptedServer::start({
        let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
        move |connection| {
            let request = connection.read_request().unwrap();
            if request.target.ends_with("slow") {
                arrived.put(());
                go_on.take();
            }
            connection.send(&response("200 OK", &[], b"done"));
            connection.close_after_client();
        }
    });
    thread::scope(|scope| {
        let slow = scope.spawn(|| text(get(transport, &server, "slow")));
        arrived.take();
        assert_eq!(text(get(transport, &server, "quick")), "done");
        go_on.put(());
        assert_eq!(slow.join().unwrap(), "done");
    });
}

fn connections_are_used_again(transport: &dyn Transport) {
    let server = serving(|request| match request.target.rsplit('/').next().unwrap() {
        "chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n".to_vec(),
        "204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "upload" => response("200 OK", &[], b"taken"),
        status => response(&format!("{status} Words"), &[], b"body"),
    });
    for path in ["200", "404", "chunked", "500", "204", "302", "419", "200"] {
        text(get(transport, &server, path));
        text(transport.send(request(Method::POST, &server, path, Outgoing::Bytes(b"{}"))).unwrap());
        text(transport.send(upload(&server, &mut &b"data"[..], None)).unwrap());
    }
    assert_eq!(server.connections(), 1);
}

fn reason_phrases_are_told(transport: &dyn Transport) {
    for interim in ["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\nX-A: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"] {
        for bytewise in [false, true] {
            let server = serving_bytes(bytewise, move |request| {
                let status = if request.method == "GET" { "400 Could not parse content" } else { "404 Other words: here" };
                [interim.as_bytes(), &response(status, &[], b"")].concat()
            });
            let reason = |response: Response<Body>| {
                let reason = response.extensions().get::<Reason>().cloned().unwrap().0;
                text(response);
                reason
            };
            assert_eq!(reason(get(transport, &server, "x")), "Could not parse content", "{interim:?} {bytewise}");
            let other = transport.send(request(Method::POST, &server, "x", Outgoing::Bytes(b"{}"))).unwrap();
            assert_eq!(reason(other), "Other words: here", "{interim:?} {bytewise}");
        }
    }
    let server = serving(|_| b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n".to_vec());
    let reason = get(transport, &server, "x").extensions().get::<Reason>().cloned();
    assert_eq!(reason.unwrap_or(Reason(String::new())), Reason(String::new()));
}

fn serving_bytes(bytewise: bool, answer: impl Fn(&fixture::Request) -> Vec<u8> + Send + Sync + 'static) -> ScriptedServer {
    ScriptedServer::start(move |connection| {
        while let Some(request) = connection.read_request() {
            let answer = answer(&request);
            let mut pieces = answer.chunks(if bytewise { 1 } else { answer.len() });
            if !pieces.all(|piece| connection.send(piece)) {
                break;
            }
        }
    })
}

#[test]
fn the_default_transport_conforms() {
    conforms(Arc::new(UreqTransport::default()), Gives { reason: true, reuse: true });
}

#[test]
fn the_default_transport_conforms_without_a_limit_for_connecting() {
    let mut config = UreqConfig::default();
    config.connect_timeout = None;
    conforms(Arc::new(UreqTransport::new(&config).unwrap()), Gives { reason: true, reuse: true });
}

#[test]
fn another_transport_conforms() {
    conforms(Arc::new(Plain), Gives { reason: true, reuse: false });
}

/// What is known of one call must not get into another that is made in the midst of it.
#[test]
fn an_upload_may_make_calls_of_its_own() {
    struct Calling(Arc<UreqTransport>, ScriptedServer);
    impl Read for Calling {
        /// One call that is answered and one that is not, and then the connection is of no use.
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            let answered = get(&*self.0, &self.1, "x");
            assert_eq!(answered.extensions().get(), Some(&Reason("Inner Words".into())));
            assert_eq!(text(answered), "inner");
            let refused = Request::get(refused_url()).body(Outgoing::Empty).unwrap();
            let error = self.0.send(refused).map(drop).unwrap_err();
            assert_eq!(error.downcast::<TransportError>().unwrap().phase, Phase::Connect);
            Err(io::Error::other("no data"))
        }
    }
    within("nested calls", || {
        let transport = Arc::new(UreqTransport::default());
        let inner = serving(|_| response("200 Inner Words", &[], b"inner"));
        let (outer, _) = recording(b"outer");
        let error = transport.send(upload(&outer, &mut Calling(Arc::clone(&transport), inner), None)).map(drop).unwrap_err();
        let error = error.downcast::<TransportError>().unwrap();
        assert_ne!(error.phase, Phase::Connect, "that was the inner call");
        assert_eq!(error.source.to_string(), "no data");

        let inner = serving(|_| response("200 Inner Words", &[], b"inner"));
        let outer = serving(|_| response("400 Outer Words", &[], b"outer"));
        let mut calling = Calling(Arc::clone(&transport), inner);
        let mut once = io::Cursor::new(b"data").chain(After(|| drop(calling.read(&mut []))));
        let response = transport.send(upload(&outer, &mut once, None)).unwrap();
        assert_eq!(response.extensions().get(), Some(&Reason("Outer Words".into())));
    });
}

/// An end of data at which something happens.
struct After<F>(F);

impl<F: FnMut()> Read for After<F> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        (self.0)();
        Ok(0)
    }
}

#[test]
fn proxy_settings_of_the_environment_are_not_looked_at() {
    const HUB: &str = "TEST_PROXY_CHILD_HUB";
    if let Ok(url) = env::var(HUB) {
        assert!(env::var("HTTP_PROXY").is_ok());
        let version = within("a call past the proxy", move || HostClient::new(url).unwrap().version());
        assert_eq!(version.unwrap().version, "1.0.1");
        return;
    }
    let server = serving(|request| hub(&request.method, &request.target).0);
    // A proxy where nobody listens: who asks it gets no answer.
    let proxy = refused_url();
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let (url, mut variables) = (server.url(), names.map(|name| (name, proxy.as_str())).to_vec());
    variables.extend([(HUB, url.as_str()), ("NO_PROXY", ""), ("no_proxy", "")]);
    in_child("transport::proxy_settings_of_the_environment_are_not_looked_at", &variables);
}

/// A hub in a few words: the reply to a request, as bytes and as status and body.
fn hub(method: &str, target: &str) -> (Vec<u8>, u16, &'static str) {
    let (status, body) = match (method, target) {
        ("GET", "/api/v1/version") => (200, r#"{"service":"@scramjet/host","apiVersion":"v1","version":"1.0.1","build":"source"}"#),
        ("POST", "/api/v1/sequence") => (200, r#"{"id":"the-sequence"}"#),
        ("POST", "/api/v1/sequence/the-sequence/start") => (200, r#"{"id":"the-instance","message":"Sequence started"}"#),
        ("GET", "/api/v1/instance/the-instance/stdout") => (200, "some output\n"),
        _ => (404, r#"{"error":"No such thing"}"#),
    };
    (response(&format!("{status} Words"), &[], body.as_bytes()), status, body)
}

fn a_client_works_over(transport: Arc<dyn Transport>, url: String) {
    within("a client over another transport", move || {
        let host = HostClient::builder(url).transport(transport).build().unwrap();
        assert_eq!(host.version().unwrap().version, "1.0.1");
        let sequence = host.send_sequence(Upload::reader(&b"a package"[..])).unwrap();
        assert_eq!(sequence.id(), &"the-sequence");
        let instance = sequence.start(&StartOptions::new()).unwrap();
        assert_eq!(instance.id(), &"the-instance");
        assert_eq!(io::read_to_string(instance.stdout().unwrap()).unwrap(), "some output\n");
        assert_eq!(instance.send_input("12345").unwrap_err().api().unwrap().message, "No such thing");
        assert!(sequence.info().unwrap_err().is_not_found());
    });
}

#[test]
fn a_client_works_over_a_transport_of_ones_own() {
    let server = serving(|request| hub(&request.method, &request.target).0);
    a_client_works_over(Arc::new(Plain), server.url());
}

#[test]
fn a_client_works_without_a_network() {
    let transport = Answering(|request: Request<Outgoing<'_>>| {
        let (head, body) = request.into_parts();
        if let Outgoing::Reader { reader, .. } = body {
            io::copy(reader, &mut io::sink())?;
        }
        let (_, status, body) = hub(head.method.as_str(), head.uri.path());
        Ok(Response::builder().status(status).body(Box::new(body.as_bytes()) as Body)?)
    });
    a_client_works_over(Arc::new(transport), "http://hub.invalid/api/v1".into());
}

/// The shortest transport: a function.
pub(crate) struct Answering<F>(pub(crate) F);

impl<F> Transport for Answering<F>
where
    F: Fn(Request<Outgoing<'_>>) -> Result<Response<Body>, BoxError> + Send + Sync,
{
    fn send(&self, request: Request<Outgoing<'_>>) -> Result<Response<Body>, BoxError> {
        (self.0)(request)
    }
}

/// HTTP/1.1 by hand, with a connection for each request.
struct Plain;

impl Transport for Plain {
    fn send(&self, request: Request<Outgoing<'_>>) -> Result<Response<Body>, BoxError> {
        let failed = |phase| move |source: io::Error| TransportError { phase, source: source.into() };
        let (head, body) = request.into_parts();
        let authority = head.uri.authority().ok_or("no host")?.as_str();
        let stream = TcpStream::connect(authority).map_err(failed(Phase::Connect))?;
        write_request(&stream, &head, body).map_err(failed(Phase::Send))?;
        Ok(read_response(BufReader::new(stream)).map_err(failed(Phase::Wait))?)
    }
}

fn write_request(mut stream: &TcpStream, head: &request::Parts, body: Outgoing<'_>) -> io::Result<()> {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = head.uri.authority().map_or("", |authority| authority.as_str());
    let mut text = format!("{} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", head.method).into_bytes();
    for (name, value) in &head.headers {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    match &body {
        Outgoing::Empty => {}
        Outgoing::Bytes(bytes) => text.extend(format!("content-length: {}\r\n", bytes.len()).bytes()),
        Outgoing::Reader { length: Some(length), .. } => text.extend(format!("content-length: {length}\r\n").bytes()),
        Outgoing::Reader { length: None, .. } => text.extend(b"transfer-encoding: chunked\r\n"),
    }
    text.extend(b"\r\n");
    stream.write_all(&text)?;
    match body {
        Outgoing::Empty => Ok(()),
        Outgoing::Bytes(bytes) => stream.write_all(bytes),
        Outgoing::Reader { reader, length: Some(length) } => io::copy(&mut reader.take(length), &mut stream).map(drop),
        Outgoing::Reader { reader, length: None } => {
            let mut piece = [0; 8192];
            loop {
                let read = reader.read(&mut piece)?;
                let chunk = [format!("{read:x}\r\n").as_bytes(), &piece[..read], b"\r\n"].concat();
                stream.write_all(&chunk)?;
                if read == 0 {
                    return Ok(());
                }
            }
        }
    }
}

fn read_response(mut reader: BufReader<TcpStream>) -> io::Result<Response<Body>> {
    loop {
        let line = read_line(&mut reader)?;
        let mut words = line.splitn(3, ' ').skip(1);
        let status = words.next().and_then(|status| status.parse::<u16>().ok()).ok_or_else(malformed)?;
        let reason = Reason(words.next().unwrap_or_default().to_owned());
        let mut response = Response::builder().status(status).extension(reason);
        loop {
            let line = read_line(&mut reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            response = response.header(name, value.trim());
        }
        if status >= 200 {
            let response = response.body(()).map_err(io::Error::other)?;
            let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
            let left = match length {
                _ if matches!(status, 204 | 304) => Left::Bytes(0),
                _ if response.headers().contains_key(header::TRANSFER_ENCODING) => Left::Chunks,
                Some(length) => Left::Bytes(length),
                None => Left::UntilClosed,
            };
            return Ok(response.map(|()| -> Body { Box::new(PlainBody { reader, left }) }));
        }
    }
}

/// A line without its end.
fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is not HTTP")
}

struct PlainBody {
    reader: BufReader<TcpStream>,
    left: Left,
}

#[derive(Clone, Copy)]
enum Left {
    Bytes(u64),
    /// So many bytes of a chunk, and then more chunks.
    Chunk(u64),
    Chunks,
    UntilClosed,
}

impl Read for PlainBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunk(0) = self.left {
            read_line(&mut self.reader)?;
            self.left = Left::Chunks;
        }
        if let Left::Chunks = self.left {
            let size = u64::from_str_radix(&read_line(&mut self.reader)?, 16).map_err(|_| malformed())?;
            self.left = Left::Chunk(size);
            if size == 0 {
                while !read_line(&mut self.reader)?.is_empty() {}
                self.left = Left::Bytes(0);
            }
        }
        let (Left::Bytes(left) | Left::Chunk(left)) = self.left else { return self.reader.read(buffer) };
        let read = self.reader.by_ref().take(left).read(buffer)?;
        if read == 0 && left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - u64::try_from(read).unwrap_or_default();
        self.left = if let Left::Chunk(_) = self.left { Left::Chunk(left) } else { Left::Bytes(left) };
        Ok(read)
    }
}
