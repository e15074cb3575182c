//! What a build pays for this library, beside the same small program on bare `ureq`, `serde`, `serde_json`, `url` and `thiserror`:
//! how many crates are compiled, in how many CPU seconds and how long, and how large the program is.
//!
//! ```text
//! cargo bench -p scramjet-client-tests --bench build_cost [-- ROUNDS]
//! ```
//!
//! Every build is one from nothing, offline and with two jobs, in folders below `target/build-cost`; of several rounds, which go through all programs
//! in turn, the median is told. Only cargo is needed, and the network once: to find `idna_adapter` 1.0.0, which the lock file of this
//! workspace does not have. CPU seconds are those of cargo and all that it starts; they are read from `/proc` and are 0 where there is none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

/// What a program of ours may cost, as a multiple of the bare one.
const TARGET: f64 = 1.25;

const OURS: &str = r#"
use scramjet_client_blocking::HostClient;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("the address of a hub is missing")?;
    println!("{}", HostClient::new(address)?.version()?.version);
    Ok(())
}
"#;

const PACKS: &str = r#"
use scramjet_client_blocking::{HostClient, Key, Package};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("the address of a hub is missing")?;
    let deployed = HostClient::new(address)?.deploy_if_changed(&Package::from_dir("sequence")?, &Key::new("hello", "deployed.json"))?;
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

struct Program {
    what: &'static str,
    folder: &'static str,
    source: &'static str,
    dependencies: String,
    /// With `idna_adapter` 1.0.0, which knows ASCII host names alone.
    ascii: bool,
    /// The program that it is compared with: its folder.
    beside: Option<&'static str>,
}

fn main() {
    // Cargo passes `--bench` on.
    let rounds = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let scratch = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("build-cost");
    let mut programs = programs(root);
    programs.retain(|program| program.prepare(root, &scratch));

    for release in [true, false] {
        let mut runs: Vec<Vec<Build>> = programs.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (program, runs) in programs.iter().zip(&mut runs) {
                runs.push(program.build(&scratch, release));
            }
        }
        let medians: Vec<Build> = runs.iter().map(|runs| Build::median(runs)).collect();
        report(&programs, &medians, release, rounds);
    }
}

