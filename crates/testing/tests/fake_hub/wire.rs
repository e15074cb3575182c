//! Tests of the bytes that the server of a fake hub sends. They were compared with a hub of 0.18.7.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, StartOptions};
use scramjet_client_testing::fake_hub::{FakeHub, Fault, Generation};

use crate::BOTH;

/// Time after which a hanging test fails.
const HANG: Duration = Duration::from_secs(60);

/// A request after which the connection is closed.
const LAST: &str = "GET /api/v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn connect(hub: &FakeHub) -> TcpStream {
    let url = hub.url();
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/api/v1");
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket.set_write_timeout(Some(HANG)).unwrap();
    socket
}

/// Reads until the connection is closed.
fn read_all(mut socket: &TcpStream) -> String {
    let mut bytes = Vec::new();
    match socket.read_to_end(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            unreachable!(
                "the connection stays open: {}",
                String::from_utf8_lossy(&bytes)
            )
        }
        // A server that closes a connection with bytes unread resets it.
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// Reads until these bytes have come.
fn read_until(mut socket: &TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    String::from_utf8(bytes).unwrap()
}

fn send(hub: &FakeHub, bytes: impl AsRef<[u8]>) -> String {
    let mut socket = connect(hub);
    socket.write_all(bytes.as_ref()).unwrap();
    read_all(&socket)
}

/// Returns the statuses of the responses to a request, and to [`LAST`] after it.
fn statuses(hub: &FakeHub, request: &str) -> Vec<String> {
    let text = send(hub, format!("{request}{LAST}"));
    let heads = text.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].to_owned()).collect()
}

fn hub(generation: Generation) -> FakeHub {
    FakeHub::builder(generation).time_scale(20.0).start()
}

#[test]
fn malformed_requests_get_the_recorded_responses() {
    for (generation, version) in [(Generation::V0_18, "0.18.7"), (Generation::V1, "1.0.1")] {
        let hub = hub(generation);
        for name in ["malformed-request", "non-ascii-path"] {
            let read = |kind: &str| {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
                std::fs::read(format!("{folder}/{version}/{name}.{kind}")).unwrap()
            };
            let recorded = String::from_utf8(read("http")).unwrap();
            assert_eq!(send(&hub, read("request")), recorded, "{version} {name}");
        }
    }
}

