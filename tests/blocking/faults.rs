//! What comes out of the client when the other side does not behave: one row for each way.

use std::error::Error as _;
use std::io::{self, Read};
use std::sync::Arc;

use scramjet_client_blocking::{Error, ErrorCode, ErrorKind, HostClient, OutputStream, Phase, ReplyError};
use scramjet_client_tests::scripted::{Connection, ScriptedServer, refused_url, response};

use crate::helpers::{Mailbox, within};

/// What the server does when it is asked for the list of sequences.
#[derive(Clone)]
enum Fault {
    /// Closes the first connection without reading from it.
    Hang,
    /// Sends this, and then goes on as if nothing was wrong.
    Reply(Vec<u8>),
    /// Sends this, and then closes.
    Cut(Vec<u8>),
    /// Sends the first, and then the second until the client is gone.
    Endless(Vec<u8>, Vec<u8>),
}

impl Fault {
    fn cut(reply: &str) -> Self {
        Self::Cut(reply.as_bytes().to_vec())
    }

    fn reply(status: &str, headers: &[(&str, &str)], body: &str) -> Self {
        Self::Reply(response(status, headers, body.as_bytes()))
    }

    /// A server with this fault, and otherwise a hub of version 1.0.1.
    fn serve(self) -> ScriptedServer {
        ScriptedServer::start(move |connection| {
            if matches!(self, Self::Hang) && connection.index() == 0 {
                return;
            }
            while let Some(request) = connection.read_request() {
                let go_on = if request.target == "/api/v1/version" {
                    connection.send(&response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                } else {
                    self.happen(connection)
                };
                if !go_on {
                    return;
                }
            }
        })
    }

    /// False where it closes the connection.
    fn happen(&self, connection: &mut Connection) -> bool {
        match self {
            Self::Hang => false,
            Self::Reply(reply) => connection.send(reply),
            Self::Cut(reply) => {
                connection.send(reply);
                false
            }
            Self::Endless(head, piece) => {
                connection.send(head);
                while connection.send(piece) {}
                false
            }
        }
    }
}

type Expected = fn(&ErrorKind) -> bool;

/// The fault, what kind of error it is, and what the error says of it.
fn rows() -> Vec<(&'static str, Fault, Expected, &'static str)> {
    let waiting: Expected = |kind| matches!(kind, ErrorKind::Transport { phase: Phase::Wait, .. });
    let reading: Expected = |kind| matches!(kind, ErrorKind::Transport { phase: Phase::Read, .. });
    let body: Expected = |kind| matches!(kind, ErrorKind::Reply(ReplyError::Body { .. }));
    let nginx = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n\
                 <hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n";
    let html = [("Content-Type", "text/html")];
    let json = [("Content-Type", "application/json")];
    let long_list = [b"[".as_slice(), &vec![b' '; 8 << 20]].concat();
    vec![
        (
            "closes at once",
            Fault::Hang,
            |kind| matches!(kind, ErrorKind::Transport { phase: Phase::Send | Phase::Wait, .. }),
            "the hub may have",
        ),
        ("closes after the request", Fault::cut(""), waiting, "got no answer"),
        ("closes in the status line", Fault::cut("HTTP/1.1 20"), waiting, "got no answer"),
        ("closes in the head", Fault::cut("HTTP/1.1 200 OK\r\nContent-Le"), waiting, "got no answer"),
        ("garbage", Fault::cut("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"), waiting, "got no answer"),
        ("binary garbage", Fault::cut("\x15\x03\x01\x00\x02\x02\x16\r\n\r\n"), waiting, "got no answer"),
        ("HTTP/0.9", Fault::cut("<html>\r\n\r\nHello</html>\r\n"), waiting, "got no answer"),
        ("a status that is none", Fault::cut("HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"), waiting, "got no answer"),
        (
            "a chunk size that is none",
            Fault::cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\nzz\r\n"),
            reading,
            "was interrupted while the answer was read",
        ),
        (
            "a chunk that is longer than its size",
            Fault::cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[]\r\n0\r\n\r\n"),
            reading,
            "was interrupted while the answer was read",
        ),
        (
            "a short body",
            Fault::cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"id\":"),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::Truncated { got: 7, expected: Some(100), .. })),
            "got a useless answer: the reply was cut off after 7 of 100 bytes",
        ),
        (
            // Without its length, this would be a proper list.
            "a short body that could be a whole one",
            Fault::cut("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[]"),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::Truncated { got: 2, expected: Some(3), .. })),
            "cut off after 2 of 3 bytes",
        ),
        (
            "chunks that break off",
            Fault::cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n"),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::Truncated { got: 2, expected: None, .. })),
            "cut off after 2 bytes",
        ),
        (
            "a chunk that breaks off",
            Fault::cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n[{}"),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::Truncated { got: 3, expected: None, .. })),
            "cut off after 3 bytes",
        ),
        (
            "a page",
            Fault::reply("200 OK", &html, "<!DOCTYPE html>\n<html>Welcome to nginx!</html>"),
            body,
            "got a useless answer: the reply is not the JSON that was expected; it begins with \"<!DOCTYPE html>",
        ),
        ("other JSON", Fault::reply("200 OK", &json, r#"{"status":"fine"}"#), body, r#"it begins with "{\"status\":\"fine\"}""#),
        ("JSON that breaks off", Fault::reply("200 OK", &json, r#"[{"id":"#), body, r#"it begins with "[{\"id\":""#),
        ("nothing", Fault::reply("200 OK", &json, ""), body, r#"it begins with """#),
        ("nothing at all", Fault::Reply(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), body, r#"it begins with """#),
        (
            "a list that is too long",
            Fault::Reply(response("200 OK", &json, &long_list)),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::TooLarge { limit: 0x0080_0000, .. })),
            "the reply is longer than 8388608 bytes",
        ),
        (
            "a list without end",
            Fault::Endless(b"HTTP/1.1 200 OK\r\n\r\n[".to_vec(), vec![b' '; 4096]),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::TooLarge { .. })),
            "the reply is longer than",
        ),
        (
            "an explanation without end",
            Fault::Endless(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), b"8\r\nAlas! :(\r\n".repeat(100)),
            |kind| refused(kind, 500, &ErrorCode::ServerError) && refusal(kind, |refusal| refusal.body.len() == 64 << 10),
            "was refused: 500 SERVER_ERROR: Alas! :(Alas! :(",
        ),
        (
            "an explanation that is cut off",
            Fault::cut("HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{\"error\":\"Not fo"),
            |kind| refused(kind, 404, &ErrorCode::NotFound) && refusal(kind, |refusal| refusal.body == b"{\"error\":\"Not fo"),
            r#"was refused: 404 NOT_FOUND: {"error":"Not fo"#,
        ),
        (
            "an explanation that is damaged",
            Fault::cut("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            |kind| refused(kind, 404, &ErrorCode::NotFound),
            "was refused: 404 NOT_FOUND: Not Found",
        ),
        (
            "an explanation that is cut off in the middle of a chunk",
            Fault::cut("HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nStill in"),
            |kind| refused(kind, 409, &ErrorCode::Conflict),
            "was refused: 409 CONFLICT: Still in",
        ),
        (
            "a redirect",
            Fault::reply("302 Found", &[("Location", "https://elsewhere.example/api/v1/sequences")], ""),
            |kind| refused(kind, 302, &ErrorCode::UnknownError),
            "it redirects to https://elsewhere.example/api/v1/sequences, and redirects are not followed",
        ),
        (
            "a page of a proxy",
            Fault::reply("502 Bad Gateway", &html, nginx),
            |kind| refused(kind, 502, &ErrorCode::ServerError),
            "was refused: 502 SERVER_ERROR: an HTML page (502 Bad Gateway); a proxy or another web server answered instead of the hub",
        ),
        (
            "a proxy without words",
            Fault::reply("502 Bad Gateway", &[], ""),
            |kind| refused(kind, 502, &ErrorCode::ServerError),
            "was refused: 502 SERVER_ERROR: Bad Gateway",
        ),
        (
            "a text",
            Fault::reply("500 Internal Server Error", &[("Content-Type", "text/plain")], "Something went wrong\n"),
            |kind| refused(kind, 500, &ErrorCode::ServerError),
            "was refused: 500 SERVER_ERROR: Something went wrong",
        ),
        (
            "a reason phrase",
            Fault::reply("400 Could not parse content", &[], ""),
            |kind| refused(kind, 400, &ErrorCode::BadParameters),
            "was refused: 400 BAD_PARAMETERS: Could not parse content",
        ),
        (
            "not now",
            Fault::reply("503 Service Unavailable", &[("Retry-After", "120")], "maintenance"),
            |kind| refused(kind, 503, &ErrorCode::ServerError) && refusal(kind, |refusal| refusal.retry_after == Some(120)),
            "was refused: 503 SERVER_ERROR: maintenance",
        ),
        (
            "no credentials",
            Fault::reply("401 Unauthorized", &json, r#"{"error":"Token missing"}"#),
            |kind| refused(kind, 401, &ErrorCode::NeedAuthentication) && refusal(kind, |refusal| refusal.is_unauthorized()),
            "was refused: 401 NEED_AUTHENTICATION: Token missing",
        ),
        (
            "wrong credentials",
            Fault::reply("403 Forbidden", &json, r#"{"error":{"code":"NOT_AUTHORIZED","message":"Not yours"}}"#),
            |kind| refused(kind, 403, &ErrorCode::NotAuthorized) && refusal(kind, |refusal| refusal.is_unauthorized()),
            "was refused: 403 NOT_AUTHORIZED: Not yours",
        ),
    ]
}

fn refusal(kind: &ErrorKind, is: impl FnOnce(&scramjet_client_blocking::ApiError) -> bool) -> bool {
    matches!(kind, ErrorKind::Reply(ReplyError::Api(refusal)) if is(refusal))
}

fn refused(kind: &ErrorKind, status: u16, code: &ErrorCode) -> bool {
    refusal(kind, |refusal| refusal.status.as_u16() == status && refusal.code == *code)
}

#[test]
fn faults_become_errors_and_the_client_stays_usable() {
    for (name, fault, expected, says) in rows() {
        within(name, move || {
            let server = fault.serve();
            let host = HostClient::new(server.url()).unwrap();
            let error = host.list_sequences().unwrap_err();
            assert_about(&error, "list sequences", &format!("{}/sequences", server.url()));
            assert!(expected(error.kind()), "{name}: {:?}", error.kind());
            assert!(error.to_string().contains(says), "{name}: {error}");
            assert_eq!(host.version().unwrap().version, "1.0.1", "{name}: the client is of no use any more");
        });
    }
}

/// The error names the request.
fn assert_about(error: &Error, operation: &str, url: &str) {
    assert_eq!(error.operation(), Some(operation));
    assert_eq!(error.method().map(|method| method.as_str()), Some("GET"));
    assert_eq!(error.url(), Some(url));
    assert!(error.to_string().starts_with(&format!("{operation} (GET {url}) ")), "{error}");
}

#[test]
fn a_refused_connection_says_so() {
    let url = refused_url();
    let host = HostClient::builder(&url).retry(None).build().unwrap();
    for _ in 0..2 {
        let error = host.list_sequences().unwrap_err();
        assert_about(&error, "list sequences", &format!("{url}/sequences"));
        assert!(matches!(error.kind(), ErrorKind::Transport { phase: Phase::Connect, .. }) && error.is_connect());
        assert!(error.to_string().ends_with("could not connect; is the hub running at this address?"), "{error}");
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
    }
}

/// What is not HTTP is not only "no answer": the cause says what it is.
#[test]
fn garbage_is_explained_by_the_cause() {
    let server = Fault::cut("SSH-2.0-OpenSSH_9.2p1\r\n\r\n").serve();
    let error = HostClient::new(server.url()).unwrap().list_sequences().unwrap_err();
    assert!(error.source().unwrap().to_string().contains("http parse fail"), "{error:?}");
}

/// Only a success without a body is the success of an operation that needs none.
#[test]
fn a_deletion_succeeds_with_any_body_that_ends() {
    let answers = |reply: Fault| {
        let server = reply.serve();
        within("a deletion", move || {
            let result = HostClient::new(server.url()).unwrap().delete_sequence("x");
            drop(server);
            result
        })
    };
    assert!(answers(Fault::reply("200 OK", &[], r#"{"id":"x"}"#)).is_ok());
    assert!(answers(Fault::reply("202 Accepted", &[], "<html>")).is_ok());
    assert!(answers(Fault::Reply(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())).is_ok());
    let error = answers(Fault::cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Reply(ReplyError::Truncated { got: 1, expected: Some(9), .. })), "{error:?}");
    let error = answers(Fault::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'.'; 4096])).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Reply(ReplyError::TooLarge { .. })), "{error:?}");
}

fn stdout_of(server: &ScriptedServer) -> Result<scramjet_client_blocking::ByteStream, Error> {
    HostClient::new(server.url()).unwrap().instance("the-instance").unwrap().stream(OutputStream::Stdout)
}

#[test]
fn a_stream_that_is_cut_off_stays_an_error() {
    for (reply, cut) in [
        ("Content-Length: 10\r\n\r\n12345", "5 of 10 bytes"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n", "5 bytes"),
        ("Transfer-Encoding: chunked\r\n\r\n9\r\n12345", "5 bytes"),
    ] {
        within(reply, move || {
            let server = Fault::cut(&format!("HTTP/1.1 200 OK\r\n{reply}")).serve();
            let (mut stream, mut content) = (stdout_of(&server).unwrap(), Vec::new());
            let first = stream.read_to_end(&mut content).unwrap_err();
            assert_eq!(content, b"12345", "{reply}");
            let again = stream.read(&mut [0; 10]).unwrap_err();
            let at_last = stream.read_to_end(&mut content).unwrap_err();
            for lost in [first, again, at_last] {
                assert_eq!(lost.kind(), io::ErrorKind::UnexpectedEof, "{reply}");
                let error = lost.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).expect("the client's own error");
                assert_about(error, "read stream", &format!("{}/instance/the-instance/stdout", server.url()));
                assert!(matches!(error.kind(), ErrorKind::Reply(ReplyError::Truncated { got: 5, .. })), "{reply}: {error}");
                assert!(lost.to_string().ends_with(&format!("the reply was cut off after {cut}")), "{lost}");
            }
            assert_eq!(content, b"12345", "{reply}");
        });
    }
}

#[test]
fn a_stream_that_is_damaged_stays_an_error() {
    let server = Fault::cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n").serve();
    within("a damaged stream", move || {
        let (mut stream, mut content) = (stdout_of(&server).unwrap(), Vec::new());
        for _ in 0..3 {
            let lost = stream.read_to_end(&mut content).unwrap_err();
            let error = lost.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).expect("the client's own error");
            assert!(matches!(error.kind(), ErrorKind::Transport { phase: Phase::Read, .. }), "{error:?}");
        }
        assert!(b"12345".starts_with(&content));
    });
}

