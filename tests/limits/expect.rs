//! `Expect: 100-continue`: whatever the hub sends and when, the upload is sent or refused soon.

use std::io::{Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::core::{SendInput, SendSequence};
use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::stream::WriteOptions;
use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{
    ContentType, Error, ErrorKind, HostClient, Input, InstanceId, Upload,
};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, response};

use crate::helpers::{Mailbox, recording, within};
use crate::setup::{EndlessData, Scheme, drain, host, serve_side_request};
use crate::timing::{assert_in_time, timed};

/// More than one write.
const LENGTH: u64 = 300_000;

/// Time that an upload waits for `100 Continue`.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// The expected outcome.
#[derive(Clone, Copy)]
enum Outcome {
    /// The whole upload arrived.
    Sent,
    /// The hub refused it with this status before any of it was sent.
    Refused(u16),
    /// The hub refused it with this status after a part of it was sent.
    RefusedLate(u16),
    /// It was neither sent nor refused: the connection was lost in this phase.
    Failed(Phase),
}

struct Row {
    name: &'static str,
    /// The hub's part, after it has read a request's head.
    hub: fn(&mut Connection, &mut ReceivedRequest),
    outcome: Outcome,
    /// The hub sends nothing, so the client sends the upload after a while.
    silent: bool,
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const CONTINUE_WITH_HEADERS: &[u8] = b"HTTP/1.1 100 Go on\r\nVia: 1.1 proxy\r\nDate: now\r\n\r\n";

fn done(connection: &mut Connection) {
    let _ = connection.send(response("200 OK", &[], br#"{"id":"s"}"#));
}

/// Reads the upload and responds.
fn take(connection: &mut Connection, request: &mut ReceivedRequest) {
    assert!(
        connection.read_body(request).is_ok(),
        "the upload is cut off"
    );
    done(connection);
}

fn rows() -> Vec<Row> {
    let row = |name, outcome, hub| Row {
        name,
        hub,
        outcome,
        silent: false,
    };
    let silent = |name, outcome, hub| Row {
        name,
        hub,
        outcome,
        silent: true,
    };
    let (sent, refused) = (Outcome::Sent, Outcome::Refused(422));
    vec![
        row("sends 100", sent, |connection, request| {
            let _ = connection.send(CONTINUE);
            take(connection, request);
        }),
        // Hubs of 0.18 do so for streams.
        row("sends 100 twice", sent, |connection, request| {
            let _ = connection.send(CONTINUE.repeat(2));
            take(connection, request);
        }),
        row(
            "sends 100 twice, in two pieces",
            sent,
            |connection, request| {
                let _ = connection.send(CONTINUE);
                let _ = connection.send(CONTINUE);
                take(connection, request);
            },
        ),
        row(
            "sends 100, and again during the upload",
            sent,
            |connection, request| {
                let _ = connection.send(CONTINUE);
                connection.wait_for_more();
                let _ = connection.send(CONTINUE);
                take(connection, request);
            },
        ),
        row(
            "sends 100, and again at the end",
            sent,
            |connection, request| {
                let _ = connection.send(CONTINUE);
                assert!(connection.read_body(request).is_ok());
                let _ = connection.send(CONTINUE);
                done(connection);
            },
        ),
        row(
            "sends 100 and 202, and then reads the upload",
            sent,
            |connection, request| {
                let _ = connection.send(
                    [
                        CONTINUE,
                        CONTINUE,
                        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: \
                     chunked\r\n\r\na\r\n{\"id\":\"s\"}\r\n",
                    ]
                    .concat(),
                );
                assert!(connection.read_body(request).is_ok());
                let _ = connection.send(b"0\r\n\r\n");
            },
        ),
        row("sends 100 byte by byte", sent, |connection, request| {
            CONTINUE
                .iter()
                .for_each(|byte| _ = connection.send([*byte]));
            take(connection, request);
        }),
        row("sends 100 with headers", sent, |connection, request| {
            let _ = connection.send(CONTINUE_WITH_HEADERS);
            take(connection, request);
        }),
        // A hub behind Squid does so, because Squid sends a `100 Continue` as well.
        row(
            "sends 100 with headers twice",
            sent,
            |connection, request| {
                let _ = connection.send(CONTINUE_WITH_HEADERS.repeat(2));
                take(connection, request);
            },
        ),
        row(
            "sends 100 with headers, and again at the end",
            sent,
            |connection, request| {
                let _ = connection.send(CONTINUE_WITH_HEADERS);
                assert!(connection.read_body(request).is_ok());
                let _ = connection.send(CONTINUE_WITH_HEADERS);
                done(connection);
            },
        ),
        row(
            "sends 100 with headers, in pieces",
            sent,
            |connection, request| {
                for piece in [
                    "HTTP/1.1 100 Go ",
                    "on\r\nX-Some: thing\r",
                    "\nDate: now\r\n\r",
                    "\n",
                ] {
                    let _ = connection.send(piece.as_bytes());
                }
                take(connection, request);
            },
        ),
        row("sends 103, and 100", sent, |connection, request| {
            let _ = connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
            let _ = connection.send(CONTINUE);
            take(connection, request);
        }),
        row(
            "sends 103 in pieces, and 100",
            sent,
            |connection, request| {
                for piece in [
                    "HTTP/1.1 103 Early Hints\r\nLi",
                    "nk: </x>\r\n\r\nHTTP/1.1 102 Pro",
                    "cessing\r\n\r\nHTTP/1.1 100 Continue\r\n\r",
                    "\n",
                ] {
                    let _ = connection.send(piece.as_bytes());
                }
                take(connection, request);
            },
        ),
        // Hubs of 1.x do so while others write to a topic.
        silent("sends nothing, and reads the upload", sent, take),
        silent(
            "sends 100 when the upload begins",
            sent,
            |connection, request| {
                connection.wait_for_more();
                let _ = connection.send(CONTINUE);
                take(connection, request);
            },
        ),
        // A hub behind Tinyproxy does so.
        silent(
            "sends 100 with headers when the upload begins",
            sent,
            |connection, request| {
                connection.wait_for_more();
                let _ = connection.send(CONTINUE_WITH_HEADERS);
                take(connection, request);
            },
        ),
        silent(
            "sends 100 together with the response",
            sent,
            |connection, request| {
                assert!(connection.read_body(request).is_ok());
                let _ = connection.send(CONTINUE);
                done(connection);
            },
        ),
        silent(
            "sends nothing, and refuses when the upload begins",
            Outcome::RefusedLate(422),
            |connection, _| {
                connection.wait_for_more();
                let _ = connection.send(refusal());
            },
        ),
        row(
            "refuses, and keeps the connection",
            refused,
            |connection, _| _ = connection.send(refusal()),
        ),
        row(
            "refuses in chunks, and keeps the connection",
            refused,
            |connection, _| {
                let body = r#"{"error":"no"}"#;
                let _ = connection.send(
                    format!(
                        "HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n\
                     {body}\r\n0\r\n\r\n",
                        body.len()
                    )
                    .as_bytes(),
                );
            },
        ),
        row(
            "refuses byte by byte, and keeps the connection",
            refused,
            |connection, _| {
                refusal()
                    .iter()
                    .for_each(|byte| _ = connection.send([*byte]));
            },
        ),
        row("refuses, and closes", refused, |connection, _| {
            let _ = connection.send(response(
                "422 No",
                &[("Connection", "close")],
                br#"{"error":"no"}"#,
            ));
            let _ = connection.close_after_client();
        }),
        row("sends 103, and refuses", refused, |connection, _| {
            let _ = connection.send([b"HTTP/1.1 103 Early Hints\r\n\r\n", &refusal()[..]].concat());
        }),
        row(
            "refuses with 417",
            Outcome::Refused(417),
            |connection, _| {
                let _ = connection.send(response(
                    "417 Expectation Failed",
                    &[],
                    br#"{"error":"no"}"#,
                ));
            },
        ),
        row(
            "sends 100, and refuses",
            Outcome::RefusedLate(422),
            |connection, _| {
                let _ = connection.send([CONTINUE, &refusal()[..]].concat());
            },
        ),
        row(
            "sends 100, and refuses during the upload",
            Outcome::RefusedLate(422),
            |connection, _| {
                let _ = connection.send(CONTINUE);
                connection.wait_for_more();
                let _ = connection.send(refusal());
            },
        ),
        row(
            "responds with success, and keeps the connection",
            Outcome::Failed(Phase::Send),
            |connection, _| done(connection),
        ),
        row("closes", Outcome::Failed(Phase::Wait), Connection::closing),
        row(
            "closes within the 100",
            Outcome::Failed(Phase::Wait),
            |connection, request| {
                let _ = connection.send(b"HTTP/1.1 100 Cont");
                connection.closing(request);
            },
        ),
    ]
}

fn refusal() -> Vec<u8> {
    response("422 No", &[], br#"{"error":"no"}"#)
}

/// Further actions of a hub.
trait ConnectionExt {
    /// Waits until a part of the upload has arrived, without reading it.
    fn wait_for_more(&mut self);
    fn closing(&mut self, _: &mut ReceivedRequest);
}

impl ConnectionExt for Connection {
    fn wait_for_more(&mut self) {
        let _ = self.socket().peek(&mut [0]);
    }

    fn closing(&mut self, _: &mut ReceivedRequest) {
        let _ = self.socket().shutdown(std::net::Shutdown::Both);
    }
}

type Call = fn(&HostClient, EndlessData, u64) -> Result<(), Error>;

/// Calls that upload this many bytes.
const CALLS: [(&str, Call); 3] = [
    ("a topic", |host, fed, length| {
        let data = Input::bytes(Upload::reader(fed.take(length))).expect_continue();
        host.send_topic("t", data)
            .map(|sent| assert_eq!(sent.bytes, length))
    }),
    ("an input", |host, fed, length| {
        // Only this operation: `send_input` also asks for the state of the instance.
        let operation = SendInput {
            id: &InstanceId::new("i")?,
            content_type: ContentType::Bytes,
            end: None,
        };
        let data = Upload::sized_reader(fed, length).expect_continue();
        host.send(&operation, data)
            .map(|((), bytes)| assert_eq!(bytes, length))
    }),
    ("a sequence", |host, fed, length| {
        let package = Upload::reader(fed.take(length)).expect_continue();
        host.send(&SendSequence, package).map(drop)
    }),
];

#[test]
fn expect_continue_upload_is_sent_or_refused_within_a_second() {
    let mut waiting = Vec::new();
    let mut lines = Vec::new();
    for scheme in Scheme::BOTH {
        for row in rows() {
            for (what, call) in CALLS {
                for used in [false, true] {
                    let name = format!(
                        "{}, {what}, {scheme:?}{}",
                        row.name,
                        if used { ", on a used connection" } else { "" }
                    );
                    let (hub, outcome, silent) = (row.hub, row.outcome, row.silent);
                    let label = (!used && what == "a topic")
                        .then(|| format!("{:<72} {:<5}", row.name, scheme.name()));
                    let run = move || {
                        (
                            label,
                            within(&name, move || {
                                measure(hub, outcome, silent, call, scheme, used)
                            }),
                        )
                    };
                    match silent {
                        // These wait for a second, so those of one row run concurrently.
                        true => waiting.push(thread::spawn(run)),
                        false => lines.push(run()),
                    }
                }
            }
            lines.extend(waiting.drain(..).map(|run| run.join().unwrap()));
        }
    }
    for (label, took) in lines {
        label.into_iter().for_each(|label| {
            println!("with Expect, {label} {:>6.1} ms", took.as_secs_f64() * 1e3)
        });
    }
}

fn measure(
    hub: fn(&mut Connection, &mut ReceivedRequest),
    outcome: Outcome,
    silent: bool,
    call: Call,
    scheme: Scheme,
    used: bool,
) -> Duration {
    let rest = Mailbox::new();
    let server = scheme.serve({
        let rest = Arc::clone(&rest);
        move |connection| {
            while let Ok(mut request) = connection.read_head() {
                if serve_side_request(connection, &request) {
                    continue;
                }
                assert_eq!(request.header("expect"), Some("100-continue"));
                hub(connection, &mut request);
                rest.put((
                    u64::try_from(request.body.len()).unwrap(),
                    drain(connection),
                ));
                return;
            }
        }
    });
    let host = host(&server);
    if used {
        host.version().unwrap();
    }
    let (fed, reads) = EndlessData::new();
    // Refused later, it needs more data than the buffers take.
    let length = if let Outcome::RefusedLate(_) = outcome {
        1 << 30
    } else {
        LENGTH
    };
    let (took, result) = timed(|| call(&host, fed, length));
    let read = reads.continue_within(Duration::ZERO);
    match (outcome, &result) {
        (Outcome::Sent, Ok(())) => {}
        (Outcome::Refused(status) | Outcome::RefusedLate(status), Err(error)) => {
            let api = error.api().unwrap_or_else(|| panic!("{error:?}"));
            assert_eq!((api.status.as_u16(), api.message.as_str()), (status, "no"));
            assert!(matches!(error.kind(), ErrorKind::Reply(ReplyError::Api(_))));
        }
        (Outcome::Failed(at), Err(error)) => {
            assert!(
                matches!(error.kind(), ErrorKind::Transport(lost) if lost.phase == at),
                "{error:?}"
            )
        }
        (_, result) => panic!("{result:?}"),
    }
    // The only wait is the one for `100 Continue`.
    let least = if silent {
        CONTINUE_TIMEOUT
    } else {
        Duration::ZERO
    };
    assert_in_time("it", took, least);
    // The client still works. It opens another connection if it owes an upload on the first.
    assert_eq!(server.connections(), 1);
    if !matches!(outcome, Outcome::Sent) {
        host.version().unwrap();
        assert_eq!(server.connections(), 2);
    }
    drop(host);
    let (taken, rest) = rest.take();
    match outcome {
        Outcome::Sent => assert_eq!((taken, rest), (LENGTH, 0)),
        Outcome::Refused(_) => assert_eq!((taken, rest), (0, 0), "something was sent"),
        Outcome::Failed(_) => assert!(!silent && taken == 0),
        Outcome::RefusedLate(_) => {}
    }
    // A topic's data is read before the request is sent, because there must be some.
    assert!(read || matches!(outcome, Outcome::Refused(_) | Outcome::Failed(_)));
    took
}

/// A `100 Continue` applies to one upload, and does not delay the next.
#[test]
fn expect_continue_uploads_on_one_connection_do_not_wait() {
    const COUNT: u32 = 50;
    for scheme in Scheme::BOTH {
        let took = within("many uploads", move || {
            let server = scheme.serve(|connection| {
                while let Ok(mut request) = connection.read_head() {
                    let _ = connection.send(CONTINUE.repeat(2));
                    take(connection, &mut request);
                }
            });
            let host = host(&server);
            let (took, ()) = timed(|| {
                (0..COUNT).for_each(|n| {
                    CALLS[n as usize % 3].1(&host, EndlessData::new().0, LENGTH).unwrap()
                })
            });
            assert_eq!(server.connections(), 1);
            took
        });
        println!(
            "{COUNT} uploads over {} with Expect: {took:?}",
            scheme.name()
        );
        // If each upload waited, it would take this time for each.
        assert!(took < CONTINUE_TIMEOUT * COUNT / 4, "{took:?}");
    }
}

/// Only `expect_continue` sends the header, and only for requests with a body.
#[test]
fn expect_header_is_sent_only_after_expect_continue() {
    let (server, requests) = recording(br#"{"id":"s"}"#);
    let host = host(&server);
    let (instance, sequence) = (host.instance("i").unwrap(), host.sequence("s").unwrap());
    let expected = || {
        // The client also asks for the state of the instance.
        let mut uploads = std::iter::from_fn(|| Some(requests.take()));
        let request = uploads.find(|request| request.method != "GET").unwrap();
        request.header("expect").map(str::to_owned)
    };
    for expects in [false, true] {
        let upload = || {
            if expects {
                Upload::bytes(*b"\x1f\x8bdata").expect_continue()
            } else {
                Upload::bytes(*b"\x1f\x8bdata")
            }
        };
        let input = || {
            if expects {
                Input::text("data").expect_continue().end(false)
            } else {
                Input::text("data").end(false)
            }
        };
        let value = expects.then(|| "100-continue".to_owned());
        // The server sends no `100 Continue`, but the header must be there.
        host.send_sequence(upload()).unwrap();
        assert_eq!(expected(), value);
        sequence.overwrite(upload()).unwrap();
        assert_eq!(expected(), value);
        instance.send_input(input()).unwrap();
        assert_eq!(expected(), value);
        instance.send_stdin(input()).unwrap();
        assert_eq!(expected(), value);
        host.send_topic("t", input()).unwrap();
        assert_eq!(expected(), value);
        drop(instance.inout(input()).unwrap());
        assert_eq!(expected(), value);
    }
    let kept_open = WriteOptions::new(ContentType::Text).end(false);
    let writers = [
        instance.input_writer(kept_open).unwrap(),
        instance.stdin_writer(kept_open).unwrap(),
        host.topic_writer("t", ContentType::Text).unwrap(),
    ];
    for mut writer in writers {
        writer.write_all(b"data").unwrap();
        writer.finish().unwrap();
        assert_eq!(expected(), None);
    }
}
