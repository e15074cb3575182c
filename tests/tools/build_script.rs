//! The build script example, built by cargo as in a user's program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use std::{env, fs};

use scramjet_client_blocking::{HostClient, Version};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::json;

use crate::helpers::serving;

/// A copy of the example, which a test may change. The tests share a target folder, so that only
/// the first run compiles the library.
struct Project {
    dir: PathBuf,
    target: PathBuf,
}

impl Project {
    fn new(test: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("build-script-{test}"));
        // Removes leftovers of an earlier run.
        let _ = fs::remove_dir_all(&dir);
        copy(&root.join("crates/blocking/examples/build_script"), &dir);
        let mut manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
        let library = format!("path = {:?}", root.join("crates/blocking"));
        let name = format!("deployed-at-build-{test}");
        for (from, to) in [
            ("path = \"../..\"", library.as_str()),
            ("deployed-at-build", &name),
        ] {
            assert!(manifest.contains(from));
            manifest = manifest.replace(from, to);
        }
        fs::write(dir.join("Cargo.toml"), manifest).unwrap();
        // Uses the same versions, which have been downloaded already.
        fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        // A target folder of its own, because cargo locks the folder during a build.
        let project = Self {
            dir,
            target: shared_folder().join("target"),
        };
        for entry in fs::read_dir(project.target.join("debug/build"))
            .into_iter()
            .flatten()
        {
            let path = entry.unwrap().path();
            if path
                .file_name()
                .is_some_and(|file| file.to_string_lossy().starts_with(&name))
            {
                fs::remove_dir_all(path).unwrap();
            }
        }
        project
    }

    fn cargo(&self, hub: Option<&str>) -> Output {
        self.cargo_with(&["run", "--offline", "--quiet"], hub)
    }

    fn cargo_with(&self, args: &[&str], hub: Option<&str>) -> Output {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(args)
            .current_dir(&self.dir)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "false");
        // Cargo sets variables for this test that do not apply to another build.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name == "OUT_DIR"
                || name == "SCRAMJET_HUB_URL"
            {
                cargo.env_remove(name);
            }
        }
        cargo
            .envs(hub.map(|hub| ("SCRAMJET_HUB_URL", hub)))
            .output()
            .unwrap()
    }

    /// Runs the program and returns its output.
    fn run(&self, hub: Option<&str>) -> String {
        let output = self.cargo(hub);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Writes a file of the sequence, with a modification time that cargo recognizes as a change.
    fn write(&self, path: &str, content: &str) {
        let path = self.dir.join("sequence").join(path);
        fs::write(&path, content).unwrap();
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(2))
            .unwrap();
    }
}

/// Returns the folder that contains the target folder.
fn shared_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("build-script")
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// Starts a hub that accepts all requests. Also returns the requests.
fn accepting() -> (ScriptedServer, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let sent = AtomicUsize::new(0);
    let server = serving({
        let seen = Arc::clone(&seen);
        move |request: &ReceivedRequest| {
            let line = format!(
                "{} {}",
                request.method,
                request.target.trim_start_matches("/api/v1/")
            );
            seen.lock().unwrap().push(line.clone());
            let body = match line.as_str() {
                "GET version" => json!({ "version": "0.18.7" }),
                "POST sequence" => {
                    json!({ "id": format!("s{}", sent.fetch_add(1, Ordering::SeqCst) + 1) })
                }
                _ => {
                    json!({ "id": request.target.rsplit('/').next(),
                        "config": { "name": "deployed-at-build" } })
                }
            };
            response(
                "200 OK",
                &[("content-type", "application/json")],
                body.to_string().as_bytes(),
            )
        }
    });
    (server, seen)
}