#[test]
fn a_stream_that_ends_stays_at_its_end() {
    for reply in [
        "Content-Length: 5\r\n\r\n12345",
        // Chunks tell where the body ends, whatever length is announced beside them.
        "Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
        "Connection: close\r\n\r\n12345",
    ] {
        let server = Fault::cut(&format!("HTTP/1.1 200 OK\r\n{reply}")).serve();
        let (mut stream, mut content) = (stdout_of(&server).unwrap(), Vec::new());
        assert_eq!(stream.read_to_end(&mut content).unwrap(), 5, "{reply}");
        assert_eq!((stream.read(&mut [0; 4]).unwrap(), stream.read(&mut [0; 4]).unwrap()), (0, 0), "{reply}");
    }
}

#[test]
fn a_stream_that_is_refused_is_the_refusal() {
    let server = Fault::reply("404 Not Found", &[], r#"{"error":"No such instance"}"#).serve();
    let error = stdout_of(&server).unwrap_err();
    assert_eq!(error.api().unwrap().message, "No such instance");
    assert!(error.is_not_found());
}

#[test]
fn dropping_a_stream_closes_its_connection() {
    let gone = Mailbox::new();
    let server = ScriptedServer::start({
        let gone = Arc::clone(&gone);
        move |connection| {
            connection.read_request().unwrap();
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n");
            assert!(connection.read_head().is_none());
            gone.put(());
        }
    });
    let mut stream = stdout_of(&server).unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    assert!(gone.is_empty());
    drop(stream);
    gone.take();
}
