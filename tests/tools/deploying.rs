//! What has not changed is not sent again: on a real hub, and on one that replaces in place.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::abort;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, thread};

use scramjet_client_blocking::pack::{DeployChange, DeployError, Deployed};
use scramjet_client_blocking::{DeployKey, ErrorKind, HostClient, Package, StartOptions, Version};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::package;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::{Value, json};

use crate::folder::{add, sequence};
use crate::helpers::{Folder, in_child_that_exits, serving, within};

/// A hub that keeps packages, and what it was asked. With those of a later version than 0.38, it replaces them.
struct Keeping {
    server: ScriptedServer,
    state: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    seen: Vec<String>,
    sent: usize,
    sequences: BTreeMap<String, Vec<u8>>,
    in_use: Vec<String>,
    /// Requests that begin so are refused with 500.
    failing: Option<&'static str>,
}

impl Keeping {
    fn start(version: &'static str) -> Self {
        let state = Arc::<Mutex<Kept>>::default();
        let server = serving({
            let state = Arc::clone(&state);
            move |request| state.lock().unwrap().answer(version, request)
        });
        Self { server, state }
    }

    fn host(&self) -> HostClient {
        HostClient::new(self.server.url()).unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.state.lock().unwrap());
    }

    /// What it was asked since the last time.
    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    fn ids(&self) -> Vec<String> {
        self.state
            .lock()
            .unwrap()
            .sequences
            .keys()
            .cloned()
            .collect()
    }
}

impl Kept {
    fn answer(&mut self, version: &str, request: &ReceivedRequest) -> Vec<u8> {
        let words = format!(
            "{} {}",
            request.method,
            request.target.strip_prefix("/api/v1/").unwrap()
        );
        self.seen.push(words.clone());
        let says = |status, body: Value| {
            response(
                status,
                &[("content-type", "application/json")],
                body.to_string().as_bytes(),
            )
        };
        if self
            .failing
            .is_some_and(|failing| words.starts_with(failing))
        {
            return says("500 Internal Server Error", json!({ "error": "it failed" }));
        }
        let (method, path) = words.split_once(' ').unwrap();
        let id = path
            .strip_prefix("sequence/")
            .unwrap_or_default()
            .to_owned();
        let unknown = || says("404 Not Found", json!({ "error": "not found" }));
        match method {
            "GET" if path == "version" => says("200 OK", json!({ "version": version })),
            "POST" => {
                self.sent += 1;
                let id = format!("s{}", self.sent);
                self.sequences.insert(id.clone(), request.body.clone());
                says("200 OK", json!({ "id": id }))
            }
            _ if !self.sequences.contains_key(&id) => unknown(),
            "GET" => {
                let size = self.sequences[&id].len();
                says(
                    "200 OK",
                    json!({ "id": id, "config": { "name": "a-package", "version": "1", "packageSize": size } }),
                )
            }
            "PUT" | "DELETE" if self.in_use.contains(&id) => {
                says("409 Conflict", json!({ "error": "in use" }))
            }
            "PUT" => {
                self.sequences.insert(id.clone(), request.body.clone());
                says("200 OK", json!({ "id": id }))
            }
            "DELETE" => {
                self.sequences.remove(&id);
                says("200 OK", json!({ "id": id }))
            }
            _ => unknown(),
        }
    }
}

/// A folder to deploy, and a key whose file is beside it.
struct Scene {
    folder: Folder,
    _state: Folder,
    state_file: PathBuf,
}

