//! The program and single calls on recorded exchanges of both generations, over HTTP.

use scramjet_client_blocking::{HostClient, StartOptions};
use scramjet_client_testing::replay::{Check, RecordedExchange, Replay};
use scramjet_client_testing::server::Server;
use scramjet_client_tests::fixture;

use crate::program::{self, Outcome};

/// Loads an exchange. JSON request bodies must match byte for byte. Other bodies differ between the
/// recordings and the tests.
fn load(generation: &str, name: &str) -> RecordedExchange {
    let exchange = fixture::load(generation, name);
    let request = &exchange.request;
    let is_json = request.header("content-type") == Some("application/json");
    let check = match is_json && !request.body.is_empty() {
        true => Check::Bytes,
        false => Check::ContentType,
    };
    exchange.checking(check)
}

/// A replay, and the server that plays it.
struct Replayed {
    replay: Replay,
    server: Server,
}

impl Replayed {
    fn start(exchanges: impl IntoIterator<Item = RecordedExchange>) -> Self {
        let replay = Replay::new(exchanges).with_any_ids();
        let server = replay.serve().unwrap();
        Self { replay, server }
    }

    fn host(&self) -> HostClient {
        HostClient::new(self.server.url()).unwrap()
    }

    fn assert_done(self) {
        self.server.join();
        self.replay.assert_done();
    }
}

/// Loads the exchanges of one run. The first part of a step is the folder for composed exchanges,
/// or empty for recorded ones.
fn script(version: &str, steps: &[(&str, &str)]) -> Vec<RecordedExchange> {
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
fn program_runs_with_the_recordings_of_0_18_7() {
    let steps = [
        ("", "sequence-upload-chunked"),
        ("composed", "sequence-get"),
        ("", "start-with-config-and-args"),
        ("", "sequence-instances"),
        ("", "instance-info-running-with-args"),
        ("composed", "instance-health"),
        // The client requests the version once, before the first operation that needs it.
        ("", "version"),
        ("", "event-last-string"),
        ("", "input-end"),
        ("", "input-output"),
        ("", "stop-with-keepalive"),
        ("", "kill-ended"),
        // The deletion kills the instances first.
        ("", "sequence-instances"),
        ("", "kill-again"),
        ("composed", "sequence-delete"),
    ];
    let mut script = script("0.18.7", &steps);
    // This exchange was recorded without options.
    script[13].check = Check::ContentType;
    let server = Replayed::start(script);
    let host = server.host();
    assert_eq!(program::run(&host).unwrap(), Outcome::expected());
    assert_eq!(
        server.server.connections(),
        1,
        "one connection serves them all"
    );
    server.assert_done();
}

#[test]
fn program_runs_with_the_recordings_of_1_0_1() {
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
            // The client checks whether the instance still runs after its input ended.
            ("", "instance-info-just-started"),
            ("", "input-output"),
            ("", "stop-with-keepalive"),
            ("", "kill-ended"),
            // The deletion kills the instances first. This one has ended.
            ("", "sequence-instances"),
            ("", "kill-ended"),
            ("", "instance-info-stopped"),
            ("", "sequence-delete"),
        ],
    );
    // These exchanges were recorded without options.
    script[2].check = Check::ContentType;
    script[14].check = Check::ContentType;
    let server = Replayed::start(script);
    let host = server.host();
    assert_eq!(program::run(&host).unwrap(), Outcome::expected());
    assert_eq!(
        server.server.connections(),
        1,
        "one connection serves them all"
    );
    server.assert_done();
}

#[test]
fn overwrite_returns_the_updated_sequence_of_1_0_1() {
    let server = Replayed::start([
        load("composed/1.0.1", "version"),
        load("1.0.1", "sequence-overwrite"),
        load("1.0.1", "sequence-overwrite-in-use"),
    ]);
    let host = server.host();
    let sequence = host
        .sequence("e5cde247-8e90-4b04-acb8-e64d1532128f")
        .unwrap();
    let updated = sequence.overwrite(b"\x1f\x8ba package".as_slice()).unwrap();
    assert_eq!(updated.id(), sequence.id());
    assert!(
        sequence
            .overwrite(b"\x1f\x8ba package".as_slice())
            .unwrap_err()
            .is_conflict()
    );
    server.assert_done();
}

#[test]
fn hub_version_saves_the_request_for_the_version() {
    let server = Replayed::start([load("0.18.7", "stop-with-keepalive")]);
    let host = HostClient::builder(server.server.url())
        .hub_version("0.18.7")
        .build()
        .unwrap();
    let options = scramjet_client_blocking::StopOptions::new(std::time::Duration::from_millis(300))
        .can_call_keepalive(true);
    host.instance("x").unwrap().stop(&options).unwrap();
    server.assert_done();
}

#[test]
fn start_reports_each_refusal_of_the_hub() {
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
        let server = Replayed::start([
            load(generation, name).checking(Check::Target),
            load("0.18.7", "version"),
        ]);
        let host = server.host();
        let refused = host
            .sequence("x")
            .unwrap()
            .start(&StartOptions::new())
            .unwrap_err();
        assert!(
            refused
                .to_string()
                .contains(&format!("refused with status {found}")),
            "{name}: {refused}"
        );
        // The connection is still usable.
        assert_eq!(host.version().unwrap().version, "0.18.7");
        assert_eq!(server.server.connections(), 1, "{name}");
        server.assert_done();
    }
}
