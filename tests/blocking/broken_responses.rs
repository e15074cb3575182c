//! Errors after lost, damaged or refused connections. The table of all faults is in
//! `tests/hostile`.

use std::error::Error as _;
use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::{env, io, iter};

use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::transport::{Phase, TransportError};
use scramjet_client_blocking::{
    Error, ErrorKind, HostClient, KillOptions, OutputStream, StartOptions,
};
use scramjet_client_tests::scripted::{Connection, ScriptedServer, refused_url, response};
use serde_json::json;

use crate::helpers::{Mailbox, client_1x, in_child_of, recording, serving, within};

/// The reaction of the server to a request for the list of sequences.
#[derive(Clone)]
enum Fault {
    /// Sends this, and keeps the connection open.
    Reply(Vec<u8>),
    /// Sends this, and closes the connection.
    Cut(Vec<u8>),
    /// Sends the first part once, and the second one until the client disconnects.
    Endless(Vec<u8>, Vec<u8>),
}

impl Fault {
    fn cut(reply: &str) -> Self {
        Self::Cut(reply.as_bytes().to_vec())
    }

    fn reply(status: &str, headers: &[(&str, &str)], body: &str) -> Self {
        Self::Reply(response(status, headers, body.as_bytes()))
    }

    /// Starts a server with this fault. It reports version 1.0.1.
    fn serve(self) -> ScriptedServer {
        ScriptedServer::start(move |connection| {
            while let Ok(request) = connection.read_request() {
                let is_open = if request.target == "/api/v1/version" {
                    connection
                        .send(response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                        .is_ok()
                } else {
                    self.apply(connection)
                };
                if !is_open {
                    return;
                }
            }
        })
    }

    /// Returns `false` if the connection is to be closed.
    fn apply(&self, connection: &mut Connection) -> bool {
        match self {
            Self::Reply(reply) => connection.send(reply).is_ok(),
            Self::Cut(reply) => {
                let _ = connection.send(reply);
                false
            }
            Self::Endless(head, piece) => {
                let _ = connection.send(head);
                while connection.send(piece).is_ok() {}
                false
            }
        }
    }
}

/// Checks that the error names the request.
fn assert_names_request(error: &Error, operation: &str, url: &str) {
    assert_eq!(error.operation(), Some(operation));
    assert_eq!(error.method().map(|method| method.as_str()), Some("GET"));
    assert_eq!(error.url(), Some(url));
    assert!(
        error
            .to_string()
            .starts_with(&format!("{operation} (GET {url}): ")),
        "{error}"
    );
}

#[test]
fn list_sequences_reports_a_refused_connection() {
    let url = refused_url();
    let host = HostClient::builder(&url).retry(None).build().unwrap();
    for _ in 0..2 {
        let error = host.list_sequences().unwrap_err();
        assert_names_request(&error, "list sequences", &format!("{url}/sequences"));
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Transport(TransportError {
                    phase: Phase::Connect,
                    ..
                })
            ) && error.is_connect()
        );
        assert!(
            error
                .to_string()
                .ends_with("could not connect; is the hub running at this address?"),
            "{error}"
        );
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<io::Error>())
            .unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
    }
}

/// The source of the error says that the response is not HTTP.
#[test]
fn list_sequences_reports_a_response_that_is_not_http() {
    let server = Fault::cut("SSH-2.0-OpenSSH_9.2p1\r\n\r\n").serve();
    let error = HostClient::new(server.url())
        .unwrap()
        .list_sequences()
        .unwrap_err();
    assert!(
        error
            .source()
            .unwrap()
            .to_string()
            .contains("http parse fail"),
        "{error:?}"
    );
}

/// The client ignores the content of the body, but it has to be complete.
#[test]
fn delete_sequence_accepts_any_complete_body() {
    let delete_with = |reply: Fault| {
        let server = reply.serve();
        within("a deletion", move || {
            let result = HostClient::new(server.url()).unwrap().delete_sequence("x");
            drop(server);
            result
        })
    };
    assert!(delete_with(Fault::reply("200 OK", &[], r#"{"id":"x"}"#)).is_ok());
    assert!(delete_with(Fault::reply("202 Accepted", &[], "<html>")).is_ok());
    assert!(delete_with(Fault::Reply(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())).is_ok());
    let error =
        delete_with(Fault::cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Reply(ReplyError::Truncated {
                got: 1,
                expected: Some(9),
                ..
            })
        ),
        "{error:?}"
    );
    let error = delete_with(Fault::Endless(
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        vec![b'.'; 4096],
    ))
    .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Reply(ReplyError::TooLarge { .. })),
        "{error:?}"
    );
}

fn stdout_of(server: &ScriptedServer) -> Result<scramjet_client_blocking::ByteStream, Error> {
    HostClient::new(server.url())
        .unwrap()
        .instance("the-instance")
        .unwrap()
        .stream(OutputStream::Stdout)
}

