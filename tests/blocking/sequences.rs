//! `send_sequence`, `overwrite`, `delete`, `sequence_info` and `sequence_named`.

use std::fs::File;
use std::io;
use std::io::Read;
use std::time::Duration;

use scramjet_client_blocking::core::SendSequence;
use scramjet_client_blocking::platform::ManagerClient;
use scramjet_client_blocking::types::Adapter;
use scramjet_client_blocking::{
    Error, ErrorCode, ErrorKind, HostClient, KillOptions, StartOptions, StopOptions, Upload,
    Version,
};
use scramjet_client_tests::{on_each_hub, package};

use crate::cleanup::named_package;
use crate::helpers::{Folder, recording};
use crate::samples::{Uploaded, has, unknown_instance, unknown_sequence};

on_each_hub!(send_sequence_accepts_every_kind_of_upload);
fn send_sequence_accepts_every_kind_of_upload(host: HostClient) {
    let bytes = package::sequence("shout");
    let folder = Folder::new("package");
    let path = folder.file("package.tar.gz", &bytes);
    let uploads = [
        ("bytes", Upload::from(bytes.clone())),
        ("path", Upload::path(&path)),
        ("file", Upload::file(std::fs::File::open(&path).unwrap())),
        (
            "reader",
            Upload::reader(std::io::Cursor::new(bytes.clone())),
        ),
        (
            "sized reader",
            Upload::sized_reader(
                std::io::Cursor::new(bytes.clone()),
                bytes.len().try_into().unwrap(),
            ),
        ),
    ];
    for (what, upload) in uploads {
        let sequence = Uploaded(
            host.send_sequence(upload)
                .unwrap_or_else(|error| panic!("{what}: {error:?}")),
        );
        assert_eq!(sequence.info().unwrap().config.name, "shout", "{what}");
        assert!(
            host.list_sequences()
                .unwrap()
                .iter()
                .any(|listed| listed.id == *sequence.id()),
            "{what}"
        );
    }
}

on_each_hub!(send_sequence_returns_the_message_of_the_hub_for_a_bad_package);
fn send_sequence_returns_the_message_of_the_hub_for_a_bad_package(host: HostClient) {
    let expected_errors = [
        (
            "not a gzip",
            ErrorCode::PrerunnerError,
            "Invalid pkg tar.gz archive",
        ),
        (
            "truncated",
            ErrorCode::PrerunnerError,
            "Invalid pkg tar.gz archive",
        ),
        (
            "empty tar",
            ErrorCode::Other("ENOENT".into()),
            "ENOENT: open ",
        ),
        (
            "no package.json",
            ErrorCode::Other("ENOENT".into()),
            "package.json",
        ),
        (
            "package.json without main",
            ErrorCode::UnprocessableEntity,
            "decoder failed at key \"main\"",
        ),
        (
            "package.json not JSON",
            ErrorCode::UnprocessableEntity,
            "Unprocessable Entity",
        ),
    ];
    for ((what, package), (expected, code, text)) in
        package::garbage_packages().into_iter().zip(expected_errors)
    {
        assert_eq!(what, expected);
        // `send_sequence` would reject data that is not gzip.
        let error = host.send(&SendSequence, package.into()).unwrap_err();
        let refusal = error.api().unwrap_or_else(|| panic!("{what}: {error:?}"));
        assert!(refusal.is_unprocessable(), "{what}: {error}");
        assert_eq!(refusal.code, code, "{what}: {error}");
        assert!(refusal.message.contains(text), "{what}: {error}");
    }
    let error = host.send(&SendSequence, Vec::new().into()).unwrap_err();
    assert!(
        error
            .api()
            .is_some_and(|refusal| refusal.is_unprocessable()),
        "{error}"
    );
}

