//! Error responses during an upload. The caller gets them with their text, however the connection
//! ends.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::{OverwriteSequence, SendSequence, SequenceId};
use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{ContentType, Error, ErrorCode, HostClient, Input, Upload};
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

use crate::helpers::{Mailbox, in_parallel, within};
use crate::setup::{
    EndlessData, Scheme, Signal, drain, flush_pieces, host, line, serve_side_request,
};
use crate::timing::{assert_not_late, timed};

/// Length of an upload.
const LENGTH: u64 = 100 << 20;

/// Much longer than an error response takes, but shorter than the servers here wait for the client.
const PROMPT: Duration = Duration::from_secs(5);

/// The end of a connection after an error response. It has read at most a part of the upload.
#[derive(Clone, Copy)]
struct ConnectionEnd {
    name: &'static str,
    /// Bytes of the upload that it reads before.
    reads: usize,
    end: fn(&mut Connection, &Signal),
}

fn connection_ends() -> [ConnectionEnd; 7] {
    let closes: fn(&mut Connection, &Signal) = |_, _| {};
    [
        ConnectionEnd {
            name: "closes at once",
            reads: 0,
            end: closes,
        },
        ConnectionEnd {
            name: "closes during the upload",
            reads: 10 << 20,
            end: closes,
        },
        ConnectionEnd {
            name: "resets",
            reads: 0,
            end: |connection, _| _ = connection.wait_unread(),
        },
        ConnectionEnd {
            name: "keeps open and does not read",
            reads: 0,
            end: |_, over| over.wait(),
        },
        ConnectionEnd {
            name: "keeps open and stops reading",
            reads: 10 << 20,
            end: |_, over| over.wait(),
        },
        ConnectionEnd {
            name: "half-closes and drains",
            reads: 0,
            end: |connection, _| drop(connection.close_after_client()),
        },
        ConnectionEnd {
            name: "keeps open and drains",
            reads: 0,
            end: |connection, _| _ = drain(connection),
        },
    ]
}

/// A refused call, the response, and the resulting API error.
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
            // Without a body, the reason phrase is the message.
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

