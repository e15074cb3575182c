//! Section 4, except starts: sequences.

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::{BOTH, RunningInstance, UNKNOWN, V0_18, V1, line, pick, seconds, staying};
use crate::driver::{Driver, JSON, SEQUENCE};

/// Returns a package with these files.
fn pack(files: &[(&str, &str)]) -> Vec<u8> {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn manifest(members: Value) -> Vec<u8> {
    pack(&[("package.json", &members.to_string()), ("index.js", "")])
}

fn upload(driver: &mut Driver, package: &[u8]) -> String {
    let answer = driver.call("POST", "sequence", &[], package);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn ok(body: &Value) -> String {
    format!("200 OK; application/json; {body}")
}

#[test]
fn an_uploaded_sequence_is_shown_with_its_manifest() {
    let members = json!({
        "name": "n", "version": "2", "main": "./lib/start.js", "description": "d",
        "author": "a", "keywords": ["k"], "args": [1], "repository": "r", "license": "MIT",
        "engines": { "node": ">=16" },
    });
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let id = upload(&mut driver, &manifest(members.clone()));
        let info = driver.get(&format!("sequence/{id}")).json();
        let mut expected = json!({
            "id": id,
            "instances": [],
            "config": {
                "type": "process", "engines": { "node": ">=16" },
                "entrypointPath": "./lib/start.js", "version": "2", "name": "n", "id": id,
                "sequenceDir": format!("/srv/sequences/{id}"),
            },
        });
        if generation == V1 {
            expected["location"] = "STH".into();
            for member in ["description", "author", "keywords", "args", "repository"] {
                expected["config"][member] = members[member].clone();
            }
            expected["config"]["language"] = "js".into();
            expected["config"]["packageSize"] = info["config"]["packageSize"].clone();
            assert!(info["config"]["packageSize"].is_u64());
        }
        assert_eq!(info, expected);
        assert_eq!(driver.get("sequences").json(), json!([expected]));
    }
}

#[test]
fn missing_members_of_package_json_are_empty() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let id = upload(&mut driver, &manifest(json!({ "main": "index" })));
        let config = driver.get(&format!("sequence/{id}")).json()["config"].clone();
        assert_eq!(
            (&config["name"], &config["version"]),
            (&json!(""), &json!(""))
        );
        assert_eq!(config["engines"], json!({}));
        assert_eq!(
            config["language"],
            pick(generation, Value::Null, json!("unknown"))
        );
    }
}

#[test]
fn engines_determine_the_language_before_main() {
    let mut driver = Driver::new(V1);
    for (members, language) in [
        (
            json!({ "main": "a.js", "engines": { "python3": "3.8" } }),
            "py",
        ),
        (json!({ "main": "a.py" }), "py"),
        (json!({ "main": "a.mjs" }), "mjs"),
    ] {
        let id = upload(&mut driver, &manifest(members));
        let info = driver.get(&format!("sequence/{id}")).json();
        assert_eq!(info["config"]["language"], language);
    }
}

#[test]
fn unknown_sequences_and_names_are_refused() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, staying());
        for id in [UNKNOWN, "steps"] {
            let error = json!({ "error": format!("Sequence {id} not found") });
            let v1 = format!("404 Not Found; application/json; {error}");
            let v0_18 = "404 Not Found; application/json; {}";
            let answer = driver.get(&format!("sequence/{id}"));
            assert_eq!(line(&answer), pick(generation, v0_18, &v1));
            let answer = driver.get(&format!("sequence/{id}/instances"));
            assert_eq!(
                line(&answer),
                pick(generation, "500 Failed to serialize data", &v1)
            );
        }
    }
}

#[test]
fn broken_packages_are_422() {
    let decoder = |key: &str, found: &str| {
        let at = format!("<SequencePackageJSON> decoder failed at key \"{key}\"");
        json!(format!("{at} with error: {found} is not a valid string"))
    };
    let archive = json!({ "code": "PRERUNNER_ERROR", "data": "Invalid pkg tar.gz archive" });
    let whole = manifest(json!({ "main": "index.js" }));
    let cases = [
        (b"".to_vec(), archive.clone()),
        (b"not a tarball".to_vec(), archive.clone()),
        (whole[..whole.len() / 2].to_vec(), archive),
        (pack(&[("package.json", "{")]), json!({})),
        (manifest(json!({})), decoder("main", "undefined")),
        (manifest(json!([])), decoder("main", "undefined")),
        (manifest(json!({ "main": 5 })), decoder("main", "5")),
        (manifest(json!({ "main": null })), decoder("main", "null")),
        (
            manifest(json!({ "main": "x", "name": 5 })),
            decoder("name", "5"),
        ),
        (
            manifest(json!(5)),
            json!("5 is not a valid SequencePackageJSON"),
        ),
    ];
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        for (package, error) in &cases {
            let answer = driver.call("POST", "sequence", &[], package);
            let body = json!({ "error": error });
            let expected = format!("422 Unprocessable Entity; application/json; {body}");
            assert_eq!(line(&answer), expected);
        }
        for package in [pack(&[]), pack(&[("index.js", "")])] {
            let answer = driver.call("POST", "sequence", &[], &package);
            let error = answer.json()["error"].clone();
            assert_eq!((answer.status(), &error["code"]), (422, &json!("ENOENT")));
        }
        assert!(driver.hub.sequences().is_empty());
    }
}

