//! Calls about the hub itself, topics and events.

use std::io::{BufRead, BufReader, Read};

use scramjet_client_blocking::{ContentType, Error, HostClient, Input, StartOptions, Version};
use scramjet_client_tests::on_each_hub;
use serde_json::{Value, json};

use crate::cleanup::named_package;
use crate::helpers::Folder;
use crate::live::{Uploaded, has, running};

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
    let said = error.to_string();
    assert!(
        said.contains("no sequence on this hub is named \"there is no such package\""),
        "{said}"
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
    let said = error.to_string();
    for id in [first.id(), second.id()] {
        assert!(said.contains(id.as_str()), "{said}");
    }
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

on_each_hub!(topic_returns_the_data_of_send_topic);
fn topic_returns_the_data_of_send_topic(host: HostClient) {
    let name = format!("topic-of-a-test-{}", std::process::id());
    let mut reader = BufReader::new(host.topic(name.as_str(), ContentType::Ndjson).unwrap());
    for n in 0..3 {
        let text = format!("{{\"n\":{n}}}\n");
        assert_eq!(
            host.send_topic(name.as_str(), Input::ndjson(text.clone().into_bytes()))
                .unwrap()
                .bytes,
            8
        );
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, text);
    }
    let error = host
        .send_topic(name.as_str(), Input::ndjson(Vec::new()))
        .unwrap_err();
    assert!(error.to_string().contains("never respond"), "{error}");
    assert!(host.send_topic("a/b", "x").is_err());
    assert!(host.list_topics().is_ok());
    drop(reader);
    if has(
        &host,
        "deleting the topic of a test",
        Version::new(0, 35, 0),
    ) {
        host.delete_topic(name).unwrap();
    }
}

on_each_hub!(topic_and_send_topic_accept_the_content_type_from_list_topics);
fn topic_and_send_topic_accept_the_content_type_from_list_topics(host: HostClient) {
    let name = format!("text-ndjson-{}", std::process::id());
    let is_new = host.dialect().unwrap().supports_topic_management();
    let mut content_type = ContentType::TextNdjson;
    if is_new {
        let created = host.create_topic(name.as_str(), content_type).unwrap();
        assert_eq!(created.content_type, "text/x-ndjson");
        let topics = host.list_topics().unwrap();
        let topic = topics.iter().find(|topic| topic.name == name).unwrap();
        content_type = topic.content_type.parse().unwrap();
        assert_eq!(content_type, ContentType::TextNdjson);
        // Hubs treat `application/x-ndjson` and `text/x-ndjson` as different types.
        let error = host.topic(name.as_str(), ContentType::Ndjson).unwrap_err();
        assert_eq!(error.api().unwrap().status, 415, "{error}");
    }
    let mut reader = BufReader::new(host.topic(name.as_str(), content_type).unwrap());
    let data = |text: &str| Input::ndjson(text.as_bytes().to_vec()).content_type(content_type);
    host.send_topic(name.as_str(), data("{\"n\":1}\n")).unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"n\":1}\n");
    let error = host.send_topic(name.as_str(), data("null\n")).unwrap_err();
    assert!(format!("{error:?}").contains("`null`"), "{error:?}");
    drop(reader);
    if is_new {
        host.delete_topic(name).unwrap();
    }
}

on_each_hub!(send_event_and_event_stream_exchange_events);
fn send_event_and_event_stream_exchange_events(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.last_event("ready").unwrap();

    // The stream is open before the first event, so it misses none.
    let mut pongs = instance.event_stream("pong").unwrap();
    for data in ["first", "", "drugi: żółw"] {
        instance.send_event("ping", data).unwrap();
        let pong = pongs.next().unwrap().unwrap();
        assert_eq!(pong.name, "pong");
        // Quirk of 1.x: the hub sends an empty string as an empty object.
        assert!(
            pong.data == json!(data) || (data.is_empty() && pong.data == json!({})),
            "{pong:?}"
        );
    }

    let object = instance.send_event("ping", json!({ "a": [1] }));
    if has(
        &host,
        "sending an object with an event",
        Version::new(0, 39, 0),
    ) {
        object.unwrap();
        assert_eq!(pongs.next().unwrap().unwrap().data, json!({ "a": [1] }));
    } else {
        assert!(object.unwrap_err().is_unsupported());
    }

    instance.set_monitoring_rate(2).unwrap();
    assert!(
        instance
            .set_monitoring_rate(0)
            .unwrap_err()
            .to_string()
            .contains("zero")
    );
}
