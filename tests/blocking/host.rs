//! Calls about the hub itself: version, load, configuration, log.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use scramjet_client_blocking::{
    ContentType, Error, HostClient, Input, OutputStream, StartOptions, Version,
};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::refused_url;
use serde_json::{Value, json};

use crate::helpers::recording;
use crate::samples::running;

on_each_hub!(version_load_check_and_log_stream_describe_the_hub);
fn version_load_check_and_log_stream_describe_the_hub(host: HostClient) {
    assert_eq!(host.version().unwrap().dialect(), host.dialect().unwrap());
    let load = host.load_check().unwrap();
    assert!(
        load.mem_free > 0.0 && load.mem_used > 0.0 && !load.fs_size.is_empty(),
        "{load:?}"
    );

    let mut line = String::new();
    BufReader::new(host.log_stream().unwrap())
        .read_line(&mut line)
        .unwrap();
    let record: Value = serde_json::from_str(&line).unwrap();
    assert!(record["msg"].is_string(), "{line}");
}

on_each_hub!(config_status_inout_and_create_topic_work_or_name_the_required_version);
fn config_status_inout_and_create_topic_work_or_name_the_required_version(host: HostClient) {
    let dialect = host.dialect().unwrap();
    let check = |what: &str, since: Version, result: Result<(), Error>| match result {
        Ok(()) => assert!(dialect.has(since), "{what}"),
        Err(error) => {
            assert!(error.is_unsupported(), "{what}: {error:?}");
            assert!(
                !dialect.has(since) && error.to_string().contains(&since.to_string()),
                "{what}: {error}"
            );
            eprintln!("SKIPPED {what}: {error}");
        }
    };
    check(
        "config",
        Version::new(0, 19, 2),
        host.config().map(|config| assert!(config.host.is_some())),
    );
    check(
        "audit",
        Version::new(0, 22, 0),
        host.audit_stream().map(drop),
    );
    check("status", Version::new(0, 28, 0), host.status().map(drop));
    check(
        "entities",
        Version::new(0, 31, 4),
        host.list_entities().map(drop),
    );
    check(
        "create topic",
        Version::new(0, 35, 0),
        host.create_topic("made-by-a-test", ContentType::Text)
            .map(drop),
    );
    check(
        "delete topic",
        Version::new(0, 35, 0),
        host.delete_topic("made-by-a-test"),
    );

    let (_sequence, instance) = running(&host, "echo");
    let both = instance.inout("x\n").map(|mut stream| {
        let mut back = [0; 2];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"x\n");
    });
    check("inout", Version::new(0, 29, 0), both);

    // If the client does not know the version, the hub itself returns a 404.
    if !dialect.has(Version::new(0, 19, 2)) {
        assert!(
            HostClient::new(host.base_url())
                .unwrap()
                .config()
                .unwrap_err()
                .is_not_found()
        );
    }
}

/// The child process prints only the lines of the test harness.
#[test]
fn calls_print_nothing() {
    const QUIET: &str = "SCRAMJET_CLIENT_QUIET";
    if env::var_os(QUIET).is_some() {
        let (server, requests) = recording(br#"{"id":"i","version":"1.0.1"}"#);
        let host = HostClient::builder(server.url())
            .bearer_token("secret")
            .build()
            .unwrap();
        let instance = host
            .send_sequence(b"\x1f\x8b".repeat(50_000))
            .unwrap()
            .start(&StartOptions::new())
            .unwrap();
        instance.send_event("e", json!("x")).unwrap();
        instance.send_input(Input::text("hey")).unwrap();
        instance.stream(OutputStream::Stdout).unwrap();
        HostClient::new(refused_url())
            .unwrap()
            .version()
            .unwrap_err();
        for _ in 0..5 {
            requests.take();
        }
        return;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child
        .args(["host::calls_print_nothing", "--exact", "--nocapture"])
        .env(QUIET, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let of_the_harness = [
        "",
        "running 1 test",
        "test host::calls_print_nothing ... ok",
    ];
    let printed: Vec<&str> = text
        .lines()
        .filter(|line| !of_the_harness.contains(line) && !line.starts_with("test result: ok."))
        .collect();
    assert!(
        printed.is_empty() && output.stderr.is_empty(),
        "{printed:?}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
