//! `deploy_if_changed` on a real hub, and on fake ones with and without `overwrite`.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::abort;
use std::time::Duration;
use std::{env, thread};

use scramjet_client_blocking::pack::{DeployChange, DeployError, Deployed};
use scramjet_client_blocking::{DeployKey, ErrorKind, HostClient, Package, StartOptions, Version};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::package;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{Folder, in_child_that_exits, serving, within};
use crate::package_folder::{add, sequence};
use crate::storing_hub::StoringHub;

/// A folder to deploy, and the path of its state file.
struct Setup {
    folder: Folder,
    _state: Folder,
    state_file: PathBuf,
}

impl Setup {
    fn new(test: &str) -> Self {
        let state = Folder::new(&format!("{test}-state"));
        Self {
            folder: sequence(test, &[]),
            state_file: state.0.join("new/deployed.json"),
            _state: state,
        }
    }

    fn key(&self) -> DeployKey {
        DeployKey::new("a-name", &self.state_file)
    }

    fn edit(&self, content: &str) {
        add(&self.folder, &[("index.js", content)]);
    }

    fn package(&self) -> Package {
        Package::from_dir(&self.folder.0).unwrap()
    }

    fn deploy(&self, host: &HostClient, key: &DeployKey) -> Deployed {
        host.deploy_if_changed(&self.package(), key)
            .unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn fail(&self, host: &HostClient, key: &DeployKey) -> DeployError {
        host.deploy_if_changed(&self.package(), key).unwrap_err()
    }
}

fn assert_deployed(deployed: &Deployed, id: &str, change: DeployChange, left: &[&str]) {
    let remaining: Vec<_> = deployed.remaining.iter().map(|id| id.as_str()).collect();
    assert_eq!(
        (
            deployed.sequence.id().as_str(),
            deployed.change,
            remaining.as_slice()
        ),
        (id, change, left)
    );
}

#[test]
fn deploy_if_changed_sends_an_unchanged_package_once() {
    for version in ["0.18.7", "1.0.1"] {
        let (hub, setup) = (StoringHub::start(version), Setup::new("second"));
        let host = hub.host();
        assert_deployed(
            &setup.deploy(&host, &setup.key()),
            "s1",
            DeployChange::Created,
            &[],
        );
        assert_eq!(hub.seen(), ["POST sequence", "GET sequence/s1"]);
        assert_deployed(
            &setup.deploy(&host, &setup.key()),
            "s1",
            DeployChange::Unchanged,
            &[],
        );
        assert_eq!(hub.seen(), ["GET sequence/s1"]);
        // Nor does another client with the same state file, or the same content with a later time.
        setup.edit(&fs::read_to_string(setup.folder.0.join("index.js")).unwrap());
        assert_deployed(
            &setup.deploy(&hub.host(), &setup.key()),
            "s1",
            DeployChange::Unchanged,
            &[],
        );
        assert_eq!(hub.seen(), ["GET sequence/s1"]);
    }
}

#[test]
fn deploy_if_changed_overwrites_on_newer_hubs() {
    let (hub, setup) = (StoringHub::start("1.0.1"), Setup::new("in-place"));
    let host = hub.host();
    setup.deploy(&host, &setup.key());
    setup.edit("changed");
    hub.seen();
    assert_deployed(
        &setup.deploy(&host, &setup.key().remove_old()),
        "s1",
        DeployChange::Updated,
        &[],
    );
    assert_eq!(
        hub.seen(),
        [
            "GET sequence/s1",
            "GET version",
            "PUT sequence/s1",
            "GET sequence/s1"
        ]
    );
    assert_deployed(
        &setup.deploy(&host, &setup.key()),
        "s1",
        DeployChange::Unchanged,
        &[],
    );

    // Not if it is in use, and not with `anew`.
    hub.change(|kept| kept.in_use.push("s1".into()));
    setup.edit("changed again");
    assert_deployed(
        &setup.deploy(&host, &setup.key().remove_old()),
        "s2",
        DeployChange::Updated,
        &["s1"],
    );
    hub.change(|kept| kept.in_use.clear());
    assert_deployed(
        &setup.deploy(&host, &setup.key().remove_old()),
        "s2",
        DeployChange::Unchanged,
        &[],
    );
    setup.edit("and again");
    assert_deployed(
        &setup.deploy(&host, &setup.key().never_in_place()),
        "s3",
        DeployChange::Updated,
        &["s2"],
    );
    assert_eq!(hub.ids(), ["s2", "s3"]);
}

#[test]
fn deploy_if_changed_replaces_sequences_on_older_hubs() {
    let (hub, setup) = (StoringHub::start("0.18.7"), Setup::new("older"));
    let host = hub.host();
    setup.deploy(&host, &setup.key());
    setup.edit("two");
    assert_deployed(
        &setup.deploy(&host, &setup.key()),
        "s2",
        DeployChange::Updated,
        &["s1"],
    );
    hub.change(|kept| kept.in_use.push("s2".into()));
    setup.edit("three");
    assert_deployed(
        &setup.deploy(&host, &setup.key().remove_old()),
        "s3",
        DeployChange::Updated,
        &["s2"],
    );
    assert_eq!(hub.ids(), ["s2", "s3"]);
    hub.change(|kept| kept.in_use.clear());
    assert_deployed(
        &setup.deploy(&host, &setup.key().remove_old()),
        "s3",
        DeployChange::Unchanged,
        &[],
    );
    assert_eq!(hub.ids(), ["s3"]);
}

#[test]
fn deploy_if_changed_redeploys_missing_or_foreign_sequences() {
    let (hub, setup) = (StoringHub::start("1.0.1"), Setup::new("gone"));
    let host = hub.host();
    setup.deploy(&host, &setup.key());
    hub.change(|kept| kept.sequences.clear());
    assert_deployed(
        &setup.deploy(&host, &setup.key()),
        "s2",
        DeployChange::Created,
        &[],
    );
    hub.change(|kept| drop(kept.sequences.insert("s2".into(), b"of another".to_vec())));
    assert_deployed(
        &setup.deploy(&host, &setup.key()),
        "s2",
        DeployChange::Updated,
        &[],
    );

    // Other keys and other hubs are separate deployments in the same state file.
    let other = StoringHub::start("1.0.1");
    assert_deployed(
        &setup.deploy(&host, &DeployKey::new("another", &setup.state_file)),
        "s3",
        DeployChange::Created,
        &[],
    );
    assert_deployed(
        &setup.deploy(&other.host(), &setup.key()),
        "s1",
        DeployChange::Created,
        &[],
    );
    assert_deployed(
        &setup.deploy(&host, &setup.key()),
        "s2",
        DeployChange::Unchanged,
        &[],
    );
}

#[test]
fn deploy_if_changed_retries_after_each_failure() {
    let (hub, setup) = (StoringHub::start("1.0.1"), Setup::new("failure"));
    let host = hub.host();
    let fails = |request, change| {
        hub.change(|kept| kept.failing = Some(request));
        let error = setup.fail(&host, &setup.key());
        assert!(
            matches!(&error, DeployError::Hub(error) if error.api().is_some()),
            "{error:?}"
        );
        hub.change(|kept| kept.failing = None);
        assert_eq!(
            setup.deploy(&host, &setup.key()).change,
            change,
            "{request}"
        );
        assert_eq!(
            setup.deploy(&host, &setup.key()).change,
            DeployChange::Unchanged,
            "{request}"
        );
    };
    fails("POST sequence", DeployChange::Created);
    fails("GET sequence", DeployChange::Unchanged);
    setup.edit("changed");
    fails("PUT sequence", DeployChange::Updated);
    // Even if the content is what it was before.
    setup.edit("changed again");
    hub.change(|kept| kept.failing = Some("PUT"));
    setup.fail(&host, &setup.key());
    hub.change(|kept| kept.failing = None);
    setup.edit("changed");
    assert_eq!(
        setup.deploy(&host, &setup.key()).change,
        DeployChange::Updated
    );
}

#[test]
fn deploy_if_changed_keeps_a_file_that_is_no_state_file() {
    let (hub, setup) = (StoringHub::start("1.0.1"), Setup::new("no-state"));
    let path = setup.folder.0.join("package.json");
    let before = fs::read(&path).unwrap();
    let error = setup.fail(&hub.host(), &DeployKey::new("x", &path));
    assert_eq!(
        error.to_string(),
        format!("cannot use the state file {}", path.display())
    );
    let text = format!("{error:?}");
    assert!(
        text.contains("caused by: it is not a state file: ")
            && text.contains("choose another path, or delete the file"),
        "{text}"
    );
    assert_eq!((fs::read(&path).unwrap(), hub.seen().len()), (before, 0));
}

#[test]
fn concurrent_deploy_if_changed_sends_one_package() {
    let (hub, setup) = (StoringHub::start("1.0.1"), Setup::new("many"));
    let (package, key, host) = (setup.package(), setup.key(), hub.host());
    let changes = within("many runs", move || {
        let run = || host.deploy_if_changed(&package, &key).unwrap().change;
        thread::scope(|scope| {
            (0..8)
                .map(|_| scope.spawn(run))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|run| run.join().unwrap())
                .collect::<Vec<_>>()
        })
    });
    assert_eq!(
        changes
            .iter()
            .filter(|change| **change == DeployChange::Created)
            .count(),
        1
    );
    assert_eq!(
        hub.seen()
            .iter()
            .filter(|seen| seen.starts_with("POST"))
            .count(),
        1
    );
}

