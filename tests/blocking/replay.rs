//! The same program on the recorded exchanges of both generations, served a byte at a time over real HTTP.

use scramjet_client_blocking::{HostClient, StartOptions};
use scramjet_client_tests::fixture::{Exchange, load};
use scramjet_client_tests::replay::ReplayServer;

use crate::program::{self, Seen};

/// The exchanges of one run. Without a generation, the recording is of the hub itself; composed ones stand in for what was not recorded.
fn script(version: &str, steps: &[(&str, &str)]) -> Vec<Exchange> {
    let folder = |from: &str| {
        if from.is_empty() {
            version.to_owned()
        } else {
            format!("{from}/{version}")
        }
    };
    steps
        .iter()
        .map(|(from, name)| load(&folder(from), name))
        .collect()
}

#[test]
fn the_program_runs_on_0_18_7() {
    let steps = [
        ("", "sequence-upload-chunked"),
        ("composed", "sequence-get"),
        ("", "start-with-config-and-args"),
        ("", "sequence-instances"),
        ("", "instance-info-running-with-args"),
        ("composed", "instance-health"),
        // Asked once, when the first operation needs it.
        ("", "version"),
        ("", "event-last-string"),
        ("", "input-end"),
        ("", "input-output"),
        ("", "stop-with-keepalive"),
        ("", "kill-ended"),
        // What deletes by force on a hub that cannot: refused, asked for instances, killed, deleted.
        ("composed", "sequence-delete-in-use"),
        ("", "sequence-instances"),
        ("", "kill-again"),
        ("composed", "sequence-delete"),
    ];
    let server = ReplayServer::start(script("0.18.7", &steps));
    let host = HostClient::new(server.url()).unwrap();
    assert_eq!(program::run(&host).unwrap(), Seen::expected());
    assert_eq!(server.connections(), 1, "one connection serves them all");
    server.finish();
}

#[test]
fn the_program_runs_on_1_0_1() {
    let mut script = script(
        "1.0.1",
        &[
            ("", "sequence-upload-chunked"),
            ("composed", "sequence-get"),
            ("composed", "start"),
            ("", "sequence-instances"),
            ("", "instance-info-just-started"),
            ("", "instance-health"),
            ("composed", "version"),
            ("", "event-last-string"),
            ("", "input-chunked-keep-open"),
            ("", "input-output"),
            ("", "stop-with-keepalive"),
            ("", "kill-ended"),
            ("", "sequence-delete-force"),
        ],
    );
    // Recorded without options.
    script[2] = script[2].clone().any_body();
    let server = ReplayServer::start(script);
    let host = HostClient::new(server.url()).unwrap();
    assert_eq!(program::run(&host).unwrap(), Seen::expected());
    assert_eq!(server.connections(), 1, "one connection serves them all");
    let deleted = server.requests().pop().unwrap();
    assert_eq!(deleted.header("x-seq-kill-inst"), Some("true"));
    server.finish();
}

#[test]
fn overwrite_gives_the_updated_sequence_on_1_0_1() {
    let server = ReplayServer::start(vec![
        load("composed/1.0.1", "version"),
        load("1.0.1", "sequence-overwrite"),
        load("1.0.1", "sequence-overwrite-in-use"),
    ]);
    let host = HostClient::new(server.url()).unwrap();
    let sequence = host
        .sequence("e5cde247-8e90-4b04-acb8-e64d1532128f")
        .unwrap();
    let updated = sequence.overwrite(b"a package".as_slice()).unwrap();
    assert_eq!(updated.id(), sequence.id());
    assert!(
        sequence
            .overwrite(b"a package".as_slice())
            .unwrap_err()
            .is_conflict()
    );
    server.finish();
}

#[test]
fn a_told_version_is_not_asked_for() {
    let server = ReplayServer::start(vec![load("0.18.7", "stop-with-keepalive")]);
    let host = HostClient::builder(server.url())
        .hub_version("0.18.7")
        .build()
        .unwrap();
    let options = scramjet_client_blocking::StopOptions::new(std::time::Duration::from_millis(300))
        .can_call_keepalive(true);
    host.instance("x").unwrap().stop(&options).unwrap();
    server.finish();
}

#[test]
fn refusals_to_start_are_told_apart() {
    for (generation, name, found) in [
        (
            "0.18.7",
            "start-overloaded",
            "419 INSUFFICIENT_RESOURCES: Insufficient Space on Resource",
        ),
        (
            "composed/1.0.1",
            "start-overloaded",
            "419 INSUFFICIENT_RESOURCES: Insufficient Space on Resource",
        ),
        (
            "0.18.7",
            "start-unknown-sequence",
            "404 NOT_FOUND: Not Found",
        ),
        (
            "1.0.1",
            "start-unknown-sequence",
            "404 NOT_FOUND: Not Found",
        ),
        (
            "1.0.1",
            "start-two-engines",
            "400 INVALID_CONFIG: Incorrect config passed to SequenceConfig,'engines' field",
        ),
        (
            "composed/1.0.1",
            "start-bad-main",
            "400 BAD_PARAMETERS: Sequence entrypoint path missing.js is invalid.",
        ),
        (
            "1.0.1",
            "start-duplicate-instance-id",
            "409 CONFLICT: Instance with a given ID already exists",
        ),
        ("composed/1.0.1", "start-failed-object", "400 "),
    ] {
        let server = ReplayServer::start(vec![
            load(generation, name).check_nothing_but_route(),
            load("0.18.7", "version"),
        ]);
        let host = HostClient::new(server.url()).unwrap();
        let refused = host
            .sequence("x")
            .unwrap()
            .start(&StartOptions::new())
            .unwrap_err();
        assert!(
            refused
                .to_string()
                .contains(&format!("was refused: {found}")),
            "{name}: {refused}"
        );
        // And the connection goes on.
        assert_eq!(host.version().unwrap().version, "0.18.7");
        assert_eq!(server.connections(), 1, "{name}");
        server.finish();
    }
}
