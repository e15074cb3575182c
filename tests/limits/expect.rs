//! `Expect: 100-continue`, where somebody asks for it: whatever is said to it and when, an upload is sent or refused, and soon.

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
use crate::scene::{Fed, Scheme, drain, host, is_aside};
use crate::timing::{assert_in_time, timed};

/// More than goes out in one piece.
const LENGTH: u64 = 300_000;

/// How long an upload waits for a word at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// What comes of it.
#[derive(Clone, Copy)]
enum Outcome {
    /// All of it arrived.
    Sent,
    /// It was refused with this status, and nothing of it was sent.
    Refused(u16),
    /// The same, in the midst of it.
    RefusedLate(u16),
    /// It was not sent, and not refused: the call failed in this phase.
    Failed(Phase),
}

struct Row {
    name: &'static str,
    /// What the hub does with a request whose head it has read.
    hub: fn(&mut Connection, &mut ReceivedRequest),
    outcome: Outcome,
    /// Whether nothing is said to the question, so that the upload is sent after a while.
    silent: bool,
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const WORDY_CONTINUE: &[u8] = b"HTTP/1.1 100 Go on\r\nVia: 1.1 proxy\r\nDate: now\r\n\r\n";

fn done(connection: &mut Connection) {
    let _ = connection.send(response("200 OK", &[], br#"{"id":"s"}"#));
}

/// Takes the upload, and answers.
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
        row("says yes", sent, |connection, request| {
            let _ = connection.send(CONTINUE);
            take(connection, request);
        }),
        // As hubs of 0.18 do for streams.
        row("says yes twice", sent, |connection, request| {
            let _ = connection.send(CONTINUE.repeat(2));
            take(connection, request);
        }),
        row(
            "says yes twice, in two pieces",
            sent,
            |connection, request| {
                let _ = connection.send(CONTINUE);
                let _ = connection.send(CONTINUE);
                take(connection, request);
            },
        ),
        row(
            "says yes, and again in the midst of it",
            sent,
            |connection, request| {
                let _ = connection.send(CONTINUE);
                connection.wait_for_more();
                let _ = connection.send(CONTINUE);
                take(connection, request);
            },
        ),
        row(
            "says yes, and again at the end",
            sent,
            |connection, request| {
                let _ = connection.send(CONTINUE);
                assert!(connection.read_body(request).is_ok());
                let _ = connection.send(CONTINUE);
                done(connection);
            },
        ),
        row(
            "says yes and accepts, and then takes it",
            sent,
            |connection, request| {
                let _ = connection.send(
                [CONTINUE, CONTINUE, b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{\"id\":\"s\"}\r\n"].concat(),
            );
                assert!(connection.read_body(request).is_ok());
                let _ = connection.send(b"0\r\n\r\n");
            },
        ),
        row("says yes byte by byte", sent, |connection, request| {
            CONTINUE
                .iter()
                .for_each(|byte| _ = connection.send([*byte]));
            take(connection, request);
        }),
        row("says yes in many words", sent, |connection, request| {
            let _ = connection.send(WORDY_CONTINUE);
            take(connection, request);
        }),
        // As a hub behind Squid does, which says yes itself.
        row(
            "says yes in many words twice",
            sent,
            |connection, request| {
                let _ = connection.send(WORDY_CONTINUE.repeat(2));
                take(connection, request);
            },
        ),
        row(
            "says yes in many words, and again at the end",
            sent,
            |connection, request| {
                let _ = connection.send(WORDY_CONTINUE);
                assert!(connection.read_body(request).is_ok());
                let _ = connection.send(WORDY_CONTINUE);
                done(connection);
            },
        ),
        row(
            "says yes in many words, in pieces",
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
        row("gives a hint, and says yes", sent, |connection, request| {
            let _ = connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
            let _ = connection.send(CONTINUE);
            take(connection, request);
        }),
        row(
            "gives hints in pieces, and says yes",
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
        // As hubs of 1.x do while others write to a topic.
        silent("says nothing, and takes it", sent, take),
        silent(
            "says yes when it begins to come",
            sent,
            |connection, request| {
                connection.wait_for_more();
                let _ = connection.send(CONTINUE);
                take(connection, request);
            },
        ),
        // As a hub behind Tinyproxy does.
        silent(
            "says yes in many words when it begins to come",
            sent,
            |connection, request| {
                connection.wait_for_more();
                let _ = connection.send(WORDY_CONTINUE);
                take(connection, request);
            },
        ),
        silent(
            "says yes together with its answer",
            sent,
            |connection, request| {
                assert!(connection.read_body(request).is_ok());
                let _ = connection.send(CONTINUE);
                done(connection);
            },
        ),
        silent(
            "says nothing, and refuses when it begins to come",
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
                let _ = connection
                .send(format!("HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
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
        row("gives a hint, and refuses", refused, |connection, _| {
            let _ = connection.send([b"HTTP/1.1 103 Early Hints\r\n\r\n", &refusal()[..]].concat());
        }),
        row(
            "does not know the question",
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
            "says yes, and refuses",
            Outcome::RefusedLate(422),
            |connection, _| {
                let _ = connection.send([CONTINUE, &refusal()[..]].concat());
            },
        ),
        row(
            "says yes, and refuses in the midst of it",
            Outcome::RefusedLate(422),
            |connection, _| {
                let _ = connection.send(CONTINUE);
                connection.wait_for_more();
                let _ = connection.send(refusal());
            },
        ),
        row(
            "claims success, and keeps the connection",
            Outcome::Failed(Phase::Send),
            |connection, _| done(connection),
        ),
        row("closes", Outcome::Failed(Phase::Wait), Connection::closing),
        row(
            "closes in the midst of its word",
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

/// What a hub does here, beyond sending.
trait Doing {
    /// Waits until something of the upload is there, and reads none of it.
    fn wait_for_more(&mut self);
    fn closing(&mut self, _: &mut ReceivedRequest);
}

impl Doing for Connection {
    fn wait_for_more(&mut self) {
        let _ = self.socket().peek(&mut [0]);
    }

    fn closing(&mut self, _: &mut ReceivedRequest) {
        let _ = self.socket().shutdown(std::net::Shutdown::Both);
    }
}

type Call = fn(&HostClient, Fed, u64) -> Result<(), Error>;

/// Each uploads so much.
const CALLS: [(&str, Call); 3] = [
    ("a topic", |host, fed, length| {
        let data = Input::bytes(Upload::reader(fed.take(length))).expect_continue();
        host.send_topic("t", data)
            .map(|sent| assert_eq!(sent.bytes, length))
    }),
    ("an input", |host, fed, length| {
        // The operation alone: `send_input` asks for the state of the instance as well.
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
fn an_upload_that_asks_first_is_sent_or_refused_and_never_waits_for_long() {
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
                    let told = (!used && what == "a topic")
                        .then(|| format!("{:<72} {:<5}", row.name, scheme.name()));
                    let run = move || {
                        (
                            told,
                            within(&name, move || {
                                measure(hub, outcome, silent, call, scheme, used)
                            }),
                        )
                    };
                    match silent {
                        // These do little but wait, for a second: those of a row at the same time.
                        true => waiting.push(thread::spawn(run)),
                        false => lines.push(run()),
                    }
                }
            }
            lines.extend(waiting.drain(..).map(|run| run.join().unwrap()));
        }
    }
    for (told, took) in lines {
        told.into_iter().for_each(|told| {
            println!(
                "asked by Expect, {told} {:>6.1} ms",
                took.as_secs_f64() * 1e3
            )
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
                if is_aside(connection, &request) {
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
    let (fed, reads) = Fed::new();
    // Where it is refused in the midst of it, it has no end.
    let length = if let Outcome::RefusedLate(_) = outcome {
        1 << 30
    } else {
        LENGTH
    };
    let (took, result) = timed(|| call(&host, fed, length));
    let read = reads.go_on(Duration::ZERO);
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
    // Nothing was waited for but a word that did not come, and for no longer than is said.
    let least = if silent { PATIENCE } else { Duration::ZERO };
    assert_in_time("it", took, least);
    // The client goes on, and where an upload is owed on a connection, on another one.
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
    // A topic's first data is looked at before anything is asked, for there must be some.
    assert!(read || matches!(outcome, Outcome::Refused(_) | Outcome::Failed(_)));
    took
}

/// The hub's word is for one upload; and what is said to one does not slow down the next.
#[test]
fn many_uploads_on_one_connection_do_not_wait_for_each_other() {
    const COUNT: usize = 50;
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
                (0..COUNT).for_each(|n| CALLS[n % 3].1(&host, Fed::new().0, LENGTH).unwrap())
            });
            assert_eq!(server.connections(), 1);
            took
        });
        println!(
            "{COUNT} uploads over {} that asked first: {took:?}",
            scheme.name()
        );
        assert!(took < PATIENCE, "{took:?}");
    }
}

/// Nobody asks who was not told to, and who was told asks where there is something to ask about.
#[test]
fn it_is_sent_where_it_was_asked_for_and_nowhere_else() {
    let (server, requests) = recording(br#"{"id":"s"}"#);
    let host = host(&server);
    let (instance, sequence) = (host.instance("i").unwrap(), host.sequence("s").unwrap());
    let expected = || {
        // An instance is asked for its state as well.
        let mut uploads = std::iter::from_fn(|| Some(requests.take()));
        let request = uploads.find(|request| request.method != "GET").unwrap();
        request.header("expect").map(str::to_owned)
    };
    for asked in [false, true] {
        let upload = || {
            if asked {
                Upload::bytes(*b"\x1f\x8bdata").expect_continue()
            } else {
                Upload::bytes(*b"\x1f\x8bdata")
            }
        };
        let input = || {
            if asked {
                Input::text("data").expect_continue().end(false)
            } else {
                Input::text("data").end(false)
            }
        };
        let value = asked.then(|| "100-continue".to_owned());
        // The server does not answer the question: it has all the same to be asked.
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
