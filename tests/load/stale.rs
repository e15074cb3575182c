//! A call never fails because the other side has closed an idle connection.
//!
//! Calls are spaced around the moment at which it does, on a server of Node.js that keeps connections for a second, on one that is busy with
//! something else much of its time, and on a real hub. Nothing is repeated: a call that meets a closed connection fails.
//!
//! This is a small version. The whole one is 2,000 calls on each, in three minutes:
//!
//! ```sh
//! SCRAMJET_TEST_STALE_CALLS=2000 cargo test -p scramjet-client-tests --test load stale -- --nocapture
//! ```

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, scope};
use std::time::{Duration, Instant};
use std::{env, fmt};

use scramjet_client_blocking::{Error, HostClient, StartOptions, Upload};
use scramjet_client_tests::hub::shared;
use scramjet_client_tests::keep_alive::KeepAliveServer;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::scene::alone;

/// Clients that call around the moment at which the other side closes, each on a connection of its own.
const CLIENTS: u32 = 100;

/// Clients that call around the moment from which on a connection is not used again.
const EARLY_CLIENTS: u32 = 20;

/// Clients that only look whether the connection is closed already.
const NAIVE_CLIENTS: u32 = 60;

/// How far from the moment the calls are, at most.
const SPREAD: Duration = Duration::from_millis(15);

/// One time after another, around a moment, on both sides.
fn around(moment: Duration, client: u32, round: u32) -> Duration {
    let step = (client * 97 + round * 37) % 301;
    moment - SPREAD + SPREAD * step / 150
}

/// How a server treats idle connections.
#[derive(Clone, Copy)]
struct Keeps {
    announced: Duration,
    /// After how long they are closed.
    closes: Duration,
}

impl Keeps {
    /// Waits for what a server does.
    fn seen(url: &str) -> Self {
        let all: Vec<_> = scope(|scope| {
            let waiting: Vec<_> = (0..5).map(|_| scope.spawn(|| Self::seen_once(url))).collect();
            waiting.into_iter().map(|waiting| waiting.join().unwrap()).collect()
        });
        *all.iter().min_by_key(|keeps| keeps.closes).unwrap()
    }

    fn seen_once(url: &str) -> Self {
        let mut naive = Naive::connect(url);
        let head = naive.exchange("GET", "version").unwrap();
        let begin = Instant::now();
        naive.0.read_to_end(&mut Vec::new()).unwrap();
        let closes = begin.elapsed();
        let announced = head.to_lowercase().split("keep-alive: timeout=").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        Self { announced: Duration::from_secs(announced.expect("an announcement")), closes }
    }

    /// From when on the client does not use a connection again.
    fn retired(self) -> Duration {
        Duration::from_secs(3).min(self.announced * 3 / 5)
    }
}

/// A client that sends on a connection which it does not see closed.
struct Naive(TcpStream);

impl Naive {
    fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        Self(socket)
    }

    /// Gives the head of an answer that comes whole; `None` where the connection is lost.
    fn exchange(&mut self, method: &str, path: &str) -> Option<String> {
        let request = format!("{method} /api/v1/{path} HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n\r\n");
        self.0.write_all(request.as_bytes()).ok()?;
        let (mut answer, mut piece) = (String::new(), [0; 4096]);
        loop {
            let read = self.0.read(&mut piece).ok().filter(|&read| read > 0)?;
            answer.push_str(&String::from_utf8_lossy(&piece[..read]));
            if let Some((head, body)) = answer.split_once("\r\n\r\n") {
                let length = head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
                let whole = length.map_or_else(|| body.ends_with("0\r\n\r\n"), |length: usize| body.len() >= length);
                if whole {
                    return Some(head.to_owned());
                }
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let seen = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).unwrap();
        seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Calls in these intervals. Gives how many calls went over a connection that was used before, and how many of those were lost.
    fn run(url: &str, client: u32, rounds: u32, moment: Duration) -> (u32, u32) {
        let (mut reused, mut lost) = (0, 0);
        let mut naive = Self::connect(url);
        for round in 0..rounds {
            if naive.exchange("POST", &format!("sequence/naive-{client}-{round}/start")).is_none() {
                lost += 1;
                naive = Self::connect(url);
                continue;
            }
            thread::sleep(around(moment, client, round));
            if naive.is_open() {
                reused += 1;
            } else {
                naive = Self::connect(url);
            }
        }
        (reused, lost)
    }
}

/// The calls of one client after one another, so that any of them may follow any.
fn call(host: &HostClient, client: u32, round: u32) -> Result<(), Error> {
    let name = format!("call-{client}-{round}");
    let stream = format!("stream-{client}-{round}");
    match (client + round) % 6 {
        0 => host.version().map(drop),
        1 => host.sequence(name)?.start(&StartOptions::new()).map(drop),
        2 => host.send_topic(name, "a line\n").map(drop),
        3 => host.delete_sequence(name),
        4 => host.send_topic(stream, Upload::reader(&b"a line\n"[..])).map(drop),
        _ => host.instance(name)?.send_event("an-event", "data"),
    }
}

/// What became of the calls on one server.
struct Outcome {
    keeps: Keeps,
    calls: u32,
    early: u32,
    failures: Vec<String>,
    naive: (u32, u32),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keeps, calls, early, failures, naive: (reused, lost) } = self;
        let milliseconds = |time: Duration| time.as_millis();
        write!(
            f,
            "announces {} ms and closes after {} ms: {calls} calls around that and {early} around {} ms, {} failed; \
             of a client that only looks whether it is closed {reused} on a used connection, {lost} failed",
            milliseconds(keeps.announced),
            milliseconds(keeps.closes),
            milliseconds(keeps.retired()),
            failures.len()
        )
    }
}

