//! The events that an `Observer` gets.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scramjet_client_blocking::transport::Timings;
use scramjet_client_blocking::{
    HostClient, HostClientBuilder, RequestEvent, RequestInfo, RetryPolicy, StartOptions, Upload,
};
use scramjet_client_testing::fake_hub::Fault;
use scramjet_client_tests::package;
use scramjet_client_tests::programs::fake_hub;
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};

use crate::helpers::{GENERATIONS, in_parallel, serving, until, within};

const SECRET: &str = "a-very-secret-token";

/// The received events, one line for each.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    timings: Arc<Mutex<Vec<Timings>>>,
    raw: Arc<Mutex<String>>,
}

impl Log {
    fn client(&self, url: &str) -> HostClientBuilder {
        let log = self.clone();
        let quick = RetryPolicy::linear(Duration::from_millis(1));
        HostClient::builder(url)
            .bearer_token(SECRET)
            .retry(quick)
            .observer(move |request: &RequestInfo<'_>, event: &RequestEvent<'_>| {
                log.record(request, event)
            })
    }

    fn record(&self, request: &RequestInfo<'_>, event: &RequestEvent<'_>) {
        let path = request
            .url
            .split_once("/api/v1")
            .map_or("", |(_, path)| path);
        let text = match event {
            RequestEvent::Built => "built".into(),
            RequestEvent::Attempt { attempt, .. } => format!("attempt {attempt}"),
            RequestEvent::Head {
                attempt,
                status,
                sent,
                timings,
                ..
            } => {
                self.timings.lock().unwrap().push(*timings);
                format!(
                    "head of {attempt}: {status}, {sent} sent, reused {:?}",
                    timings.reused
                )
            }
            RequestEvent::Retry {
                attempt,
                error,
                delay,
                ..
            } => format!("retry after {attempt}, {delay:?}, {:?}", error.phase()),
            RequestEvent::Body {
                bytes, complete, ..
            } => format!("body {bytes} {complete}"),
            RequestEvent::Failed { error, .. } => format!("failed {}", error.code()),
            other => format!("{other:?}"),
        };
        self.raw
            .lock()
            .unwrap()
            .push_str(&format!("{request:?} {event:?}\n"));
        self.lines.lock().unwrap().push(format!(
            "{} {} {path}: {text}",
            request.operation, request.method
        ));
    }

