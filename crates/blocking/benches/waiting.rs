//! A thousand threads that each wait for an event: memory and threads for each, and the time until
//! all have returned after a cancellation.
//!
//! `cargo bench --bench waiting`

use std::process::exit;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::{EventName, InstanceId, NextEvent};
use scramjet_client_blocking::{CancelToken, Error, HostClient};
use scramjet_client_tests::bench::process::{Part, Running, memory};
use scramjet_client_tests::bench::raw;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Goal, Spread};
use scramjet_client_tests::process::threads;

const THREADS: usize = 1000;

/// Time between the starts of two threads.
const START_INTERVAL: Duration = Duration::from_millis(1);

/// Time in which each call requests the status of the instance at least three times.
const STATUS_TIME: Duration = Duration::from_millis(1500);

/// A way to wait for an event: its part and its description, the version of the hub, and the number
/// of requests that wait at once.
const WAITS: [(&str, &str, usize); 3] = [
    ("next_event", "next_event()", 1),
    ("wait_event_0_18", "wait_event() on 0.18.7", 1),
    ("wait_event_1_x", "wait_event() on 1.0.1", 2),
];

fn main() {
    let bench = Bench::start(&[
        Part {
            name: WAITS[0].0,
            run: |args| ours(args, "1.0.1", next_event),
        },
        Part {
            name: WAITS[1].0,
            run: |args| ours(args, "0.18.7", wait_event),
        },
        Part {
            name: WAITS[2].0,
            run: |args| ours(args, "1.0.1", wait_event),
        },
        Part {
            name: "raw",
            run: socket,
        },
    ]);
    let server = Server::start();
    let section = bench.section(&format!("waiting: {THREADS} threads, each for an event"));
    let mut raws = Vec::new();
    let mut waits = WAITS.map(|_| [const { Vec::new() }; 3]);
    for _ in 0..bench.rounds() {
        let [raw, ..] = measured(&server, "raw", 1);
        raws.push(raw / 1024.0);
        for ((part, _, requests), [memory, threads, cancelling]) in WAITS.iter().zip(&mut waits) {
            let [bytes, count, time] = measured(&server, part, *requests);
            memory.push((bytes - raw) / 1024.0);
            threads.push(count);
            cancelling.push(time);
        }
    }
    section.report(
        "KiB for each thread that waits on a TcpStream",
        Spread::of(raws),
        Goal::None,
    );
    for ((_, name, _), [memory, threads, cancelling]) in WAITS.iter().zip(waits) {
        section.report(
            &format!("{name}: additional KiB"),
            Spread::of(memory),
            Goal::AtMost(24.0),
        );
        section.report(
            &format!("{name}: threads of the process for 1,000 callers"),
            Spread::of(threads),
            Goal::AtMost(1001.0),
        );
        section.report(
            &format!("{name}: seconds until all cancelled threads have returned"),
            Spread::of(cancelling),
            Goal::AtMost(1.0),
        );
    }
}

/// Returns bytes for each thread, the number of threads, and seconds until all have returned.
fn measured(server: &Server, part: &str, requests: usize) -> [f64; 3] {
    let mut process = Running::part(part, &[&server.url(), &server.address().to_string()]);
    assert_eq!(process.line(), "waiting");
    while server.held() < THREADS * requests {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(STATUS_TIME);
    use std::io::Write as _;
    process.stdin().write_all(b"\n").unwrap();
    let bytes = process.line().parse::<f64>().unwrap() / THREADS as f64;
    let threads = process.line().parse().unwrap();
    let time = process.line().parse().unwrap();
    process.wait();
    while server.held() > 0 {
        thread::sleep(Duration::from_millis(10));
    }
    [bytes, threads, time]
}

fn next_event(host: &HostClient) -> Error {
    let (id, name) = (
        InstanceId::new("x").unwrap(),
        EventName::new("done").unwrap(),
    );
    host.call(&NextEvent {
        id: &id,
        name: &name,
    })
    .unwrap_err()
}

fn wait_event(host: &HostClient) -> Error {
    let instance = host.instance("x").unwrap();
    instance.wait_event("done").unwrap_err()
}

fn ours(args: &[String], version: &str, wait: fn(&HostClient) -> Error) {
    let token = CancelToken::new();
    let host = HostClient::builder(&args[0])
        .hub_version(version)
        .build()
        .unwrap()
        .with_cancel(&token);
    let before = memory("self", "VmRSS");
    let waiting: Vec<_> = (0..THREADS)
        .map(|_| {
            let host = host.clone();
            // Otherwise more connections arrive at once than the listener of the server can queue.
            thread::sleep(START_INTERVAL);
            thread::spawn(move || assert!(wait(&host).is_cancelled()))
        })
        .collect();
    print_growth(before);
    let begin = Instant::now();
    token.cancel();
    waiting
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    println!("{}", begin.elapsed().as_secs_f64());
}

fn socket(args: &[String]) {
    let address = args[1].parse().unwrap();
    let before = memory("self", "VmRSS");
    let _waiting: Vec<JoinHandle<()>> = (0..THREADS)
        .map(|_| thread::spawn(move || raw::wait(address, "/instance/x/once/done")))
        .collect();
    print_growth(before);
    println!("0");
    exit(0);
}

/// Prints the memory growth and the number of threads, once the parent process confirms that all
/// threads wait.
fn print_growth(before: u64) {
    println!("waiting");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    println!("{}", memory("self", "VmRSS") - before);
    println!("{}", threads());
}
