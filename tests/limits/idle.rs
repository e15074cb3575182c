//! Idle timeouts: when they apply, and that streams lose nothing afterwards.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use scramjet_client_blocking::ErrorKind;
use scramjet_client_blocking::transport::Phase;
use serde_json::{Value, json};

use crate::helpers::{Mailbox, within};
use crate::setup::{LIMIT, Limit, STREAM, Scheme, Signal, chunk, host, inner};
use crate::timing::{assert_in_time, timed};

#[test]
fn idle_timeout_restarts_with_each_byte() {
    for scheme in Scheme::BOTH {
        within("pieces", move || {
            let over = Signal::new();
            let server = scheme.serve({
                let over = Arc::clone(&over);
                move |connection| {
                    connection.read_request().unwrap();
                    // The pauses are also before the response, and within the size of a chunk.
                    for piece in STREAM
                        .chunks(12)
                        .chain((0..8).flat_map(|_| b"4\r\ntext\r\n".chunks(2)))
                        .chain([&b"0\r\n\r\n"[..]])
                    {
                        over.wait_timeout(LIMIT / 10);
                        let _ = connection.send(piece);
                    }
                    let _ = connection.close_after_client();
                }
            });
            let mut output = host(&server)
                .with_idle_timeout(LIMIT)
                .instance("x")
                .unwrap()
                .output()
                .unwrap();
            let (took, read) = timed(|| std::io::read_to_string(&mut output));
            assert_eq!(read.unwrap(), "text".repeat(8));
            assert!(
                took > 2 * LIMIT,
                "the pieces came too quickly for this test: {took:?}"
            );
        });
    }
}

#[test]
fn stream_read_continues_after_an_idle_timeout_without_loss() {
    // Pauses in a chunk, before one, in its size, and before the end of the body.
    let pieces = [
        "8\r\nsome",
        " tex\r\n",
        "0",
        "f\r",
        "\n, and more of i\r",
        "\n2\r\nt.\r\n0\r",
        "\n\r\n",
    ];
    for scheme in Scheme::BOTH {
        within("a silence", move || {
            let next = Mailbox::new();
            let server = scheme.serve({
                let next = Arc::clone(&next);
                move |connection| {
                    connection.read_request().unwrap();
                    let _ = connection.send(STREAM);
                    for piece in pieces {
                        let _ = connection.send(piece.as_bytes());
                        next.take();
                    }
                }
            });
            let mut output = host(&server)
                .with_idle_timeout(LIMIT)
                .instance("x")
                .unwrap()
                .output()
                .unwrap();
            let (mut text, mut buffer, mut silences) = (Vec::new(), [0; 3], 0);
            loop {
                match timed(|| output.read(&mut buffer)) {
                    (_, Ok(0)) => break,
                    (_, Ok(read)) => text.extend(&buffer[..read]),
                    (took, Err(error)) => {
                        Limit::Idle.check(&inner(error), Phase::Read, LIMIT);
                        assert_in_time("silence", took, LIMIT);
                        silences += 1;
                        next.put(());
                    }
                }
            }
            assert_eq!(
                (String::from_utf8(text).unwrap().as_str(), silences),
                ("some tex, and more of it.", pieces.len() - 1)
            );
            next.put(());
        });
    }
}

#[test]
fn items_continue_after_an_idle_timeout() {
    for scheme in Scheme::BOTH {
        within("items", move || {
            let next = Mailbox::new();
            let server = scheme.serve({
                let next = Arc::clone(&next);
                move |connection| {
                    connection.read_request().unwrap();
                    let _ = connection.send(STREAM);
                    for piece in ["[1]\n[", "2", "]\n", ""] {
                        let _ = connection.send(chunk(piece));
                        next.take();
                    }
                }
            });
            let output = host(&server)
                .with_idle_timeout(LIMIT)
                .instance("x")
                .unwrap()
                .output()
                .unwrap();
            let mut items = output.json_lines::<Value>();
            let mut seen = Vec::new();
            for item in items.by_ref() {
                match item {
                    Ok(item) => seen.push(item),
                    Err(error) => {
                        assert!(
                            matches!(
                                error.kind(),
                                ErrorKind::Idle {
                                    phase: Phase::Read,
                                    ..
                                }
                            ),
                            "{error:?}"
                        );
                        seen.push(Value::Null);
                        next.put(());
                    }
                }
            }
            assert_eq!(
                seen,
                [
                    json!([1]),
                    Value::Null,
                    Value::Null,
                    json!([2]),
                    Value::Null
                ]
            );
            next.put(());
        });
    }
}

/// `until_error` also ends at a timeout.
#[test]
fn until_error_ends_at_an_idle_timeout() {
    let server = Scheme::Http.serve(|connection| {
        connection.read_request().unwrap();
        let _ = connection.send(STREAM);
        let _ = connection.read_request();
    });
    let output = host(&server)
        .with_idle_timeout(Duration::from_millis(20))
        .instance("x")
        .unwrap()
        .output()
        .unwrap();
    let mut items = output.lines().until_error();
    assert!(items.next().unwrap().unwrap_err().is_timeout());
    assert!(items.next().is_none());
}
