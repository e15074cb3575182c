//! Refusals that come in the midst of an upload: they are what the caller gets, with their text, whatever becomes of the connection.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::{OverwriteSequence, SendSequence, SequenceId};
use scramjet_client_blocking::{ContentType, Error, ErrorCode, HostClient, Input, Upload};
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

use crate::helpers::{Mailbox, within};
use crate::scene::{Fed, Scheme, Signal, drain, host, is_aside, line};
use crate::timing::{assert_not_late, timed};

/// How much there is to upload.
const LENGTH: u64 = 100 << 20;

/// Much longer than a refusal takes, and shorter than a server here waits for the client to go.
const PROMPT: Duration = Duration::from_secs(5);

/// What a hub does when it has refused. What was sent meanwhile was not read, or a part of it.
struct Way {
    name: &'static str,
    /// How much of the upload it reads before.
    reads: usize,
    end: fn(&mut Connection, &Signal),
}

fn ways() -> [Way; 7] {
    let closes: fn(&mut Connection, &Signal) = |_, _| {};
    [
        Way {
            name: "closes at once",
            reads: 0,
            end: closes,
        },
        Way {
            name: "closes in the midst of it",
            reads: 10 << 20,
            end: closes,
        },
        Way {
            name: "resets",
            reads: 0,
            end: |connection, _| _ = connection.wait_unread(),
        },
        Way {
            name: "keeps open and does not read",
            reads: 0,
            end: |_, over| over.wait(),
        },
        Way {
            name: "keeps open and does not read on",
            reads: 10 << 20,
            end: |_, over| over.wait(),
        },
        Way {
            name: "half-closes and drains",
            reads: 0,
            end: |connection, _| drop(connection.close_after_client()),
        },
        Way {
            name: "keeps open and drains",
            reads: 0,
            end: |connection, _| _ = drain(connection),
        },
    ]
}

/// What is refused, how, and what is told of it.
struct Refusal {
    call: fn(&HostClient, Upload) -> Result<(), Error>,
    answer: fn() -> Vec<u8>,
    status: u16,
    code: ErrorCode,
    says: &'static str,
}

fn refusals() -> [Refusal; 4] {
    [
        Refusal {
            call: |host, upload| host.send(&SendSequence, upload).map(drop),
            answer: || {
                let body =
                    br#"{"error":{"code":"PRERUNNER_ERROR","data":"Invalid pkg tar.gz archive"}}"#;
                response(
                    "422 Unprocessable Entity",
                    &[("Content-Type", "application/json")],
                    body,
                )
            },
            status: 422,
            code: ErrorCode::PrerunnerError,
            says: "Invalid pkg tar.gz archive",
        },
        Refusal {
            call: |host, upload| {
                host.instance("i")?
                    .send_input(Input::bytes(upload))
                    .map(drop)
            },
            answer: || {
                let head = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n";
                let body = r#"{"error":"Instance i not found"}"#;
                format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes()
            },
            status: 404,
            code: ErrorCode::NotFound,
            says: "Instance i not found",
        },
        Refusal {
            call: |host, upload| host.send_topic("t", upload).map(drop),
            // The words are all there is.
            answer: || response("415 Invalid content-type", &[], b""),
            status: 415,
            code: ErrorCode::RequestError,
            says: "Invalid content-type",
        },
        Refusal {
            call: |host, upload| {
                let id = SequenceId::new("s")?;
                host.send(&OverwriteSequence { id: &id }, upload).map(drop)
            },
            answer: || {
                response(
                    "409 Conflict",
                    &[],
                    br#"{"error":"Can't overwrite sequence in use"}"#,
                )
            },
            status: 409,
            code: ErrorCode::Conflict,
            says: "Can't overwrite sequence in use",
        },
    ]
}

/// A hub that refuses every upload in this way.
struct Hub {
    server: ScriptedServer,
    over: Arc<Signal>,
    /// How many uploads have come.
    uploads: Arc<AtomicUsize>,
}