fn programs(root: &Path) -> Vec<Program> {
    let manifest = fs::read_to_string(root.join("crates/blocking/Cargo.toml")).expect("the library's manifest");
    // Without the features that bring encryption, and with that which brings a transport, where there is one.
    let plain = if manifest.contains("\nureq = [") { r#"["ureq"]"# } else { "[]" };
    let ours = |features: &str| {
        let path = root.join("crates/blocking");
        format!("scramjet-client-blocking = {{ path = {path:?}, {features} }}")
    };
    let bare = |ureq: &str| {
        let features = r#"features = ["derive"]"#;
        format!(
            "serde = {{ version = \"1\", {features} }}\nserde_json = \"1\"\nthiserror = \"2\"\nurl = \"2\"\n\
             ureq = {{ version = \"~3.5.2\", default-features = false, features = {ureq} }}"
        )
    };
    let without_encryption = ours(&format!("default-features = false, features = {plain}"));
    let program = |what, folder, source, dependencies, beside| Program { what, folder, source, dependencies, ascii: false, beside };
    let ascii = |program: Program, what, folder, beside| Program { what, folder, ascii: true, beside, ..program };
    let [bare_plain, bare_tls] = [bare("[]"), bare(r#"["rustls"]"#)];
    vec![
        program("bare, without TLS", "bare-plain", BARE, bare_plain.clone(), None),
        program("this library, without TLS", "ours-plain", OURS, without_encryption.clone(), Some("bare-plain")),
        program("bare, rustls", "bare-tls", BARE, bare_tls.clone(), None),
        program("this library", "ours-tls", OURS, ours(""), Some("bare-tls")),
        program("this library, `pack`, which packs and deploys", "ours-pack", PACKS, ours(r#"features = ["pack"]"#), Some("bare-tls")),
        ascii(program("", "", BARE, bare_plain, None), "bare, without TLS, ASCII hosts", "bare-plain-ascii", None),
        ascii(
            program("", "", OURS, without_encryption, None),
            "this library, without TLS, ASCII hosts",
            "ours-plain-ascii",
            Some("bare-plain-ascii"),
        ),
        ascii(program("", "", BARE, bare_tls, None), "bare, rustls, ASCII hosts", "bare-tls-ascii", None),
        ascii(program("", "", OURS, ours(""), None), "this library, ASCII hosts", "ours-tls-ascii", Some("bare-tls-ascii")),
    ]
}

impl Program {
    /// Writes the program; false where it cannot be built here.
    fn prepare(&self, root: &Path, scratch: &Path) -> bool {
        let folder = scratch.join(self.folder);
        fs::create_dir_all(folder.join("src")).expect("a folder to build in");
        let manifest = format!(
            "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[profile.release]\nstrip = true\n\n\
             [dependencies]\n{}\n",
            self.dependencies
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
        fs::write(folder.join("src/main.rs"), self.source).expect("a program");
        // The versions that this workspace has.
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a lock file");
        if self.ascii {
            let mut pin = cargo(&folder);
            let pinned =
                pin.args(["update", "--quiet", "idna_adapter", "--precise", "1.0.0"]).status().is_ok_and(|status| status.success());
            let fetched = pinned && cargo(&folder).args(["fetch", "--quiet", "--locked"]).status().is_ok_and(|status| status.success());
            if !fetched {
                eprintln!("LEFT OUT: {}, for idna_adapter 1.0.0 cannot be fetched", self.what);
                return false;
            }
        }
        true
    }

    fn build(&self, scratch: &Path, release: bool) -> Build {
        let (folder, target) = (scratch.join(self.folder), scratch.join("target"));
        // All of it, for nothing may be there already.
        if target.exists() {
            fs::remove_dir_all(&target).expect("an empty folder");
        }
        let mut build = cargo(&folder);
        build.args(["build", "--offline", "--jobs", "2", "--quiet", "--message-format", "json"]).env("CARGO_TARGET_DIR", &target);
        build.args(release.then_some("--release"));
        let (cpu, begun) = (cpu_of_children(), Instant::now());
        let output = build.output().expect("cargo runs");
        let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_of_children() - cpu);
        assert!(output.status.success(), "{}: {}", self.what, String::from_utf8_lossy(&output.stderr));

        let messages = String::from_utf8(output.stdout).expect("messages in UTF-8");
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let artifacts = messages.filter(|message| message["reason"] == "compiler-artifact");
        let crates: BTreeSet<String> = artifacts.map(|message| message["package_id"].to_string()).collect();
        let program = target.join(if release { "release" } else { "debug" }).join(format!("hello{}", env::consts::EXE_SUFFIX));
        let size = fs::metadata(program).expect("a program").len();
        // The program itself is no crate that it pays for.
        let build = Build { crates: crates.len() - 1, cpu, seconds, size };
        eprintln!("{:<40} {:>3} crates {:>6.1} CPU s {:>6.1} s", self.what, build.crates, build.cpu, build.seconds);
        build
    }
}

fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).stdin(Stdio::null());
    // What cargo has set for this program is not meant for another, and what shortens builds would hide what they cost.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && text != "CARGO_HOME" || text.starts_with("RUSTC_") || text == "RUSTFLAGS" {
            cargo.env_remove(&name);
        }
    }
    cargo
}

struct Build {
    crates: usize,
    cpu: f64,
    seconds: f64,
    size: u64,
}

impl Build {
    /// Each figure by itself.
    fn median(builds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = builds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self { crates: builds[0].crates, cpu: of(|build| build.cpu), seconds: of(|build| build.seconds), size: builds[0].size }
    }
}

/// User and system time of all children that have ended, and of theirs.
fn cpu_of_children() -> f64 {
    // In hundredths on every Linux; what comes before holds a name in brackets.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(13) + ticks(14)) / 100.0
}

fn report(programs: &[Program], builds: &[Build], release: bool, rounds: usize) {
    println!("\n{}, median of {rounds}\n", if release { "release" } else { "debug" });
    let size = if release { "stripped MB" } else { "MB" };
    println!("| program | crates | CPU s | wall s | {size} | crates, beside bare | CPU, beside bare |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (program, build) in programs.iter().zip(builds) {
        let bare = program.beside.and_then(|beside| programs.iter().position(|other| other.folder == beside)).map(|n| &builds[n]);
        let ratio = |figure: fn(&Build) -> f64| {
            bare.map_or(String::new(), |bare| {
                let ratio = figure(build) / figure(bare);
                format!("{ratio:.2}{}", if ratio <= TARGET { "" } else { " !" })
            })
        };
        println!(
            "| {} | {} | {:.1} | {:.1} | {:.2} | {} | {} |",
            program.what,
            build.crates,
            build.cpu,
            build.seconds,
            build.size as f64 / 1e6,
            ratio(|build| build.crates as f64),
            ratio(|build| build.cpu),
        );
    }
}
