//! Limits while a connection is opened.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::core::SendSequence;
use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{CancelToken, Error, ErrorKind, HostClient, Upload};
use scramjet_client_tests::backlog::FullBacklog;
use scramjet_client_tests::scripted::{Connection, ScriptedServer};

use crate::helpers::{Mailbox, in_parallel, within};
use crate::setup::{EndlessData, LIMIT, Limit, Scheme, drain, line};
use crate::timing::{assert_in_time, assert_not_late, timed};

/// An address where connecting or the TLS handshake never completes.
struct Unreachable {
    name: &'static str,
    scheme: Scheme,
    url: String,
    /// The phase in which a call stays.
    phase: Phase,
    /// Reports each connection that has reached the phase, if the server can observe it.
    arrived: Option<Arc<Mailbox<()>>>,
    _what: (Option<Arc<FullBacklog>>, Option<ScriptedServer>),
}

impl Unreachable {
    fn backlog(name: &'static str, backlog: &Arc<FullBacklog>, scheme: Scheme, host: &str) -> Self {
        let url = backlog
            .url()
            .replace("http:", &format!("{}:", scheme.name()))
            .replace("127.0.0.1", host);
        Self {
            name,
            scheme,
            url,
            phase: Phase::Connect,
            arrived: None,
            _what: (Some(Arc::clone(backlog)), None),
        }
    }

    /// Returns a server that accepts connections and runs this handler.
    fn handshake(
        name: &'static str,
        host: &str,
        handler: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let arrived = Mailbox::new();
        let server = ScriptedServer::start({
            let arrived = Arc::clone(&arrived);
            move |connection| {
                arrived.put(());
                handler(connection);
                drain(connection);
            }
        });
        let url = server
            .url()
            .replace("http:", "https:")
            .replace("127.0.0.1", host);
        Self {
            name,
            scheme: Scheme::Https,
            url,
            phase: Phase::Tls,
            arrived: Some(arrived),
            _what: (None, Some(server)),
        }
    }
}

fn places() -> Vec<Unreachable> {
    let backlog = Arc::new(FullBacklog::start());
    let silent = |_: &mut Connection| {};
    // Announces a TLS record of 16 KiB, and sends it slowly.
    let trickling = |connection: &mut Connection| {
        let _ = connection.send([0x16, 3, 3, 0x40, 0]);
        while connection.send([0]).is_ok() {
            thread::sleep(Duration::from_millis(25));
        }
    };
    vec![
        Unreachable::backlog(
            "backlog full, an address",
            &backlog,
            Scheme::Http,
            "127.0.0.1",
        ),
        Unreachable::backlog("backlog full, a name", &backlog, Scheme::Http, "localhost"),
        Unreachable::backlog(
            "backlog full, an address",
            &backlog,
            Scheme::Https,
            "127.0.0.1",
        ),
        Unreachable::backlog("backlog full, a name", &backlog, Scheme::Https, "localhost"),
        Unreachable::handshake("TLS silence, an address", "127.0.0.1", silent),
        Unreachable::handshake("TLS silence, a name", "localhost", silent),
        Unreachable::handshake("a TLS byte every 25 ms", "localhost", trickling),
    ]
}

fn get(host: &HostClient) -> Result<(), Error> {
    host.list_sequences().map(drop)
}

fn upload(host: &HostClient) -> Result<(), Error> {
    let (fed, reads) = EndlessData::new();
    let result = host.send(&SendSequence, Upload::reader(fed)).map(drop);
    assert!(
        !reads.continue_within(Duration::ZERO),
        "the data was read without a connection"
    );
    result
}

#[test]
fn deadline_connect_timeout_idle_timeout_and_cancel_end_connecting() {
    let client = |place: &Unreachable, timeout: Option<Duration>| {
        HostClient::builder(&place.url)
            .hub_version("1.0.1")
            .connect_timeout(timeout)
            .build()
            .unwrap()
    };
    let lines = Mutex::new(Vec::new());
    in_parallel(places(), |place| {
        let name = format!("{}, {:?}", place.name, place.scheme);
        let measured = within(&name, move || {
            let arrived = |_: &str| {
                if let Some(arrived) = &place.arrived {
                    arrived.take();
                }
            };
            let mut lines = Vec::new();
            for call in [get, upload] {
                let (took, error) =
                    timed(|| call(&client(&place, None).with_deadline(LIMIT)).unwrap_err());
                Limit::Deadline.check(&error, place.phase, LIMIT);
                assert_in_time(place.name, took, LIMIT);
                lines.push(line(place.name, place.scheme, "deadline", &error, took));
                arrived("deadline");

                // The shorter of the two limits is reported.
                let host = client(&place, Some(LIMIT)).with_deadline(Duration::from_secs(60));
                let (took, error) = timed(|| call(&host).unwrap_err());
                assert!(
                    matches!(error.kind(), ErrorKind::Transport(lost) if lost.phase == place.phase),
                    "{error:?}"
                );
                assert_eq!(error.attempt_count(), 1, "{error:?}");
                assert!(
                    error.is_connect() && error.is_timeout() && !error.is_cancelled(),
                    "{error:?}"
                );
                assert_in_time(place.name, took, LIMIT);
                lines.push(line(
                    place.name,
                    place.scheme,
                    "connect_timeout",
                    &error,
                    took,
                ));
                arrived("connect_timeout");

                let token = CancelToken::new();
                let host = client(&place, None).with_cancel(&token);
                let calling = thread::spawn(move || call(&host).unwrap_err());
                match &place.arrived {
                    Some(arrived) => arrived.take(),
                    // Nothing observable happens, so it waits a moment.
                    None => thread::sleep(Duration::from_millis(50)),
                }
                assert!(!calling.is_finished());
                let (took, error) = timed(|| {
                    token.cancel();
                    calling.join().unwrap()
                });
                // The server notices a connection slightly before the client does.
                let phase = error.phase().filter(|phase| *phase <= place.phase).unwrap();
                Limit::Cancel.check(&error, phase, LIMIT);
                assert_not_late(place.name, took, Duration::ZERO);
                lines.push(line(place.name, place.scheme, "cancel", &error, took));
            }
            if place.name.contains("silence") || place.name.contains("backlog") {
                let (took, error) =
                    timed(|| get(&client(&place, None).with_idle_timeout(LIMIT)).unwrap_err());
                Limit::Idle.check(&error, place.phase, LIMIT);
                assert_in_time(place.name, took, LIMIT);
                lines.push(line(place.name, place.scheme, "idle", &error, took));
            }
            lines
        });
        lines.lock().unwrap().extend(measured);
    });
    let lines = lines.into_inner().unwrap();
    lines.iter().for_each(|line| println!("{line}"));
}
