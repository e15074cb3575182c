//! `StartOptions` and `StopOptions`: what they send, and values that no hub accepts.

use std::time::Duration;

use scramjet_client_core::{
    Dialect, InstanceId, InstanceLimits, RequestError, SequenceId, StartOptions, StartSequence,
    StopInstance, StopOptions,
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::helpers::{hub, old_hub};

const UUID: &str = "11111111-2222-4333-8444-555555555555";

/// A value that serde cannot serialize to JSON.
struct Unserializable;

impl Serialize for Unserializable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("the disk is gone"))
    }
}

/// Returns the option and the problem of a start with these options, on a hub of the newest
/// dialect.
fn refused(options: &StartOptions) -> (String, String) {
    let id = SequenceId::new("s").expect("an id");
    let operation = StartSequence { id: &id, options };
    match hub().with_dialect(Dialect::LATEST).request(&operation) {
        Err(RequestError::Option {
            option, problem, ..
        }) => (option, problem),
        other => panic!("{options:?}: {other:?}"),
    }
}

fn body(options: &StartOptions) -> String {
    String::from_utf8(options.to_body().unwrap_or_else(|error| panic!("{error}"))).expect("UTF-8")
}

#[test]
fn start_sequence_rejects_invalid_options_by_name() {
    let no_object = "a sequence's configuration must be a JSON object";
    let options = StartOptions::new;
    for (options, option, problem) in [
        (options().app_config("text"), "appConfig", no_object),
        (options().app_config(5), "appConfig", no_object),
        (options().app_config([1, 2]), "appConfig", no_object),
        (options().app_config(Some(true)), "appConfig", no_object),
        (
            options().app_config(Unserializable),
            "appConfig",
            "the disk is gone",
        ),
        (
            options().app_config(std::collections::BTreeMap::from([((1, 2), 3)])),
            "appConfig",
            "key must be a string",
        ),
        (
            options().arg(1).arg(Unserializable),
            "args",
            "the disk is gone",
        ),
        (options().args([Unserializable]), "args", "the disk is gone"),
        (
            options().member("system", Unserializable),
            "system",
            "the disk is gone",
        ),
        (
            options().instance_id(&UUID[1..]),
            "instanceId",
            "it has 35 characters; hubs accept exactly 36",
        ),
        (
            options().instance_id(format!("{UUID}x")),
            "instanceId",
            "it has 37 characters; hubs accept exactly 36",
        ),
        (
            options().instance_id(""),
            "instanceId",
            "it has 0 characters; hubs accept exactly 36",
        ),
        (options().input_topic(""), "inputTopic", "it is empty"),
        (options().output_topic(""), "outputTopic", "it is empty"),
    ] {
        assert_eq!(refused(&options), (option.to_owned(), problem.to_owned()));
        assert!(
            matches!(options.to_body(), Err(RequestError::Option { .. })),
            "{option}"
        );
    }
    // It has 36 characters, but is not valid in a path.
    for id in [
        "11111111-2222-4333-8444-55555555555/",
        "11111111 2222 4333 8444 555555555555",
        "żż111111-2222-4333-8444-5555555555",
    ] {
        assert_eq!(id.len(), 36);
        let (option, problem) = refused(&options().instance_id(id));
        assert!(
            option == "instanceId" && problem.contains("invalid instance id"),
            "{option}: {problem}"
        );
    }
    assert_eq!(
        body(&options().instance_id("a+b@c!$&'()*,;=:~50%-_.6789012345678")),
        r#"{"instanceId":"a+b@c!$&'()*,;=:~50%-_.6789012345678"}"#
    );
}

#[test]
fn start_options_report_their_first_problem() {
    let options = StartOptions::new()
        .input_topic("")
        .app_config(5)
        .arg(Unserializable)
        .instance_id("x");
    assert_eq!(refused(&options).0, "inputTopic");
    let options = StartOptions::new()
        .app_config(5)
        .app_config(json!({ "a": 1 }))
        .input_topic("");
    assert_eq!(
        refused(&options).0,
        "appConfig",
        "a second value does not take the problem back"
    );
}

#[test]
fn start_options_send_only_what_was_set() {
    let options = StartOptions::new;
    assert_eq!(body(&options()), "{}");
    assert_eq!(body(&options().app_config(None::<Value>)), "{}");
    assert_eq!(body(&options().app_config(())), "{}");
    assert_eq!(
        body(
            &options()
                .app_config(json!({ "a": 1 }))
                .app_config(None::<Value>)
        ),
        "{}",
        "the last word counts"
    );
    assert_eq!(
        body(&options().app_config(Some(json!({})))),
        r#"{"appConfig":{}}"#
    );
    assert_eq!(
        body(&options().arg(None::<u8>)),
        r#"{"args":[null]}"#,
        "an argument keeps its place"
    );
    assert_eq!(
        body(&options().arg(1).args(["x", "y"]).arg(json!({ "o": [] }))),
        r#"{"args":[1,"x","y",{"o":[]}]}"#
    );
    assert_eq!(
        body(&options().limits(InstanceLimits::new())),
        r#"{"limits":{}}"#
    );
    assert_eq!(
        body(&options().limits(InstanceLimits::new().memory(0).gpu(false))),
        r#"{"limits":{"gpu":false,"memory":0}}"#
    );
}

#[test]
fn stop_instance_rejects_a_timeout_of_more_than_24_days() {
    let id = &InstanceId::new("i").expect("an id");
    let stop = |timeout| {
        old_hub().request(&StopInstance {
            id,
            options: &StopOptions::new(timeout),
        })
    };
    let longest = Duration::from_millis(0x7fff_ffff);
    stop(longest).expect("the longest");
    stop(longest + Duration::from_micros(999)).expect("whole milliseconds count");
    for timeout in [
        longest + Duration::from_millis(1),
        Duration::from_secs(25 * 24 * 60 * 60),
        Duration::MAX,
    ] {
        let error = stop(timeout).expect_err("too long");
        assert!(
            matches!(&error, RequestError::Option { option, .. } if option == "timeout"),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "invalid option \"timeout\": a hub cannot wait longer than 24 days"
        );
    }
}
