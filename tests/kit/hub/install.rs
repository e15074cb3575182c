//! Installs the hub's npm packages on first use, according to the lock file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use super::{HubError, hub_dir, print_uncaptured};

/// File in `node_modules` with the text of the lock file that was installed.
const MARKER: &str = ".installed-from.json";

/// Checks that `node` can be run and is version 18 or newer.
pub(crate) fn check_node() -> Result<(), HubError> {
    let output = Command::new("node")
        .arg("--version")
        .output()
        .map_err(|_| HubError::NoNode)?;
    // The output is like `v20.20.2`.
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

/// Installs `tests/hub/node_modules`, unless it matches the lock file.
pub(super) fn install() -> Result<(), HubError> {
    // One installation at a time in this process. Other processes use other folders.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);

    let hub = hub_dir();
    let target = hub.join("node_modules");
    let lock = fs::read(hub.join("package-lock.json")).map_err(failed("package-lock.json"))?;
    let is_current = || fs::read(target.join(MARKER)).is_ok_and(|marker| marker == lock);
    if is_current() {
        return Ok(());
    }

    print_uncaptured("installing the test hub (npm ci, once) ...");
    remove_abandoned(&hub);
    let folder = InstallFolder::create(&hub).map_err(failed("the folder to install in"))?;
    fs::copy(hub.join("package.json"), folder.0.join("package.json"))
        .map_err(failed("package.json"))?;
    fs::write(folder.0.join("package-lock.json"), &lock).map_err(failed("package-lock.json"))?;
    npm_ci(&folder.0)?;

    let installed = folder.0.join("node_modules");
    fs::write(installed.join(MARKER), &lock).map_err(failed(MARKER))?;
    if !is_current() {
        // Moves an outdated installation to the temporary folder. There is none the first time.
        let _ = fs::rename(&target, folder.0.join("outdated"));
    }
    match fs::rename(&installed, &target) {
        // Another process installed it first.
        Err(_) if is_current() => Ok(()),
        renamed => renamed.map_err(failed("node_modules")),
    }
}

fn npm_ci(folder: &Path) -> Result<(), HubError> {
    let output = Command::new("npm")
        // Install scripts build optional native parts, which the hub does not need.
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

/// Removes the folders of killed installations: those of processes that no longer exist.
fn remove_abandoned(hub: &Path) {
    // Without /proc it is unknown which processes exist.
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

/// The folder `tests/hub/.install-<pid>`, removed when dropped.
struct InstallFolder(PathBuf);

impl InstallFolder {
    fn create(hub: &Path) -> io::Result<Self> {
        let path = hub.join(format!(".install-{}", process::id()));
        // Left over from an earlier process with the same ID.
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
