//! `send_event`, `event_stream`, `last_event` and `next_event`.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::core::NextEvent;
use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::{
    Error, ErrorKind, Event, EventName, HostClient, InstanceClient, StartOptions, Version,
};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::json;

use crate::helpers::client_1x;
use crate::samples::{PostJson, Uploaded, has};

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

/// A call that waits for the event `pong`.
type NextEventCall = fn(&InstanceClient) -> Result<Event, Error>;

on_each_hub!(last_event_returns_at_once_and_next_event_waits);
fn last_event_returns_at_once_and_next_event_waits(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    for _ in 0..2 {
        let ready = instance.last_event("ready").unwrap();
        assert_eq!(
            (ready.name.as_str(), ready.data),
            ("ready", json!("events"))
        );
    }

    let calls: [NextEventCall; 2] = [
        |instance| instance.next_event("pong"),
        // `next_event` reads the stream of events instead.
        |instance| {
            let (id, name) = (instance.id(), &EventName::new("pong").unwrap());
            instance.host().call(&NextEvent { id, name })
        },
    ];
    for call in calls {
        let pong = while_pinged(&instance, call);
        assert_eq!((pong.name.as_str(), pong.data), ("pong", json!("hey")));
    }
}

/// Waits for the answer to a ping.
fn while_pinged(instance: &InstanceClient, call: NextEventCall) -> Event {
    let (sender, receiver) = channel();
    let waiting = instance.clone();
    let waiter = thread::spawn(move || sender.send(call(&waiting)).unwrap());
    let ping = PostJson {
        base: "instance",
        id: instance.id().as_str(),
        route: "_event",
        body: r#"[5001,{"eventName":"ping","message":"hey"}]"#,
    };
    // The hub does not report when the call is waiting, so ping until it returns.
    let pong = loop {
        instance.host().call(&ping).unwrap();
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(event) => break event.unwrap(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("the waiting thread has ended"),
        }
    };
    waiter.join().unwrap();
    pong
}

on_each_hub!(send_event_and_event_stream_exchange_events);
fn send_event_and_event_stream_exchange_events(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.last_event("ready").unwrap();

    // The stream is open before the first event, so it misses none.
    let mut pongs = instance.event_stream("pong").unwrap();
    for data in ["first", "", "drugi: żółw"] {
        instance.send_event("ping", data).unwrap();
        let pong = pongs.next().unwrap().unwrap();
        assert_eq!(pong.name, "pong");
        // Quirk of 1.x: the hub sends an empty string as an empty object.
        assert!(
            pong.data == json!(data) || (data.is_empty() && pong.data == json!({})),
            "{pong:?}"
        );
    }

    let object = instance.send_event("ping", json!({ "a": [1] }));
    if has(
        &host,
        "sending an object with an event",
        Version::new(0, 39, 0),
    ) {
        object.unwrap();
        assert_eq!(pongs.next().unwrap().unwrap().data, json!({ "a": [1] }));
    } else {
        assert!(object.unwrap_err().is_unsupported());
    }

    instance.set_monitoring_rate(2).unwrap();
    assert!(
        instance
            .set_monitoring_rate(0)
            .unwrap_err()
            .to_string()
            .contains("zero")
    );
}