    fn take(&self) -> Vec<String> {
        assert!(!self.raw.lock().unwrap().contains(SECRET));
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

/// Starts a server with normal responses, an error response, and a stream.
fn server() -> ScriptedServer {
    serving(|request| match request.target.rsplit('/').next() {
        Some("version") => response("200 OK", &[], br#"{"version":"1.0.1"}"#),
        Some("log") => response("200 OK", &[], b"one\ntwo\n"),
        Some("sequence") => response("200 OK", &[], br#"{"id":"s"}"#),
        _ => response("404 Not Found", &[], b"{}"),
    })
}

#[test]
fn observer_sees_every_step_of_a_request() {
    within("observing", || {
        let (log, server) = (Log::default(), server());
        let host = log.client(&server.url()).build().unwrap();
        host.version().unwrap();
        let get = "get version GET /version: ";
        let text = [
            "built",
            "attempt 1",
            "head of 1: 200 OK, 0 sent, reused Some(false)",
            "body 19 true",
        ];
        assert_eq!(log.take(), text.map(|text| format!("{get}{text}")));

        host.send_sequence(Upload::reader(&b"\x1f\x8bpackage"[..]))
            .unwrap();
        let send = "send sequence POST /sequence: ";
        let text = [
            "built",
            "attempt 1",
            "head of 1: 200 OK, 9 sent, reused Some(true)",
            "body 10 true",
        ];
        assert_eq!(log.take(), text.map(|text| format!("{send}{text}")));

        host.sequence_info("x").unwrap_err();
        let info = "get sequence GET /sequence/x: ";
        let text = [
            "built",
            "attempt 1",
            "head of 1: 404 Not Found, 0 sent, reused Some(true)",
            "failed NOT_FOUND",
        ];
        assert_eq!(log.take(), text.map(|text| format!("{info}{text}")));
    });
}

#[test]
fn observer_sees_the_body_of_a_stream_when_it_ends() {
    within("observing", || {
        let (log, server) = (Log::default(), server());
        let host = log.client(&server.url()).build().unwrap();
        let last = |log: &Log| log.take().pop().unwrap();
        let mut stream = host.log_stream().unwrap();
        assert_eq!(
            last(&log),
            "read log GET /log: head of 1: 200 OK, 0 sent, reused Some(false)"
        );
        assert_eq!(io::read_to_string(&mut stream).unwrap(), "one\ntwo\n");
        assert_eq!(log.take(), ["read log GET /log: body 8 true"]);
        drop(stream);
        assert!(log.take().is_empty(), "the event is reported once");

        let mut stream = host.log_stream().unwrap();
        stream.read_exact(&mut [0; 3]).unwrap();
        log.take();
        drop(stream);
        assert_eq!(log.take(), ["read log GET /log: body 3 false"]);
        drop(server);

        let cut = ScriptedServer::start(|connection| {
            connection.read_request().unwrap();
            let _ = connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none\n");
        });
        let mut stream = log
            .client(&cut.url())
            .build()
            .unwrap()
            .log_stream()
            .unwrap();
        assert!(io::read_to_string(&mut stream).is_err() && stream.read(&mut [0]).is_err());
        drop(stream);
        let text = log.take();
        assert_eq!(
            text.last().unwrap(),
            "read log GET /log: failed INVALID_RESPONSE"
        );
        assert_eq!(
            text.iter()
                .filter(|text| text.contains("failed") || text.contains("body"))
                .count(),
            1,
            "{text:?}"
        );
    });
}

#[test]
fn observer_sees_attempts_and_retries() {
    within("observing", || {
        let log = Log::default();
        log.client(&refused_url())
            .build()
            .unwrap()
            .version()
            .unwrap_err();
        let text = [
            "built",
            "attempt 1",
            "retry after 1, 1ms, Some(Connect)",
            "attempt 2",
            "retry after 2, 2ms, Some(Connect)",
            "attempt 3",
            "failed CANNOT_CONNECT",
        ];
        assert_eq!(
            log.take(),
            text.map(|text| format!("get version GET /version: {text}"))
        );
    });
}

#[test]
fn observer_sees_nothing_if_no_request_is_made() {
    let log = Log::default();
    let host = log
        .client("http://hub:8000/api/v1")
        .hub_version("0.18.7")
        .build()
        .unwrap();
    assert!(
        host.sequence("x")
            .unwrap()
            .overwrite(Vec::new())
            .unwrap_err()
            .is_unsupported()
    );
    assert!(host.send_sequence(Upload::path("/no/such/file")).is_err());
    assert!(log.take().is_empty());
}

#[test]
fn observer_gets_request_numbers_and_timings() {
    within("observing", || {
        let (numbers, log) = (Arc::<Mutex<Vec<u64>>>::default(), Log::default());
        let server = server();
        let observer = {
            let (numbers, log) = (Arc::clone(&numbers), log.clone());
            move |request: &RequestInfo<'_>, event: &RequestEvent<'_>| {
                numbers.lock().unwrap().push(request.number);
                log.record(request, event);
            }
        };
        let host = HostClient::builder(server.url())
            .observer(observer)
            .build()
            .unwrap();
        host.version().unwrap();
        host.version().unwrap();
        let numbers = std::mem::take(&mut *numbers.lock().unwrap());
        assert_eq!(numbers.len(), 8);
        assert!(
            numbers[..4].iter().all(|number| *number == numbers[0])
                && numbers[4..].iter().all(|number| *number == numbers[4])
        );
        assert_ne!(numbers[0], numbers[4]);

        let timings = std::mem::take(&mut *log.timings.lock().unwrap());
        let [first, second] = timings.as_slice() else {
            panic!("{timings:?}")
        };
        assert_eq!((first.reused, second.reused), (Some(false), Some(true)));
        assert!(
            first.resolve.is_some() && first.connect.is_some() && first.tls.is_none(),
            "{first:?}"
        );
        assert!(
            second.resolve.is_none() && second.connect.is_none(),
            "{second:?}"
        );
        assert!(
            timings
                .iter()
                .all(|timings| timings.send.is_some() && timings.wait.is_some()),
            "{timings:?}"
        );
    });
}

/// The events of each request, by its number.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<BTreeMap<u64, Vec<String>>>>);

impl Requests {
    fn record(&self, request: &RequestInfo<'_>, event: &RequestEvent<'_>) {
        let text = match event {
            RequestEvent::Built => request.url.to_owned(),
            RequestEvent::Attempt { .. } => "attempt".into(),
            RequestEvent::Head { .. } => "head".into(),
            RequestEvent::Body { complete, .. } => format!("body {complete}"),
            RequestEvent::Failed { error, .. } => format!("failed {}", error.code()),
            other => format!("{other:?}"),
        };
        let mut requests = self.0.lock().unwrap();
        requests.entry(request.number).or_default().push(text);
    }

    /// Returns the events after `Built` and `Attempt` of each request whose URL contains this.
    ///
    /// Waits until all requests have ended.
    fn ended(&self, path: &str) -> Vec<String> {
        let has_ended = |events: &Vec<String>| {
            let last = events.last().unwrap();
            last.starts_with("body") || last.starts_with("failed")
        };
        until("each request has ended", || {
            self.0.lock().unwrap().values().all(has_ended)
        });
        let requests = self.0.lock().unwrap();
        let of_path = requests
            .values()
            .filter(|events| events[0].contains(path) && events[1] == "attempt");
        of_path.map(|events| events[2..].join(", ")).collect()
    }
}

#[test]
fn observer_sees_the_end_of_each_request_of_wait_event() {
    within("observing", || {
        in_parallel(GENERATIONS, |generation| {
            let (hub, requests) = (fake_hub(generation), Requests::default());
            let observer = {
                let requests = requests.clone();
                move |request: &RequestInfo<'_>, event: &RequestEvent<'_>| {
                    requests.record(request, event)
                }
            };
            let host = hub.client_builder().observer(observer).build().unwrap();
            let sequence = host.send_sequence(package::sequence("stays")).unwrap();
            let instance = sequence.start(&StartOptions::new()).unwrap();

            hub.fault(Fault::lose_request().on("GET", "instance/*/event/*"));
            instance.wait_event("ready").unwrap();
            let ends = requests.ended("/event/");
            assert_eq!(ends[0], "failed CANNOT_CONNECT", "{ends:?}");

            let short = instance.with_deadline(Duration::from_millis(200));
            assert!(short.wait_event("never").unwrap_err().is_timeout());
            let ends = requests.ended("/event/never");
            assert_eq!(
                ends,
                ["body false"],
                "the request was aborted before its head"
            );
        });
    });
}