/// Has many clients call the server, with pauses around its idle limit and around what the client makes of that.
fn run(url: &str, rounds: u32) -> Outcome {
    let keeps = Keeps::seen(url);
    // Not the same numbers for both.
    let client = |client: u32, moment: Duration, rounds: u32| -> Vec<String> {
        let host = HostClient::builder(url).retry(None).build().unwrap();
        // Where it is asked, nothing is waited for.
        host.dialect().unwrap();
        let answered = |round| match call(&host, client, round) {
            // A refusal is an answer.
            Err(error) if error.api().is_none() => Some(format!("{moment:?}, call {round}: {error:?}")),
            _ => None,
        };
        let calls = (0..=rounds).filter_map(|round| {
            if round > 0 {
                thread::sleep(around(moment, client, round));
            }
            answered(round)
        });
        calls.collect()
    };
    // They take as long as the others.
    let early_rounds = rounds * u32::try_from(keeps.closes.as_millis() / keeps.retired().as_millis()).unwrap();
    let (naive_reused, naive_lost) = (AtomicU32::new(0), AtomicU32::new(0));
    let failures = scope(|scope| {
        let late = (0..CLIENTS).map(|number| scope.spawn(move || client(number, keeps.closes, rounds)));
        let early = (CLIENTS..CLIENTS + EARLY_CLIENTS).map(|number| scope.spawn(move || client(number, keeps.retired(), early_rounds)));
        let clients: Vec<_> = late.chain(early).collect();
        for number in 0..NAIVE_CLIENTS {
            let (naive_reused, naive_lost) = (&naive_reused, &naive_lost);
            scope.spawn(move || {
                let (reused, lost) = Naive::run(url, number, rounds, keeps.closes);
                naive_reused.fetch_add(reused, Ordering::Relaxed);
                naive_lost.fetch_add(lost, Ordering::Relaxed);
            });
        }
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    Outcome {
        keeps,
        calls: CLIENTS * rounds,
        early: EARLY_CLIENTS * early_rounds,
        failures,
        naive: (naive_reused.into_inner(), naive_lost.into_inner()),
    }
}

/// How many times each client pauses on a server, so that the short version takes some 20 seconds.
fn rounds(short: u32) -> u32 {
    let calls: Option<u32> = env::var("SCRAMJET_TEST_STALE_CALLS").ok().map(|calls| calls.parse().expect("a number of calls"));
    calls.map_or(short, |calls| calls.div_ceil(CLIENTS))
}

fn check_node(name: &str, busy: u32) {
    let server = KeepAliveServer::start(1000, busy);
    let outcome = run(server.url(), rounds(8));
    let seen = server.seen();
    println!("{name} {outcome}; {} requests on {} connections", seen.requests, seen.connections);
    assert!(outcome.failures.is_empty(), "{name}: {:#?}", outcome.failures);
    assert!(seen.twice.is_empty(), "{name}: {:?}", seen.twice);
    // Connections are used again, up to their limit.
    assert!(seen.connections < seen.requests, "{name}: {seen:?}");
}

#[test]
fn no_call_meets_a_closed_connection() {
    let Some(hub) = shared() else { return };
    let _alone = alone();
    scope(|scope| {
        scope.spawn(|| check_node("Node.js", 0));
        scope.spawn(|| check_node("Node.js, busy 15 of 40 ms,", 15));
        scope.spawn(|| {
            let outcome = run(hub.url(), rounds(2));
            println!("The hub {outcome}");
            assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
        });
    });
}

/// A server is done with an answer when it is sent, and not when it is read.
#[test]
fn a_connection_is_idle_from_the_answer_on_and_not_from_when_it_was_read() {
    let server = ScriptedServer::start(|connection| {
        while connection.read_request().is_some() {
            connection.send(&response("200 OK", &[("Keep-Alive", "timeout=1")], br#"{"version":"1.0.1"}"#));
        }
    });
    let host = HostClient::builder(server.url()).retry(None).build().unwrap();
    for (pause, connections) in [(Duration::ZERO, 1), (Duration::from_millis(700), 2)] {
        let stream = host.instance("x").unwrap().stdout().unwrap();
        thread::sleep(pause);
        assert_eq!(io::read_to_string(stream).unwrap(), r#"{"version":"1.0.1"}"#);
        host.version().unwrap();
        assert_eq!(server.connections(), connections, "{pause:?}");
    }
}