#[test]
fn deploy_if_changed_waits_for_the_lock_until_the_deadline() {
    const CODE: i32 = 77;
    if let Ok(state_file) = env::var("TEST_DEPLOYING_STATE") {
        // This hub never responds, and exits while the lock is held.
        let server = ScriptedServer::start(move |connection| {
            let _ = connection.read_head();
            std::process::exit(CODE);
        });
        let package = Package::from_dir(env::var("TEST_DEPLOYING_FOLDER").unwrap()).unwrap();
        let _ = HostClient::new(server.url())
            .unwrap()
            .deploy_if_changed(&package, &DeployKey::new("x", state_file));
        abort();
    }
    let setup = Setup::new("crashes");
    let [folder, state] = [&setup.folder.0, &setup.state_file].map(|path| path.to_str().unwrap());
    in_child_that_exits(
        &[
            ("TEST_DEPLOYING_FOLDER", folder),
            ("TEST_DEPLOYING_STATE", state),
        ],
        CODE,
    );
    let hub = StoringHub::start("1.0.1");
    assert_deployed(
        &setup.deploy(&hub.host(), &setup.key()),
        "s1",
        DeployChange::Created,
        &[],
    );

    // A run holds the lock and waits for its hub.
    let (reached, has_lock) = std::sync::mpsc::channel();
    let hanging = ScriptedServer::start(move |connection| {
        let _ = connection.read_head();
        let _ = reached.send(());
        while connection.read(&mut [0; 4096]).unwrap_or(0) > 0 {}
    });
    let (package, key, host) = (
        setup.package(),
        DeployKey::new("hanging", &setup.state_file),
        HostClient::new(hanging.url()).unwrap(),
    );
    let hangs = thread::spawn(move || host.deploy_if_changed(&package, &key).is_err());
    has_lock.recv().unwrap();
    let error = within("a run that has to wait", {
        let (host, package, key) = (
            hub.host().with_deadline(Duration::from_millis(100)),
            setup.package(),
            setup.key(),
        );
        move || host.deploy_if_changed(&package, &key).unwrap_err()
    });
    assert!(
        matches!(&error, DeployError::Hub(error) if error.is_timeout()),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "deploy if changed: timed out after 100ms before a connection was established; nothing \
             was sent"
    );
    drop(hanging);
    assert!(hangs.join().unwrap());
    assert_deployed(
        &setup.deploy(&hub.host(), &setup.key()),
        "s1",
        DeployChange::Unchanged,
        &[],
    );
}

