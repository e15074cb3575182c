//! No call fails because the server has closed an idle connection.
//!
//! The calls are spaced around the server's idle timeout: on a Node.js server that keeps
//! connections for a second, on one that is busy much of its time, and on a real hub. Half of the
//! clients make no retries, so their calls would fail on a closed connection.
//!
//! This is a short version. The long one makes 2,000 calls on each server, in three minutes:
//!
//! ```sh
//! SCRAMJET_TEST_STALE_CALLS=2000 cargo test -p scramjet-client-tests --test load stale -- --nocapture
//! ```

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, scope};
use std::time::Duration;
use std::{env, fmt, io};

use scramjet_client_blocking::{
    Error, HostClient, RequestEvent, RequestInfo, StartOptions, Upload,
};
use scramjet_client_tests::hub::shared;
use scramjet_client_tests::keep_alive::KeepAliveServer;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::naive_client::{IdleTimeout, NaiveClient, NaiveResults, around};
use crate::process::alone;

/// Number of clients that call around the server's idle timeout, each with its own connection.
const CLIENTS: u32 = 100;

/// Number of clients that call around the time after which the library does not reuse a connection.
const EARLY_CLIENTS: u32 = 20;

/// Number of naive clients.
const NAIVE_CLIENTS: u32 = 60;

/// Makes one of the calls, in an order that differs for each client.
fn call(host: &HostClient, client: u32, round: u32) -> Result<(), Error> {
    let name = format!("call-{client}-{round}");
    let stream = format!("stream-{client}-{round}");
    match (client + round) % 6 {
        0 => host.version().map(drop),
        1 => host.sequence(name)?.start(&StartOptions::new()).map(drop),
        2 => host.send_topic(name, "a line\n").map(drop),
        3 => host.delete_sequence(name),
        4 => host
            .send_topic(stream, Upload::reader(&b"a line\n"[..]))
            .map(drop),
        _ => host.instance(name)?.send_event("an-event", "data"),
    }
}

/// The results of the calls on one server.
struct Outcome {
    timeout: IdleTimeout,
    calls: u32,
    early: u32,
    failures: Vec<String>,
    /// Number of requests on a reused connection.
    reused: u32,
    naive: NaiveResults,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            timeout,
            calls,
            early,
            failures,
            reused,
            naive,
        } = self;
        let milliseconds = |time: Duration| time.as_millis();
        write!(
            f,
            "announces {} ms and closes after {} ms: {calls} calls around that and {early} \
             around {} ms, {} failed, {reused} on a reused connection; \
             naive clients found it closed {} times, \
             and of their {} calls on a reused connection {} failed",
            milliseconds(timeout.announced),
            milliseconds(timeout.measured),
            milliseconds(timeout.retired()),
            failures.len(),
            naive.closed,
            naive.reused,
            naive.lost
        )
    }
}

fn client(url: &str, number: u32, reused: &Arc<AtomicU32>) -> HostClient {
    let reused = Arc::clone(reused);
    let observer = move |_: &RequestInfo<'_>, event: &RequestEvent<'_>| {
        if let RequestEvent::Head { timings, .. } = event {
            reused.fetch_add(u32::from(timings.reused == Some(true)), Ordering::Relaxed);
        }
    };
    let host = HostClient::builder(url).observer(observer).build().unwrap();
    // Half of the clients make no retries. With retries, no POST may arrive twice.
    if number % 2 == 0 {
        host.with_retry(None)
    } else {
        host
    }
}

/// Makes calls at these intervals. Returns the failures.
fn call_around(moment: Duration, host: &HostClient, number: u32, rounds: u32) -> Vec<String> {
    // Asks for the version now, so that no call has to.
    host.dialect().unwrap();
    let failures = (0..=rounds).filter_map(|round| {
        if round > 0 {
            thread::sleep(around(moment, number, round));
        }
        match call(host, number, round) {
            // An API error is a response.
            Err(error) if error.api().is_none() => {
                Some(format!("{moment:?}, call {round}: {error:?}"))
            }
            _ => None,
        }
    });
    failures.collect()
}