#[test]
fn a_sequence_is_answered_after_its_whole_upload() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let mut open = driver.begin("POST", "sequence", &[("x-end-stream", "false")]);
        driver.upload(&open, &manifest(json!({ "main": "index.js" })));
        driver.read(&mut open);
        assert_eq!(line(&open.response), "nothing");
        driver.end_upload(&open);
        driver.read(&mut open);
        assert_eq!(open.response.status(), 200);
    }
}

#[test]
fn overwriting_keeps_the_id_and_is_refused_while_instances_are_listed() {
    let package = manifest(json!({ "name": "new", "main": "index.js" }));
    let path = format!("sequence/{SEQUENCE}");
    let mut driver = Driver::with_steps(V0_18, staying());
    assert_eq!(
        line(&driver.call("PUT", &path, &[], &package)),
        "404 Not Found"
    );

    let mut hub = RunningInstance::new(V1, staying());
    let put = |hub: &mut RunningInstance, path: &str, package: &[u8]| {
        line(&hub.driver.call("PUT", path, &[], package))
    };
    let error = json!({ "error": "Can't update sequence with instances" });
    let in_use = format!("409 Conflict; application/json; {error}");
    assert_eq!(put(&mut hub, &path, &package), in_use);
    hub.operation("_kill", "{}");
    hub.driver.wait(seconds(100.0));
    assert_eq!(put(&mut hub, &path, &package), in_use);
    hub.driver.wait(seconds(100.0));
    assert!(put(&mut hub, &path, b"").starts_with("422"));
    assert_eq!(hub.driver.get(&path).json()["config"]["name"], "steps");
    assert_eq!(
        put(&mut hub, &path, &package),
        ok(&json!({ "id": SEQUENCE }))
    );
    assert_eq!(hub.driver.get(&path).json()["config"]["name"], "new");
    let error = json!({ "error": format!("Sequence with id: {UNKNOWN} not found") });
    let expected = format!("404 Not Found; application/json; {error}");
    assert_eq!(
        put(&mut hub, &format!("sequence/{UNKNOWN}"), &package),
        expected
    );
}

#[test]
fn the_response_to_a_deletion_depends_on_the_generation() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let v0_18 = json!({ "opStatus": "Conflict", "error": "Can't remove sequence in use." });
        let v1 = json!({ "error": "Can't remove- Sequence in use" });
        let body = pick(generation, v0_18, v1);
        let answer = hub.delete_sequence(&[JSON]).response;
        assert_eq!(
            line(&answer),
            format!("409 Conflict; application/json; {body}")
        );

        let path = format!("sequence/{UNKNOWN}");
        let answer = hub.driver.call("DELETE", &path, &[JSON], b"");
        let v1 = json!({ "error": format!("The sequence {UNKNOWN} does not exist.") });
        let body = pick(generation, json!({ "opStatus": "Not Found" }), v1);
        assert_eq!(
            line(&answer),
            format!("404 Not Found; application/json; {body}")
        );

        hub.operation("_kill", "{}");
        hub.driver.wait(seconds(16.0));
        let answer = hub.delete_sequence(&[JSON]).response;
        let v0_18 = json!({ "opStatus": "OK", "id": SEQUENCE });
        assert_eq!(
            line(&answer),
            ok(&pick(generation, v0_18, json!({ "id": SEQUENCE })))
        );
        assert!(hub.driver.hub.sequences().is_empty());
    }
}

#[test]
fn a_deletion_is_forced_by_any_value_of_the_header_on_1_x() {
    for value in ["true", "false", ""] {
        for generation in BOTH {
            let mut hub = RunningInstance::new(generation, staying());
            let mut open = hub.delete_sequence(&[JSON, ("x-seq-kill-inst", value)]);
            if generation == V0_18 {
                assert_eq!(open.response.status(), 409);
                continue;
            }
            let took = hub.driver.until_ended(&mut open, seconds(30.0)).unwrap();
            assert!(took > seconds(15.0) && took < seconds(17.0), "{took:?}");
            assert_eq!(line(&open.response), ok(&json!({ "id": SEQUENCE })));
            assert!(hub.driver.hub.running().is_empty());
        }
    }
}

#[test]
fn one_instance_that_ended_long_ago_is_enough_to_delete_a_sequence() {
    let mut hub = RunningInstance::new(V1, staying());
    let sibling = hub.driver.start();
    hub.operation("_kill", "{}");
    hub.driver.wait(seconds(15.0));
    assert_eq!(hub.delete_sequence(&[JSON]).response.status(), 409);
    hub.driver.wait(seconds(1.0));
    assert_eq!(hub.delete_sequence(&[JSON]).response.status(), 200);
    // The other instances continue to run, and all infos stay.
    assert_eq!(hub.driver.hub.running(), [sibling.as_str()]);
    assert_eq!(hub.driver.info(&sibling)["status"], "running");
    assert_eq!(hub.info()["status"], "completed");
    assert_eq!(hub.info()["sequence"]["id"], SEQUENCE);
}
