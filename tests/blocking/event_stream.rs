//! `event_stream`, on a scripted server.

use std::sync::mpsc::channel;

use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::{ErrorKind, HostClient};
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::json;

use crate::helpers::client_1x;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

#[test]
fn event_stream_returns_an_event_before_the_next_is_sent() {
    let (sender, receiver) = channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let server = ScriptedServer::start(move |connection| {
        let _ = connection.read_request();
        let _ = connection.send(HEAD);
        for n in 0..5 {
            // Two chunks: an event is complete at its line end.
            let _ = connection.send(chunk("{\"n\":"));
            let _ = connection.send(chunk(&format!("{n}}}\n")));
            if receiver.lock().unwrap().recv().is_err() {
                return;
            }
        }
        let _ = connection.send(b"0\r\n\r\n");
    });
    let host = client_1x(&server);
    let mut events = host.instance("x").unwrap().event_stream("e").unwrap();
    for n in 0..5 {
        let event = events.next().unwrap().unwrap();
        assert_eq!((event.name.as_str(), event.data), ("e", json!({ "n": n })));
        sender.send(()).unwrap();
    }
    assert!(events.next().is_none());
    assert!(events.next().is_none());
}

#[test]
fn event_stream_continues_after_a_bad_event_but_not_a_lost_connection() {
    let server = ScriptedServer::start(|connection| {
        let _ = connection.read_request();
        let _ = connection.send(HEAD);
        let _ = connection.send(chunk(
            "{\"eventName\":\"e\",\"message\":1}\nnonsense\n{\"no\":\"envelope\"}\n\
                 {\"eventName\":\"e\"}\n{\"eventName\"",
        ));
    });
    let host = HostClient::builder(server.url())
        .hub_version("0.18.7")
        .build()
        .unwrap();
    let mut events = host.instance("x").unwrap().event_stream("e").unwrap();
    assert_eq!(events.next().unwrap().unwrap().data, json!(1));
    for _ in 0..2 {
        let error = events.next().unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Reply(ReplyError::Body { .. })),
            "{error:?}"
        );
    }
    assert_eq!(events.next().unwrap().unwrap().data, json!(null));
    let error = events.next().unwrap().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Reply(ReplyError::Truncated { .. })),
        "{error:?}"
    );
    assert!(events.next().is_none());
}

#[test]
fn event_stream_returns_the_refusal_of_the_hub() {
    let server = ScriptedServer::start(|connection| {
        let _ = connection.read_request();
        let body = b"{\"error\":\"Instance x not found now\"}";
        let _ = connection.send(response("404 Not Found", &[], body));
    });
    let host = client_1x(&server);
    let error = host.instance("x").unwrap().event_stream("e").unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}