impl Hub {
    fn start(
        scheme: Scheme,
        reads: usize,
        answer: impl Fn() -> Vec<u8> + Send + Sync + 'static,
        end: fn(&mut Connection, &Signal),
    ) -> Self {
        let (over, uploads) = (Signal::new(), Arc::new(AtomicUsize::new(0)));
        let server = scheme.serve({
            let (over, uploads) = (Arc::clone(&over), Arc::clone(&uploads));
            move |connection| {
                while let Ok(request) = connection.read_head() {
                    if is_aside(connection, &request) {
                        continue;
                    }
                    uploads.fetch_add(1, Ordering::SeqCst);
                    let (mut buffer, mut read) = (vec![0; 64 << 10], 0);
                    while read < reads {
                        read += connection.read(&mut buffer).unwrap_or(0);
                    }
                    let _ = connection.send(answer());
                    return end(connection, &over);
                }
            }
        });
        Self {
            server,
            over,
            uploads,
        }
    }

    fn uploads(&self) -> usize {
        self.uploads.load(Ordering::SeqCst)
    }
}

/// The refusal was told, and it alone.
fn check(what: &str, error: &Error, refusal: &Refusal) {
    let api = error.api().unwrap_or_else(|| panic!("{what}: {error:?}"));
    assert_eq!(
        (api.status.as_u16(), &api.code, api.message.as_str()),
        (refusal.status, &refusal.code, refusal.says),
        "{what}"
    );
    assert!(
        error
            .to_string()
            .contains(&format!("refused with status {} ", refusal.status)),
        "{what}: {error}"
    );
}

type Data = fn(Fed) -> Upload;

#[test]
fn a_refusal_is_told_whatever_becomes_of_the_upload() {
    let uploads: [(&str, Data); 3] = [
        ("in chunks", |fed| Upload::reader(fed.take(LENGTH))),
        ("of known length", |fed| Upload::sized_reader(fed, LENGTH)),
        ("from memory", |_| {
            Upload::bytes(vec![b'.'; usize::try_from(LENGTH).unwrap()])
        }),
    ];
    for scheme in Scheme::BOTH {
        for way in ways() {
            for refusal in refusals() {
                for (kind, data) in uploads {
                    // Of those that differ in nothing but their bytes, one is enough.
                    if kind == "from memory" && refusal.status != 422 {
                        continue;
                    }
                    for pooled in [false, true] {
                        if pooled && refusal.status != 422 {
                            continue;
                        }
                        let what = format!(
                            "{}, {} {kind}{}",
                            way.name,
                            refusal.status,
                            if pooled { ", on a used connection" } else { "" }
                        );
                        let (call, answer, reads, end) =
                            (refusal.call, refusal.answer, way.reads, way.end);
                        let (took, error) = within(&format!("{what}, {scheme:?}"), move || {
                            let hub = Hub::start(scheme, reads, answer, end);
                            let host = host(&hub.server);
                            if pooled {
                                host.version().unwrap();
                            }
                            let upload = data(Fed::new().0);
                            let (took, error) = timed(|| call(&host, upload).unwrap_err());
                            // What is left of the upload is still on its way. On this connection,
                            // nothing else would be answered.
                            host.version().unwrap();
                            assert!(hub.server.connections() > 1);
                            // Once, and not again.
                            assert_eq!(hub.uploads(), 1);
                            hub.over.give();
                            (took, error)
                        });
                        check(&what, &error, &refusal);
                        assert!(took < PROMPT, "{what}, {scheme:?}: it took {took:?}");
                        if !pooled && kind != "from memory" && refusal.status == 422 {
                            println!("{}", line(&what, scheme, "none", &error, took));
                        }
                    }
                }
            }
        }
    }
}

