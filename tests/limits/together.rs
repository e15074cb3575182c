//! Limits of what is more than one exchange, or goes on beside its caller: writers, both ways at once, following.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{
    CancelToken, ContentType, Error, HostClient, Input, StreamWriter, Upload,
};
use scramjet_client_tests::scripted::response;

use crate::helpers::{Mailbox, within};
use crate::scene::{Fed, LIMIT, Limit, STREAM, Scheme, Signal, chunk, drain, host, is_aside, line};
use crate::timing::assert_not_late;

/// Writes, data without end or nothing, and gives the error of the writer in the end.
type Use = fn(StreamWriter, Fed) -> Error;

struct Row {
    name: &'static str,
    /// Whether the hub takes what is written.
    reads: bool,
    used: Use,
    phase: Phase,
    limits: &'static [Limit],
}

fn rows() -> [Row; 3] {
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
            name: "a writer to which nothing is written",
            reads: true,
            used: |mut writer, _| {
                // Returns at once where all is sent, and fails where nothing more is.
                while writer.flush().is_ok() {
                    thread::sleep(Duration::from_millis(5));
                }
                writer.finish().unwrap_err()
            },
            phase: Phase::Send,
            // It is not the hub that is silent.
            limits: &[Limit::Deadline, Limit::Cancel],
        },
        Row {
            name: "the end of a writer to a hub that does not answer",
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

/// Runs what is to end by a limit, in time. Cancels when the hub has got so far and some time has gone by. An idle time begins where something
/// has moved last. Gives also how late the end was.
fn ends(
    what: &str,
    limit: Limit,
    token: &CancelToken,
    reached: &Arc<Mailbox<()>>,
    run: impl FnOnce(Fed) -> Error,
) -> (Error, Duration) {
    let fed = Fed::new().0;
    let moved = fed.last();
    let canceller = (limit == Limit::Cancel).then(|| {
        let (token, reached) = (token.clone(), Arc::clone(reached));
        thread::spawn(move || {
            reached.take();
            // Until whatever can be sent is sent: that nothing happens is all that could be seen.
            thread::sleep(LIMIT);
            let now = Instant::now();
            token.cancel();
            now
        })
    });
    let begin = Instant::now();
    let error = run(fed);
    let end = Instant::now();
    let (since, time) = match canceller {
        Some(canceller) => (canceller.join().unwrap(), Duration::ZERO),
        None => (begin, LIMIT),
    };
    let mut took = end.saturating_duration_since(since);
    assert!(
        since <= end && took >= time,
        "{what}, {limit:?}: it came before its time: {took:?}"
    );
    if let (Limit::Idle, Some(moved)) = (limit, *moved.lock().unwrap()) {
        // What stands between data and hub takes a little more than the hub does.
        took = end.saturating_duration_since(moved);
    }
    assert_not_late(&format!("{what}, {limit:?}"), took, time);
    (error, took.saturating_sub(time))
}

#[test]
fn writers_end_in_time() {
    for scheme in Scheme::BOTH {
        for row in rows() {
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
                    let ended = ends(name, limit, &token, &reached, |fed| {
                        used(instance.input_writer(ContentType::Bytes).unwrap(), fed)
                    });
                    over.give();
                    ended
                });
                limit.check(&error, phase, LIMIT);
                println!(
                    "{}",
                    line(row.name, scheme, limit.name(), &error, LIMIT + late)
                );
            }
        }
    }
}

/// Both directions end, whichever of them is blocked, and with one error: that of the limit.
#[test]
fn a_transform_ends_in_time() {
    for scheme in Scheme::BOTH {
        for limit in [Limit::Deadline, Limit::Cancel] {
            for reads in [false, true] {
                let (error, late) = within("a transform", move || {
                    let (reached, over, closed) = (Mailbox::new(), Signal::new(), Mailbox::new());
                    let server = scheme.serve({
                        let (reached, over, closed) =
                            (Arc::clone(&reached), Arc::clone(&over), Arc::clone(&closed));
                        move |connection| {
                            let request = connection.read_head().unwrap();
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
                    let (error, late) = ends("a transform", limit, &token, &reached, |fed| {
                        instance
                            .transform(Upload::reader(fed), &mut io::sink())
                            .unwrap_err()
                    });
                    over.give();
                    // The connections of both.
                    (0..2).for_each(|_| closed.take());
                    (error, late)
                });
                // Of whichever was first.
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
                        "both ways at once, neither of which ends",
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

/// Where the hub is gone, and does not come back: in its pauses, and in its attempts.
#[test]
fn following_ends_in_time() {
    for scheme in Scheme::BOTH {
        for limit in [Limit::Deadline, Limit::Cancel] {
            for silent in [false, true] {
                let (error, late) = within("following", move || {
                    let (reached, over) = (Mailbox::new(), Signal::new());
                    let server = scheme.serve({
                        let (reached, over) = (Arc::clone(&reached), Arc::clone(&over));
                        move |connection| {
                            while let Ok(request) = connection.read_head() {
                                if is_aside(connection, &request) {
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
                    let ended = ends("following", limit, &token, &reached, |_| {
                        let mut follow = host.follow_log().unwrap();
                        assert!(follow.next().unwrap().is_ok());
                        let error = follow.next().unwrap().unwrap_err();
                        assert!(follow.next().is_none());
                        error
                    });
                    over.give();
                    ended
                });
                // A hub that refuses may be asked again just then.
                let phase = match error.phase() {
                    Some(phase) if !silent && phase < Phase::Wait => phase,
                    _ => Phase::Wait,
                };
                limit.check(&error, phase, LIMIT);
                let name = if silent {
                    "following a hub that does not answer again"
                } else {
                    "following a hub that refuses for now"
                };
                println!("{}", line(name, scheme, limit.name(), &error, LIMIT + late));
            }
        }
    }
}

/// An upload may be read by what waits itself: a token that ends both is enough, and the error is that of the token.
#[test]
fn an_upload_that_waits_for_another_stream_ends_with_it() {
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
            ends(
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
