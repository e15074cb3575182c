//! A thousand threads that each wait for an event in one request: memory for each, and the time
//! until all have returned after a cancellation.
//!
//! `cargo bench --bench waiting`

use std::process::exit;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::{EventName, InstanceId, NextEvent};
use scramjet_client_blocking::{CancelToken, HostClient};
use scramjet_client_tests::bench::process::{Part, Running, memory};
use scramjet_client_tests::bench::raw;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Goal, Spread};

const THREADS: usize = 1000;

fn main() {
    let bench = Bench::start(&[
        Part {
            name: "ours",
            run: ours,
        },
        Part {
            name: "raw",
            run: socket,
        },
    ]);
    let server = Server::start();
    let section = bench.section(&format!("waiting: {THREADS} threads, each for an event"));
    let (mut threads, mut waiters, mut cancelling) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let [raw, _] = measured(&server, "raw");
        let [ours, time] = measured(&server, "ours");
        threads.push(raw / 1024.0);
        waiters.push((ours - raw) / 1024.0);
        cancelling.push(time);
    }
    section.report(
        "KiB for each thread that waits on a TcpStream",
        Spread::of(threads),
        Goal::None,
    );
    section.report(
        "additional KiB for each that waits for an event",
        Spread::of(waiters),
        Goal::AtMost(64.0),
    );
    section.report(
        "seconds until all cancelled threads have returned",
        Spread::of(cancelling),
        Goal::AtMost(1.0),
    );
}

/// Returns bytes for each thread, and seconds until all have returned.
fn measured(server: &Server, part: &str) -> [f64; 2] {
    let mut process = Running::part(part, &[&server.url(), &server.address().to_string()]);
    assert_eq!(process.line(), "waiting");
    while server.held() < THREADS {
        thread::sleep(Duration::from_millis(10));
    }
    use std::io::Write as _;
    process.stdin().write_all(b"\n").unwrap();
    let bytes = process.line().parse::<f64>().unwrap() / THREADS as f64;
    let time = process.line().parse().unwrap();
    process.wait();
    while server.held() > 0 {
        thread::sleep(Duration::from_millis(10));
    }
    [bytes, time]
}

fn ours(args: &[String]) {
    let token = CancelToken::new();
    let host = HostClient::builder(&args[0])
        .hub_version("1.0.1")
        .build()
        .unwrap()
        .with_cancel(&token);
    let before = memory("self", "VmRSS");
    let waiting: Vec<_> = (0..THREADS)
        .map(|_| {
            let (host, id) = (host.clone(), InstanceId::new("x").unwrap());
            thread::spawn(move || {
                let name = &EventName::new("done").unwrap();
                let waited = host.call(&NextEvent { id: &id, name });
                assert!(waited.unwrap_err().is_cancelled());
            })
        })
        .collect();
    print_memory_growth(before);
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
    print_memory_growth(before);
    println!("0");
    exit(0);
}

/// Prints the memory growth once the parent process confirms that all threads wait.
fn print_memory_growth(before: u64) {
    println!("waiting");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    println!("{}", memory("self", "VmRSS") - before);
}
