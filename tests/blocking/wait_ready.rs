//! `wait_ready`.

use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use http::{Request, Response};
use scramjet_client_blocking::transport::{RequestBody, TransportError, UreqTransport};
use scramjet_client_blocking::{CancelToken, ErrorKind, HostClient, Transport};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};

use crate::helpers::{serving, within};
use crate::wait_event::{PROMPT, quickest};

/// A transport that runs a closure after each failed attempt.
pub(crate) struct OnFailure<F>(pub(crate) UreqTransport, pub(crate) F);

impl<F: Fn() + Send + Sync> Transport for OnFailure<F> {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        self.0.send(request).inspect_err(|_| self.1())
    }
}

/// Starts a server at this URL that answers with a version.
fn serve_version(url: &str) {
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/api/v1")
        .to_owned();
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&connection);
            // The client sends only this request, and in one segment.
            let _ = reader.read(&mut [0; 4096]);
            let _ = (&connection).write_all(&response(
                "200 OK",
                &[("Connection", "close")],
                br#"{"version":"1.0.1"}"#,
            ));
        }
    });
}

on_each_hub!(wait_ready_returns_at_once_if_the_hub_is_up);
fn wait_ready_returns_at_once_if_the_hub_is_up(host: HostClient) {
    assert_eq!(
        host.wait_ready(Duration::from_secs(5)).unwrap(),
        host.version().unwrap()
    );
    assert_eq!(host.wait_ready(None).unwrap(), host.version().unwrap());
}

#[test]
fn wait_ready_waits_until_the_hub_accepts_connections() {
    let url = refused_url();
    let failures = Arc::new(Mutex::new(0));
    let transport = OnFailure(UreqTransport::default(), {
        let (url, failures) = (url.clone(), Arc::clone(&failures));
        move || {
            let mut failures = failures.lock().unwrap();
            *failures += 1;
            if *failures == 2 {
                serve_version(&url);
            }
        }
    });
    let host = HostClient::builder(url)
        .transport(Arc::new(transport))
        .build()
        .unwrap();
    let version = within("waiting", move || host.wait_ready(Duration::from_secs(20))).unwrap();
    assert_eq!(
        (version.version.as_str(), *failures.lock().unwrap()),
        ("1.0.1", 2)
    );
}

#[test]
fn wait_ready_retries_after_errors_of_a_proxy() {
    let answers = Mutex::new(vec![
        response("200 OK", &[], br#"{"version":"1.0.1"}"#),
        response("200 OK", &[("Content-Length", "100")], b""),
        response("504 Gateway Timeout", &[], b""),
        response("503 Service Unavailable", &[], b"starting"),
        response("502 Bad Gateway", &[], b"<html>"),
        response("404 Not Found", &[], b"default backend"),
    ]);
    let server = ScriptedServer::start(move |connection| {
        let _ = connection.read_request();
        let answer = answers.lock().unwrap().pop();
        // One connection closes without a response, one within the body.
        let _ = connection.send(answer.unwrap_or_default());
    });
    let host = HostClient::new(server.url()).unwrap();
    within("waiting", move || host.wait_ready(Duration::from_secs(20))).unwrap();
    assert_eq!(server.connections(), 6);
}

#[test]
fn wait_ready_times_out_with_the_first_and_the_last_error() {
    let url = refused_url();
    let host = HostClient::new(&url).unwrap();
    within("waiting", move || {
        let limit = Duration::from_millis(500);
        let late = quickest(|| {
            let begin = Instant::now();
            let error = host.wait_ready(limit).unwrap_err();
            let late = begin
                .elapsed()
                .checked_sub(limit)
                .expect("no end before the limit");
            let [first, last, end] = error.attempts() else {
                panic!("{error:?}")
            };
            assert!(first.is_connect() && last.is_connect(), "{error:?}");
            assert!(
                matches!(end.kind(), ErrorKind::Deadline { limit: found, .. } if *found == limit),
                "{error:?}"
            );
            assert!(
                error.is_timeout()
                    && error.to_string()
                        == format!(
                            "get version (GET {url}/version): all attempts failed (3 errors)"
                        ),
                "{error}"
            );
            late
        });
        assert!(late < PROMPT, "{late:?}");
        // The deadline and the token of the handle apply, too.
        let error = host.with_deadline(limit).wait_ready(None).unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        let token = CancelToken::new();
        let waiting = host.with_cancel(&token);
        let waiter =
            thread::spawn(move || waiting.wait_ready(Duration::from_secs(3600)).unwrap_err());
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());
    });
}

#[test]
fn wait_ready_fails_at_once_if_the_server_refuses_or_is_no_hub() {
    for (status, body) in [
        ("401 Unauthorized", "{}"),
        ("403 Forbidden", ""),
        ("200 OK", "<html>"),
    ] {
        let server = serving(move |_| response(status, &[], body.as_bytes()));
        let host = HostClient::new(server.url()).unwrap();
        let error = within(status, move || host.wait_ready(Duration::from_secs(3600))).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Reply(_)),
            "{status}: {error:?}"
        );
        assert_eq!(server.connections(), 1, "{status}");
    }
}
