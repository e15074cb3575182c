//! The build cost of this library: crates compiled, CPU seconds, elapsed time and program size.
//!
//! It is compared with the same small program on bare `ureq`, `serde`, `serde_json`, `url` and
//! `thiserror`, and with a minimal one.
//!
//! `cargo bench --bench build_cost` runs one round, which takes minutes.
//!
//! Every build is a clean one, offline and with two jobs, in folders below `target/build-cost`. It
//! only needs cargo, and the network once: to fetch `idna_adapter` 1.0.0, which is not in the lock
//! file of this workspace. CPU seconds include all processes that cargo starts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use scramjet_client_tests::bench::{Bench, Goal, Section, Spread};

const OURS: &str = r#"
use scramjet_client_blocking::HostClient;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("the address of a hub is missing")?;
    println!("{}", HostClient::new(address)?.version()?.version);
    Ok(())
}
"#;

const PACKS: &str = r#"
use scramjet_client_blocking::{HostClient, DeployKey, Package};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("the address of a hub is missing")?;
    let deployed = HostClient::new(address)?.deploy_if_changed(&Package::from_dir("sequence")?,
        &DeployKey::new("hello", "deployed.json"))?;
    println!("{}", deployed.sequence.id());
    Ok(())
}
"#;

const BARE: &str = r#"
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the address of a hub is missing")]
    Missing,
    #[error("no address")]
    Url(#[from] url::ParseError),
    #[error("no answer")]
    Http(#[from] ureq::Error),
    #[error("a useless answer")]
    Json(#[from] serde_json::Error),
}

#[derive(serde::Deserialize)]
struct Version {
    version: String,
}

fn main() -> Result<(), Failure> {
    let mut address = url::Url::parse(&std::env::args().nth(1).ok_or(Failure::Missing)?)?;
    if let Ok(mut path) = address.path_segments_mut() {
        path.pop_if_empty().push("version");
    }
    let body = ureq::get(address.as_str()).call()?.body_mut().read_to_string()?;
    let version: Version = serde_json::from_str(&body)?;
    println!("{}", version.version);
    Ok(())
}
"#;

/// The crates of this library.
const OWN_CRATES: [&str; 2] = ["scramjet-client-blocking", "scramjet-client-core"];

/// The minimal program that asks a hub for its version.
const LEAST: &str = r#"
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut address = url::Url::parse(&std::env::args().nth(1).ok_or("the address of a hub is \
         missing")?)?;
    if let Ok(mut path) = address.path_segments_mut() {
        path.pop_if_empty().push("version");
    }
    let body = ureq::get(address.as_str()).call()?.body_mut().read_to_string()?;
    let version: serde_json::Value = serde_json::from_str(&body)?;
    println!("{}", version["version"].as_str().ok_or("a useless answer")?);
    Ok(())
}
"#;

#[derive(Clone)]
struct Program {
    what: &'static str,
    folder: &'static str,
    source: &'static str,
    dependencies: String,
    /// Uses `idna_adapter` 1.0.0, which only supports ASCII host names.
    ascii: bool,
    /// Folders of the programs to compare with, and the goal for each ratio.
    compared_with: Vec<(&'static str, Goal)>,
}

fn main() {
    let bench = Bench::start(&[]).in_rounds(1);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let scratch = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), PathBuf::from)
        .join("build-cost");
    let mut programs = programs(root);
    programs.retain(|program| program.prepare(root, &scratch));

    let profiles = [
        ("release", true, Goal::AtMost(15.0)),
        ("debug", false, Goal::None),
    ];
    for (profile, release, own_goal) in profiles {
        if !bench.wants(profile) {
            continue;
        }
        let section = bench.section(&format!("{profile}: build cost of a small program"));
        let mut runs: Vec<Vec<Build>> = programs.iter().map(|_| Vec::new()).collect();
        for _ in 0..bench.rounds() {
            for (program, runs) in programs.iter().zip(&mut runs) {
                runs.push(program.build(&scratch, release));
            }
        }
        report(&section, &programs, &runs, own_goal);
    }
}