#[test]
fn byte_stream_stays_an_error_after_it_was_cut_off() {
    for (reply, cut) in [
        ("Content-Length: 10\r\n\r\n12345", "5 of 10 bytes"),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n",
            "5 bytes",
        ),
        ("Transfer-Encoding: chunked\r\n\r\n9\r\n12345", "5 bytes"),
    ] {
        within(reply, move || {
            let server = Fault::cut(&format!("HTTP/1.1 200 OK\r\n{reply}")).serve();
            let (mut stream, mut content) = (stdout_of(&server).unwrap(), Vec::new());
            let first = stream.read_to_end(&mut content).unwrap_err();
            assert_eq!(content, b"12345", "{reply}");
            let again = stream.read(&mut [0; 10]).unwrap_err();
            let third = stream.read_to_end(&mut content).unwrap_err();
            for lost in [first, again, third] {
                assert_eq!(lost.kind(), io::ErrorKind::UnexpectedEof, "{reply}");
                let error = lost
                    .get_ref()
                    .and_then(|inner| inner.downcast_ref::<Error>())
                    .expect("the client's own error");
                assert_names_request(
                    error,
                    "read stream",
                    &format!("{}/instance/the-instance/stdout", server.url()),
                );
                assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::Reply(ReplyError::Truncated { got: 5, .. })
                    ),
                    "{reply}: {error}"
                );
                assert!(
                    lost.to_string().ends_with(&format!(
                        "connection lost while reading the response (got {cut})"
                    )),
                    "{lost}"
                );
            }
            assert_eq!(content, b"12345", "{reply}");
        });
    }
}

#[test]
fn byte_stream_stays_an_error_after_a_bad_chunk() {
    let server =
        Fault::cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n")
            .serve();
    within("a damaged stream", move || {
        let (mut stream, mut content) = (stdout_of(&server).unwrap(), Vec::new());
        for _ in 0..3 {
            let lost = stream.read_to_end(&mut content).unwrap_err();
            let error = lost
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<Error>())
                .expect("the client's own error");
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Transport(TransportError {
                        phase: Phase::Read,
                        ..
                    })
                ),
                "{error:?}"
            );
        }
        assert!(b"12345".starts_with(&content));
    });
}

#[test]
fn byte_stream_stays_at_its_end() {
    for reply in [
        "Content-Length: 5\r\n\r\n12345",
        // The chunked framing takes precedence over `Content-Length`.
        "Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
        "Connection: close\r\n\r\n12345",
    ] {
        let server = Fault::cut(&format!("HTTP/1.1 200 OK\r\n{reply}")).serve();
        let (mut stream, mut content) = (stdout_of(&server).unwrap(), Vec::new());
        assert_eq!(stream.read_to_end(&mut content).unwrap(), 5, "{reply}");
        assert_eq!(
            (
                stream.read(&mut [0; 4]).unwrap(),
                stream.read(&mut [0; 4]).unwrap()
            ),
            (0, 0),
            "{reply}"
        );
    }
}

#[test]
fn stream_returns_the_refusal_of_the_hub() {
    let server = Fault::reply("404 Not Found", &[], r#"{"error":"No such instance"}"#).serve();
    let error = stdout_of(&server).unwrap_err();
    assert_eq!(error.api().unwrap().message, "No such instance");
    assert!(error.is_not_found());
}

#[test]
fn dropping_a_byte_stream_closes_its_connection() {
    let gone = Mailbox::new();
    let server = ScriptedServer::start({
        let gone = Arc::clone(&gone);
        move |connection| {
            connection.read_request().unwrap();
            let _ = connection
                .send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n");
            assert!(connection.read_head().is_err());
            gone.put(());
        }
    });
    let mut stream = stdout_of(&server).unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    assert!(gone.is_empty());
    drop(stream);
    gone.take();
}

/// The child process has a low limit for open files, and uses all of them before it calls.
#[cfg(target_os = "linux")]
#[test]
fn version_and_start_report_that_no_file_descriptor_is_left() {
    const HUB: &str = "TEST_DESCRIPTORS_CHILD_HUB";
    if let Ok(url) = env::var(HUB) {
        let host = HostClient::builder(url)
            .hub_version("1.0.1")
            .build()
            .unwrap();
        let sequence = host.sequence("x").unwrap();
        let files: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(files.len() > 8, "{} files", files.len());
        for error in [
            host.version().unwrap_err(),
            sequence.start(&StartOptions::new()).unwrap_err(),
        ] {
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Transport(TransportError {
                        phase: Phase::Connect,
                        ..
                    })
                ),
                "{error:?}"
            );
            assert!(
                error.is_connect() && !error.is_timeout() && !error.is_cancelled(),
                "{error:?}"
            );
            let causes = iter::successors(error.source(), |&cause| cause.source());
            let code = causes
                .filter_map(|cause| cause.downcast_ref::<io::Error>())
                .find_map(io::Error::raw_os_error);
            // EMFILE.
            assert!(
                code == Some(24) && format!("{error:?}").contains("Too many open files"),
                "{code:?}: {error:?}"
            );
        }
        drop(files);
        host.version().unwrap();
        return;
    }
    let (server, requests) = recording(br#"{"version":"1.0.1"}"#);
    let mut bounded = Command::new("sh");
    bounded
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap());
    in_child_of(bounded, &[(HUB, &server.url())]);
    assert!(requests.take().target.ends_with("/version") && requests.is_empty());
}

#[test]
fn kill_send_event_and_delete_sequence_accept_an_empty_body() {
    for status in ["200 OK", "202 Accepted", "204 No Content"] {
        let server = serving(move |_| {
            let length = if status.starts_with("204") {
                ""
            } else {
                "Content-Length: 0\r\n"
            };
            format!("HTTP/1.1 {status}\r\n{length}\r\n").into_bytes()
        });
        let host = client_1x(&server);
        let instance = host.instance("i").unwrap();
        instance.kill(&KillOptions::new()).unwrap();
        instance.send_event("e", json!({ "a": 1 })).unwrap();
        host.delete_sequence("x").unwrap();
    }
}
