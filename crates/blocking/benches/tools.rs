//! Command-line programs that ask for the version and exit, and how to measure them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use scramjet_client_tests::bench::process::memory;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Compared, Cost, Unit, side};

/// A program. Its last argument is the base URL, or the URL of the request for curl.
#[derive(Clone)]
pub struct Tool {
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub path: &'static str,
}

impl Tool {
    /// Builds a program as a benchmark target.
    pub fn built(name: &'static str, target: &str) -> Self {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        let profile = if cfg!(debug_assertions) {
            "dev"
        } else {
            "bench"
        };
        // Builds the whole workspace, as cargo did for this program. Another profile or other
        // features would recompile much.
        build.args([
            "bench",
            "--workspace",
            "--profile",
            profile,
            "--no-run",
            "--quiet",
            "--message-format=json",
            "--bench",
            target,
        ]);
        // Removes the variables that cargo sets for this program. Otherwise build scripts that read
        // them would run again, now and in the next build.
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

/// Compares the elapsed time of ten runs each.
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
        "cold time: elapsed time of a program",
        Unit::Each(TIMES, "run"),
        sides.collect(),
    )
}

/// Compares memory use when only the last byte of the response is missing, which is the same point
/// for all programs.
///
/// `which` is `VmHWM`, the peak, or `RssAnon`, memory not shared with other processes. The latter
/// excludes the pages of programs and libraries, of which the system maps sixteen at once.
pub fn compare_memory(bench: &Bench, server: &Server, tools: &[Tool], which: &str) -> Compared {
    let sides = tools.iter().map(|tool| {
        side(tool.name, || {
            let mut child = tool.command(&server.holding_url()).spawn().unwrap();
            while server.held() == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            // The program reads what has arrived, then sleeps.
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
        &format!("cold {which}: memory as reported by Linux"),
        Unit::Memory,
        sides.collect(),
    )
}

fn is_asleep(process: &str) -> bool {
    // The state follows the process name in parentheses, which may contain any characters.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('S'))
}
