//! Much data: downloads and uploads, and the memory for them.
//!
//! `cargo bench --bench streams`

mod bare;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use scramjet_client_blocking::{HostClient, InstanceClient, Upload};
use scramjet_client_tests::bench::process::{Part, Running, memory, stay_on_one_processor};
use scramjet_client_tests::bench::raw::{BUFFER, Raw};
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Compared, Cost, Goal, Spread, Unit, side};
use serde::de::IgnoredAny;
use ureq::SendBody;

const OURS: &str = "scramjet-client";
const UREQ: &str = "ureq";
const RAW: &str = "TcpStream";

fn main() {
    let bench = Bench::start(&[Part { name: "memory", run: memory_of }]);
    stay_on_one_processor();
    let server = Server::start();
    let bytes = bench.scaled(1 << 30);
    for kind in ["sized", "chunked"] {
        if bench.wants(&format!("down {kind}")) {
            download(&bench, &server, kind, bytes);
        }
    }
    for kind in ["sized", "chunked"] {
        if bench.wants(&format!("up {kind}")) {
            upload(&bench, &server, kind, bytes, &file(bytes));
        }
    }
    if bench.wants("memory") {
        memory_of_all(&bench, &server);
    }
}

fn download(bench: &Bench, server: &Server, kind: &str, bytes: u64) {
    let what = format!("{kind}-{bytes}");
    let instance = client(&server.url()).instance(&what).unwrap();
    let (agent, url) = (bare::agent(), format!("{}/instance/{what}/output", server.url()));
    let raw = || Raw::connect(server.address());
    let read = |reader: &mut dyn Read| assert_eq!(drain(reader), bytes);

    let compared = bench.compare(
        &format!("down {kind}: {} MiB", bytes >> 20),
        Unit::Bytes(bytes),
        vec![
            side(OURS, || Cost::of(|| read(&mut instance.output().unwrap())).0),
            side(UREQ, || Cost::of(|| read(&mut agent.get(&url).call().unwrap().into_body().into_reader())).0),
            side(RAW, || Cost::of(|| assert!(raw().download(&format!("/instance/{what}/output")) >= bytes)).0),
        ],
    );
    goals(&compared);
}

fn upload(bench: &Bench, server: &Server, kind: &str, bytes: u64, file: &Path) {
    let host = client(&server.url());
    let (agent, url) = (bare::agent(), format!("{}/sequence", server.url()));
    let raw = || Raw::connect(server.address());
    let open = || File::open(file).unwrap();
    let data = || io::repeat(7).take(bytes);

    let answered = |answer| {
        let IgnoredAny = bare::value(answer);
    };
    let (title, sides) = match kind {
        "sized" => (
            "up sized: a file of",
            vec![
                side(OURS, || Cost::of(|| host.send_sequence(Upload::path(file)).unwrap()).0),
                side(UREQ, || Cost::of(|| answered(agent.post(&url).send(open()))).0),
                side(RAW, || Cost::of(|| raw().upload_sized("/sequence", open(), bytes)).0),
            ],
        ),
        _ => (
            "up chunked: a reader of",
            vec![
                side(OURS, || Cost::of(|| host.send_sequence(Upload::reader(data())).unwrap()).0),
                side(UREQ, || Cost::of(|| answered(agent.post(&url).send(SendBody::from_owned_reader(data())))).0),
                side(RAW, || Cost::of(|| raw().upload_chunked("/sequence", data())).0),
            ],
        ),
    };
    goals(&bench.compare(&format!("{title} {} MiB", bytes >> 20), Unit::Bytes(bytes), sides));
}

fn goals(compared: &Compared) {
    compared.speed(OURS, UREQ, Goal::AtLeast(0.95));
    compared.speed(OURS, RAW, Goal::AtLeast(0.80));
    compared.cpu(OURS, UREQ, Goal::Told);
    compared.cpu(OURS, RAW, Goal::Told);
}

/// Each in a process of its own, whose memory nothing else has used.
fn memory_of_all(bench: &Bench, server: &Server) {
    const MIB: f64 = (1 << 20) as f64;
    let section = bench.section("memory: the most that a process needs beyond what it has before, MiB");
    let [little, much] = [64 << 20, bench.scaled(1 << 30).max(128 << 20)];
    for what in ["down sized", "down chunked", "up chunked", "up sized"] {
        let needs = |bytes: u64| {
            let peaks = (0..bench.rounds()).map(|_| Running::part("memory", &[what, &bytes.to_string(), &server.url()]).line());
            Spread::of(peaks.map(|peak| peak.parse::<f64>().unwrap() / MIB))
        };
        let (little_needs, much_needs) = (needs(little), needs(much));
        section.tell(&format!("{what}, {} MiB", little >> 20), little_needs, Goal::AtMost(8.0));
        section.tell(&format!("{what}, {} MiB", much >> 20), much_needs, Goal::AtMost(8.0));
        section.tell(&format!("{what}, what more of it costs"), Spread::of([much_needs.median - little_needs.median]), Goal::AtMost(0.25));
    }
}

fn memory_of(args: &[String]) {
    let [what, bytes, url] = args else { unreachable!("{args:?}") };
    let bytes = bytes.parse().unwrap();
    let host = client(url);
    let file = file(bytes);
    // What it had at its peak until now, and gave back, would hide as much of what comes.
    let before = memory("self", "VmRSS");
    let output = |kind: &str| -> InstanceClient { host.instance(format!("{kind}-{bytes}")).unwrap() };
    match what.as_str() {
        "down sized" => assert_eq!(drain(&mut output("sized").output().unwrap()), bytes),
        "down chunked" => assert_eq!(drain(&mut output("chunked").output().unwrap()), bytes),
        "up sized" => drop(host.send_sequence(Upload::path(file)).unwrap()),
        "up chunked" => drop(host.send_sequence(Upload::reader(io::repeat(7).take(bytes))).unwrap()),
        what => unreachable!("{what}"),
    }
    println!("{}", memory("self", "VmHWM") - before);
}

fn client(url: &str) -> HostClient {
    HostClient::builder(url).hub_version("1.0.1").build().unwrap()
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

/// A file of that length. Nothing of it is on the disk: it is all one hole.
fn file(bytes: u64) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hole-{bytes}"));
    File::create(&path).and_then(|file| file.set_len(bytes)).unwrap();
    path
}
