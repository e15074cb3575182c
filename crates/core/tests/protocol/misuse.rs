//! Errors before anything is sent: values that no hub accepts, and operations that the hub does not
//! support.

use std::time::Duration;

use scramjet_client_core::http::{HeaderName, HeaderValue};
use scramjet_client_core::{
    ContentType, DeleteSequence, Dialect, DisconnectHubs, Ended, Endpoint, EventName, GetInstance,
    GetSequence, InOut, InstanceId, InstanceLimits, KillInstance, KillOptions, LastEvent,
    NextEvent, Operation, OverwriteSequence, ReadEvents, RequestError, RevokeAccessKey, SendEvent,
    SequenceId, SpaceId, StartManager, StartOptions, StartSequence, StopInstance, StopOptions,
    Version,
};
use serde::{Serialize, Serializer, de::DeserializeOwned};
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

fn unsupported<O: Operation>(
    hub: &Endpoint,
    operation: &O,
) -> Option<(&'static str, Version, Version)> {
    match hub.request(operation) {
        Ok(_) => None,
        Err(RequestError::Unsupported {
            operation,
            since,
            hub,
            ..
        }) => Some((operation, since, hub)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn request_is_unsupported_if_the_hub_is_too_old() {
    fn check<O: Operation>(operation: &O, name: &str, (major, minor, patch): (u32, u32, u32)) {
        let since = Version::new(major, minor, patch);
        let hub = Version::new(0, 18, 7);
        assert_eq!(
            unsupported(&old_hub(), operation),
            Some((name_of(name), since, hub)),
            "{name}"
        );
        // The version before it, and the version itself.
        let before = if patch > 0 {
            Version::new(major, minor, patch - 1)
        } else {
            Version::new(major, minor - 1, 999)
        };
        let at = |version| {
            unsupported(&self::hub().with_dialect(Dialect::of(version)), operation).is_some()
        };
        assert!(at(before) && !at(since), "{name} is there since {since}");
        let unknown = self::hub().request(operation).err();
        assert!(
            matches!(unknown, Some(RequestError::DialectUnknown { .. })),
            "{name}: the version has to be found out before: {unknown:?}"
        );
    }
    fn name_of(name: &str) -> &'static str {
        Box::leak(name.to_owned().into_boxed_str())
    }
    let id = &SequenceId::new("s").expect("an id");
    let options = StartOptions::new;
    check(&OverwriteSequence { id }, "overwrite sequence", (0, 38, 0));
    let in_out = InOut {
        id: &InstanceId::new("i").expect("an id"),
        content_type: ContentType::Ndjson,
    };
    check(&in_out, "send input and read output", (0, 29, 0));
    check(
        &DeleteSequence { id, force: true },
        "delete sequence by force",
        (0, 34, 4),
    );
    for (options, name, since) in [
        (
            options().instance_id(UUID),
            "start sequence with instanceId",
            (0, 31, 4),
        ),
        (
            options().input_topic("t"),
            "start sequence with inputTopic",
            (0, 20, 0),
        ),
        (
            options().output_topic("t"),
            "start sequence with outputTopic",
            (0, 20, 0),
        ),
        (
            options().limits(InstanceLimits::new()),
            "start sequence with limits",
            (0, 20, 0),
        ),
        (
            options().arg(1).member("inputTopic", "t"),
            "start sequence with inputTopic",
            (0, 20, 0),
        ),
    ] {
        check(
            &StartSequence {
                id,
                options: &options,
            },
            name,
            since,
        );
    }
}

#[test]
fn request_needs_no_dialect_for_operations_of_every_hub() {
    let id = &SequenceId::new("s").expect("an id");
    let instance = &InstanceId::new("i").expect("an id");
    let options = &StartOptions::new()
        .app_config(json!({}))
        .arg(1)
        .member("system", 1);
    let start = StartSequence { id, options };
    assert_eq!(unsupported(&old_hub(), &start), None);
    hub().request(&start).expect("a start");
    let delete = DeleteSequence { id, force: false };
    hub().request(&delete).expect("a delete");
    let kill = KillInstance {
        id: instance,
        options: &KillOptions::new(),
    };
    hub().request(&kill).expect("a kill");
}

#[test]
fn request_fails_if_the_operation_needs_an_unknown_dialect() {
    fn check<O: Operation<Payload: std::fmt::Debug>>(operation: &O) {
        match hub().request(operation) {
            Err(RequestError::DialectUnknown { operation, .. }) => assert_eq!(operation, O::NAME),
            other => panic!("{}: {other:?}", O::NAME),
        }
        for endpoint in [old_hub(), hub().with_dialect(Dialect::LATEST)] {
            let request = endpoint.request(operation).expect("a request");
            let uri = hub().uri(operation).expect("a URL");
            assert_eq!(*request.uri(), uri, "the URL does not depend on it");
        }
    }
    // Hubs have two formats for these.
    let id = &InstanceId::new("i").expect("an id");
    let name = &EventName::new("e").expect("a name");
    let options = &StopOptions::default();
    check(&StopInstance { id, options });
    check(&NextEvent { id, name });
    check(&LastEvent { id, name });
    check(&ReadEvents { id, name });
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

const DANGEROUS: [&str; 32] = [
    "",
    ".",
    "..",
    "/",
    "../topics/x",
    "a/b",
    "a\\b",
    "a?b",
    "?",
    "a#b",
    "a b",
    " a",
    "a ",
    "a\tb",
    "a\nb",
    "a\r\nx: y",
    "a\0b",
    "\u{7f}",
    "zażółć",
    "a\u{202e}b",
    "%2e%2e",
    "%2E%2e",
    "a%2Fb",
    "a%2fb",
    "%00",
    "a|b",
    "a\"b",
    "a<b>",
    "[::1]",
    "{a}",
    "a^b",
    "a`b",
];

/// Members of every JavaScript object. Hubs never respond to requests for instances of these names.
const OBJECT_MEMBERS: [&str; 4] = ["__proto__", "constructor", "toString", "hasOwnProperty"];

/// Checks texts with the constructor of a type, and with a request that contains the value.
fn check_dangerous<T>(
    texts: &[&str],
    what: &str,
    new: fn(String) -> Result<T, RequestError>,
    request: fn(&T) -> Result<(), RequestError>,
) where
    T: DeserializeOwned
        + AsRef<str>
        + for<'a> TryFrom<&'a str, Error = RequestError>
        + std::str::FromStr<Err = RequestError>,
{
    let check = |text: &str, error: Option<RequestError>| match error {
        Some(RequestError::PathSegment {
            what: named,
            value,
            problem,
            ..
        }) => {
            assert_eq!((named, value.as_str()), (what, text));
            assert!(!problem.is_empty());
        }
        other => panic!("{what} {text:?}: {other:?}"),
    };
    for text in texts {
        check(text, new((*text).to_owned()).err());
        check(text, T::try_from(*text).err());
        check(text, text.parse::<T>().err());
        // A value from a response is kept unchanged, and rejected when it is used.
        let read: T =
            serde_json::from_value(json!(text)).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(read.as_ref(), *text);
        check(text, request(&read).err());
    }
}

#[test]
fn ids_and_names_that_would_change_the_path_are_errors() {
    fn sequence(id: &SequenceId) -> Result<(), RequestError> {
        hub().request(&GetSequence { id }).map(drop)
    }
    fn instance(id: &InstanceId) -> Result<(), RequestError> {
        hub().request(&GetInstance { id }).map(drop)
    }
    fn event(name: &EventName) -> Result<(), RequestError> {
        let id = InstanceId::new("i").expect("an id");
        old_hub().request(&NextEvent { id: &id, name }).map(drop)?;
        old_hub().request(&LastEvent { id: &id, name }).map(drop)
    }
    check_dangerous(&DANGEROUS, "sequence id", SequenceId::new, sequence);
    check_dangerous(&DANGEROUS, "instance id", InstanceId::new, instance);
    check_dangerous(&DANGEROUS, "event name", EventName::new, event);
    for text in OBJECT_MEMBERS {
        SequenceId::new(text).expect("a sequence may be called so");
        EventName::new(text).expect("an event may be called so");
        InstanceId::new(text).expect_err("an id that hubs never respond to");
    }
}

/// Names from a response are checked when they are used in a request.
#[test]
fn instance_ids_that_are_object_members_are_errors() {
    for text in OBJECT_MEMBERS {
        let id: InstanceId = serde_json::from_value(json!(text)).expect("kept as it is");
        let error = hub()
            .request(&GetInstance { id: &id })
            .expect_err("a hub never answers this request");
        assert!(
            matches!(
                error,
                RequestError::PathSegment {
                    what: "instance id",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn valid_ids_and_names_are_sent_unchanged() {
    for text in [
        "a",
        "...",
        ".a",
        "~",
        "-",
        "50%",
        "%",
        "%zz",
        "a%2",
        "a+b@c!$&'()*,;=:",
        UUID,
    ] {
        let id = SequenceId::new(text).unwrap_or_else(|error| panic!("{error}"));
        let request = hub()
            .request(&GetSequence { id: &id })
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            request.uri().to_string(),
            format!("http://hub.example:8000/api/v1/sequence/{text}")
        );
        assert_eq!(request.uri().host(), Some("hub.example"));
    }
}

#[test]
fn set_header_rejects_headers_of_the_connection_and_invalid_values() {
    let value = || HeaderValue::from_static("x");
    for name in [
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
    ] {
        let error = hub()
            .set_header(HeaderName::from_static(name), value())
            .expect_err("the library's own");
        assert!(
            matches!(&error, RequestError::Header { name: named, .. } if named == name),
            "{error:?}"
        );
    }
    for name in [
        "authorization",
        "cookie",
        "accept",
        "user-agent",
        "x-mw-billable",
    ] {
        hub()
            .set_header(HeaderName::from_static(name), value())
            .unwrap_or_else(|error| panic!("{error}"));
    }
    // Values that would arrive changed.
    for value in [" x", "x ", "\tx", "Bearer ", " ", "żółw"] {
        let value = HeaderValue::try_from(value).expect("HTTP allows it");
        let error = hub()
            .set_header(HeaderName::from_static("x-a"), value)
            .expect_err("it would not arrive");
        assert!(
            matches!(&error, RequestError::Header { name, .. } if name == "x-a"),
            "{error:?}"
        );
    }
    for value in ["", "a b", "a\tb"] {
        let value = HeaderValue::try_from(value).expect("HTTP allows it");
        hub()
            .set_header(HeaderName::from_static("x-a"), value)
            .unwrap_or_else(|error| panic!("{error}"));
    }
    // Too long alone or together. A replaced value does not count.
    let long = || HeaderValue::try_from("x".repeat(9000)).expect("a value");
    let mut hub = hub();
    for _ in 0..3 {
        hub.set_header(HeaderName::from_static("x-a"), long())
            .expect("9 kB");
    }
    let error = hub
        .set_header(HeaderName::from_static("x-b"), long())
        .expect_err("18 kB");
    assert!(
        matches!(&error, RequestError::Header { name, .. } if name == "x-b"),
        "{error:?}"
    );
    assert!(
        !format!("{error:?} {error}").contains("xxx"),
        "a value may be a secret"
    );
    let request = hub
        .request(&scramjet_client_core::GetVersion)
        .expect("a request");
    assert!(!request.headers().contains_key("x-b"));
}

#[test]
fn revoke_access_key_debug_output_does_not_contain_the_key() {
    let space = &SpaceId::new("s").expect("an id");
    let id = &InstanceId::new("i").expect("an id");
    let info = json!({
        "id": "i", "appConfig": { "dsn": "secret" }, "args": ["secret"], "terminated": {},
    });
    let ended = Ended::of(serde_json::from_value(info).expect("an info")).expect("an end");
    for shown in [
        format!(
            "{:?}",
            RevokeAccessKey {
                space,
                key: "secret"
            }
        ),
        format!("{:?}", DisconnectHubs::access_key("secret").limit(7)),
        format!(
            "{:?}",
            StartOptions::new().app_config(json!({ "a": "secret" }))
        ),
        format!(
            "{:?}",
            StartOptions::new()
                .arg("--password=secret")
                .member("x", "secret")
        ),
        format!("{:?}", StartOptions::new().app_config("secret")),
        format!(
            "{:?}",
            SendEvent {
                id,
                name: "e",
                data: &json!("secret")
            }
        ),
        format!(
            "{:?}",
            StartManager {
                config: &json!({ "a": "secret" })
            }
        ),
        format!("{ended:#?}"),
    ] {
        assert!(!shown.contains("secret"), "{shown}");
    }
    let shown = format!("{:?}", DisconnectHubs::id("h").limit(7));
    assert!(shown.contains("\"h\"") && shown.contains('7'), "{shown}");
}