on_each_hub!(sequence_info_keeps_all_fields_of_the_response);
fn sequence_info_keeps_all_fields_of_the_response(host: HostClient) {
    let sequence = Uploaded::sample(&host, "shout");
    let info = sequence.info().unwrap();
    assert_eq!(info.id, *sequence.id());
    assert_eq!(
        (info.config.name.as_str(), info.config.version.as_str()),
        ("shout", "1.0.0")
    );
    assert_eq!(info.config.main.as_deref(), Some("index.js"));
    assert_eq!(info.config.engines["node"], ">=16");
    assert_eq!(info.config.adapter, Some(Adapter::Process));
    assert!(info.config.extra.contains_key("sequenceDir"), "{info:?}");
    assert!(info.instances.is_empty());
    assert_eq!(host.sequence_info(sequence.id()).unwrap(), info);
}

on_each_hub!(calls_with_an_unknown_id_are_not_found);
fn calls_with_an_unknown_id_are_not_found(host: HostClient) {
    let sequence = unknown_sequence(&host);
    let instance = unknown_instance(&host);
    let errors: [(&str, Error); 10] = [
        ("sequence info", sequence.info().unwrap_err()),
        ("start", sequence.start(&StartOptions::new()).unwrap_err()),
        ("instances", sequence.list_instances().unwrap_err()),
        ("delete", sequence.delete().unwrap_err()),
        ("force delete", sequence.force_delete().unwrap_err()),
        ("instance info", instance.info().unwrap_err()),
        (
            "stop",
            instance
                .stop(&StopOptions::new(Duration::ZERO))
                .unwrap_err(),
        ),
        (
            "kill",
            instance
                .kill(&KillOptions::new().remove_immediately(true))
                .unwrap_err(),
        ),
        ("output", instance.output().unwrap_err()),
        ("input", instance.send_input("x").unwrap_err()),
    ];
    for (what, error) in errors {
        assert!(error.is_not_found(), "{what}: {error:?}");
        assert!(
            error
                .url()
                .is_some_and(|url| error.to_string().contains(url)),
            "{what}: {error}"
        );
    }
}

on_each_hub!(delete_of_a_sequence_in_use_is_a_conflict_and_force_delete_works);
fn delete_of_a_sequence_in_use_is_a_conflict_and_force_delete_works(host: HostClient) {
    let sequence = Uploaded::sample(&host, "stays");
    let instances = [(); 3].map(|()| sequence.start(&StartOptions::new()).unwrap());
    instances[2].last_event("ready").unwrap();
    let error = sequence.delete().unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    sequence.force_delete().unwrap();
    assert!(sequence.info().unwrap_err().is_not_found());
    let left = host.list_instances().unwrap();
    assert!(!left.iter().any(
        |info| instances.iter().any(|instance| *instance.id() == info.id) && info.ended.is_none()
    ));
}

on_each_hub!(overwrite_replaces_a_sequence_without_instances);
fn overwrite_replaces_a_sequence_without_instances(host: HostClient) {
    let sequence = Uploaded::sample(&host, "shout");
    if has(
        &host,
        "overwrite_replaces_a_sequence_without_instances",
        Version::new(0, 38, 0),
    ) {
        let updated = sequence.overwrite(package::sequence("echo")).unwrap();
        assert_eq!(updated.id(), sequence.id());
        assert_eq!(updated.info().unwrap().config.name, "echo");
    }
}

/// A reader that returns one byte per `read`.
struct OneByteReader(&'static [u8]);

impl Read for OneByteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

fn problem(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Upload(cause) => {
            assert_eq!(cause.kind(), io::ErrorKind::InvalidData);
            cause.to_string()
        }
        _ => panic!("{error:?}"),
    }
}

