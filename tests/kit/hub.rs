//! A real hub: the pinned npm packages of `tests/hub`, installed on first use and run in a process
//! of its own.
//!
//! The hub exits when the pipe to its stdin is closed, also if this process is killed. It then
//! removes its folder and everything that it started. See `tests/hub/hub.js`.

mod install;

use std::{
    env, error, fmt, fs, io,
    io::Write as _,
    mem,
    path::{Path, PathBuf},
    sync::OnceLock,
};

pub(crate) use install::check_node;
use install::install;
use scramjet_client_blocking::HostClient;

use crate::calls::client_builder;
use crate::node::NodeProcess;

/// A hub for one test only. Dropping it stops the hub and waits for its exit.
#[derive(Debug)]
pub struct Hub {
    url: String,
    dir: PathBuf,
    process: NodeProcess,
}

impl Hub {
    /// Starts a hub and waits until it is ready. The first call on a machine installs it.
    pub fn start() -> Result<Self, HubError> {
        Self::launch(false)
    }

    /// Starts an overloaded hub, which refuses every start of a sequence with 419.
    pub fn start_overloaded() -> Result<Self, HubError> {
        Self::launch(true)
    }

    /// Returns the base URL of the API for clients: `http://127.0.0.1:<port>/api/v1`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the ID of its process, and of the process group of everything that it starts.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Returns the only folder that the hub writes to. It contains `hub.log` and is removed on
    /// exit.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops the hub. Fails if it did not exit cleanly.
    pub fn stop(mut self) -> Result<(), HubError> {
        self.end()
    }

    fn launch(overloaded: bool) -> Result<Self, HubError> {
        check_node()?;
        install()?;

        let overloaded = [(
            "SCRAMJET_TEST_HUB_OVERLOADED",
            if overloaded { "1" } else { "0" },
        )];
        let mut process =
            NodeProcess::spawn(&hub_dir().join("hub.js"), [], overloaded).map_err(|error| {
                match error.kind() {
                    io::ErrorKind::NotFound => HubError::NoNode,
                    _ => HubError::Start(format!("cannot run node: {error}")),
                }
            })?;
        let announced = process.announcement().and_then(|announced| {
            match (announced["url"].as_str(), announced["dir"].as_str()) {
                (Some(url), Some(dir)) => Ok((url.to_owned(), dir.into())),
                _ => Err(format!("unexpected output: {announced}")),
            }
        });
        match announced {
            Ok((url, dir)) => Ok(Self { url, dir, process }),
            Err(what) => {
                let _ = process.end();
                Err(HubError::Start(format!(
                    "{what}\n{}",
                    process.stderr.tail()
                )))
            }
        }
    }

    fn end(&mut self) -> Result<(), HubError> {
        let ended = self.process.end();
        let is_left = self.dir.exists();
        if is_left {
            let _ = fs::remove_dir_all(&self.dir);
        }
        ended.map_err(HubError::Stop)?;
        if is_left {
            return Err(HubError::Stop(format!(
                "it did not remove {}",
                self.dir.display()
            )));
        }
        Ok(())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // `stop` reports errors; drop ignores them.
        let _ = self.end();
    }
}

/// The hub that the tests of a binary share, or the one of `SCRAMJET_HUB_URL`.
#[derive(Debug)]
pub struct SharedHub {
    url: String,
    local: bool,
}

impl SharedHub {
    /// Returns the base URL of the API, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns `true` if this process started it: a real hub of version 0.18.7 without other users.
    pub fn is_local(&self) -> bool {
        self.local
    }

    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            local: false,
        }
    }
}

impl From<&SharedHub> for HostClient {
    fn from(hub: &SharedHub) -> Self {
        client_builder(hub.url()).build().unwrap()
    }
}

/// Environment variable with the hub URL for the child processes of a test. Child processes start
/// no hub.
pub const PARENT_HUB: &str = "SCRAMJET_TEST_PARENT_HUB";

/// Returns the hub of the parent process, if a test started this process.
pub(crate) fn from_parent() -> Option<SharedHub> {
    env::var(PARENT_HUB).ok().map(|url| SharedHub::at(&url))
}

