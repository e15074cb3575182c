//! Programs that start, ask for the version, and end.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use scramjet_client_tests::bench::process::memory;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Compared, Cost, Unit, side};

/// A program. It is given the address of the API, or with curl that of the request, as its last argument.
#[derive(Clone)]
pub struct Tool {
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub path: &'static str,
}

impl Tool {
    /// One that is built like a benchmark.
    pub fn built(name: &'static str, target: &str) -> Self {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // Of the whole workspace, as this was: otherwise much would be built again, with other features.
        build.args([
            "bench",
            "--workspace",
            "--no-run",
            "--quiet",
            "--message-format=json",
            "--bench",
            target,
        ]);
        // What cargo has set for this program is not for another cargo: build scripts that look at it would run again, now and after this.
        for (name, _) in env::vars_os() {
            if ["CARGO_MANIFEST_", "CARGO_PKG_"]
                .iter()
                .any(|set| name.to_string_lossy().starts_with(set))
            {
                build.env_remove(name);
            }
        }
        let output = build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{target} cannot be built");
        let messages = String::from_utf8(output.stdout).unwrap();
        let program = messages.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            (message["target"]["name"] == *target)
                .then(|| message["executable"].as_str().map(PathBuf::from))?
        });
        Self {
            name,
            program: program.unwrap(),
            args: Vec::new(),
            path: "",
        }
    }

    fn command(&self, url: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .arg(format!("{url}{}", self.path))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

/// How long they take, ten times.
pub fn compare_time(bench: &Bench, server: &Server, tools: &[Tool]) -> Compared {
    const TIMES: u64 = 10;
    let sides = tools.iter().map(|tool| {
        side(tool.name, || {
            let begin = Instant::now();
            for _ in 0..TIMES {
                assert!(
                    tool.command(&server.url()).status().unwrap().success(),
                    "{} failed",
                    tool.name
                );
            }
            Cost::time(begin.elapsed())
        })
    });
    bench.compare(
        "cold time: from the start of a program to its end",
        Unit::Each(TIMES, "run"),
        sides.collect(),
    )
}

/// How much memory they have when all of the answer is there but its last byte: the same moment for all, also for those that cannot be asked.
///
/// `which` is `VmHWM`, the most of all, or `RssAnon`, what no other process can share: not the pages of programs and libraries, of which the
/// system maps sixteen where one is needed.
pub fn compare_memory(bench: &Bench, server: &Server, tools: &[Tool], which: &str) -> Compared {
    let sides = tools.iter().map(|tool| {
        side(tool.name, || {
            let mut child = tool.command(&server.holding_url()).spawn().unwrap();
            while server.held() == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            // It reads what there is, and then sleeps.
            let process = child.id().to_string();
            while !is_asleep(&process) {
                thread::sleep(Duration::from_millis(1));
            }
            let bytes = memory(&process, which);
            server.release();
            assert!(child.wait().unwrap().success(), "{} failed", tool.name);
            Cost {
                bytes,
                ..Cost::default()
            }
        })
    });
    bench.compare(
        &format!("cold {which}: what the system says of the memory"),
        Unit::Memory,
        sides.collect(),
    )
}

fn is_asleep(process: &str) -> bool {
    // Its name is in brackets before its state, and may hold anything.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('S'))
}
