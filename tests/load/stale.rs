//! A call never fails because the other side has closed an idle connection.
//!
//! Calls are spaced around the moment at which it does, on a server of Node.js that keeps connections for a second, on one that is busy with
//! something else much of its time, and on a real hub. Half of the clients repeat nothing: there a call that meets a closed connection fails.
//!
//! This is a small version. The whole one is 2,000 calls on each, in three minutes:
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

use crate::naive::{Fared, Keeps, Naive, around};
use crate::scene::alone;

/// Clients that call around the moment at which the other side closes, each on a connection of its own.
const CLIENTS: u32 = 100;

/// Clients that call around the moment from which on a connection is not used again.
const EARLY_CLIENTS: u32 = 20;

/// Clients that only look whether the connection is closed already.
const NAIVE_CLIENTS: u32 = 60;

/// The calls of one client after one another, so that any of them may follow any.
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

/// What became of the calls on one server.
struct Outcome {
    keeps: Keeps,
    calls: u32,
    early: u32,
    failures: Vec<String>,
    /// How many requests went over a connection that was used before.
    reused: u32,
    naive: Fared,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            keeps,
            calls,
            early,
            failures,
            reused,
            naive,
        } = self;
        let milliseconds = |time: Duration| time.as_millis();
        write!(
            f,
            "announces {} ms and closes after {} ms: {calls} calls around that and {early} around {} ms, {} failed, {reused} on a used connection; \
             clients that only look whether it is closed have seen that {} times, and of {} calls on a used connection {} failed",
            milliseconds(keeps.announced),
            milliseconds(keeps.closes),
            milliseconds(keeps.retired()),
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
    // No call needs to be repeated; and where they may be, none arrives twice.
    if number % 2 == 0 {
        host.with_retry(None)
    } else {
        host
    }
}

/// Calls in these intervals. Gives what failed.
fn call_around(moment: Duration, host: &HostClient, number: u32, rounds: u32) -> Vec<String> {
    // Where it is asked, nothing is waited for.
    host.dialect().unwrap();
    let failures = (0..=rounds).filter_map(|round| {
        if round > 0 {
            thread::sleep(around(moment, number, round));
        }
        match call(host, number, round) {
            // A refusal is an answer.
            Err(error) if error.api().is_none() => {
                Some(format!("{moment:?}, call {round}: {error:?}"))
            }
            _ => None,
        }
    });
    failures.collect()
}

/// Has many clients call the server, with pauses around its idle limit and around what the client makes of that.
fn run(url: &str, rounds: u32) -> Outcome {
    let keeps = Keeps::seen(url);
    // They take as long as the others.
    let early_rounds =
        rounds * u32::try_from(keeps.closes.as_millis() / keeps.retired().as_millis()).unwrap();
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
        let late = start(0..CLIENTS, keeps.closes, rounds);
        let early = start(
            CLIENTS..CLIENTS + EARLY_CLIENTS,
            keeps.retired(),
            early_rounds,
        );
        let clients: Vec<_> = late.chain(early).collect();
        let naive: Vec<_> = (0..NAIVE_CLIENTS)
            .map(|number| scope.spawn(move || Naive::run(url, number, rounds, keeps.closes)))
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
        keeps,
        calls: CLIENTS * rounds,
        early: EARLY_CLIENTS * early_rounds,
        failures,
        reused: reused.load(Ordering::Relaxed),
        naive,
    }
}

/// How many times each client pauses on a server, so that the short version takes some 20 seconds.
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
        "{name} has seen {} requests on {} connections, and no POST twice",
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
    // The pauses end around the moment, on both sides of it. On a busy machine, a connection that
    // is about to be closed is lost more often than it is seen closed.
    assert!(
        outcome.naive.reused > 0 && outcome.naive.closed + outcome.naive.lost > 0,
        "{name}"
    );
    // Connections are used again, up to their limit.
    assert!(outcome.reused > 0, "{name}");
}

#[test]
fn no_call_meets_a_closed_connection() {
    let hub = shared();
    let _alone = alone();
    scope(|scope| {
        scope.spawn(|| check_node("Node.js", 0));
        scope.spawn(|| check_node("Node.js, busy 15 of 40 ms,", 15));
        if let Some(hub) = hub {
            scope.spawn(|| check("The hub", &run(hub.url(), rounds(2))));
        }
    });
}

/// A server is done with an answer when it is sent, and not when it is read.
#[test]
fn a_connection_is_idle_from_the_answer_on_and_not_from_when_it_was_read() {
    let _alone = alone();
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
