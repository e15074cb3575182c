//! A real hub: the pinned npm packages under `tests/hub`, installed on first use and run as a process of their own.
//!
//! The hub lives as long as the pipe to its stdin: it ends, with its folder and everything it started, when that is
//! closed, also when this process is killed. See `tests/hub/hub.js`.

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

use crate::node::NodeProcess;

/// A hub of its own, for a test that needs one nobody else uses.
///
/// Dropping it ends it and waits for that.
#[derive(Debug)]
pub struct Hub {
    url: String,
    dir: PathBuf,
    process: NodeProcess,
}

impl Hub {
    /// Starts a hub and waits until it answers. The first use on a machine installs it.
    pub fn start() -> Result<Self, HubError> {
        Self::launch(false)
    }

    /// Starts a hub that is always overloaded: it refuses every start of a sequence with 419.
    pub fn start_overloaded() -> Result<Self, HubError> {
        Self::launch(true)
    }

    /// The address of its API, as a client takes it: `http://127.0.0.1:<port>/api/v1`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process, which is also the number of the group it and all it starts are in.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// The only folder the hub writes to, with its log in `hub.log`; removed when it ends.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends the hub, and tells when that did not go as it should.
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
        let told = process.announcement().and_then(|told| {
            match (told["url"].as_str(), told["dir"].as_str()) {
                (Some(url), Some(dir)) => Ok((url.to_owned(), dir.into())),
                _ => Err(format!("not what it should print: {told}")),
            }
        });
        match told {
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
        let left = self.dir.exists();
        if left {
            let _ = fs::remove_dir_all(&self.dir);
        }
        ended.map_err(HubError::Stop)?;
        if left {
            return Err(HubError::Stop(format!(
                "it left {} behind",
                self.dir.display()
            )));
        }
        Ok(())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Nobody to tell; `stop` is for those who want to know.
        let _ = self.end();
    }
}

/// The one hub of a test binary, or the one `SCRAMJET_HUB_URL` names.
#[derive(Debug)]
pub struct SharedHub {
    url: String,
    local: bool,
}

impl SharedHub {
    /// The address of its API, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Checks if it is a real hub that was started here: version 0.18.7, and nobody else uses it.
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

/// A client of the hub.
impl From<&SharedHub> for HostClient {
    fn from(hub: &SharedHub) -> Self {
        Self::new(hub.url()).unwrap()
    }
}

/// The variable that names the hub of a test to the process which the test starts for a part of
/// itself. That process has no hub of its own.
pub const PARENT_HUB: &str = "SCRAMJET_TEST_PARENT_HUB";

/// The hub of the test that started this process, if a test did.
pub(crate) fn of_the_parent() -> Option<SharedHub> {
    env::var(PARENT_HUB).ok().map(|url| SharedHub::at(&url))
}

/// The hub all tests of this binary share, started by the first that asks. It ends with the process.
///
/// `SCRAMJET_HUB_URL` makes it a hub that runs already. `SCRAMJET_SKIP_HUB=1`, which wins, makes it `None`.
///
/// # Panics
///
/// When the hub cannot be started, in every test that asks.
pub fn shared() -> Option<&'static SharedHub> {
    static SHARED: OnceLock<Result<Option<SharedHub>, String>> = OnceLock::new();

    let shared = SHARED.get_or_init(|| {
        if let Some(hub) = of_the_parent() {
            return Ok(Some(hub));
        }
        if env::var_os("SCRAMJET_SKIP_HUB").is_some_and(|value| value == "1") {
            say("SKIPPED: the tests that need a hub (SCRAMJET_SKIP_HUB=1)");
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
        // Statics are never dropped; the end of this process closes the pipe to the hub, which ends it.
        mem::forget(hub);
        Ok(Some(shared))
    });
    match shared {
        Ok(hub) => hub.as_ref(),
        Err(message) => panic!("{message}"),
    }
}

/// Why there is no hub, or why it is not gone.
#[derive(Debug)]
pub enum HubError {
    /// Node.js or npm is missing or too old.
    NoNode,
    /// The packages could not be installed.
    Install(String),
    /// The hub did not come up; with the end of what it said.
    Start(String),
    /// The hub did not end as it should. It is gone all the same.
    Stop(String),
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode => f.write_str(
                "the hub tests need Node.js 18 or newer with npm on the PATH; install it, \
                 or set SCRAMJET_SKIP_HUB=1 to run without them, or SCRAMJET_HUB_URL to use a running hub",
            ),
            Self::Install(what) => write!(f, "cannot install the test hub: {what}"),
            Self::Start(what) => write!(f, "cannot start the test hub: {what}"),
            Self::Stop(what) => write!(f, "the test hub did not end well: {what}"),
        }
    }
}

impl error::Error for HubError {}

/// A hub for a program that a person runs.
#[derive(Debug)]
pub struct AnyHub {
    url: String,
    local: Option<Hub>,
}

impl AnyHub {
    /// The address of its API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Checks if it was started here, and ends with the program.
    pub fn is_local(&self) -> bool {
        self.local.is_some()
    }
}

/// The hub that was named, else the one of `SCRAMJET_HUB_URL`, else a local one that ends when this is dropped.
pub fn any(named: Option<String>) -> Result<AnyHub, HubError> {
    if let Some(url) = named.or_else(url_from_env) {
        return Ok(AnyHub { url, local: None });
    }
    let hub = Hub::start()?;
    Ok(AnyHub {
        url: hub.url.clone(),
        local: Some(hub),
    })
}

/// The same for an example that takes `--hub URL` and nothing else.
pub fn asked_for() -> Result<AnyHub, Box<dyn std::error::Error>> {
    let args: Vec<_> = env::args().skip(1).collect();
    match args.as_slice() {
        [] => Ok(any(None)?),
        [name, url] if name == "--hub" => Ok(any(Some(url.clone()))?),
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

/// On stderr whether or not the test's output is captured.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_leaves_nothing() {
        // Tells about being skipped, or what to install.
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
