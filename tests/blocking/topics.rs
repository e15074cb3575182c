//! `topic`, `send_topic`, `scoped_topic` and `list_topics`.

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};

use scramjet_client_blocking::{CancelToken, ContentType, HostClient, Input, TopicName, Version};
use scramjet_client_tests::on_each_hub;
use serde_json::json;

use crate::helpers::within;
use crate::samples::has;
use crate::stub_hub::{Reply, StubHub, json_reply};

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

on_each_hub!(scoped_topic_close_deletes_the_topic);
fn scoped_topic_close_deletes_the_topic(host: HostClient) {
    let name = format!("guarded-{}", std::process::id());
    // Makes the client learn the version, so that it rejects the call without a request.
    host.version().unwrap();
    let listed = |name: &TopicName| {
        host.list_topics()
            .unwrap()
            .iter()
            .any(|topic| topic.name == name.as_str())
    };
    match host.scoped_topic(name.as_str(), ContentType::Ndjson) {
        Err(error) => {
            assert!(error.is_unsupported(), "{error:?}");
            assert!(!has(
                &host,
                "scoped_topic deletes the topic",
                Version::new(0, 35, 0)
            ));
        }
        Ok(topic) => {
            let name = topic.name().clone();
            assert!(listed(&name));
            topic.close().unwrap();
            assert!(!listed(&name));
        }
    }
    assert!(host.scoped_topic("a/b", ContentType::Text).is_err());
}

#[test]
fn scoped_topic_deletes_the_topic_on_close_drop_and_panic() {
    within("deploying", || {
        let topic = |hub: &StubHub| {
            hub.host()
                .scoped_topic("a-topic", ContentType::Ndjson)
                .unwrap()
        };
        let hub = StubHub::start("1.0.1", |_| Reply::Default);
        drop(topic(&hub));
        topic(&hub).close().unwrap();
        let guarded = topic(&hub);
        catch_unwind(AssertUnwindSafe(move || panic!("with {guarded:?}"))).unwrap_err();
        assert_eq!(hub.requests("DELETE /topics/a-topic").len(), 3);
        assert_eq!(topic(&hub).keep().as_str(), "a-topic");
        assert_eq!(hub.requests("DELETE /topics/a-topic").len(), 3);

        // A cancelled token does not prevent the deletion.
        let token = CancelToken::new();
        let guarded = hub
            .host()
            .with_cancel(&token)
            .scoped_topic("a-topic", ContentType::Ndjson)
            .unwrap();
        token.cancel();
        drop(guarded);
        assert_eq!(hub.requests("DELETE /topics/a-topic").len(), 4);

        // A missing topic counts as deleted. Other errors are returned, and not retried.
        for (status, fails) in [
            ("404 Not Found", false),
            ("500 Internal Server Error", true),
        ] {
            let hub = StubHub::start("1.0.1", move |request| match request {
                "DELETE /topics/a-topic" => {
                    json_reply(status, &json!({ "error": "Topic a-topic not found" }))
                }
                _ => Reply::Default,
            });
            assert_eq!(topic(&hub).close().is_err(), fails, "{status}");
            assert_eq!(hub.requests("DELETE").len(), 1, "{status}");
        }
    });
}