fn programs(root: &Path) -> Vec<Program> {
    const GOAL: Goal = Goal::AtMost(1.25);
    let ours = |features: &str| {
        let path = root.join("crates/blocking");
        format!("scramjet-client-blocking = {{ path = {path:?}, {features} }}")
    };
    let least = |ureq: &str| {
        format!(
            "serde_json = \"1\"\nurl = \"2\"\nureq = {{ version = \"3\", default-features = \
                 false, features = {ureq} }}"
        )
    };
    let bare = |ureq: &str| {
        format!(
            "serde = {{ version = \"1\", features = [\"derive\"] }}\nthiserror = \"2\"\n{}",
            least(ureq)
        )
    };
    let program =
        |what, folder, source, dependencies, compared_with: &[(&'static str, Goal)]| Program {
            what,
            folder,
            source,
            dependencies,
            ascii: false,
            compared_with: compared_with.to_vec(),
        };
    let plain = [
        program("least, without TLS", "least-plain", LEAST, least("[]"), &[]),
        program("bare, without TLS", "bare-plain", BARE, bare("[]"), &[]),
        program(
            "this library, without TLS",
            "ours-plain",
            OURS,
            ours(r#"default-features = false, features = ["ureq"]"#),
            &[("bare-plain", GOAL), ("least-plain", Goal::None)],
        ),
    ];
    let tls = [
        program(
            "least, rustls",
            "least-tls",
            LEAST,
            least(r#"["rustls"]"#),
            &[],
        ),
        program("bare, rustls", "bare-tls", BARE, bare(r#"["rustls"]"#), &[]),
        program(
            "this library",
            "ours-tls",
            OURS,
            ours(""),
            &[("bare-tls", GOAL), ("least-tls", Goal::None)],
        ),
    ];
    let packs = program(
        "this library, `pack`, which packs and deploys",
        "ours-pack",
        PACKS,
        ours(r#"features = ["pack"]"#),
        &[("bare-tls", Goal::None)],
    );
    let ascii = |program: &Program, what, folder, compared_with: &[(&'static str, Goal)]| Program {
        what,
        folder,
        ascii: true,
        compared_with: compared_with.to_vec(),
        ..program.clone()
    };
    let ascii = [
        ascii(
            &plain[1],
            "bare, without TLS, ASCII hosts",
            "bare-plain-ascii",
            &[],
        ),
        ascii(
            &plain[2],
            "this library, without TLS, ASCII hosts",
            "ours-plain-ascii",
            &[("bare-plain-ascii", GOAL)],
        ),
        ascii(&tls[1], "bare, rustls, ASCII hosts", "bare-tls-ascii", &[]),
        ascii(
            &tls[2],
            "this library, ASCII hosts",
            "ours-tls-ascii",
            &[("bare-tls-ascii", GOAL)],
        ),
    ];
    plain
        .into_iter()
        .chain(tls)
        .chain([packs])
        .chain(ascii)
        .collect()
}

impl Program {
    /// Writes the program. Returns `false` if it cannot be built on this machine.
    fn prepare(&self, root: &Path, scratch: &Path) -> bool {
        let folder = scratch.join(self.folder);
        fs::create_dir_all(folder.join("src")).expect("a folder to build in");
        let manifest = format!(
            "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \
                 \"2024\"\n\n[workspace]\n\n[profile.release]\nstrip = true\n\n\
             [dependencies]\n{}\n",
            self.dependencies
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
        fs::write(folder.join("src/main.rs"), self.source).expect("a program");
        // Uses the same versions as this workspace.
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a lock file");
        if self.ascii {
            let mut pin = cargo(&folder);
            let pinned = pin
                .args(["update", "--quiet", "idna_adapter", "--precise", "1.0.0"])
                .status()
                .is_ok_and(|status| status.success());
            let fetched = pinned
                && cargo(&folder)
                    .args(["fetch", "--quiet", "--locked"])
                    .status()
                    .is_ok_and(|status| status.success());
            if !fetched {
                eprintln!(
                    "SKIPPED: {}, because idna_adapter 1.0.0 cannot be fetched",
                    self.what
                );
                return false;
            }
        }
        true
    }

    fn build(&self, scratch: &Path, release: bool) -> Build {
        let (folder, target) = (scratch.join(self.folder), scratch.join("target"));
        // Deletes earlier results for a clean build.
        if target.exists() {
            fs::remove_dir_all(&target).expect("an empty folder");
        }
        let run = |command: &str, args: &[&str]| {
            let mut cargo = cargo(&folder);
            cargo.args([command, "--offline", "--quiet"]).args(args);
            cargo.args(release.then_some("--release"));
            let output = cargo.env("CARGO_TARGET_DIR", &target).output();
            let output = output.expect("cargo runs");
            assert!(
                output.status.success(),
                "{}: {}",
                self.what,
                String::from_utf8_lossy(&output.stderr)
            );
            output.stdout
        };
        let (cpu, begun) = (cpu_of_children(), Instant::now());
        let stdout = run("build", &["--jobs", "2", "--message-format", "json"]);
        let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_of_children() - cpu);

        let messages = String::from_utf8(stdout).expect("messages in UTF-8");
        let messages = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let artifacts = messages.filter(|message| message["reason"] == "compiler-artifact");
        let crates: BTreeSet<String> = artifacts
            .map(|message| message["package_id"].to_string())
            .collect();
        let program = target
            .join(if release { "release" } else { "debug" })
            .join(format!("hello{}", env::consts::EXE_SUFFIX));
        let size = fs::metadata(program).expect("a program").len();
        let own_cpu = self.folder.starts_with("ours").then(|| {
            run("clean", &OWN_CRATES.map(|own| ["--package", own]).concat());
            let cpu = cpu_of_children();
            run("build", &["--jobs", "2", "--package", OWN_CRATES[0]]);
            cpu_of_children() - cpu
        });
        // The program itself does not count.
        let build = Build {
            crates: crates.len() - 1,
            cpu,
            own_cpu,
            seconds,
            size,
        };
        eprintln!(
            "{:<40} {:>3} crates {:>6.1} CPU s {:>6.1} s",
            self.what, build.crates, build.cpu, build.seconds
        );
        build
    }
}

fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).stdin(Stdio::null());
    // Cargo sets variables for this program that do not apply to another build, and caches or flags
    // would distort the figures.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && text != "CARGO_HOME"
            || text.starts_with("RUSTC_")
            || text == "RUSTFLAGS"
        {
            cargo.env_remove(&name);
        }
    }
    cargo
}

struct Build {
    crates: usize,
    cpu: f64,
    /// CPU seconds for only the crates of this library.
    own_cpu: Option<f64>,
    seconds: f64,
    size: u64,
}

/// Returns user and system time of all finished child processes and their children.
fn cpu_of_children() -> f64 {
    // In 1/100 s on every Linux. The fields follow the process name in parentheses.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |n: usize| {
        fields
            .get(n)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or_default()
    };
    (ticks(13) + ticks(14)) / 100.0
}

fn report(section: &Section, programs: &[Program], runs: &[Vec<Build>], own_goal: Goal) {
    let spread =
        |builds: &[Build], figure: fn(&Build) -> f64| Spread::of(builds.iter().map(figure));
    for (program, builds) in programs.iter().zip(runs) {
        let (cpu, seconds) = (
            spread(builds, |build| build.cpu),
            spread(builds, |build| build.seconds),
        );
        let (crates, size) = (builds[0].crates, builds[0].size as f64 / 1e6);
        println!(
            "  {:<46} {crates:>3} crates   CPU {cpu} s   {seconds} s   {size:.2} MB",
            program.what
        );
    }
    for (program, builds) in programs.iter().zip(runs) {
        let own: Vec<_> = builds.iter().filter_map(|build| build.own_cpu).collect();
        if !own.is_empty() {
            let name = format!("CPU seconds of the own crates of {}", program.what);
            let goal = match program.folder {
                "ours-tls" => own_goal,
                _ => Goal::None,
            };
            section.report(&name, Spread::of(own), goal);
        }
    }
    for (program, builds) in programs.iter().zip(runs) {
        for (folder, goal) in &program.compared_with {
            let Some(other) = programs.iter().position(|other| other.folder == *folder) else {
                continue;
            };
            let ratio = |figure: fn(&Build) -> f64| {
                Spread::of(
                    builds
                        .iter()
                        .zip(&runs[other])
                        .map(|(of, to)| figure(of) / figure(to)),
                )
            };
            let names = format!("{} / {}", program.what, programs[other].what);
            section.report(&format!("CPU of {names}"), ratio(|build| build.cpu), *goal);
            section.report(
                &format!("crates of {names}"),
                ratio(|build| build.crates as f64),
                *goal,
            );
        }
    }
}
