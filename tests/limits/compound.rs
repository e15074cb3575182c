//! Limits of operations with several exchanges or a thread of their own: writers, `transform`,
//! `follow_log`.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{
    CancelToken, ContentType, Error, HostClient, Input, StreamWriter, Upload,
};
use scramjet_client_tests::scripted::response;

use crate::helpers::{Mailbox, in_parallel, within};
use crate::setup::{
    EndlessData, LIMIT, Limit, STREAM, Scheme, Signal, chunk, drain, flush_pieces, host, line,
    serve_side_request,
};
use crate::timing::assert_not_late;

/// Uses a writer until it fails, and returns its error.
type UseWriter = fn(StreamWriter, EndlessData) -> Error;

struct Row {
    name: &'static str,
    /// The hub reads what is written.
    reads: bool,
    used: UseWriter,
    phase: Phase,
    limits: &'static [Limit],
}

fn rows() -> [Row; 4] {
    [
        Row {
            name: "a writer to a hub that does not read",
            reads: false,
            used: |mut writer, mut data| {
                let broken = io::copy(&mut data, &mut writer).unwrap_err();
                assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
                writer.finish().unwrap_err()
            },
            phase: Phase::Send,
            limits: &[Limit::Deadline, Limit::Idle, Limit::Cancel],
        },
        Row {
            name: "a writer that flushes, to a hub that does not read",
            reads: false,
            used: |mut writer, mut data| {
                let broken = flush_pieces(&mut data, &mut writer).unwrap_err();
                assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
                writer.finish().unwrap_err()
            },
            phase: Phase::Send,
            limits: &[Limit::Deadline, Limit::Idle, Limit::Cancel],
        },
        Row {
            name: "a writer to which nothing is written",
            reads: true,
            used: |mut writer, _| {
                // Succeeds at once if everything is sent, and fails when the limit is reached.
                while writer.flush().is_ok() {
                    thread::sleep(Duration::from_millis(5));
                }
                writer.finish().unwrap_err()
            },
            phase: Phase::Send,
            // No idle timeout, because the hub is not the one that is silent.
            limits: &[Limit::Deadline, Limit::Cancel],
        },
        Row {
            name: "the end of a writer to a hub that does not respond",
            reads: true,
            used: |mut writer, _| {
                writer.write_all(b"a line\n").unwrap();
                writer.finish().unwrap_err()
            },
            phase: Phase::Wait,
            limits: &[Limit::Deadline, Limit::Idle, Limit::Cancel],
        },
    ]
}

fn limited(host: &HostClient, limit: Limit, token: &CancelToken) -> HostClient {
    match limit {
        Limit::Deadline => host.with_deadline(LIMIT),
        Limit::Idle => host.with_idle_timeout(LIMIT),
        Limit::Cancel => host.with_cancel(token),
    }
}

/// Runs an operation until the limit ends it. Cancels it some time after the hub has reached
/// `reached`. The idle time begins with the last read. Returns the error and the delay after the
/// limit.
fn run_until_limit(
    what: &str,
    limit: Limit,
    token: &CancelToken,
    reached: &Arc<Mailbox<()>>,
    run: impl FnOnce(EndlessData) -> Error,
) -> (Error, Duration) {
    let data = EndlessData::new().0;
    let last_read = data.last();
    let canceller = (limit == Limit::Cancel).then(|| {
        let (token, reached) = (token.clone(), Arc::clone(reached));
        thread::spawn(move || {
            reached.take();
            // Waits until the buffers are full, which cannot be observed.
            thread::sleep(LIMIT);
            let now = Instant::now();
            token.cancel();
            now
        })
    });
    let begin = Instant::now();
    let error = run(data);
    let end = Instant::now();
    let (since, time) = match canceller {
        Some(canceller) => (canceller.join().unwrap(), Duration::ZERO),
        None => (begin, LIMIT),
    };
    let mut took = end.saturating_duration_since(since);
    assert!(
        since <= end && took >= time,
        "{what}, {limit:?}: it ended before the limit: {took:?}"
    );
    if let (Limit::Idle, Some(last_read)) = (limit, *last_read.lock().unwrap()) {
        // Buffers between data and hub may be read a little longer.
        took = end.saturating_duration_since(last_read);
    }
    assert_not_late(&format!("{what}, {limit:?}"), took, time);
    (error, took.saturating_sub(time))
}

#[test]
fn limits_end_input_writer() {
    for scheme in Scheme::BOTH {
        in_parallel(rows(), |row| {
            for limit in row.limits.iter().copied() {
                let (name, reads, used, phase) = (row.name, row.reads, row.used, row.phase);
                let (error, late) = within(row.name, move || {
                    let (reached, over) = (Mailbox::new(), Signal::new());
                    let server = scheme.serve({
                        let (reached, over) = (Arc::clone(&reached), Arc::clone(&over));
                        move |connection| {
                            connection.read_head().unwrap();
                            reached.put(());
                            if reads {
                                drain(connection);
                            }
                            over.wait();
                        }
                    });
                    let token = CancelToken::new();
                    let instance = limited(&host(&server), limit, &token)
                        .instance("x")
                        .unwrap();
                    let ended = run_until_limit(name, limit, &token, &reached, |data| {
                        used(instance.input_writer(ContentType::Bytes).unwrap(), data)
                    });
                    over.set();
                    ended
                });
                limit.check(&error, phase, LIMIT);
                println!(
                    "{}",
                    line(row.name, scheme, limit.name(), &error, LIMIT + late)
                );
            }
        });
    }
}

