//! Tests of a `Replay` that is served over HTTP. They use raw sockets, because they check the
//! bytes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use scramjet_client_testing::replay::{Check, RecordedExchange, Replay};
use scramjet_client_testing::server::Server;

const VERSION: &[u8] = b"HTTP/1.1 200 OK\r\nX-Order: 1\r\nx-order: 2\r\nTransfer-Encoding: chunked\
    \r\n\r\n13\r\n{\"version\":\"1.0.1\"}\r\n0\r\n\r\n";
const UPLOADED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
    HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
const KILLED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

fn version() -> RecordedExchange {
    RecordedExchange::from_bytes("version", get("version"), VERSION).unwrap()
}

fn kill() -> RecordedExchange {
    RecordedExchange::from_bytes("kill", kill_of("recorded", "{}"), KILLED).unwrap()
}

fn get(path: &str) -> String {
    format!("GET /api/v1/{path} HTTP/1.1\r\n\r\n")
}

fn kill_of(instance: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /api/v1/instance/{instance}/_kill HTTP/1.1\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).unwrap()
}

/// Sends a request, and reads as many bytes as the response should have.
fn exchange(client: &mut TcpStream, request: &str, length: usize) -> Vec<u8> {
    client.write_all(request.as_bytes()).unwrap();
    let mut response = vec![0; length];
    client.read_exact(&mut response).unwrap();
    response
}

/// Sends a request, and reads until the server closes the connection.
fn exchange_to_end(client: &mut TcpStream, request: &str) -> String {
    client.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    response
}

fn report(replay: &Replay) -> String {
    *catch_unwind(AssertUnwindSafe(|| replay.assert_done()))
        .unwrap_err()
        .downcast()
        .unwrap()
}

#[test]
fn serve_sends_the_recorded_bytes_on_one_connection() {
    let replay = Replay::new([kill(), version()]);
    let server = replay.serve().unwrap();
    let mut client = connect(&server);
    let killed = exchange(&mut client, &kill_of("recorded", "{}"), KILLED.len());
    let version = exchange(&mut client, &get("version"), VERSION.len());
    assert_eq!((killed.as_slice(), version.as_slice()), (KILLED, VERSION));
    assert_eq!(server.connections(), 1);
    server.join();
    assert_eq!(replay.requests()[0].body, b"{}");
    replay.assert_done();
}

#[test]
fn serve_sends_interim_responses_before_the_body_arrives() {
    let head =
        "POST /api/v1/sequence HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let recorded = RecordedExchange::from_bytes("upload", format!("{head}abc"), UPLOADED).unwrap();
    for any_order in [false, true] {
        let other = RecordedExchange::from_bytes("other", get("x"), KILLED).unwrap();
        let replay = match any_order {
            false => Replay::new([recorded.clone()]),
            true => Replay::new([other, recorded.clone()]).in_any_order(),
        };
        let server = replay.serve().unwrap();
        let mut client = connect(&server);
        let interim = UPLOADED.len() - KILLED.len() - 2;
        assert_eq!(exchange(&mut client, head, interim), UPLOADED[..interim]);
        let rest = exchange(&mut client, "abc", UPLOADED.len() - interim);
        assert_eq!(rest, UPLOADED[interim..]);
        if any_order {
            exchange(&mut client, &get("x"), KILLED.len());
        }
        server.join();
        replay.assert_done();
    }
}

#[test]
fn serve_closes_the_connection_at_the_end_of_the_recording() {
    let cut =
        RecordedExchange::from_bytes("cut", get("version"), &VERSION[..VERSION.len() - 3]).unwrap();
    let replay = Replay::new([cut]);
    let server = replay.serve().unwrap();
    let response = exchange_to_end(&mut connect(&server), &get("version"));
    assert_eq!(response.as_bytes(), &VERSION[..VERSION.len() - 3]);
    replay.assert_done();
}

#[test]
fn serve_refuses_a_request_that_differs() {
    let replay = Replay::new([kill()]);
    let server = replay.serve().unwrap();
    let request = kill_of("recorded", "[]").replace("_kill", "_stop");
    let response = exchange_to_end(&mut connect(&server), &request);
    let difference = "kill: the request differs\n  target\n    \
        recorded /api/v1/instance/recorded/_kill\n    \
        received /api/v1/instance/recorded/_stop\n  body\n    recorded {}\n    received []";
    assert!(response.starts_with("HTTP/1.1 599 "), "{response}");
    assert!(response.ends_with(difference), "{response}");
    assert_eq!(
        report(&replay),
        format!("the replay did not go as recorded\n{difference}")
    );
}

#[test]
fn checks_and_ids_can_be_relaxed() {
    let accepts = |replay: Replay, request: &str| {
        let server = replay.serve().unwrap();
        let mut client = connect(&server);
        let accepted = exchange(&mut client, request, 12) == KILLED[..12];
        assert_eq!(
            accepted,
            catch_unwind(AssertUnwindSafe(|| replay.assert_done())).is_ok()
        );
        accepted
    };
    let spelled = kill_of("recorded", "{ }");
    assert!(accepts(Replay::new([kill()]), &spelled));
    assert!(!accepts(
        Replay::new([kill()]).checking(Check::Bytes),
        &spelled
    ));
    let other_body = kill_of("recorded", "[]");
    assert!(!accepts(Replay::new([kill()]), &other_body));
    assert!(accepts(
        Replay::new([kill().checking(Check::ContentType)]),
        &other_body
    ));
    let other_type = other_body.replace("json", "xml");
    assert!(!accepts(
        Replay::new([kill()]).checking(Check::ContentType),
        &other_type
    ));
    assert!(accepts(
        Replay::new([kill()]).checking(Check::Target),
        &other_type
    ));
    let other_id = kill_of("other", "{}");
    assert!(!accepts(Replay::new([kill()]), &other_id));
    assert!(accepts(Replay::new([kill()]).with_any_ids(), &other_id));
}

#[test]
fn assert_done_reports_missing_and_additional_requests() {
    let replay = Replay::new([version()]);
    assert_eq!(
        report(&replay),
        "the replay did not go as recorded\nversion: the recorded request did not come"
    );
    let replay = Replay::new([]);
    let server = replay.serve().unwrap();
    exchange_to_end(&mut connect(&server), &get("y"));
    assert_eq!(
        report(&replay),
        "the replay did not go as recorded\nGET y: no remaining exchange matches the request"
    );
}

#[test]
fn assert_done_reports_a_truncated_request() {
    let replay = Replay::new([kill()]);
    let server = replay.serve().unwrap();
    let mut client = connect(&server);
    let request = kill_of("recorded", "{}");
    client
        .write_all(&request.as_bytes()[..request.len() - 1])
        .unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    client.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(
        report(&replay),
        "the replay did not go as recorded\n\
         POST instance/recorded/_kill: the request broke off\n\
         kill: the recorded request did not come"
    );
}
