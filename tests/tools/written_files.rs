//! Written files: state files behind links, packages, and leftovers of killed processes.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::{env, thread};

use scramjet_client_blocking::pack::{DeployChange, PackError};
use scramjet_client_blocking::{DeployKey, HostClient, Package};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{Folder, Mailbox, serving, within};
use crate::package_folder::{Unpacked, add, make_pipe, paths, sequence, unpacked};

/// Starts a hub that accepts everything and always has the same sequence.
fn accepting() -> ScriptedServer {
    accepting_to(|_| ())
}

/// Like [`accepting`], and passes on each received package.
fn accepting_to(package: impl Fn(&[u8]) + Send + Sync + 'static) -> ScriptedServer {
    serving(move |request: &ReceivedRequest| {
        if request.method == "POST" {
            package(&request.body);
        }
        let body: &[u8] = if request.target.ends_with("/version") {
            br#"{"version":"0.18.7"}"#
        } else {
            br#"{"id":"s1","config":{"name":"a-package"}}"#
        };
        response("200 OK", &[("content-type", "application/json")], body)
    })
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn deploy_if_changed_follows_a_linked_state_file() {
    let hub = accepting();
    let host = HostClient::new(hub.url()).unwrap();
    let package = sequence("linked-state", &[]);
    let folder = Folder::new("linked-state-files");
    let state = Folder::new("linked-state-elsewhere");
    let deploy = |path: &Path| {
        let package = Package::from_dir(&package.0).unwrap();
        host.deploy_if_changed(&package, &DeployKey::new("x", path))
            .unwrap()
            .change
    };
    // The first leads to the second, and that to a file that does not exist yet.
    let (link, second) = (folder.0.join("link.json"), folder.0.join("second.json"));
    let real = state.0.join("new/real.json");
    symlink("second.json", &link).unwrap();
    symlink(&real, &second).unwrap();
    assert_eq!(deploy(&link), DeployChange::Created);
    assert_eq!(deploy(&real), DeployChange::Unchanged);
    assert_eq!(deploy(&second), DeployChange::Unchanged);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::symlink_metadata(&second).unwrap().is_symlink());
    // All names of the file share a lock.
    assert_eq!(names(&folder.0), ["link.json", "second.json"]);
    assert_eq!(names(&state.0.join("new")), ["real.json", "real.json.lock"]);

    let circle = folder.0.join("circle.json");
    symlink("circle.json", &circle).unwrap();
    let packed = Package::from_dir(&package.0).unwrap();
    let error = host
        .deploy_if_changed(&packed, &DeployKey::new("x", &circle))
        .unwrap_err();
    assert!(format!("{error:?}").contains("form a loop"), "{error:?}");
}

