//! Comparison with curl and the other clients for hubs, on the benchmark server and on a real hub:
//! the TypeScript client (`@scramjet/api-client`) and the Python client (`scramjet-api-client`).
//! `peers/node/package-lock.json` and `peers/python/requirements.txt` pin their versions.
//!
//! `cargo bench --bench peers`. Needs Node.js with npm, and may need thousands of open files: the
//! TypeScript client opens a connection for each request, and the server closes it after five idle
//! seconds. Leaves out curl, and the Python client, if they cannot be used.

mod tools;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scramjet_client_blocking::{HostClient, KillOptions, StartOptions};
use scramjet_client_tests::bench::process::{Running, pin_to_one_processor};
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Compared, Cost, Goal, Spread, Unit, side};
use scramjet_client_tests::{hub, package};

use self::tools::Tool;

const OURS: &str = "scramjet-client";
const CURL: &str = "curl";
const TYPESCRIPT: &str = "TypeScript client";
const PYTHON: &str = "Python client";

fn main() {
    let bench = Bench::start(&[]);
    let typescript = Peer::typescript();
    let python = Peer::python();
    let curl = Tool::curl();
    let others = [curl.as_ref().map(|_| CURL), python.as_ref().map(|_| PYTHON)];
    let others = || others.into_iter().flatten();
    let server = Server::start();
    let tools = || {
        let ours = Some(Tool::built(OURS, "cold_client"));
        let python = python.as_ref().map(Peer::tool);
        let tools = [ours, curl.clone(), Some(typescript.tool()), python];
        tools.into_iter().flatten().collect::<Vec<_>>()
    };
    let cold = bench.wants("cold time").then(|| {
        let compared = tools::compare_time(&bench, &server, &tools());
        compared.time(OURS, TYPESCRIPT, Goal::AtMost(0.1));
        others().for_each(|other| compared.time(OURS, other, Goal::None));
        compared
    });
    if bench.wants("cold VmHWM") {
        let compared = tools::compare_memory(&bench, &server, &tools(), "VmHWM");
        compared.memory(OURS, TYPESCRIPT, Goal::AtMost(0.1));
        others().for_each(|other| compared.memory(OURS, other, Goal::None));
    }
    drop(server);
    if bench.wants("hub version") || bench.wants("hub cycle") {
        hub(&bench, &typescript);
    }
    let request = bench.wants("sequential").then(|| {
        pin_to_one_processor();
        let server = Server::start();
        sequential(&bench, &server, curl.as_ref(), &typescript, python.as_ref())
    });
    if let (Some(request), Some(cold)) = (&request, &cold) {
        bench.chart(
            "request and program",
            "Requests for the version, to a server on the same machine",
            [
                ("One of many requests of a process", request),
                ("A program that starts, makes one request and exits", cold),
            ],
        );
    }
}

fn sequential(
    bench: &Bench,
    server: &Server,
    curl: Option<&Tool>,
    typescript: &Peer,
    python: Option<&Peer>,
) -> Compared {
    type Work<'a> = Box<dyn FnMut() -> Cost + 'a>;
    let requests = bench.scaled(3_200);
    let url = server.url();
    let host = HostClient::new(&url).unwrap();
    let mut works: Vec<(_, Work)> = vec![(OURS, Box::new(|| versions(&host, requests)))];
    if let Some(curl) = curl {
        // One process and one connection, because curl expands the range after `#`, and sends
        // nothing of that part. The time includes the start of the process.
        let many = Tool {
            path: format!("{}#[1-{requests}]", curl.path),
            ..curl.clone()
        };
        let url = &url;
        works.push((CURL, Box::new(move || Cost::time(many.run(url)))));
    }
    for peer in [Some(typescript), python].into_iter().flatten() {
        let mut process = peer.sequential(&[&url]);
        works.push((peer.name, Box::new(move || times(&mut process, requests))));
    }
    let mut connections = vec![Vec::new(); works.len()];
    let sides = works.iter_mut().zip(&mut connections);
    let compared = bench.compare(
        &format!("sequential: version(), {requests} times"),
        Unit::Each(requests, "request"),
        sides
            .map(|((name, work), counts)| side(name, || server.counting(counts, &mut *work)))
            .collect(),
    );
    compared.speed(OURS, TYPESCRIPT, Goal::AtLeast(5.0));
    compared.cpu(OURS, TYPESCRIPT, Goal::None);
    if curl.is_some() {
        compared.speed(OURS, CURL, Goal::None);
    }
    if python.is_some() {
        compared.speed(OURS, PYTHON, Goal::None);
        compared.cpu(OURS, PYTHON, Goal::None);
    }
    for ((name, _), counts) in works.iter().zip(connections) {
        let counts = Spread::of(counts);
        compared.report(&format!("connections of {name}"), counts, Goal::None);
    }
    compared
}