#[test]
fn deploy_if_changed_fails_if_the_package_changes_after_its_digest() {
    let (hub, setup) = (StoringHub::start("1.0.1"), Setup::new("meanwhile"));
    let package = setup.package();
    setup.edit("changed");
    let error = hub
        .host()
        .deploy_if_changed(&package, &setup.key())
        .unwrap_err();
    assert!(
        matches!(error, DeployError::Pack(_)) && hub.seen().is_empty(),
        "{error:?}"
    );
    assert!(!setup.state_file.exists());
}

/// With `overwrite`, the state file is written during the upload.
#[test]
fn state_file_in_the_folder_is_not_packed() {
    for version in ["0.18.7", "1.0.1"] {
        let (hub, setup) = (
            StoringHub::start(version),
            Setup::new(&format!("inside-{version}")),
        );
        for state_file in ["deployed.json", "target/deployed.json"] {
            let key = DeployKey::new(state_file, setup.folder.0.join(state_file));
            let id = setup.deploy(&hub.host(), &key).sequence.id().clone();
            for change in [DeployChange::Unchanged, DeployChange::Unchanged] {
                assert_deployed(&setup.deploy(&hub.host(), &key), id.as_str(), change, &[]);
            }
            setup.edit(state_file);
            let updated = setup.deploy(&hub.host(), &key);
            assert_eq!(updated.change, DeployChange::Updated, "{version}");
            assert_eq!(
                setup.deploy(&hub.host(), &key).change,
                DeployChange::Unchanged,
                "{version}"
            );
            fs::remove_file(setup.folder.0.join(state_file)).unwrap();
            fs::remove_file(setup.folder.0.join(format!("{state_file}.lock"))).unwrap();
        }
    }
}

#[test]
fn deploy_if_changed_remembers_a_sequence_if_its_info_fails() {
    for version in ["1.0.1", "0.18.7"] {
        let (hub, setup) = (
            StoringHub::start(version),
            Setup::new(&format!("unseen-{version}")),
        );
        hub.change(|kept| kept.failing = Some("GET sequence/"));
        let DeployError::Hub(error) = setup.fail(&hub.host(), &setup.key()) else {
            panic!("of the hub")
        };
        assert_eq!(error.api().unwrap().status, 500);
        hub.change(|kept| kept.failing = None);
        assert_deployed(
            &setup.deploy(&hub.host(), &setup.key()),
            "s1",
            DeployChange::Unchanged,
            &[],
        );
        assert_eq!(hub.ids(), ["s1"]);
        // The next run knows the package and notices the change.
        hub.change(|kept| {
            drop(
                kept.sequences
                    .insert("s1".into(), b"of somebody else".to_vec()),
            )
        });
        assert_eq!(
            setup.deploy(&hub.host(), &setup.key()).change,
            DeployChange::Updated
        );
    }
}