/// Makes calls from many clients, with pauses around the server's idle timeout and the library's
/// limit.
fn run(url: &str, rounds: u32) -> Outcome {
    let timeout = IdleTimeout::measure(url);
    // Shorter pauses, so more rounds take the same time.
    let early_rounds = rounds
        * u32::try_from(timeout.measured.as_millis() / timeout.retired().as_millis()).unwrap();
    let reused = Arc::<AtomicU32>::default();
    let (failures, naive) = scope(|scope| {
        let reused = &reused;
        let start = |numbers: Range<u32>, moment, rounds| {
            numbers.map(move |number| {
                scope.spawn(move || {
                    call_around(moment, &client(url, number, reused), number, rounds)
                })
            })
        };
        let late = start(0..CLIENTS, timeout.measured, rounds);
        let early = start(
            CLIENTS..CLIENTS + EARLY_CLIENTS,
            timeout.retired(),
            early_rounds,
        );
        let clients: Vec<_> = late.chain(early).collect();
        let naive: Vec<_> = (0..NAIVE_CLIENTS)
            .map(|number| {
                scope.spawn(move || NaiveClient::run(url, number, rounds, timeout.measured))
            })
            .collect();
        let failures = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect();
        (
            failures,
            naive.into_iter().map(|naive| naive.join().unwrap()).sum(),
        )
    });
    Outcome {
        timeout,
        calls: CLIENTS * rounds,
        early: EARLY_CLIENTS * early_rounds,
        failures,
        reused: reused.load(Ordering::Relaxed),
        naive,
    }
}

/// Returns the number of pauses for each client. The short version takes some 10 seconds.
fn rounds(short: u32) -> u32 {
    let calls: Option<u32> = env::var("SCRAMJET_TEST_STALE_CALLS")
        .ok()
        .map(|calls| calls.parse().expect("a number of calls"));
    calls.map_or(short, |calls| calls.div_ceil(CLIENTS))
}

fn check_node(name: &str, busy: u32) {
    let server = KeepAliveServer::start(1000, busy);
    check(name, &run(server.url(), rounds(8)));
    let stats = server.stats();
    println!(
        "{name} received {} requests on {} connections, and no POST twice",
        stats.requests, stats.connections
    );
    assert!(
        stats.posted_twice.is_empty(),
        "{name}: {:?}",
        stats.posted_twice
    );
}

fn check(name: &str, outcome: &Outcome) {
    println!("{name} {outcome}");
    assert!(
        outcome.failures.is_empty(),
        "{name}: {:#?}",
        outcome.failures
    );
    // The pauses last until the timeout. On a busy machine, all of them may end after it.
    assert!(outcome.naive.closed + outcome.naive.lost > 0, "{name}");
    // Connections are reused up to their limit.
    assert!(outcome.reused > 0, "{name}");
}

#[test]
fn no_call_uses_a_connection_that_the_server_has_closed() {
    let hub = shared();
    let _alone = alone();
    scope(|scope| {
        scope.spawn(|| check_node("Node.js", 0));
        scope.spawn(|| check_node("Node.js, busy 15 of 40 ms,", 15));
        if let Some(hub) = hub {
            scope.spawn(|| check("The hub", &run(hub.url(), rounds(1))));
        }
    });
}

/// For a server, a connection is idle when it has sent the response, not when the client has read
/// it.
#[test]
fn connection_is_idle_from_the_response_head_on() {
    let server = ScriptedServer::start(|connection| {
        while connection.read_request().is_ok() {
            let _ = connection.send(response(
                "200 OK",
                &[("Keep-Alive", "timeout=5")],
                br#"{"version":"1.0.1"}"#,
            ));
        }
    });
    let host = HostClient::builder(server.url())
        .retry(None)
        .build()
        .unwrap();
    for (pause, connections) in [(Duration::ZERO, 1), (Duration::from_millis(3100), 2)] {
        let stream = host.instance("x").unwrap().stdout().unwrap();
        thread::sleep(pause);
        assert_eq!(
            io::read_to_string(stream).unwrap(),
            r#"{"version":"1.0.1"}"#
        );
        host.version().unwrap();
        assert_eq!(server.connections(), connections, "{pause:?}");
    }
}
