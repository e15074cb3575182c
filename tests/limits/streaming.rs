//! Streams return each item before the next is sent, and never return an incomplete one.

use std::io::Read;
use std::sync::Arc;

use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::{ByteStream, ErrorKind, InstanceClient};
use scramjet_client_tests::scripted::ScriptedServer;
use serde_json::Value;

use crate::helpers::{Mailbox, within};
use crate::setup::{STREAM, Scheme, chunk, host};

const COUNT: usize = 5;

/// Sends each item when the client has received the one before.
fn server(scheme: Scheme, permits: &Arc<Mailbox<()>>) -> ScriptedServer {
    let permits = Arc::clone(permits);
    scheme.serve(move |connection| {
        connection.read_request().unwrap();
        let _ = connection.send(STREAM);
        for n in 0..COUNT {
            let _ = connection.send(chunk(&format!("{{\"n\":{n}}}\n")));
            permits.take();
        }
        let _ = connection.send(chunk(""));
        let _ = connection.close_after_client();
    })
}

/// Reads the items of a stream, as text.
type ReadItems = fn(&InstanceClient) -> Box<dyn Iterator<Item = String>>;

fn bytes(mut stream: ByteStream) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).unwrap();
        (read > 0).then(|| String::from_utf8(buffer[..read].to_vec()).unwrap())
    })
}

#[test]
fn streams_return_each_item_before_the_next_is_sent() {
    let readers: [(&str, ReadItems); 5] = [
        ("bytes", |instance| {
            Box::new(bytes(instance.output().unwrap()))
        }),
        ("lines", |instance| {
            Box::new(instance.output().unwrap().lines().map(Result::unwrap))
        }),
        ("lines of bytes", |instance| {
            Box::new(
                instance
                    .output()
                    .unwrap()
                    .byte_lines()
                    .map(|line| String::from_utf8(line.unwrap()).unwrap()),
            )
        }),
        ("lines of JSON", |instance| {
            Box::new(
                instance
                    .output()
                    .unwrap()
                    .json_lines::<Value>()
                    .map(|line| line.unwrap().to_string()),
            )
        }),
        ("events", |instance| {
            Box::new(
                instance
                    .event_stream("e")
                    .unwrap()
                    .map(|event| event.unwrap().data.to_string()),
            )
        }),
    ];
    for scheme in Scheme::BOTH {
        for (name, read) in readers {
            within(name, move || {
                let permits = Mailbox::new();
                let server = server(scheme, &permits);
                let mut items = read(&host(&server).instance("x").unwrap());
                for n in 0..COUNT {
                    assert_eq!(
                        items.next().unwrap().trim_end(),
                        format!("{{\"n\":{n}}}"),
                        "{name}"
                    );
                    permits.put(());
                }
                assert!(items.next().is_none());
            });
        }
    }
}

#[test]
fn lines_drop_half_a_line_if_the_stream_is_cut_off() {
    for scheme in Scheme::BOTH {
        for (head, got) in [
            ("Content-Length: 100\r\n\r\n[1]\n[2]", 7),
            ("Transfer-Encoding: chunked\r\n\r\n7\r\n[1]\n[2]\r\n", 7),
        ] {
            within(head, move || {
                let server = scheme.serve(move |connection| {
                    connection.read_request().unwrap();
                    let _ = connection.send(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes());
                });
                let output = || host(&server).instance("x").unwrap().output().unwrap();
                let cut = |error: scramjet_client_blocking::Error| {
                    assert!(
                        matches!(error.kind(), ErrorKind::Reply(ReplyError::Truncated { got: at,
                            .. }) if *at == got),
                        "{error:?}"
                    );
                };
                let mut lines = output().lines();
                assert_eq!(lines.next().unwrap().unwrap(), "[1]");
                cut(lines.next().unwrap().unwrap_err());
                assert!(lines.next().is_none());

                let mut lines = output().byte_lines();
                assert_eq!(lines.next().unwrap().unwrap(), b"[1]");
                cut(lines.next().unwrap().unwrap_err());
                assert!(lines.next().is_none());

                let mut lines = output().json_lines::<Value>();
                assert_eq!(lines.next().unwrap().unwrap(), serde_json::json!([1]));
                cut(lines.next().unwrap().unwrap_err());
                assert!(lines.next().is_none());

                let mut events = host(&server)
                    .instance("x")
                    .unwrap()
                    .event_stream("e")
                    .unwrap();
                assert!(events.next().unwrap().is_ok());
                cut(events.next().unwrap().unwrap_err());
                assert!(events.next().is_none());
            });
        }
    }
}
