//! Comparison with the TypeScript client, `@scramjet/api-client`, on the benchmark server and on a
//! real hub. `peers/package-lock.json` pins its version.
//!
//! `cargo bench --bench peers`. Needs Node.js with npm, and may need thousands of open files: the
//! TypeScript client opens a connection for each request, and the server closes it after five idle
//! seconds.

mod tools;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scramjet_client_blocking::{HostClient, KillOptions, StartOptions};
use scramjet_client_tests::bench::process::{Running, pin_to_one_processor};
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Cost, Goal, Spread, Unit, side};
use scramjet_client_tests::{hub, package};

use self::tools::Tool;

const OURS: &str = "scramjet-client";
const TYPESCRIPT: &str = "@scramjet/api-client";

fn main() {
    let bench = Bench::start(&[]);
    let dir = install();
    let server = Server::start();
    let program = Tool {
        name: TYPESCRIPT,
        program: "node".into(),
        args: vec![dir.join("once.js").display().to_string()],
        path: "",
    };
    let tools = || [Tool::built(OURS, "cold_client"), program.clone()];
    if bench.wants("cold time") {
        tools::compare_time(&bench, &server, &tools()).time(OURS, TYPESCRIPT, Goal::AtMost(0.1));
    }
    if bench.wants("cold VmHWM") {
        tools::compare_memory(&bench, &server, &tools(), "VmHWM").memory(
            OURS,
            TYPESCRIPT,
            Goal::AtMost(0.1),
        );
    }
    drop(server);
    if bench.wants("hub version") || bench.wants("hub cycle") {
        hub(&bench, &dir);
    }
    if bench.wants("sequential") {
        pin_to_one_processor();
        sequential(&bench, &Server::start(), &dir);
    }
}

fn sequential(bench: &Bench, server: &Server, dir: &Path) {
    let requests = bench.scaled(3_200);
    let host = HostClient::new(server.url()).unwrap();
    let mut node = node(dir, &[&server.url()]);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let compared = bench.compare(
        &format!("sequential: version(), {requests} times"),
        Unit::Each(requests, "request"),
        vec![
            side(OURS, || {
                server.counting(&mut ours, || versions(&host, requests))
            }),
            side(TYPESCRIPT, || {
                server.counting(&mut theirs, || times(&mut node, requests))
            }),
        ],
    );
    compared.speed(OURS, TYPESCRIPT, Goal::AtLeast(5.0));
    compared.cpu(OURS, TYPESCRIPT, Goal::None);
    compared.report(
        &format!("connections of {OURS}"),
        Spread::of(ours),
        Goal::None,
    );
    compared.report(
        &format!("connections of {TYPESCRIPT}"),
        Spread::of(theirs),
        Goal::None,
    );
}

/// Compares calls to a real hub, which include the time of the hub.
fn hub(bench: &Bench, dir: &Path) {
    let hub = hub::resolve(None).unwrap();
    let host = HostClient::new(hub.url()).unwrap();
    if bench.wants("hub version") {
        let requests = bench.scaled(400);
        let mut node = node(dir, &[hub.url()]);
        let compared = bench.compare(
            &format!("hub version: version() of a hub, {requests} times"),
            Unit::Each(requests, "request"),
            vec![
                side(OURS, || versions(&host, requests)),
                side(TYPESCRIPT, || times(&mut node, requests)),
            ],
        );
        compared.speed(OURS, TYPESCRIPT, Goal::None);
        compared.cpu(OURS, TYPESCRIPT, Goal::None);
    }
    if bench.wants("hub cycle") {
        let sequence = host.send_sequence(package::sequence("stays")).unwrap();
        let mut node = node(dir, &[hub.url(), sequence.id().as_str()]);
        let ours = || {
            let instance = sequence.start(&StartOptions::new()).unwrap();
            instance.last_event("ready").unwrap();
            instance.kill(&KillOptions::new()).unwrap();
        };
        let compared = bench.in_rounds(20).compare(
            "hub cycle: start, wait until ready, kill on a hub",
            Unit::Whole,
            vec![
                side(OURS, || Cost::of(ours).0),
                side(TYPESCRIPT, || times(&mut node, 1)),
            ],
        );
        compared.time(OURS, TYPESCRIPT, Goal::None);
        compared.cpu(OURS, TYPESCRIPT, Goal::None);
        sequence.force_delete().unwrap();
    }
}

fn versions(host: &HostClient, requests: u64) -> Cost {
    Cost::of(|| (0..requests).for_each(|_| drop(host.version().unwrap()))).0
}

fn node(dir: &Path, args: &[&str]) -> Running {
    Running::program(
        Command::new("node")
            .arg(dir.join("sequential.js"))
            .args(args),
    )
}

/// Runs the TypeScript client's work so many times.
fn times(node: &mut Running, times: u64) -> Cost {
    writeln!(node.stdin(), "{times}").unwrap();
    Cost::read(node)
}

/// Installs the TypeScript client and the programs of `peers/`. Returns the folder.
fn install() -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/blocking/benches/peers");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    fs::create_dir_all(&dir).unwrap();
    let lock = fs::read(from.join("package-lock.json")).unwrap();
    let installed = dir.join("installed-from.json");
    let is_current = fs::read(&installed).is_ok_and(|installed| installed == lock);
    for file in fs::read_dir(&from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.join(file.file_name())).unwrap();
    }
    if !is_current {
        eprintln!("installing the TypeScript client (npm ci, once) ...");
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        assert!(
            npm.status()
                .expect("Node.js with npm on the PATH")
                .success(),
            "npm ci failed"
        );
        fs::write(installed, lock).unwrap();
    }
    dir
}
