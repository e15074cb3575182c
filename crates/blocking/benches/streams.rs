//! Downloads and uploads of much data: their speed and memory use.
//!
//! `cargo bench --bench streams`

mod bare;

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use scramjet_client_blocking::core::SendSequence;
use scramjet_client_blocking::{HostClient, Upload};
use scramjet_client_tests::bench::process::{Part, Running, memory, pin_to_one_processor};
use scramjet_client_tests::bench::raw::{BUFFER, Raw};
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Cost, Goal, Spread, Unit, side_in_process};
use serde::de::IgnoredAny;
use ureq::SendBody;

const OURS: &str = "scramjet-client";
const UREQ: &str = "ureq";
const RAW: &str = "TcpStream";

const TRANSFERS: [(&str, &str, &str); 4] = [
    ("down sized", "a body", "Download with Content-Length"),
    ("down chunked", "a body", "Download in chunks"),
    ("up sized", "a file", "Upload of a file"),
    ("up chunked", "a reader", "Upload from a reader, in chunks"),
];

fn main() {
    let bench = Bench::start(&[
        Part {
            name: "cost",
            run: cost_of,
        },
        Part {
            name: "memory",
            run: memory_of,
        },
    ]);
    pin_to_one_processor();
    let server = Server::start();
    let bytes = bench.scaled(1 << 30);
    let mut transfers = Vec::new();
    for (transfer, what, title) in TRANSFERS {
        if bench.wants(transfer) {
            let sides = [OURS, UREQ, RAW]
                .map(|who| side_in_process(who, "cost", args(who, transfer, bytes, &server)));
            let compared = bench.compare(
                &format!("{transfer}: {what} of {} MiB", bytes >> 20),
                Unit::Bytes(bytes),
                sides.into(),
            );
            compared.speed(OURS, UREQ, Goal::AtLeast(0.95));
            let least = if transfer == "up chunked" { 0.85 } else { 0.80 };
            compared.speed(OURS, RAW, Goal::AtLeast(least));
            compared.speed(UREQ, RAW, Goal::None);
            compared.cpu(OURS, UREQ, Goal::None);
            compared.cpu(OURS, RAW, Goal::None);
            transfers.push((title, compared));
        }
    }
    if !transfers.is_empty() {
        bench.chart(
            "transfers",
            &format!(
                "{} MiB, to or from a server on the same machine",
                bytes >> 20
            ),
            transfers.iter().map(|(title, compared)| (*title, compared)),
        );
    }
    if bench.wants("memory") {
        memory_of_all(&bench, &server);
    }
}

/// Returns the arguments of a part.
fn args(who: &str, transfer: &str, bytes: u64, server: &Server) -> [String; 4] {
    [
        who.into(),
        transfer.into(),
        bytes.to_string(),
        server.address().to_string(),
    ]
}

fn cost_of(args: &[String]) {
    Cost::of(work(args)).0.print();
}

fn memory_of(args: &[String]) {
    let work = work(args);
    // Uses VmRSS because an earlier peak (VmHWM), already freed, would hide some of the growth.
    let before = memory("self", "VmRSS");
    work();
    println!("{}", memory("self", "VmHWM") - before);
}

/// Prepares a transfer. The returned function connects and runs it.
fn work(args: &[String]) -> Box<dyn FnOnce()> {
    let [who, transfer, bytes, address] = args else {
        unreachable!("{args:?}")
    };
    let (bytes, address): (u64, SocketAddr) = (bytes.parse().unwrap(), address.parse().unwrap());
    let base = format!("http://{address}/api/v1");
    let raw = move || Raw::connect(address);
    let data = move || io::repeat(7).take(bytes);
    let answered = |answer| {
        let IgnoredAny = bare::value(answer);
    };
    let (agent, host) = (
        bare::agent(),
        HostClient::builder(&base)
            .hub_version("1.0.1")
            .build()
            .unwrap(),
    );
    let upload_url = format!("{base}/sequence");
    match (who.as_str(), transfer.split_once(' ').unwrap()) {
        (OURS, ("down", kind)) => {
            let instance = host.instance(format!("{kind}-{bytes}")).unwrap();
            Box::new(move || assert_eq!(drain(&mut instance.output().unwrap()), bytes))
        }
        (UREQ, ("down", kind)) => {
            let url = format!("{base}/instance/{kind}-{bytes}/output");
            Box::new(move || {
                assert_eq!(
                    drain(&mut agent.get(&url).call().unwrap().into_body().into_reader()),
                    bytes
                )
            })
        }
        (RAW, ("down", kind)) => {
            let path = format!("/instance/{kind}-{bytes}/output");
            // The count includes the line ends between the chunks.
            Box::new(move || assert!(raw().download(&path) >= bytes))
        }
        (OURS, (_, "sized")) => {
            let file = file(bytes);
            Box::new(move || drop(host.send(&SendSequence, Upload::path(file)).unwrap()))
        }
        (UREQ, (_, "sized")) => {
            let file = file(bytes);
            Box::new(move || answered(agent.post(&upload_url).send(File::open(file).unwrap())))
        }
        (RAW, (_, "sized")) => {
            let file = file(bytes);
            Box::new(move || raw().upload_sized("/sequence", File::open(file).unwrap(), bytes))
        }
        (OURS, _) => {
            Box::new(move || drop(host.send(&SendSequence, Upload::reader(data())).unwrap()))
        }
        (UREQ, _) => Box::new(move || {
            answered(
                agent
                    .post(&upload_url)
                    .send(SendBody::from_owned_reader(data())),
            )
        }),
        (_, _) => Box::new(move || raw().upload_chunked("/sequence", data())),
    }
}

fn memory_of_all(bench: &Bench, server: &Server) {
    const MIB: f64 = (1 << 20) as f64;
    let section = bench.section("memory: peak growth of a process, MiB");
    let [little, much] = [64 << 20, bench.scaled(1 << 30).max(128 << 20)];
    for (transfer, ..) in TRANSFERS {
        let needs = |bytes: u64| {
            let args = args(OURS, transfer, bytes, server);
            let args = args.each_ref().map(String::as_str);
            let peaks = (0..bench.rounds()).map(|_| Running::part("memory", &args).line());
            Spread::of(peaks.map(|peak| peak.parse::<f64>().unwrap() / MIB))
        };
        let (little_needs, much_needs) = (needs(little), needs(much));
        section.report(
            &format!("{transfer}, {} MiB", little >> 20),
            little_needs,
            Goal::AtMost(8.0),
        );
        section.report(
            &format!("{transfer}, {} MiB", much >> 20),
            much_needs,
            Goal::AtMost(8.0),
        );
        let more = Spread::of([much_needs.median - little_needs.median]);
        section.report(
            &format!("{transfer}, what more of it costs"),
            more,
            Goal::AtMost(0.25),
        );
    }
}

fn drain(reader: &mut dyn Read) -> u64 {
    let mut buf = vec![0; BUFFER];
    let mut got = 0;
    loop {
        match reader.read(&mut buf).unwrap() {
            0 => return got,
            read => got += read as u64,
        }
    }
}

/// Returns a sparse file of this length, kept for later runs. The system serves it from memory.
fn file(bytes: u64) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hole-{bytes}"));
    if !path.metadata().is_ok_and(|file| file.len() == bytes) {
        File::create(&path)
            .and_then(|file| file.set_len(bytes))
            .unwrap();
    }
    path
}