#[test]
fn the_parser_accepts_the_same_requests_as_node() {
    let get = "GET /api/v1/version HTTP/1.1\r\n";
    let post = "POST /api/v1/sequence HTTP/1.1\r\nHost: x\r\n";
    let head = |more: &str| format!("{get}Host: x\r\n{more}\r\n");
    let first = |line: &str| format!("{line}\r\nHost: x\r\n\r\n");
    let body = |more: &str| format!("{post}{more}");
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("a{n}: b\r\n"))
            .collect::<String>()
    };
    #[rustfmt::skip]
    let cases = [
        ("a request", head(""), "200 200"),
        ("an empty line before", format!("\r\n\r\n{}", head("")), "200 200"),
        ("two hosts", head("Host: x\r\n"), "200 200"),
        ("no host", format!("{get}\r\n"), "400"),
        ("an upgrade", head("Connection: upgrade\r\nUpgrade: websocket\r\n"), "200 200"),
        ("a body", head("Content-Length: 3\r\n\r\nabc").replace("abc\r\n", "abc"), "200 200"),
        ("many headers", head(&many(1000)), "200 200"),
        ("too many headers", head(&many(3000)), "431"),
        ("a long header", head(&format!("A: {}\r\n", "x".repeat(20_000))), "431"),
        ("a folded header", head("A: b\r\n c\r\n"), "400"),
        ("a space before a colon", head("A : b\r\n"), "400"),
        ("no colon", head("A\r\n"), "400"),
        ("a zero byte", head("A: \0\r\n"), "400"),
        ("lines without a return", head("").replace('\r', ""), "400"),
        ("a line without a return", head("A: b\nB: c\r\n"), "400"),
        ("a last line without a return", head("A: b\n"), "400"),
        ("HTTP/1.0", first("GET /api/v1/version HTTP/1.0"), "200"),
        ("HTTP/1.0 without a host", "GET /api/v1/version HTTP/1.0\r\n\r\n".into(), "200"),
        ("HTTP/2.0", first("GET /api/v1/version HTTP/2.0"), "200"),
        ("no version", first("GET /api/v1/version"), "200"),
        ("HTTP/3.0", first("GET /api/v1/version HTTP/3.0"), "400"),
        ("http/1.1", first("GET /api/v1/version http/1.1"), "400"),
        ("a method in small letters", first("get /api/v1/version HTTP/1.1"), "400"),
        ("an unknown method", first("FOO /api/v1/version HTTP/1.1"), "400"),
        ("a method without a route", first("PURGE /api/v1/version HTTP/1.1"), "404 200"),
        ("an absolute target", first("GET http://x/api/v1/version HTTP/1.1"), "404"),
        ("a star", first("OPTIONS * HTTP/1.1"), "404"),
        ("CONNECT", first("CONNECT x:1 HTTP/1.1"), ""),
        ("no slash", first("GET api/v1/version HTTP/1.1"), "400"),
        ("empty segments", first("GET //api//v1//version HTTP/1.1"), "404 200"),
        ("a query", first("GET /api/v1/version?a=b#c HTTP/1.1"), "200 200"),
        ("OPTIONS", first("OPTIONS /api/v1/version HTTP/1.1"), "200 200"),
        ("HEAD", first("HEAD /api/v1/version HTTP/1.1"), "200 200"),
        ("three requests", head("").repeat(3), "200 200 200 200"),
        ("a length in letters", body("Content-Length: a\r\n\r\na"), "400"),
        ("a negative length", body("Content-Length: -1\r\n\r\n"), "400"),
        ("a length with a sign", body("Content-Length: +1\r\n\r\na"), "400"),
        ("two lengths", body("Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), "400"),
        ("a length and chunks",
            body("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400"),
        ("an unknown coding", body("Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"), "400"),
        ("a chunk without a size", body("Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n"), "400"),
        ("a chunk with a sign",
            body("Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"), "400"),
        ("a chunk that is too large",
            body("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"), "400"),
        ("an unknown expectation", head("Expect: x\r\n"), "417 200"),
    ];
    for generation in BOTH {
        let hub = hub(generation);
        for (name, request, expected) in &cases {
            assert_eq!(
                statuses(&hub, request).join(" "),
                *expected,
                "{generation:?}: {name}"
            );
        }
    }
}

#[test]
fn a_head_without_an_end_is_refused_before_it_is_complete() {
    let hub = hub(Generation::V1);
    for (bytes, status) in [
        ([b'A'; 17 << 10].as_slice(), "431"),
        (b"\x16\x03\x01\x02\0\x01\0\x01", "400"),
    ] {
        let text = send(&hub, bytes);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
    }
}

#[test]
fn a_truncated_request_is_refused() {
    let hub = hub(Generation::V1);
    for part in [
        "GET /api/v1/version HTTP/1.1\r\nHos",
        "POST /api/v1/sequence HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
    ] {
        let mut socket = connect(&hub);
        socket.write_all(part.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert!(read_all(&socket).starts_with("HTTP/1.1 400 "), "{part}");
    }
    assert!(hub.sequences().is_empty());
}

#[test]
fn half_closed_connections_get_ready_responses_and_streams_are_closed() {
    let hub = hub(Generation::V1);
    let half = |request: &str| {
        let mut socket = connect(&hub);
        socket.write_all(request.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        read_all(&socket)
    };
    assert!(half("").is_empty());
    let version = "GET /api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n";
    let text = half(&version.repeat(2));
    assert_eq!(text.matches("\r\n0\r\n\r\n").count(), 2, "{text}");
    let text = half(&version.replace("version", "log"));
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
}

#[test]
fn clients_of_http_1_0_get_no_chunks() {
    let hub = hub(Generation::V1);
    let text = send(
        &hub,
        "GET /api/v1/version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    );
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("connection: close") && !head.contains("chunked"),
        "{head}"
    );
    assert!(body.starts_with('{') && body.ends_with('}'), "{body}");
}

#[test]
fn the_last_response_has_connection_close() {
    let text = send(&hub(Generation::V1), LAST);
    assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
    assert!(
        !text.contains("keep-alive") && text.ends_with("0\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn an_upload_waits_for_the_interim_response() {
    for generation in BOTH {
        let hub = hub(generation);
        let package = hub.package("x");
        let mut socket = connect(&hub);
        let head = format!(
            "POST /api/v1/sequence HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
            Content-Type: application/octet-stream\r\nConnection: close\r\n\
            Content-Length: {}\r\n\r\n",
            package.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        assert_eq!(
            read_until(&socket, "\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        socket.write_all(&package).unwrap();
        let text = read_all(&socket);
        assert!(text.contains("HTTP/1.1 20"), "{text}");
        assert_eq!(hub.sequences().len(), 1);
    }
}

#[test]
fn a_chunked_upload_may_have_extensions_and_trailers() {
    let hub = hub(Generation::V1);
    let mut request = b"POST /api/v1/sequence HTTP/1.1\r\nHost: x\r\n\
        Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for chunk in hub.package("x").chunks(7) {
        request.extend(format!("{:X};a=b\r\n", chunk.len()).into_bytes());
        request.extend([chunk, b"\r\n"].concat());
    }
    request.extend(b"0;a=b\r\nTrailer: 1\r\nOther: 2\r\n\r\n");
    request.extend(LAST.as_bytes());
    assert_eq!(send(&hub, request).matches("HTTP/1.1 20").count(), 2);
    assert_eq!(hub.sequences().len(), 1);
}

#[test]
fn a_refusal_whose_status_has_no_body_has_none() {
    let hub = hub(Generation::V1);
    for status in [204, 304] {
        hub.fault(Fault::refuse(status, "not sent"));
        let text = send(&hub, LAST);
        assert!(
            text.ends_with("\r\n\r\n") && !text.contains("content-length"),
            "{text}"
        );
    }
}

/// Adds a program that keeps a channel open until all parts of the hub are dropped.
fn watched(hub: &FakeHub) -> Receiver<()> {
    let (sender, receiver) = channel::<()>();
    hub.program("stays", move |process| {
        let _ = &sender;
        process.run_until_killed()
    });
    receiver
}

/// Waits until all threads and connections of a hub have ended.
fn is_gone(left: &Receiver<()>) -> bool {
    left.recv_timeout(HANG) == Err(RecvTimeoutError::Disconnected)
}

#[test]
fn a_hub_that_is_dropped_ends_its_connections_and_threads() {
    for generation in BOTH {
        let hub = hub(generation);
        let left = watched(&hub);
        hub.program("floods", |process| {
            loop {
                process.write(vec![b'x'; 64 << 10])?;
            }
        });
        let host = HostClient::new(hub.url()).unwrap();
        let [stays, floods] = ["stays", "floods"].map(|name| {
            let sequence = host.send_sequence(hub.package(name)).unwrap();
            sequence
                .start(&StartOptions::new())
                .unwrap()
                .id()
                .to_string()
        });
        hub.fault(Fault::silence().on("GET", "sequences"));
        let request = |method: &str, path: &str, more: &str| {
            format!("{method} /api/v1/{path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
        };
        let upload = "Content-Type: text/plain\r\nContent-Length: 99999999\r\n";
        let requests = [
            String::new(),
            "GET /api".to_owned(),
            request("GET", "log", ""),
            request("GET", "sequences", ""),
            request("GET", &format!("instance/{stays}/once/never"), ""),
            request("GET", &format!("instance/{floods}/output"), ""),
            request("POST", &format!("instance/{stays}/input"), upload),
            request(
                "GET",
                &format!("instance/{stays}/stdout"),
                "Connection: close\r\n",
            ),
        ];
        let mut sockets = Vec::new();
        for text in requests {
            let mut socket = connect(&hub);
            socket.write_all(text.as_bytes()).unwrap();
            if text.starts_with("POST") {
                // Sends more than the hub buffers.
                socket
                    .set_write_timeout(Some(Duration::from_millis(500)))
                    .unwrap();
                while socket.write_all(&[b'x'; 64 << 10]).is_ok() {}
            }
            sockets.push(socket);
        }
        hub.wait_until("the requests have come", |hub| {
            let path = format!("GET /api/v1/instance/{stays}/stdout");
            hub.requests().contains(&path)
        });
        drop((hub, host));
        sockets.iter().for_each(|socket| drop(read_all(socket)));
        assert!(is_gone(&left), "{generation:?}");
    }
}

#[test]
fn closed_connections_leave_no_threads_and_no_exchanges() {
    let hub = hub(Generation::V1);
    let left = watched(&hub);
    let sequence = hub.client().send_sequence(hub.package("stays")).unwrap();
    let id = sequence
        .start(&StartOptions::new())
        .unwrap()
        .id()
        .to_string();
    drop(sequence);
    for path in ["log".to_owned(), format!("instance/{id}/once/never")] {
        let mut socket = connect(&hub);
        let request = format!("GET /api/v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        hub.wait_until("the request has come", |hub| {
            hub.requests()
                .iter()
                .any(|request| request.ends_with(&path))
        });
    }
    hub.wait_until("the hub has no exchanges", |hub| {
        format!("{hub:?}").contains("exchanges: 0,")
    });
    drop(hub);
    assert!(is_gone(&left));
}

#[test]
fn many_clients_are_served_at_once() {
    let hub = hub(Generation::V1);
    let left = watched(&hub);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..100)
            .map(|_| {
                let hub = hub.clone();
                scope.spawn(move || {
                    let mut socket = connect(&hub);
                    let mut get = |path: &str| {
                        let head = format!("GET /api/v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n");
                        socket.write_all(head.as_bytes()).unwrap();
                        read_until(&socket, "\r\n0\r\n\r\n")
                    };
                    let count = ["version", "sequences", "load-check"]
                        .map(&mut get)
                        .iter()
                        .filter(|text| text.starts_with("HTTP/1.1 200 "))
                        .count();
                    // Keeps the connection open.
                    (count, socket)
                })
            })
            .collect();
        let served: Vec<_> = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect();
        assert!(served.iter().all(|(count, _)| *count == 3));
        drop(served);
    });
    drop(hub);
    assert!(is_gone(&left));
}