/// The refusal and the end of the upload are on their way at the same time.
#[test]
fn a_refusal_is_told_whichever_comes_first() {
    const ROUNDS: usize = 300;
    let ends: [fn(&mut Connection, &Signal); 3] = [
        |_, _| {},
        |connection, _| drop(connection.socket().shutdown(Shutdown::Both)),
        |connection, _| drop(connection.close_after_client()),
    ];
    for scheme in Scheme::BOTH {
        for end in ends {
            for refusal in refusals() {
                let (call, answer) = (refusal.call, refusal.answer);
                let errors = within("races", move || {
                    // It says that it closes: who does not is used again, if only because the end was not heard of yet.
                    let answer = move || {
                        String::from_utf8(answer())
                            .unwrap()
                            .replacen("\r\n", "\r\nConnection: close\r\n", 1)
                            .into_bytes()
                    };
                    let hub = Hub::start(scheme, 0, answer, end);
                    let host = host(&hub.server);
                    let uploads = |round: usize| match round % 4 {
                        0 => Upload::bytes("a little"),
                        1 => Upload::reader(&b"a little"[..]),
                        // In two pieces, and a piece of two buffers.
                        2 => Upload::reader((&b"a "[..]).chain(&b"little"[..])),
                        _ => Upload::bytes(vec![b'.'; 200_000]),
                    };
                    let errors: Vec<_> = (0..ROUNDS / 4)
                        .map(|round| call(&host, uploads(round)).unwrap_err())
                        .collect();
                    assert_eq!(hub.uploads(), errors.len());
                    errors
                });
                errors
                    .iter()
                    .for_each(|error| check("a race", error, &refusal));
            }
        }
    }
}

/// A hub that is asked nothing, and answers at once.
#[test]
fn a_refusal_that_was_there_before_the_request_is_told() {
    for scheme in Scheme::BOTH {
        for refusal in refusals() {
            let (call, answer) = (refusal.call, refusal.answer);
            let error = within("a refusal before the request", move || {
                let server = scheme.serve(move |connection| {
                    let _ = connection.send(answer());
                    let _ = connection.close_after_client();
                });
                call(&host(&server), Upload::reader(Fed::new().0)).unwrap_err()
            });
            check("before the request", &error, &refusal);
        }
    }
}

/// It is known as soon as its first line is, and read to its end.
#[test]
fn a_refusal_may_come_in_pieces() {
    let pieces: [&[&str]; 3] = [
        // The first line, where the upload has come to a stop between its pieces.
        &[
            "HTTP/1.1 4",
            "22 Unprocess",
            "able Entity\r",
            "\nContent-Length: 16\r\n\r\n{\"error\":\"a \u{17c}\"}",
        ],
        &[
            "HTTP/1.1 100 Conti",
            "nue\r\n\r\nHTTP/1.1 422 Unprocessable Entity\r\n",
            "Content-Length: 16\r\n",
            "\r\n{\"error\":",
            "\"a \u{17c}\"}",
        ],
        &[
            "HTTP/1.1 422 Unprocessable Entity\r\nTransfer-Encoding: chunked\r\n\r\n",
            "10\r\n{\"err",
            "or\":\"a \u{17c}\"}\r\n",
            "0\r\n",
            "\r\n",
        ],
    ];
    for scheme in Scheme::BOTH {
        for pieces in pieces {
            for chunked in [true, false] {
                let (took, error) = within(pieces[0], move || {
                    let (stopped, said, over) = (Mailbox::new(), Mailbox::new(), Signal::new());
                    let server = scheme.serve({
                        let (stopped, said, over) =
                            (Arc::clone(&stopped), Arc::clone(&said), Arc::clone(&over));
                        move |connection| {
                            connection.read_head().unwrap();
                            for piece in pieces {
                                // The upload stands still, or was given up.
                                stopped.take();
                                let _ = connection.send(piece.as_bytes());
                            }
                            said.put(Instant::now());
                            over.wait();
                        }
                    });
                    let (fed, reads) = Fed::new();
                    let count = pieces.len();
                    let telling = thread::spawn(move || {
                        for _ in 0..count {
                            reads.stop();
                            stopped.put(());
                        }
                    });
                    let upload = if chunked {
                        Upload::reader(fed)
                    } else {
                        Upload::sized_reader(fed, 1 << 30)
                    };
                    let error = host(&server)
                        .send(&SendSequence, upload)
                        .map(drop)
                        .unwrap_err();
                    let took = said.take().elapsed();
                    telling.join().unwrap();
                    over.give();
                    (took, error)
                });
                assert_not_late(&format!("{scheme:?}, {pieces:?}"), took, Duration::ZERO);
                assert_eq!(
                    error
                        .api()
                        .map(|api| (api.status.as_u16(), api.message.as_str())),
                    Some((422, "a \u{17c}")),
                    "{error:?}"
                );
                println!(
                    "{}",
                    line(
                        "refuses in pieces, and does not read",
                        scheme,
                        "none",
                        &error,
                        took
                    )
                );
            }
        }
    }
}