impl Scene {
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

fn assert_is(deployed: &Deployed, id: &str, change: DeployChange, left: &[&str]) {
    let told: Vec<_> = deployed.left.iter().map(|id| id.as_str()).collect();
    assert_eq!(
        (
            deployed.sequence.id().as_str(),
            deployed.change,
            told.as_slice()
        ),
        (id, change, left)
    );
}

#[test]
fn the_second_run_sends_no_package() {
    for version in ["0.18.7", "1.0.1"] {
        let (hub, scene) = (Keeping::start(version), Scene::new("second"));
        let host = hub.host();
        assert_is(
            &scene.deploy(&host, &scene.key()),
            "s1",
            DeployChange::Created,
            &[],
        );
        assert_eq!(hub.seen(), ["POST sequence", "GET sequence/s1"]);
        assert_is(
            &scene.deploy(&host, &scene.key()),
            "s1",
            DeployChange::Unchanged,
            &[],
        );
        assert_eq!(hub.seen(), ["GET sequence/s1"]);
        // Nor does another program with the same file, or the same content of a later time.
        scene.edit(&fs::read_to_string(scene.folder.0.join("index.js")).unwrap());
        assert_is(
            &scene.deploy(&hub.host(), &scene.key()),
            "s1",
            DeployChange::Unchanged,
            &[],
        );
        assert_eq!(hub.seen(), ["GET sequence/s1"]);
    }
}

#[test]
fn a_hub_that_can_replaces_in_place() {
    let (hub, scene) = (Keeping::start("1.0.1"), Scene::new("in-place"));
    let host = hub.host();
    scene.deploy(&host, &scene.key());
    scene.edit("changed");
    hub.seen();
    assert_is(
        &scene.deploy(&host, &scene.key().remove_old()),
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
    assert_is(
        &scene.deploy(&host, &scene.key()),
        "s1",
        DeployChange::Unchanged,
        &[],
    );

    // Not what is in use, and not where it is not wanted.
    hub.change(|kept| kept.in_use.push("s1".into()));
    scene.edit("changed again");
    assert_is(
        &scene.deploy(&host, &scene.key().remove_old()),
        "s2",
        DeployChange::Updated,
        &["s1"],
    );
    hub.change(|kept| kept.in_use.clear());
    assert_is(
        &scene.deploy(&host, &scene.key().remove_old()),
        "s2",
        DeployChange::Unchanged,
        &[],
    );
    scene.edit("and again");
    assert_is(
        &scene.deploy(&host, &scene.key().anew()),
        "s3",
        DeployChange::Updated,
        &["s2"],
    );
    assert_eq!(hub.ids(), ["s2", "s3"]);
}

#[test]
fn an_older_hub_gets_a_new_sequence_and_loses_the_old_one_when_it_is_free() {
    let (hub, scene) = (Keeping::start("0.18.7"), Scene::new("older"));
    let host = hub.host();
    scene.deploy(&host, &scene.key());
    scene.edit("two");
    assert_is(
        &scene.deploy(&host, &scene.key()),
        "s2",
        DeployChange::Updated,
        &["s1"],
    );
    hub.change(|kept| kept.in_use.push("s2".into()));
    scene.edit("three");
    assert_is(
        &scene.deploy(&host, &scene.key().remove_old()),
        "s3",
        DeployChange::Updated,
        &["s2"],
    );
    assert_eq!(hub.ids(), ["s2", "s3"]);
    hub.change(|kept| kept.in_use.clear());
    assert_is(
        &scene.deploy(&host, &scene.key().remove_old()),
        "s3",
        DeployChange::Unchanged,
        &[],
    );
    assert_eq!(hub.ids(), ["s3"]);
}

#[test]
fn what_is_gone_or_was_replaced_by_another_is_deployed_again() {
    let (hub, scene) = (Keeping::start("1.0.1"), Scene::new("gone"));
    let host = hub.host();
    scene.deploy(&host, &scene.key());
    hub.change(|kept| kept.sequences.clear());
    assert_is(
        &scene.deploy(&host, &scene.key()),
        "s2",
        DeployChange::Created,
        &[],
    );
    hub.change(|kept| drop(kept.sequences.insert("s2".into(), b"of another".to_vec())));
    assert_is(
        &scene.deploy(&host, &scene.key()),
        "s2",
        DeployChange::Updated,
        &[],
    );

    // Other names and other hubs are other deployments, in the same file.
    let other = Keeping::start("1.0.1");
    assert_is(
        &scene.deploy(&host, &DeployKey::new("another", &scene.state_file)),
        "s3",
        DeployChange::Created,
        &[],
    );
    assert_is(
        &scene.deploy(&other.host(), &scene.key()),
        "s1",
        DeployChange::Created,
        &[],
    );
    assert_is(
        &scene.deploy(&host, &scene.key()),
        "s2",
        DeployChange::Unchanged,
        &[],
    );
}

#[test]
fn a_failure_is_never_taken_for_success_by_the_next_run() {
    let (hub, scene) = (Keeping::start("1.0.1"), Scene::new("failure"));
    let host = hub.host();
    let fails = |request, change| {
        hub.change(|kept| kept.failing = Some(request));
        let error = scene.fail(&host, &scene.key());
        assert!(
            matches!(&error, DeployError::Hub(error) if error.api().is_some()),
            "{error:?}"
        );
        hub.change(|kept| kept.failing = None);
        assert_eq!(
            scene.deploy(&host, &scene.key()).change,
            change,
            "{request}"
        );
        assert_eq!(
            scene.deploy(&host, &scene.key()).change,
            DeployChange::Unchanged,
            "{request}"
        );
    };
    fails("POST sequence", DeployChange::Created);
    fails("GET sequence", DeployChange::Unchanged);
    scene.edit("changed");
    fails("PUT sequence", DeployChange::Updated);
    // Also where the content is again what it was before.
    scene.edit("changed again");
    hub.change(|kept| kept.failing = Some("PUT"));
    scene.fail(&host, &scene.key());
    hub.change(|kept| kept.failing = None);
    scene.edit("changed");
    assert_eq!(
        scene.deploy(&host, &scene.key()).change,
        DeployChange::Updated
    );
}

#[test]
fn what_is_no_state_file_is_left_alone() {
    let (hub, scene) = (Keeping::start("1.0.1"), Scene::new("no-state"));
    let path = scene.folder.0.join("package.json");
    let before = fs::read(&path).unwrap();
    let error = scene.fail(&hub.host(), &DeployKey::new("x", &path));
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
fn of_many_runs_at_once_one_sends() {
    let (hub, scene) = (Keeping::start("1.0.1"), Scene::new("many"));
    let (package, key, host) = (scene.package(), scene.key(), hub.host());
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
fn a_run_that_crashes_holds_up_no_other_and_one_that_hangs_no_longer_than_is_wanted() {
    const CODE: i32 = 77;
    if let Ok(state_file) = env::var("TEST_DEPLOYING_STATE") {
        // Its hub never answers; it ends with the lock.
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
    let scene = Scene::new("crashes");
    let [folder, state] = [&scene.folder.0, &scene.state_file].map(|path| path.to_str().unwrap());
    in_child_that_exits(
        &[
            ("TEST_DEPLOYING_FOLDER", folder),
            ("TEST_DEPLOYING_STATE", state),
        ],
        CODE,
    );
    let hub = Keeping::start("1.0.1");
    assert_is(
        &scene.deploy(&hub.host(), &scene.key()),
        "s1",
        DeployChange::Created,
        &[],
    );

    // One has the lock, and waits for its hub.
    let (reached, has_lock) = std::sync::mpsc::channel();
    let hanging = ScriptedServer::start(move |connection| {
        let _ = connection.read_head();
        let _ = reached.send(());
        while connection.read(&mut [0; 4096]).unwrap_or(0) > 0 {}
    });
    let (package, key, host) = (
        scene.package(),
        DeployKey::new("hanging", &scene.state_file),
        HostClient::new(hanging.url()).unwrap(),
    );
    let hangs = thread::spawn(move || host.deploy_if_changed(&package, &key).is_err());
    has_lock.recv().unwrap();
    let error = within("a run that has to wait", {
        let (host, package, key) = (
            hub.host().with_deadline(Duration::from_millis(100)),
            scene.package(),
            scene.key(),
        );
        move || host.deploy_if_changed(&package, &key).unwrap_err()
    });
    assert!(
        matches!(&error, DeployError::Hub(error) if error.is_timeout()),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "deploy if changed: timed out after 100ms before a connection was established; nothing was sent"
    );
    drop(hanging);
    assert!(hangs.join().unwrap());
    assert_is(
        &scene.deploy(&hub.host(), &scene.key()),
        "s1",
        DeployChange::Unchanged,
        &[],
    );
}

#[test]
fn a_package_that_changes_after_its_digest_was_taken_is_not_deployed() {
    let (hub, scene) = (Keeping::start("1.0.1"), Scene::new("meanwhile"));
    let package = scene.package();
    scene.edit("changed");
    let error = hub
        .host()
        .deploy_if_changed(&package, &scene.key())
        .unwrap_err();
    assert!(
        matches!(error, DeployError::Pack(_)) && hub.seen().is_empty(),
        "{error:?}"
    );
    assert!(!scene.state_file.exists());
}

/// On both generations: where the package is replaced in place, the file is written in the midst of it.
#[test]
fn a_state_file_in_the_folder_is_no_part_of_the_package() {
    for version in ["0.18.7", "1.0.1"] {
        let (hub, scene) = (
            Keeping::start(version),
            Scene::new(&format!("inside-{version}")),
        );
        for state_file in ["deployed.json", "target/deployed.json"] {
            let key = DeployKey::new(state_file, scene.folder.0.join(state_file));
            let id = scene.deploy(&hub.host(), &key).sequence.id().clone();
            for change in [DeployChange::Unchanged, DeployChange::Unchanged] {
                assert_is(&scene.deploy(&hub.host(), &key), id.as_str(), change, &[]);
            }
            scene.edit(state_file);
            let updated = scene.deploy(&hub.host(), &key);
            assert_eq!(updated.change, DeployChange::Updated, "{version}");
            assert_eq!(
                scene.deploy(&hub.host(), &key).change,
                DeployChange::Unchanged,
                "{version}"
            );
            fs::remove_file(scene.folder.0.join(state_file)).unwrap();
            fs::remove_file(scene.folder.0.join(format!("{state_file}.lock"))).unwrap();
        }
    }
}

#[test]
fn a_sequence_that_cannot_be_looked_at_is_not_forgotten() {
    for version in ["1.0.1", "0.18.7"] {
        let (hub, scene) = (
            Keeping::start(version),
            Scene::new(&format!("unseen-{version}")),
        );
        hub.change(|kept| kept.failing = Some("GET sequence/"));
        let DeployError::Hub(error) = scene.fail(&hub.host(), &scene.key()) else {
            panic!("of the hub")
        };
        assert_eq!(error.api().unwrap().status, 500);
        hub.change(|kept| kept.failing = None);
        assert_is(
            &scene.deploy(&hub.host(), &scene.key()),
            "s1",
            DeployChange::Unchanged,
            &[],
        );
        assert_eq!(hub.ids(), ["s1"]);
        // From now on it is known what it looks like.
        hub.change(|kept| {
            drop(
                kept.sequences
                    .insert("s1".into(), b"of somebody else".to_vec()),
            )
        });
        assert_eq!(
            scene.deploy(&hub.host(), &scene.key()).change,
            DeployChange::Updated
        );
    }
}

#[test]
fn what_may_not_be_deleted_is_left_and_told() {
    let (hub, scene) = (Keeping::start("0.18.7"), Scene::new("kept-old"));
    let key = scene.key().remove_old();
    scene.deploy(&hub.host(), &key);
    scene.edit("another");
    hub.change(|kept| kept.failing = Some("DELETE"));
    assert_is(
        &scene.deploy(&hub.host(), &key),
        "s2",
        DeployChange::Updated,
        &["s1"],
    );
    hub.change(|kept| kept.failing = None);
    assert_is(
        &scene.deploy(&hub.host(), &key),
        "s2",
        DeployChange::Unchanged,
        &[],
    );
}

#[test]
fn what_is_sent_has_the_digest_that_is_kept() {
    let scene = Scene::new("swapped");
    let file = scene.folder.0.join("index.js");
    // It is asked for the sequence when the digest has been taken: the content is then another, and nothing else tells of it.
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
    scene.deploy(&host, &scene.key());
    scene.edit("this is sent next");
    let error = scene.fail(&host, &scene.key());
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

on_each_hub!(a_real_hub_is_deployed_to);
fn a_real_hub_is_deployed_to(host: HostClient) {
    let scene = Scene::new("real-deploy");
    let copy = |name: &str| {
        for file in ["index.js", "package.json"] {
            fs::copy(
                package::sequence_dir(name).join(file),
                scene.folder.0.join(file),
            )
            .unwrap();
        }
    };
    copy("stays");
    let key = scene.key().remove_old();
    let first = scene.deploy(&host, &key);
    assert_eq!(
        (
            first.change,
            first.sequence.info().unwrap().config.name.as_str()
        ),
        (DeployChange::Created, "stays")
    );
    let second = scene.deploy(&host, &key);
    assert_eq!(
        (second.change, second.sequence.id()),
        (DeployChange::Unchanged, first.sequence.id())
    );

    // In use: it stays, beside the new one.
    first.sequence.start(&StartOptions::new()).unwrap();
    copy("prints");
    let third = scene.deploy(&host, &key);
    assert_eq!(
        (third.change, third.left.as_slice()),
        (DeployChange::Updated, &[first.sequence.id().clone()][..])
    );
    assert_eq!(third.sequence.info().unwrap().config.name, "prints");
    first.sequence.force_delete().unwrap();
    let fourth = scene.deploy(&host, &key);
    assert_eq!(
        (fourth.change, fourth.sequence.id(), fourth.left.len()),
        (DeployChange::Unchanged, third.sequence.id(), 0)
    );

    scene.edit("module.exports = async () => {};\n");
    let fifth = scene.deploy(&host, &key);
    let in_place = host.dialect().unwrap().has(Version::new(0, 38, 0));
    assert_eq!(
        (
            fifth.change,
            fifth.sequence.id() == third.sequence.id(),
            fifth.left.len()
        ),
        (DeployChange::Updated, in_place, 0)
    );
    fifth.sequence.delete().unwrap();
    assert_eq!(scene.deploy(&host, &key).change, DeployChange::Created);
    scene.deploy(&host, &key).sequence.delete().unwrap();
}