#[test]
fn link_to_the_state_file_is_not_packed() {
    let received = Mailbox::new();
    let hub = accepting_to({
        let received = Arc::clone(&received);
        move |package| received.put(unpacked(package))
    });
    let host = HostClient::new(hub.url()).unwrap();
    let folder = sequence(
        "linked-state-inside",
        &[("var/real.json", r#"{"deployments":[]}"#)],
    );
    let link = folder.0.join("deployed.json");
    symlink("var/real.json", &link).unwrap();
    let deploy = || {
        let package = Package::from_dir(&folder.0).unwrap();
        let deployed = host.deploy_if_changed(&package, &DeployKey::new("x", &link));
        let change = deployed.unwrap().change;
        let sent = received.try_take();
        let paths = |archive: Vec<Unpacked>| archive.into_iter().map(|entry| entry.path).collect();
        (change, sent.map_or_else(Vec::new, paths))
    };
    let packed = ["index.js", "package.json"].map(PathBuf::from);
    assert_eq!(deploy(), (DeployChange::Created, packed.to_vec()));
    // The state file has changed, and its lock file exists.
    assert_eq!(deploy(), (DeployChange::Unchanged, vec![]));
    add(&folder, &[("index.js", "changed")]);
    assert_eq!(deploy(), (DeployChange::Updated, packed.to_vec()));
}

#[test]
fn write_to_follows_links_and_refuses_devices() {
    let folder = sequence("written-link", &[]);
    let out = Folder::new("written-link-out");
    let package = Package::from_dir(&folder.0).unwrap();
    symlink("real.tar.gz", out.0.join("link.tar.gz")).unwrap();
    package.write_to(out.0.join("link.tar.gz")).unwrap();
    assert!(
        fs::symlink_metadata(out.0.join("link.tar.gz"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        fs::read(out.0.join("real.tar.gz")).unwrap()[..2],
        [0x1f, 0x8b]
    );

    let pipe = out.0.join("pipe");
    make_pipe(&pipe);
    let error = within("writing", move || package.write_to(&pipe).unwrap_err());
    assert!(matches!(error, PackError::Write { .. }), "{error:?}");
    assert_eq!(names(&out.0), ["link.tar.gz", "pipe", "real.tar.gz"]);
}

/// A child process that is killed when dropped.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}

/// A process is killed while it writes a package.
#[test]
#[cfg(target_os = "linux")]
fn write_to_deletes_leftovers_of_killed_processes_only() {
    const NAME: &str = "written_files::write_to_deletes_leftovers_of_killed_processes_only";
    if let Some(dir) = env::var_os("TEST_WRITTEN_DIR") {
        let package = Package::from_dir(Path::new(&dir).join("sequence")).unwrap();
        package
            .write_to(Path::new(&dir).join("out/package.tar.gz"))
            .unwrap();
        return;
    }
    let folder = Folder::new("killed");
    add(
        &folder,
        &[
            ("sequence/package.json", r#"{"main":"index.js"}"#),
            ("sequence/index.js", "."),
            ("out/package.tar.gz.12-x.tmp", "somebody's"),
            ("out/package.tar.gz.tmp", "somebody's"),
            ("out/other.tar.gz.12-3.tmp", "of another file"),
        ],
    );
    let foreign = names(&folder.0.join("out"));
    // Sparse, and slow to compress.
    File::create(folder.0.join("sequence/large"))
        .unwrap()
        .set_len(200 << 20)
        .unwrap();
    let mut writer = KillOnDrop(
        Command::new(env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env("TEST_WRITTEN_DIR", &folder.0)
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let temporary = || {
        let mut names = names(&folder.0.join("out"));
        names.retain(|name| !foreign.contains(name) && name != "package.tar.gz");
        names
    };
    while temporary().is_empty() {
        assert!(writer.0.try_wait().unwrap().is_none(), "it was too quick");
        thread::yield_now();
    }
    // Stopped, so that it stays in the middle of writing.
    let id = writer.0.id().to_string();
    let stop = Command::new("kill").args(["-STOP", &id]).status();
    assert!(stop.unwrap().success());
    let state = || fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    while !state().contains(") T ") {
        thread::yield_now();
    }
    fs::remove_file(folder.0.join("sequence/large")).unwrap();
    let package = Package::from_dir(folder.0.join("sequence")).unwrap();
    let write = || {
        package
            .write_to(folder.0.join("out/package.tar.gz"))
            .unwrap()
    };
    let left = temporary();
    assert_eq!(left.len(), 1);
    write();
    assert_eq!(temporary(), left, "the file of a running process");
    drop(writer);
    assert_eq!(temporary(), left);
    write();
    assert_eq!(temporary(), [""; 0]);
    let mut expected = foreign.clone();
    expected.push("package.tar.gz".into());
    expected.sort();
    assert_eq!(names(&folder.0.join("out")), expected);
    let mut bytes = Vec::new();
    File::open(folder.0.join("out/package.tar.gz"))
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(paths(&package), ["index.js", "package.json"]);
    assert_eq!(bytes, crate::package_folder::bytes_of(&package));
}
