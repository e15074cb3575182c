//! The contract, a check for each sentence of it.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use http::{Method, Request, Response};
use scramjet_client_blocking::{Outgoing, Phase, Reason, Transport, TransportError};
use scramjet_client_tests::fixture;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, refused_url, response};

use crate::helpers::{Mailbox, recording, serving, within};

pub(super) type Body = Box<dyn Read + Send>;

/// What the transport does beyond the contract, or where it may.
#[derive(Clone, Copy)]
pub(super) struct Gives {
    pub(super) reason: bool,
    pub(super) reuse: bool,
}

pub(super) fn conforms(transport: Arc<dyn Transport>, gives: Gives) {
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

fn request<'a>(method: Method, server: &ScriptedServer, path: &str, body: Outgoing<'a>) -> Request<Outgoing<'a>> {
    Request::builder().method(method).uri(format!("{}/{path}", server.url())).body(body).unwrap()
}

pub(super) fn get(transport: &dyn Transport, server: &ScriptedServer, path: &str) -> Response<Body> {
    transport.send(request(Method::GET, server, path, Outgoing::Empty)).unwrap()
}

pub(super) fn upload<'a>(server: &ScriptedServer, reader: &'a mut (dyn Read + Send), length: Option<u64>) -> Request<Outgoing<'a>> {
    request(Method::POST, server, "upload", Outgoing::Reader { reader, length })
}

pub(super) fn text(response: Response<Body>) -> String {
    io::read_to_string(response.into_body()).unwrap()
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