/// Compares calls to a real hub, which include the time of the hub.
fn hub(bench: &Bench, typescript: &Peer) {
    let hub = hub::resolve(None).unwrap();
    let host = HostClient::new(hub.url()).unwrap();
    if bench.wants("hub version") {
        let requests = bench.scaled(400);
        let mut node = typescript.sequential(&[hub.url()]);
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
        let mut node = typescript.sequential(&[hub.url(), sequence.id().as_str()]);
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

/// Runs the work of a peer so many times.
fn times(process: &mut Running, times: u64) -> Cost {
    writeln!(process.stdin(), "{times}").unwrap();
    Cost::read(process)
}

/// Another client, with the programs `once` and `sequential`.
struct Peer {
    name: &'static str,
    interpreter: PathBuf,
    folder: PathBuf,
    extension: &'static str,
}

impl Peer {
    fn typescript() -> Self {
        let folder = installed("node", "package-lock.json", "", |folder| {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(folder);
            npm
        });
        Self {
            name: TYPESCRIPT,
            interpreter: "node".into(),
            folder: folder.expect("Node.js with npm on the PATH"),
            extension: "js",
        }
    }

    /// Returns the Python client, if there is a Python for which `requirements.txt` has packages.
    fn python() -> Option<Self> {
        let found = python().and_then(|(interpreter, version)| {
            let folder = installed("python", "requirements.txt", &version, |folder| {
                let mut pip = Command::new(&interpreter);
                let quiet = ["--quiet", "--disable-pip-version-check"];
                pip.args(["-m", "pip", "install"]).args(quiet);
                pip.args(["--only-binary", ":all:", "--no-deps", "--require-hashes"]);
                pip.args(["--target", ".", "--requirement", "requirements.txt"]);
                pip.current_dir(folder);
                pip
            });
            Some(Self {
                name: PYTHON,
                interpreter,
                folder: folder?,
                extension: "py",
            })
        });
        if found.is_none() {
            eprintln!("LEFT OUT: the Python client, which needs python3 (3.11 to 3.14) with pip");
        }
        found
    }

    fn script(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension(self.extension)
    }

    fn tool(&self) -> Tool {
        Tool {
            name: self.name,
            program: self.interpreter.clone(),
            args: vec![self.script("once").display().to_string()],
            path: String::new(),
        }
    }

    fn sequential(&self, args: &[&str]) -> Running {
        let mut command = Command::new(&self.interpreter);
        Running::program(command.arg(self.script("sequential")).args(args))
    }
}

/// Returns the path of the Python interpreter, and its version.
///
/// `python3` itself may be a script that selects an interpreter, which takes longer than a request.
fn python() -> Option<(PathBuf, String)> {
    let query = "import sys; print(sys.executable, sys.implementation.cache_tag, sep='\\n')";
    let output = Command::new("python3").args(["-c", query]).output().ok()?;
    let output = String::from_utf8(output.stdout).ok()?;
    let mut lines = output.lines();
    Some((lines.next()?.into(), lines.next()?.to_owned()))
}

/// Copies the programs in a folder of `peers/` to one below `target/`, and installs the client that
/// they use, unless it is already installed from this `lock` for this `version` of the interpreter.
/// Returns the folder, or `None` if the installation fails.
fn installed(
    name: &str,
    lock: &str,
    version: &str,
    install: impl FnOnce(&Path) -> Command,
) -> Option<PathBuf> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/blocking/benches/peers");
    let from = from.join(name);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("peers")
        .join(name);
    let source = fs::read_to_string(from.join(lock)).unwrap() + version;
    let mark = folder.join("installed-from");
    let is_current = fs::read_to_string(&mark).is_ok_and(|installed| installed == source);
    if !is_current {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
    }
    for file in fs::read_dir(&from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    if !is_current {
        let mut command = install(&folder);
        eprintln!("installing a client for comparison (once): {command:?}");
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        if !status.is_ok_and(|status| status.success()) {
            return None;
        }
        fs::write(mark, source).unwrap();
    }
    Some(folder)
}
