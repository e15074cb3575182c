//! The TypeScript client, against the same server: `@scramjet/api-client`, which is installed as `peers/package-lock.json` says.
//!
//! `cargo bench --bench peers`. Needs Node.js with npm.

mod tools;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use scramjet_client_blocking::HostClient;
use scramjet_client_tests::bench::process::Running;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Cost, Goal, Unit, side};

use self::tools::Tool;

const OURS: &str = "scramjet-client";
const TYPESCRIPT: &str = "@scramjet/api-client";

fn main() {
    let bench = Bench::start(&[]);
    let server = Server::start();
    let dir = install();
    if bench.wants("sequential") {
        sequential(&bench, &server, &dir);
    }
    if bench.wants("cold") {
        let program = Tool { name: TYPESCRIPT, program: "node".into(), args: vec![dir.join("once.js").display().to_string()], path: "" };
        let tools = [Tool::built(OURS, "cold_client"), program];
        tools::compare_time(&bench, &server, &tools).time(OURS, TYPESCRIPT, Goal::AtMost(0.1));
        tools::compare_memory(&bench, &server, &tools, "VmHWM").memory(OURS, TYPESCRIPT, Goal::AtMost(0.1));
    }
}

fn sequential(bench: &Bench, server: &Server, dir: &Path) {
    let requests = bench.scaled(3_200);
    let host = HostClient::new(server.url()).unwrap();
    let mut node = Running::program(Command::new("node").arg(dir.join("sequential.js")).arg(server.url()));
    let compared = bench.compare(
        &format!("sequential: version(), {requests} times"),
        Unit::Each(requests, "request"),
        vec![
            side(OURS, || Cost::of(|| (0..requests).for_each(|_| drop(host.version().unwrap()))).0),
            side(TYPESCRIPT, || {
                writeln!(node.stdin(), "{requests}").unwrap();
                let line = node.line();
                let mut micros = line.split(' ').map(|micros| Duration::from_micros(micros.parse().unwrap()));
                let (wall, cpu) = (micros.next().unwrap(), micros.next().unwrap());
                Cost { wall, cpu, ..Cost::default() }
            }),
        ],
    );
    compared.speed(OURS, TYPESCRIPT, Goal::AtLeast(5.0));
    compared.cpu(OURS, TYPESCRIPT, Goal::Told);
}

/// Gives the folder where it is installed, with the programs of `peers/` beside it.
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
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&dir).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(npm.status().expect("Node.js with npm on the PATH").success(), "npm ci failed");
        fs::write(installed, lock).unwrap();
    }
    dir
}
