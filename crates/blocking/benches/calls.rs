//! Small requests: what the library adds to ureq, with one thread and with many, with and without a deadline.
//!
//! `cargo bench --bench calls`

mod bare;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{HostClient, HubVersion};
use scramjet_client_tests::bench::process::stay_on_one_processor;
use scramjet_client_tests::bench::raw::Raw;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Cost, Goal, Spread, Unit, side, tell, thread_time};

const OURS: &str = "scramjet-client";
const DEADLINE: &str = "with a deadline";
const UREQ: &str = "ureq + serde_json";
const RAW: &str = "TcpStream + serde_json";

fn main() {
    let bench = Bench::start(&[]);
    if bench.wants("threads") {
        threads(&bench, &Server::start());
    }
    if bench.wants("sequential") {
        stay_on_one_processor();
        sequential(&bench, &Server::start());
    }
}

fn sequential(bench: &Bench, server: &Server) {
    let requests = bench.scaled(8_000);
    let host = HostClient::new(server.url()).unwrap();
    let limited = host.with_deadline(Duration::from_secs(10));
    let (agent, url) = (bare::agent(), format!("{}/version", server.url()));
    let mut raw = Raw::connect(server.address());
    let calls = |host: &HostClient| Cost::of(|| (0..requests).for_each(|_| check(&host.version().unwrap()))).0;

    let compared = bench.compare(
        &format!("sequential: version(), {requests} times"),
        Unit::Each(requests, "request"),
        vec![
            side(OURS, || calls(&host)),
            side(UREQ, || Cost::of(|| (0..requests).for_each(|_| check(&bare::value(agent.get(&url).call())))).0),
            side(DEADLINE, || calls(&limited)),
            side(RAW, || Cost::of(|| (0..requests).for_each(|_| check(&serde_json::from_slice(raw.get("/version")).unwrap()))).0),
        ],
    );
    compared.speed(OURS, UREQ, Goal::AtLeast(0.90));
    compared.cpu(OURS, UREQ, Goal::AtMost(1.15));
    compared.speed(DEADLINE, OURS, Goal::AtLeast(0.90));
    compared.cpu(DEADLINE, OURS, Goal::Told);
    compared.speed(OURS, RAW, Goal::Told);
    compared.cpu(OURS, RAW, Goal::Told);
    compared.speed(UREQ, RAW, Goal::Told);
}

const THREADS: usize = 64;

fn threads(bench: &Bench, server: &Server) {
    let each = bench.scaled(800);
    let mut connections = Vec::new();
    let compared = bench.compare(
        &format!("threads: version(), {each} times by each of {THREADS} threads with one client"),
        Unit::Each(each * THREADS as u64, "request"),
        vec![
            side(OURS, || {
                let before = server.connections();
                let host = HostClient::new(server.url()).unwrap();
                let cost = at_once(each, || check(&host.version().unwrap()));
                // But for the one that asks.
                connections.push((server.connections() - before - 1) as f64);
                cost
            }),
            side(UREQ, || {
                let (agent, url) = (bare::agent(), format!("{}/version", server.url()));
                at_once(each, || check(&bare::value(agent.get(&url).call())))
            }),
        ],
    );
    compared.speed(OURS, UREQ, Goal::AtLeast(0.90));
    compared.cpu(OURS, UREQ, Goal::Told);
    tell("connections of scramjet-client", Spread::of(connections), Goal::AtMost(THREADS as f64));
}

/// Many threads that do the same, all from the same moment on.
fn at_once(each: u64, work: impl Fn() + Sync) -> Cost {
    let barrier = Barrier::new(THREADS + 1);
    thread::scope(|scope| {
        let working: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    (0..each).for_each(|_| work());
                    thread_time()
                })
            })
            .collect();
        barrier.wait();
        let begin = Instant::now();
        let cpu = working.into_iter().map(|thread| thread.join().unwrap()).sum();
        Cost { cpu, ..Cost::time(begin.elapsed()) }
    })
}

fn check(version: &HubVersion) {
    assert_eq!(version.version, "1.0.1");
}