/// Both directions end with the error of the limit, whichever is blocked.
#[test]
fn limits_end_transform() {
    for scheme in Scheme::BOTH {
        for limit in [Limit::Deadline, Limit::Cancel] {
            for reads in [false, true] {
                let (error, late) = within("a transform", move || {
                    let (reached, over) = (Mailbox::new(), Signal::new());
                    let (opened, closed) = (Mailbox::new(), Mailbox::new());
                    let server = scheme.serve({
                        let (reached, over) = (Arc::clone(&reached), Arc::clone(&over));
                        let (opened, closed) = (Arc::clone(&opened), Arc::clone(&closed));
                        move |connection| {
                            opened.put(());
                            let Ok(request) = connection.read_head() else {
                                return closed.put(());
                            };
                            if request.method == "GET" {
                                let _ = connection.send([STREAM, &chunk("some")].concat());
                                drain(connection);
                            } else {
                                reached.put(());
                                if !reads {
                                    over.wait();
                                }
                                drain(connection);
                            }
                            closed.put(());
                        }
                    });
                    let token = CancelToken::new();
                    let instance = limited(&host(&server), limit, &token)
                        .instance("x")
                        .unwrap();
                    let (error, late) =
                        run_until_limit("a transform", limit, &token, &reached, |data| {
                            instance
                                .transform(Upload::reader(data), &mut io::sink())
                                .unwrap_err()
                        });
                    over.set();
                    // The connections of both directions, unless the machine was too busy to open
                    // the second before the deadline.
                    while opened.try_take().is_some() {
                        closed.take();
                    }
                    (error, late)
                });
                // The phase depends on the direction that ended first.
                limit.check(
                    &error,
                    if error.operation() == Some("send input") {
                        Phase::Send
                    } else {
                        Phase::Read
                    },
                    LIMIT,
                );
                println!(
                    "{}",
                    line(
                        "both directions, neither of which ends",
                        scheme,
                        limit.name(),
                        &error,
                        LIMIT + late
                    )
                );
            }
        }
    }
}

/// The hub does not come back: the limit ends a pause or an attempt.
#[test]
fn limits_end_follow_log() {
    for scheme in Scheme::BOTH {
        for limit in [Limit::Deadline, Limit::Cancel] {
            for silent in [false, true] {
                let (error, late, was_reached) = within("following", move || {
                    let (reached, over) = (Mailbox::new(), Signal::new());
                    let server = scheme.serve({
                        let (reached, over) = (Arc::clone(&reached), Arc::clone(&over));
                        move |connection| {
                            while let Ok(request) = connection.read_head() {
                                if serve_side_request(connection, &request) {
                                    continue;
                                }
                                if connection.index() == 0 {
                                    let _ = connection
                                        .send([STREAM, &chunk("{\"msg\":\"one\"}\n")].concat());
                                    return;
                                }
                                reached.put(());
                                match silent {
                                    true => over.wait(),
                                    false => drop(connection.send(response(
                                        "503 Service Unavailable",
                                        &[],
                                        b"not now",
                                    ))),
                                }
                            }
                        }
                    });
                    let token = CancelToken::new();
                    let host = limited(&host(&server), limit, &token);
                    let ended = run_until_limit("following", limit, &token, &reached, |_| {
                        let mut follow = match host.follow_log() {
                            Ok(follow) => follow,
                            Err(error) => return error,
                        };
                        let mut line = follow.next().unwrap();
                        if line.is_ok() {
                            line = follow.next().unwrap();
                        }
                        assert!(follow.next().is_none());
                        line.unwrap_err()
                    });
                    over.set();
                    let (error, late) = ended;
                    let was_reached = limit == Limit::Cancel || reached.try_take().is_some();
                    (error, late, was_reached)
                });
                // A hub that refuses may receive or answer another request at that moment. On a
                // busy machine, the deadline may end any earlier step, too.
                let phase = match error.phase() {
                    Some(phase) if !silent || !was_reached || phase == Phase::Send => phase,
                    _ => Phase::Wait,
                };
                limit.check(&error, phase, LIMIT);
                let name = if silent {
                    "following a hub that does not respond again"
                } else {
                    "following a hub that refuses for now"
                };
                println!("{}", line(name, scheme, limit.name(), &error, LIMIT + late));
            }
        }
    }
}

/// The upload reads from another stream of the same token. The error is the cancellation.
#[test]
fn cancel_ends_an_upload_that_reads_from_a_stream() {
    for scheme in Scheme::BOTH {
        let (error, _) = within("one stream into another", move || {
            let reached = Mailbox::new();
            let server = scheme.serve({
                let reached = Arc::clone(&reached);
                move |connection| {
                    let request = connection.read_head().unwrap();
                    match request.method.as_str() {
                        "GET" => drop(connection.send([STREAM, &chunk("some")].concat())),
                        _ => reached.put(()),
                    }
                    drain(connection);
                }
            });
            let token = CancelToken::new();
            let instance = host(&server).with_cancel(&token).instance("x").unwrap();
            let output = instance.output().unwrap();
            run_until_limit(
                "one stream into another",
                Limit::Cancel,
                &token,
                &reached,
                |_| {
                    instance
                        .send_input(Input::bytes(Upload::reader(output.chain(io::empty()))))
                        .unwrap_err()
                },
            )
        });
        assert!(error.is_cancelled(), "{error:?}");
    }
}