/// A hub that accepts, in its slow way, is not taken for one that refuses; and what it says meanwhile does not make it quicker.
#[test]
fn an_upload_that_is_accepted_goes_on_however_slowly_it_is_taken() {
    for scheme in Scheme::BOTH {
        for head in [
            "",
            "HTTP/1.1 102 Processing\r\n\r\n",
            "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
        ] {
            within("a slow hub", move || {
                let (stopped, count) = (Mailbox::new(), Arc::new(AtomicUsize::new(0)));
                let server = scheme.serve({
                    let (stopped, count) = (Arc::clone(&stopped), Arc::clone(&count));
                    move |connection| {
                        let mut request = connection.read_head().unwrap();
                        stopped.take();
                        // Both sides stand still, and then it is this one that moves.
                        let _ = connection.send(head.as_bytes());
                        stopped.take();
                        assert!(connection.read_body(&mut request).is_ok());
                        assert!(request.body.iter().all(|byte| *byte == b'.'));
                        count.store(request.body.len(), Ordering::SeqCst);
                        let answer = if head.contains("202") {
                            b"0\r\n\r\n".to_vec()
                        } else {
                            response("200 OK", &[], b"")
                        };
                        let _ = connection.send(&answer);
                        let _ = connection.close_after_client();
                    }
                });
                let (fed, reads) = Fed::new();
                let telling = thread::spawn(move || {
                    for _ in 0..2 {
                        reads.stop();
                        stopped.put(());
                    }
                });
                let length = 24 << 20;
                let sent = host(&server)
                    .instance("i")
                    .unwrap()
                    .send_input(Upload::reader(fed.take(length)))
                    .unwrap();
                telling.join().unwrap();
                assert_eq!(
                    (sent.bytes, count.load(Ordering::SeqCst)),
                    (length, usize::try_from(length).unwrap()),
                    "{head:?}"
                );
            });
        }
    }
}

/// Who writes bit by bit learns that nothing more is taken, and why.
#[test]
fn a_writer_that_is_refused_learns_why() {
    for scheme in Scheme::BOTH {
        for way in ways() {
            let refusal = &refusals()[1];
            let answer = refusal.answer;
            let (took, error) = within(way.name, move || {
                let hub = Hub::start(scheme, way.reads, answer, way.end);
                let mut writer = host(&hub.server)
                    .instance("i")
                    .unwrap()
                    .input_writer(ContentType::Bytes)
                    .unwrap();
                let (took, broken) = timed(|| {
                    io::copy(&mut io::repeat(b'.').take(LENGTH), &mut writer)
                        .and_then(|_| writer.flush())
                        .unwrap_err()
                });
                assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
                let error = writer.finish().unwrap_err();
                hub.over.give();
                (took, error)
            });
            check(way.name, &error, refusal);
            assert!(took < PROMPT, "{}, {scheme:?}: it took {took:?}", way.name);
        }
    }
}