/// Returns the hub that all tests of this binary share. The first call starts it, and it stops with
/// the process.
///
/// Returns the hub of `SCRAMJET_HUB_URL` instead if that is set, and `None` if
/// `SCRAMJET_SKIP_HUB=1` is set.
///
/// # Panics
/// Every call panics if the hub cannot be started.
pub fn shared() -> Option<&'static SharedHub> {
    static SHARED: OnceLock<Result<Option<SharedHub>, String>> = OnceLock::new();

    let shared = SHARED.get_or_init(|| {
        if let Some(hub) = from_parent() {
            return Ok(Some(hub));
        }
        if env::var_os("SCRAMJET_SKIP_HUB").is_some_and(|value| value == "1") {
            print_uncaptured("SKIPPED: the tests that need a hub (SCRAMJET_SKIP_HUB=1)");
            return Ok(None);
        }
        if let Some(url) = url_from_env() {
            return Ok(Some(SharedHub::at(&url)));
        }
        let hub = Hub::start().map_err(|error| error.to_string())?;
        let shared = SharedHub {
            url: hub.url.clone(),
            local: true,
        };
        // Statics are never dropped. The hub exits when this process does, which closes its stdin.
        mem::forget(hub);
        Ok(Some(shared))
    });
    match shared {
        Ok(hub) => hub.as_ref(),
        Err(message) => panic!("{message}"),
    }
}

/// An error from starting or stopping a hub.
#[derive(Debug)]
pub enum HubError {
    /// Node.js or npm is missing or too old.
    NoNode,
    /// The packages could not be installed.
    Install(String),
    /// The hub did not start. Contains the end of its output.
    Start(String),
    /// The hub did not exit cleanly. Its process is gone.
    Stop(String),
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode => f.write_str(
                "the hub tests need Node.js 18 or newer with npm on the PATH; install it, \
                 or set SCRAMJET_SKIP_HUB=1 to run without them, \
                 or SCRAMJET_HUB_URL to use a running hub",
            ),
            Self::Install(what) => write!(f, "cannot install the test hub: {what}"),
            Self::Start(what) => write!(f, "cannot start the test hub: {what}"),
            Self::Stop(what) => write!(f, "the test hub did not exit cleanly: {what}"),
        }
    }
}

impl error::Error for HubError {}

/// A hub for an example program.
#[derive(Debug)]
pub struct AnyHub {
    url: String,
    local: Option<Hub>,
}

impl AnyHub {
    /// Returns the base URL of the API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns `true` if this process started it; it then stops with the process.
    pub fn is_local(&self) -> bool {
        self.local.is_some()
    }
}

/// Returns the named hub, else the one of `SCRAMJET_HUB_URL`, else a local one that stops when
/// dropped.
pub fn resolve(named: Option<String>) -> Result<AnyHub, HubError> {
    if let Some(url) = named.or_else(url_from_env) {
        return Ok(AnyHub { url, local: None });
    }
    let hub = Hub::start()?;
    Ok(AnyHub {
        url: hub.url.clone(),
        local: Some(hub),
    })
}

/// Like [`resolve`], for an example that only takes `--hub URL`.
pub fn from_args() -> Result<AnyHub, Box<dyn std::error::Error>> {
    let args: Vec<_> = env::args().skip(1).collect();
    match args.as_slice() {
        [] => Ok(resolve(None)?),
        [name, url] if name == "--hub" => Ok(resolve(Some(url.clone()))?),
        _ => Err("the only argument is --hub URL".into()),
    }
}

fn url_from_env() -> Option<String> {
    env::var("SCRAMJET_HUB_URL")
        .ok()
        .filter(|url| !url.is_empty())
}

fn hub_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hub")
}

/// Writes to stderr even if the test's output is captured.
pub(crate) fn print_uncaptured(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_removes_the_folder_and_the_process_of_a_hub() {
        // Skips without a local hub. `shared` prints the reason, or what to install.
        if !shared().is_some_and(SharedHub::is_local) {
            return;
        }
        let hub = Hub::start().unwrap();
        let (dir, process) = (hub.dir().to_owned(), format!("/proc/{}", hub.pid()));
        assert!(dir.join("hub.log").exists());
        hub.stop().unwrap();
        assert!(!dir.exists());
        assert!(!Path::new(&process).exists());
    }
}