#[test]
fn build_script_deploys_changes_and_packs_without_a_hub() {
    let project = Project::new("scripted");
    let (server, seen) = accepting();
    let url = server.url();
    let seen = || std::mem::take(&mut *seen.lock().unwrap());

    assert!(
        project
            .run(None)
            .ends_with(" bytes, not deployed: SCRAMJET_HUB_URL is not set")
    );
    assert_eq!(project.run(Some(&url)), format!("sequence s1 on {url}"));
    assert_eq!(seen(), ["POST sequence", "GET sequence/s1"]);

    // Without a change, the script does not run.
    assert_eq!(project.run(Some(&url)), format!("sequence s1 on {url}"));
    assert_eq!(seen(), [""; 0]);
    // A changed file that is not packed runs the script, which sends nothing.
    project.write("README.md", "new");
    assert_eq!(project.run(Some(&url)), format!("sequence s1 on {url}"));
    assert_eq!(seen(), ["GET sequence/s1"]);
    // A new file.
    project.write("lib.js", "new");
    assert_eq!(project.run(Some(&url)), format!("sequence s2 on {url}"));
    assert_eq!(
        seen(),
        [
            "GET sequence/s1",
            "GET version",
            "POST sequence",
            "GET sequence/s2",
            "DELETE sequence/s1"
        ]
    );

    // The error contains a remedy.
    project.write("package.json", "{}");
    let output = project.cargo(Some(&url));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for part in [
        "Error: cannot pack the sequence",
        r#"caused by: "#,
        r#"it has no "main", the file that a hub runs; add one"#,
    ] {
        assert!(text.contains(part), "{text}");
    }
    fs::remove_file(project.dir.join("sequence/package.json")).unwrap();
    project.write("package.json", r#"{"main":"index.js"}"#);
    // Without the hub, the script packs, and reports the reason to cargo and to the program.
    drop(server);
    let output = project.cargo_with(&["run", "--offline"], Some(&url));
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let reason =
        format!(" to {url}; start a hub there, or let the build script only pack the sequence: ");
    for (text, begin) in [(&stdout, " bytes, not deployed: "), (&stderr, "warning: ")] {
        let line = text
            .lines()
            .find(|line| line.contains(begin) && line.contains(&reason));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(
            line.contains("could not connect") && line.contains("refused"),
            "{line}"
        );
    }
}

#[test]
fn build_script_fails_if_the_hub_refuses_its_package() {
    let project = Project::new("refused");
    let server = serving(|_: &ReceivedRequest| {
        let json = [
            ("content-type", "application/json"),
            ("access-control-allow-origin", "*"),
        ];
        response("401 Unauthorized", &json, br#"{"error":"no"}"#)
    });
    let output = project.cargo(Some(&server.url()));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && text.contains("refused with status 401"),
        "{text}"
    );
}

/// All options of a script. The sequence's folder contains the target folder.
#[test]
fn build_sequence_options_set_name_rules_and_state_file() {
    let folder = shared_folder();
    let project = Project::new("named");
    let script = |name: &str| {
        format!(
            "use scramjet_client_blocking::{{HostClient, build, pack::PackOptions}};\n\
             fn main() -> Result<(), build::BuildError> {{\n\
                 let sequence = build::sequence({:?}).name({name:?}).options(PackOptions::new().ignore(\"/left-out\"));\n\
                 let sequence = sequence.state_file(\"kept/state.json\").every_build();\n\
                 sequence.deploy(&HostClient::new(std::env::var(\"SCRAMJET_HUB_URL\").unwrap_or_default())?)?;\n\
                 Ok(())\n\
             }}\n",
            folder
        )
    };
    copy(&project.dir.join("sequence"), &folder);
    fs::write(folder.join("left-out"), "x").unwrap();
    fs::write(project.dir.join("build.rs"), script("my-seq")).unwrap();
    let program = "mod it { include!(concat!(env!(\"OUT_DIR\"), \"/my-seq.rs\")); }\n\
                   fn main() { println!(\"{:?} {} {}\", it::ID, env!(\"MY_SEQ_ID\"), \
                        it::DIGEST); }\n";
    fs::write(project.dir.join("src/main.rs"), program).unwrap();

    let (server, seen) = accepting();
    let url = server.url();
    let seen = || std::mem::take(&mut *seen.lock().unwrap());
    let first = project.run(Some(&url));
    assert!(first.starts_with("Some(\"s1\") s1 "), "{first}");
    assert_eq!(seen(), ["POST sequence", "GET sequence/s1"]);
    assert!(project.dir.join("kept/state.json").exists());
    // The target folder is not packed. With `every_build`, each build requests the sequence from
    // the hub.
    assert_eq!(project.run(Some(&url)), first);
    assert_eq!(seen(), ["GET sequence/s1"]);

    // `deploy` fails if the hub is unreachable.
    drop(server);
    let text = String::from_utf8_lossy(&project.cargo(Some(&url)).stderr).into_owned();
    assert!(
        text.contains(&format!(" to {url}; start a hub there")),
        "{text}"
    );

    fs::write(project.dir.join("build.rs"), script("my seq")).unwrap();
    let text = String::from_utf8_lossy(&project.cargo(Some(&url)).stderr).into_owned();
    assert!(
        text.contains(
            "invalid name \"my seq\" for a sequence in a build script; use letters, digits, - and _"
        ),
        "{text}"
    );
    // Fails outside of a build script.
    let error = scramjet_client_blocking::build::sequence("sequence")
        .pack()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "OUT_DIR is not set; Cargo sets it for build scripts, so call this from one"
    );
}

on_each_hub!(build_script_deploys_to_a_hub);
fn build_script_deploys_to_a_hub(host: HostClient) {
    // One project for each hub, because the tests may run at the same time.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let project = Project::new(&format!("real-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let first = project.run(Some(host.base_url()));
    assert_eq!(project.run(Some(host.base_url())), first);
    let id = first
        .strip_prefix("sequence ")
        .and_then(|rest| rest.split_once(" on "))
        .unwrap_or_else(|| panic!("{first}"))
        .0;
    assert_eq!(host.sequence_ids("deployed-at-build").unwrap(), [id]);
    let manifest = json!({ "name": "deployed-at-build", "version": "2.0.0", "main": "index.js" });
    project.write("package.json", &manifest.to_string());
    let second = project.run(Some(host.base_url()));
    let in_place = host.dialect().unwrap().has(Version::new(0, 38, 0));
    assert_eq!(second == first, in_place, "{first}, then {second}");
    let ids = host.sequence_ids("deployed-at-build").unwrap();
    assert!(
        ids.len() == 1 && second.contains(ids[0].as_str()),
        "{second}: {ids:?}"
    );
    let info = host.sequence_info(&ids[0]).unwrap();
    assert_eq!(info.config.version, "2.0.0");
    host.delete_sequence(&ids[0]).unwrap();
}
