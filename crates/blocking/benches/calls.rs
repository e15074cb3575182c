//! Small requests: the overhead of the library over ureq, with one and with many threads, with and
//! without a deadline.
//!
//! `cargo bench --bench calls`

mod bare;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::HostClient;
use scramjet_client_blocking::types::HubVersion;
use scramjet_client_tests::bench::process::pin_to_one_processor;
use scramjet_client_tests::bench::raw::Raw;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Cost, Goal, Spread, Unit, side, thread_time};

const OURS: &str = "scramjet-client";
const DEADLINE: &str = "with a deadline";
const UREQ: &str = "ureq + serde_json";
const RAW: &str = "TcpStream + serde_json";

fn main() {
    let bench = Bench::start(&[]);
    let server = Server::start();
    for count in [1, 8, 64] {
        if bench.wants(&format!("threads {count}")) {
            threads(&bench, &server, count);
        }
    }
    if bench.wants("sequential") {
        pin_to_one_processor();
        sequential(&bench, &Server::start());
    }
}

fn sequential(bench: &Bench, server: &Server) {
    let requests = bench.scaled(8_000);
    let host = HostClient::new(server.url()).unwrap();
    let limited = host.with_deadline(Duration::from_secs(10));
    let (agent, url) = (bare::agent(), format!("{}/version", server.url()));
    let calls = |host: &HostClient| {
        Cost::of(|| (0..requests).for_each(|_| check(&host.version().unwrap()))).0
    };

    let compared = bench.compare(
        &format!("sequential: version(), {requests} times"),
        Unit::Each(requests, "request"),
        vec![
            side(OURS, || calls(&host)),
            side(UREQ, || {
                Cost::of(|| (0..requests).for_each(|_| check(&bare::value(agent.get(&url).call()))))
                    .0
            }),
            side(DEADLINE, || calls(&limited)),
            side(RAW, || {
                let mut raw = Raw::connect(server.address());
                Cost::of(|| {
                    (0..requests)
                        .for_each(|_| check(&serde_json::from_slice(raw.get("/version")).unwrap()))
                })
                .0
            }),
        ],
    );
    compared.speed(OURS, UREQ, Goal::AtLeast(0.90));
    compared.cpu(OURS, UREQ, Goal::AtMost(1.10));
    compared.speed(DEADLINE, OURS, Goal::AtLeast(0.90));
    compared.cpu(DEADLINE, OURS, Goal::None);
    compared.speed(OURS, RAW, Goal::None);
    compared.cpu(OURS, RAW, Goal::None);
    compared.speed(UREQ, RAW, Goal::None);
}

fn threads(bench: &Bench, server: &Server, threads: usize) {
    let requests = bench.scaled(19_200);
    let each = requests / threads as u64;
    let (mut ours, mut ureqs) = (Vec::new(), Vec::new());
    let compared = bench.compare(
        &format!("threads {threads}: version(), {each} times by each of {threads} with one client"),
        Unit::Each(each * threads as u64, "request"),
        vec![
            side(OURS, || {
                let host = HostClient::new(server.url()).unwrap();
                server.counting(&mut ours, || {
                    concurrently(threads, each, || check(&host.version().unwrap()))
                })
            }),
            side(UREQ, || {
                let (agent, url) = (bare::agent(), format!("{}/version", server.url()));
                server.counting(&mut ureqs, || {
                    concurrently(threads, each, || {
                        check(&bare::value(agent.get(&url).call()))
                    })
                })
            }),
        ],
    );
    compared.speed(OURS, UREQ, Goal::AtLeast(0.90));
    compared.cpu(OURS, UREQ, Goal::None);
    compared.report(
        &format!("connections of {OURS}"),
        Spread::of(ours),
        Goal::AtMost(threads as f64),
    );
    compared.report(
        &format!("connections of {UREQ}"),
        Spread::of(ureqs),
        Goal::None,
    );
}

/// Runs the work on many threads at once. Measures from the first start to the last end.
fn concurrently(threads: usize, each: u64, work: impl Fn() + Sync) -> Cost {
    let barrier = Barrier::new(threads);
    let one = || {
        let before = thread_time();
        barrier.wait();
        let begin = Instant::now();
        (0..each).for_each(|_| work());
        (begin, Instant::now(), thread_time() - before)
    };
    let done: Vec<_> = thread::scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        working
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let (begin, end) = (
        done.iter().map(|done| done.0).min(),
        done.iter().map(|done| done.1).max(),
    );
    Cost {
        cpu: Some(done.iter().map(|done| done.2).sum()),
        ..Cost::time(end.unwrap() - begin.unwrap())
    }
}

fn check(version: &HubVersion) {
    assert_eq!(version.version, "1.0.1");
}
