//! What a hub can do beside sequences and instances, on a real hub.

use std::io::{BufRead, BufReader, Read};

use scramjet_client_blocking::{ContentType, Error, HostClient, Input, StartOptions, Version};
use scramjet_client_tests::on_each_hub;
use serde_json::{Value, json};

use crate::cleanup::named;
use crate::helpers::Folder;
use crate::live::{Uploaded, has, running};

on_each_hub!(the_hub_tells_about_itself);
fn the_hub_tells_about_itself(host: HostClient) {
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

on_each_hub!(sequences_are_found_by_the_name_of_their_package);
fn sequences_are_found_by_the_name_of_their_package(host: HostClient) {
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

on_each_hub!(sequence_named_tells_none_one_and_several_apart);
fn sequence_named_tells_none_one_and_several_apart(host: HostClient) {
    let error = host.sequence_named("there is no such package").unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    let said = error.to_string();
    assert!(
        said.contains("no sequence on this hub is named \"there is no such package\""),
        "{said}"
    );

    // Of its own on each hub: other tests run beside this one.
    let name = "named-by-one-test";
    let folder = Folder::new(name);
    let first = host.deploy(named(&folder, name)).unwrap();
    let found = host.sequence_named(name).unwrap();
    assert_eq!(found.id(), first.id());

    let second = host.deploy(named(&folder, name)).unwrap();
    let error = host.sequence_named(name).unwrap_err();
    assert!(!error.is_not_found(), "{error:?}");
    let said = error.to_string();
    for id in [first.id(), second.id()] {
        assert!(said.contains(id.as_str()), "{said}");
    }
}

on_each_hub!(what_came_later_works_or_says_since_when_it_would);
fn what_came_later_works_or_says_since_when_it_would(host: HostClient) {
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

    // Where the version is not known, the hub itself says that there is no such route.
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

on_each_hub!(what_is_written_to_a_topic_is_read_from_it);
fn what_is_written_to_a_topic_is_read_from_it(host: HostClient) {
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
    assert!(error.to_string().contains("never answer"), "{error}");
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

on_each_hub!(a_topic_of_text_x_ndjson_is_read_and_written_as_list_topics_tells);
fn a_topic_of_text_x_ndjson_is_read_and_written_as_list_topics_tells(host: HostClient) {
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
        // The other name is another type.
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

on_each_hub!(events_are_sent_and_streamed);
fn events_are_sent_and_streamed(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.last_event("ready").unwrap();

    // The stream is open before the first event is provoked: none is missed.
    let mut pongs = instance.event_stream("pong").unwrap();
    for data in ["first", "", "drugi: żółw"] {
        instance.send_event("ping", data).unwrap();
        let pong = pongs.next().unwrap().unwrap();
        assert_eq!(pong.name, "pong");
        // quirk (1.x): an empty string comes as an empty object.
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
