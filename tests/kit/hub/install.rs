//! The hub's packages: installed on first use, as the lock file says.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use super::{HubError, hub_dir, say};

/// In `node_modules`: the text of the lock file it was installed from.
const MARKER: &str = ".installed-from.json";

/// Whether `node` can be run, and is 18 or newer.
pub(crate) fn check_node() -> Result<(), HubError> {
    let output = Command::new("node")
        .arg("--version")
        .output()
        .map_err(|_| HubError::NoNode)?;
    // v20.20.2
    let version = String::from_utf8_lossy(&output.stdout);
    let major = version
        .trim()
        .strip_prefix('v')
        .and_then(|version| version.split('.').next()?.parse().ok());
    if major.is_some_and(|major: u32| major >= 18) {
        Ok(())
    } else {
        Err(HubError::NoNode)
    }
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> HubError {
    move |error| HubError::Install(format!("{what}: {error}"))
}

/// Makes `tests/hub/node_modules` what the lock file says, unless it is that already.
pub(super) fn install() -> Result<(), HubError> {
    // One at a time in this process; others are told apart by the folder's name.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);

    let hub = hub_dir();
    let target = hub.join("node_modules");
    let lock = fs::read(hub.join("package-lock.json")).map_err(failed("package-lock.json"))?;
    let is_current = || fs::read(target.join(MARKER)).is_ok_and(|marker| marker == lock);
    if is_current() {
        return Ok(());
    }

    say("installing the test hub (npm ci, once) ...");
    remove_abandoned(&hub);
    let folder = InstallFolder::create(&hub).map_err(failed("the folder to install in"))?;
    fs::copy(hub.join("package.json"), folder.0.join("package.json"))
        .map_err(failed("package.json"))?;
    fs::write(folder.0.join("package-lock.json"), &lock).map_err(failed("package-lock.json"))?;
    npm_ci(&folder.0)?;

    let installed = folder.0.join("node_modules");
    fs::write(installed.join(MARKER), &lock).map_err(failed(MARKER))?;
    if !is_current() {
        // What another lock file gave; it goes with our folder. Missing the first time.
        let _ = fs::rename(&target, folder.0.join("outdated"));
    }
    match fs::rename(&installed, &target) {
        // Another process was faster.
        Err(_) if is_current() => Ok(()),
        renamed => renamed.map_err(failed("node_modules")),
    }
}

fn npm_ci(folder: &Path) -> Result<(), HubError> {
    let output = Command::new("npm")
        // Scripts would build optional native parts, which the hub does without.
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => HubError::NoNode,
            _ => HubError::Install(format!("cannot run npm: {error}")),
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(HubError::Install(format!(
        "npm ci: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    )))
}

/// Removes the folders of installations that were killed: those of processes that are no more.
fn remove_abandoned(hub: &Path) {
    // Where that cannot be told, they stay.
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in fs::read_dir(hub).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(".install-"))
            .and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// `tests/hub/.install-<pid>`, removed when dropped.
struct InstallFolder(PathBuf);

impl InstallFolder {
    fn create(hub: &Path) -> io::Result<Self> {
        let path = hub.join(format!(".install-{}", process::id()));
        // Left by a process of the same number, long ago.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for InstallFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