#[test]
fn deploy_if_changed_returns_sequences_that_it_could_not_delete() {
    let (hub, setup) = (StoringHub::start("0.18.7"), Setup::new("kept-old"));
    let key = setup.key().remove_old();
    setup.deploy(&hub.host(), &key);
    setup.edit("another");
    hub.change(|kept| kept.failing = Some("DELETE"));
    assert_deployed(
        &setup.deploy(&hub.host(), &key),
        "s2",
        DeployChange::Updated,
        &["s1"],
    );
    hub.change(|kept| kept.failing = None);
    assert_deployed(
        &setup.deploy(&hub.host(), &key),
        "s2",
        DeployChange::Unchanged,
        &[],
    );
}

#[test]
fn deploy_if_changed_stores_the_digest_of_the_sent_package() {
    let setup = Setup::new("swapped");
    let file = setup.folder.0.join("index.js");
    // The hub changes the file when the client asks for the sequence, after it has taken the
    // digest. Size and time stay the same.
    let swap = file.clone();
    let hub = serving(move |request| match request.method.as_str() {
        "GET" if request.target.ends_with("/version") => {
            response("200 OK", &[], br#"{"version":"0.18.7"}"#)
        }
        "GET" => {
            let before = fs::metadata(&swap).unwrap();
            let length = usize::try_from(before.len()).unwrap();
            fs::write(&swap, "z".repeat(length)).unwrap();
            fs::File::options()
                .append(true)
                .open(&swap)
                .unwrap()
                .set_modified(before.modified().unwrap())
                .unwrap();
            response("200 OK", &[], br#"{"id":"s1"}"#)
        }
        _ => response("200 OK", &[], br#"{"id":"s1"}"#),
    });
    let host = HostClient::new(hub.url()).unwrap();
    setup.deploy(&host, &setup.key());
    setup.edit("this is sent next");
    let error = setup.fail(&host, &setup.key());
    let DeployError::Hub(error) = error else {
        panic!("{error:?}")
    };
    let text = format!("{error:?}");
    assert!(
        matches!(error.kind(), ErrorKind::Upload(_))
            && text.contains("changed while it was being packed"),
        "{text}"
    );
}

on_each_hub!(deploy_if_changed_on_a_hub);
fn deploy_if_changed_on_a_hub(host: HostClient) {
    let setup = Setup::new("real-deploy");
    let copy = |name: &str| {
        for file in ["index.js", "package.json"] {
            fs::copy(
                package::sequence_dir(name).join(file),
                setup.folder.0.join(file),
            )
            .unwrap();
        }
    };
    copy("stays");
    let key = setup.key().remove_old();
    let first = setup.deploy(&host, &key);
    assert_eq!(
        (
            first.change,
            first.sequence.info().unwrap().config.name.as_str()
        ),
        (DeployChange::Created, "stays")
    );
    let second = setup.deploy(&host, &key);
    assert_eq!(
        (second.change, second.sequence.id()),
        (DeployChange::Unchanged, first.sequence.id())
    );

    // In use, so it is kept in addition to the new one.
    first.sequence.start(&StartOptions::new()).unwrap();
    copy("prints");
    let third = setup.deploy(&host, &key);
    assert_eq!(
        (third.change, third.remaining.as_slice()),
        (DeployChange::Updated, &[first.sequence.id().clone()][..])
    );
    assert_eq!(third.sequence.info().unwrap().config.name, "prints");
    first.sequence.force_delete().unwrap();
    let fourth = setup.deploy(&host, &key);
    assert_eq!(
        (fourth.change, fourth.sequence.id(), fourth.remaining.len()),
        (DeployChange::Unchanged, third.sequence.id(), 0)
    );

    setup.edit("module.exports = async () => {};\n");
    let fifth = setup.deploy(&host, &key);
    let in_place = host.dialect().unwrap().has(Version::new(0, 38, 0));
    assert_eq!(
        (
            fifth.change,
            fifth.sequence.id() == third.sequence.id(),
            fifth.remaining.len()
        ),
        (DeployChange::Updated, in_place, 0)
    );
    fifth.sequence.delete().unwrap();
    assert_eq!(setup.deploy(&host, &key).change, DeployChange::Created);
    setup.deploy(&host, &key).sequence.delete().unwrap();
}