/// A hub that refuses every upload.
struct Hub {
    server: ScriptedServer,
    over: Arc<Signal>,
    /// Number of upload requests.
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
                    if serve_side_request(connection, &request) {
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

/// Checks that the error is the API error.
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

type Data = fn(EndlessData) -> Upload;

#[test]
fn upload_returns_the_api_error_however_the_connection_ends() {
    let uploads: [(&str, Data); 3] = [
        ("in chunks", |fed| Upload::reader(fed.take(LENGTH))),
        ("of known length", |fed| Upload::sized_reader(fed, LENGTH)),
        ("from memory", |_| {
            Upload::bytes(vec![b'.'; usize::try_from(LENGTH).unwrap()])
        }),
    ];
    for scheme in Scheme::BOTH {
        for how in connection_ends() {
            for refusal in refusals() {
                for (kind, data) in uploads {
                    // The other error responses differ only in their bytes.
                    if kind == "from memory" && refusal.status != 422 {
                        continue;
                    }
                    for pooled in [false, true] {
                        if pooled && refusal.status != 422 {
                            continue;
                        }
                        let what = format!(
                            "{}, {} {kind}{}",
                            how.name,
                            refusal.status,
                            if pooled { ", on a used connection" } else { "" }
                        );
                        let (call, answer, reads, end) =
                            (refusal.call, refusal.answer, how.reads, how.end);
                        let (took, error) = within(&format!("{what}, {scheme:?}"), move || {
                            let hub = Hub::start(scheme, reads, answer, end);
                            let host = host(&hub.server);
                            if pooled {
                                host.version().unwrap();
                            }
                            let upload = data(EndlessData::new().0);
                            let (took, error) = timed(|| call(&host, upload).unwrap_err());
                            // The rest of the upload is still on its way, so the connection cannot
                            // be reused.
                            host.version().unwrap();
                            assert!(hub.server.connections() > 1);
                            // It was not retried.
                            assert_eq!(hub.uploads(), 1);
                            hub.over.set();
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

/// The error response races with the end of the upload.
#[test]
fn upload_returns_an_api_error_that_races_with_its_end() {
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
                    // Announces the close. Otherwise the client could reuse the connection before
                    // it notices the close.
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
                        // Two pieces, and one of two buffers.
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

/// A hub that sends a response before it has received a request.
#[test]
fn upload_returns_an_api_error_sent_before_the_request() {
    for scheme in Scheme::BOTH {
        for refusal in refusals() {
            let (call, answer) = (refusal.call, refusal.answer);
            let error = within("a refusal before the request", move || {
                let server = scheme.serve(move |connection| {
                    let _ = connection.send(answer());
                    let _ = connection.close_after_client();
                });
                call(&host(&server), Upload::reader(EndlessData::new().0)).unwrap_err()
            });
            check("before the request", &error, &refusal);
        }
    }
}

/// The client stops the upload after the status line, and reads the response to its end.
#[test]
fn upload_returns_an_api_error_that_arrives_in_pieces() {
    let pieces: [&[&str]; 3] = [
        // The status line, with the upload stopped between its pieces.
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
            in_parallel(["in chunks", "of known length", "flushed"], |kind| {
                let (took, error) = within(pieces[0], move || {
                    let (stopped, sent_at, over) = (Mailbox::new(), Mailbox::new(), Signal::new());
                    let server = scheme.serve({
                        let (stopped, sent_at, over) = (
                            Arc::clone(&stopped),
                            Arc::clone(&sent_at),
                            Arc::clone(&over),
                        );
                        move |connection| {
                            connection.read_head().unwrap();
                            for piece in pieces {
                                // The upload is blocked, or has been stopped.
                                stopped.take();
                                let _ = connection.send(piece.as_bytes());
                            }
                            sent_at.put(Instant::now());
                            over.wait();
                        }
                    });
                    let (mut fed, reads) = EndlessData::new();
                    let count = pieces.len();
                    let telling = thread::spawn(move || {
                        for _ in 0..count {
                            reads.wait_until_stopped();
                            stopped.put(());
                        }
                    });
                    let host = host(&server);
                    let upload = |upload| host.send(&SendSequence, upload).map(drop);
                    let result = match kind {
                        "in chunks" => upload(Upload::reader(fed)),
                        "of known length" => upload(Upload::sized_reader(fed, 1 << 30)),
                        _ => {
                            let instance = host.instance("i").unwrap();
                            let mut writer = instance.input_writer(ContentType::Bytes).unwrap();
                            flush_pieces(&mut fed, &mut writer).unwrap_err();
                            writer.finish().map(drop)
                        }
                    };
                    let error = result.unwrap_err();
                    let took = sent_at.take().elapsed();
                    telling.join().unwrap();
                    over.set();
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
            });
        }
    }
}

/// A hub that reads slowly does not refuse. Interim or early success responses do not end the
/// upload.
#[test]
fn upload_continues_however_slowly_the_hub_reads() {
    for scheme in Scheme::BOTH {
        for head in [
            "",
            "HTTP/1.1 102 Processing\r\n\r\n",
            "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
        ] {
            in_parallel([false, true], |flushes| {
                within("a slow hub", move || {
                    let (stopped, count) = (Mailbox::new(), Arc::new(AtomicUsize::new(0)));
                    let server = scheme.serve({
                        let (stopped, count) = (Arc::clone(&stopped), Arc::clone(&count));
                        move |connection| {
                            let mut request = connection.read_head().unwrap();
                            stopped.take();
                            // Both sides are blocked until the server continues.
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
                    let (fed, reads) = EndlessData::new();
                    let telling = thread::spawn(move || {
                        for _ in 0..2 {
                            reads.wait_until_stopped();
                            stopped.put(());
                        }
                    });
                    let length = 24 << 20;
                    let instance = host(&server).instance("i").unwrap();
                    let mut data = fed.take(length);
                    let sent = if flushes {
                        let mut writer = instance.input_writer(ContentType::Bytes).unwrap();
                        flush_pieces(&mut data, &mut writer).unwrap();
                        writer.finish().unwrap()
                    } else {
                        instance.send_input(Upload::reader(data)).unwrap()
                    };
                    telling.join().unwrap();
                    assert_eq!(
                        (sent.bytes, count.load(Ordering::SeqCst)),
                        (length, usize::try_from(length).unwrap()),
                        "{head:?}"
                    );
                });
            });
        }
    }
}

/// Writes fail with `BrokenPipe`, and `finish` returns the reason.
#[test]
fn input_writer_finish_returns_the_api_error() {
    for scheme in Scheme::BOTH {
        for (how, flushes) in connection_ends()
            .into_iter()
            .flat_map(|how| [false, true].map(|flushes| (how, flushes)))
        {
            let refusal = &refusals()[1];
            let answer = refusal.answer;
            let (took, error) = within(how.name, move || {
                let hub = Hub::start(scheme, how.reads, answer, how.end);
                let mut writer = host(&hub.server)
                    .instance("i")
                    .unwrap()
                    .input_writer(ContentType::Bytes)
                    .unwrap();
                let (took, broken) = timed(|| {
                    let mut data = io::repeat(b'.').take(LENGTH);
                    let result = if flushes {
                        flush_pieces(&mut data, &mut writer)
                    } else {
                        io::copy(&mut data, &mut writer).and_then(|_| writer.flush())
                    };
                    result.unwrap_err()
                });
                assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
                let error = writer.finish().unwrap_err();
                hub.over.set();
                (took, error)
            });
            check(how.name, &error, refusal);
            assert!(took < PROMPT, "{}, {scheme:?}: it took {took:?}", how.name);
        }
    }
}

/// The hub closes the connection without a response.
#[test]
fn input_writer_finish_reports_a_closed_connection() {
    for scheme in Scheme::BOTH {
        let error = within("a closed connection", move || {
            let server = scheme.serve(|connection| {
                let request = connection.read_head().unwrap();
                if !serve_side_request(connection, &request) {
                    connection.read_chunk().unwrap();
                }
            });
            let instance = host(&server).instance("i").unwrap();
            let mut writer = instance.input_writer(ContentType::Text).unwrap();
            let broken = flush_pieces(&mut io::repeat(b'.'), &mut writer).unwrap_err();
            assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
            writer.finish().unwrap_err()
        });
        assert_eq!(error.phase(), Some(Phase::Send), "{error:?}");
    }
}

/// A hub that reads everything, but has refused the input.
#[test]
fn input_writer_notices_a_refusal_between_lines() {
    for scheme in Scheme::BOTH {
        let refusal = &refusals()[1];
        let answer = refusal.answer;
        let error = within("a refusal between lines", move || {
            let hub = Hub::start(scheme, 1, answer, |connection, _| _ = drain(connection));
            let instance = host(&hub.server).instance("i").unwrap();
            let mut writer = instance.input_writer(ContentType::Text).unwrap();
            while writeln!(writer, "a line")
                .and_then(|()| writer.flush())
                .is_ok()
            {}
            writer.finish().unwrap_err()
        });
        check("between lines", &error, refusal);
    }
}

/// The client reads the beginning of the response between two lines, and the rest while a line is
/// blocked.
#[test]
fn input_writer_returns_an_api_error_of_which_a_part_was_read() {
    for scheme in Scheme::BOTH {
        let (took, error) = within("a refusal in two parts", move || {
            let (stopped, over) = (Mailbox::new(), Signal::new());
            let server = scheme.serve({
                let (stopped, over) = (Arc::clone(&stopped), Arc::clone(&over));
                move |connection| {
                    let request = connection.read_head().unwrap();
                    if serve_side_request(connection, &request) {
                        return;
                    }
                    let _ = connection.send("HTTP/1.1 4");
                    while connection.read_chunk().unwrap() != b"the last line" {}
                    stopped.take();
                    let _ = connection.send("04 Not Found\r\nContent-Length: 0\r\n\r\n");
                    over.wait();
                }
            });
            let instance = host(&server).instance("i").unwrap();
            let mut writer = instance.input_writer(ContentType::Text).unwrap();
            // Much longer than the interval of the checks for a response.
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(100) {
                writer.write_all(b"a line\n").unwrap();
                writer.flush().unwrap();
            }
            writer.write_all(b"the last line").unwrap();
            writer.flush().unwrap();
            let (mut data, reads) = EndlessData::new();
            let telling = thread::spawn(move || {
                reads.wait_until_stopped();
                stopped.put(());
            });
            let (took, error) = timed(|| {
                flush_pieces(&mut data, &mut writer).unwrap_err();
                writer.finish().unwrap_err()
            });
            telling.join().unwrap();
            over.set();
            (took, error)
        });
        assert!(error.is_not_found(), "{error:?}");
        assert!(took < PROMPT, "{scheme:?}: it took {took:?}");
    }
}