#[test]
fn send_sequence_and_deploy_reject_non_gzip_data_before_connecting() {
    let (server, _) = recording(br#"{"id":"the-sequence"}"#);
    let builder = || HostClient::builder(server.url()).hub_version("1.0.1");
    let host = builder().build().unwrap();
    let sequence = host.sequence("the-sequence").unwrap();
    let manager: ManagerClient = builder().build_manager().unwrap();
    let folder = Folder::new("not-gzip");
    for (content, begins) in [
        (&b"PK\x03\x04"[..], "it begins with 50 4b"),
        (b"\x1f\x8c", "it begins with 1f 8c"),
        (b"\x1f", "it begins with 1f"),
        (b"", "it is empty"),
    ] {
        let message = format!(
            "the package is not gzip-compressed: {begins}, but a gzip file begins with \
             1f 8b; send a .tar.gz, for example from `tar -czf`"
        );
        let path = folder.file("package", content);
        let uploads: [fn(&'static [u8], &std::path::Path) -> Upload; 6] = [
            |content, _| Upload::bytes(content),
            |_, path| Upload::path(path),
            |_, path| Upload::file(File::open(path).unwrap()),
            |content, _| Upload::reader(content),
            |content, _| Upload::reader(OneByteReader(content)),
            |content, _| Upload::sized_reader(content, content.len().try_into().unwrap()),
        ];
        for upload in uploads {
            let upload = || upload(content, &path);
            for error in [
                host.send_sequence(upload()).unwrap_err(),
                host.deploy(upload()).unwrap_err(),
                sequence.overwrite(upload()).unwrap_err(),
                manager.put_store_item(upload()).unwrap_err(),
                manager.put_store_item_as("an-id", upload()).unwrap_err(),
            ] {
                assert_eq!(problem(&error), message);
            }
        }
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn send_sequence_sends_a_gzip_package_unchanged() {
    const PACKAGE: &[u8] = b"\x1f\x8bsome package";
    let folder = Folder::new("gzip");
    let path = folder.file("package", PACKAGE);
    for upload in [
        Upload::bytes(PACKAGE),
        Upload::path(&path),
        Upload::file(File::open(&path).unwrap()),
        Upload::reader(PACKAGE),
        Upload::reader(OneByteReader(PACKAGE)),
        // A sized reader sends no more than its length.
        Upload::sized_reader(PACKAGE.chain(io::repeat(b'x')), 14),
    ] {
        let (server, requests) = recording(br#"{"id":"the-sequence"}"#);
        let host = HostClient::new(server.url()).unwrap();
        host.send_sequence(upload).unwrap();
        assert_eq!(requests.take().body, PACKAGE);
    }
}

on_each_hub!(sequence_ids_finds_sequences_by_package_name);
fn sequence_ids_finds_sequences_by_package_name(host: HostClient) {
    let (first, second) = (
        Uploaded::sample(&host, "stays"),
        Uploaded::sample(&host, "stays"),
    );
    let other = Uploaded::sample(&host, "echo");
    let found = host.sequence_ids("stays").unwrap();
    assert!(
        found.contains(first.id()) && found.contains(second.id()) && !found.contains(other.id()),
        "{found:?}"
    );
    assert!(
        host.sequence_ids("there is no such package")
            .unwrap()
            .is_empty()
    );
}

on_each_hub!(sequence_named_is_an_error_unless_exactly_one_sequence_has_the_name);
fn sequence_named_is_an_error_unless_exactly_one_sequence_has_the_name(host: HostClient) {
    let error = host.sequence_named("there is no such package").unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("no sequence on this hub is named \"there is no such package\""),
        "{text}"
    );

    // No other test uses this name.
    let name = "named-by-one-test";
    let folder = Folder::new(name);
    let first = host.deploy(named_package(&folder, name)).unwrap();
    let found = host.sequence_named(name).unwrap();
    assert_eq!(found.id(), first.id());

    let second = host.deploy(named_package(&folder, name)).unwrap();
    let error = host.sequence_named(name).unwrap_err();
    assert!(!error.is_not_found(), "{error:?}");
    let text = error.to_string();
    for id in [first.id(), second.id()] {
        assert!(text.contains(id.as_str()), "{text}");
    }
}
