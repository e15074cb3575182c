//! Endless files are refused before they fill the memory.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use scramjet_client_blocking::config::{ConfigError, SiProfile};
use scramjet_client_blocking::{DeployKey, HostClient, HostClientBuilder, Package};

use crate::helpers::{Folder, in_child, within};
use crate::package_folder::{make_pipe, sequence};

/// Returns an endless device, a pipe without a writer, and a file larger than memory.
fn endless(folder: &Folder) -> [std::path::PathBuf; 3] {
    let pipe = folder.0.join("pipe");
    make_pipe(&pipe);
    let large = folder.0.join("large");
    File::create(&large).unwrap().set_len(1 << 40).unwrap();
    [Path::new("/dev/zero").into(), pipe, large]
}

const MESSAGES: [&str; 3] = [
    "it is a pipe, a socket or a device, not a regular file",
    "it is a pipe, a socket or a device, not a regular file",
    "it is longer than ",
];

#[test]
fn deploy_if_changed_refuses_an_endless_state_file() {
    let folder = sequence("endless-state", &[]);
    let files = Folder::new("endless-state-files");
    let package = Package::from_dir(&folder.0).unwrap();
    for (path, message) in endless(&files).into_iter().zip(MESSAGES) {
        // A link, so that no lock file is created in /dev.
        let state_file = files.0.join("state.json");
        symlink(&path, &state_file).unwrap();
        let (package, key) = (package.clone(), DeployKey::new("x", &state_file));
        let error = within("deploying", move || {
            HostClient::new("http://127.0.0.1:1/api/v1")
                .unwrap()
                .deploy_if_changed(&package, &key)
                .unwrap_err()
        });
        let text = format!("{error:?}");
        assert!(
            text.contains("cannot use the state file") && text.contains(message),
            "{text}"
        );
        fs::remove_file(&state_file).unwrap();
    }
    assert!(!Path::new("/dev/zero.lock").exists());
}

#[test]
fn si_profile_from_path_refuses_an_endless_file() {
    let files = Folder::new("endless-profile");
    for (path, message) in endless(&files).into_iter().zip(MESSAGES) {
        let error = within("a profile", move || SiProfile::from_path(path).unwrap_err());
        let text = format!("{error:?}");
        assert!(
            matches!(error, ConfigError::Read { .. }) && text.contains(message),
            "{text}"
        );
    }
}

#[test]
fn from_env_refuses_an_endless_ca_file() {
    if std::env::var_os("TEST_ENDLESS_CERTIFICATES").is_some() {
        let message = std::env::var("TEST_ENDLESS_CERTIFICATES").unwrap();
        let error = within("certificates", || {
            HostClientBuilder::from_env().unwrap_err()
        });
        let text = format!("{error:?}");
        assert!(text.contains(&message), "{text}");
        return;
    }
    let files = Folder::new("endless-certificates");
    for (path, message) in endless(&files).into_iter().zip(MESSAGES) {
        in_child(&[
            ("SCRAMJET_HUB_URL", "http://127.0.0.1:1/api/v1"),
            ("SCRAMJET_CA_FILE", path.to_str().unwrap()),
            ("TEST_ENDLESS_CERTIFICATES", message),
        ]);
    }
}
