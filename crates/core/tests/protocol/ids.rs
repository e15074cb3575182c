//! IDs and names in paths: which ones are errors, and which ones are sent unchanged.

use scramjet_client_core::{
    EventName, GetInstance, GetSequence, InstanceId, LastEvent, NextEvent, RequestError, SequenceId,
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::helpers::{hub, old_hub};

const UUID: &str = "11111111-2222-4333-8444-555555555555";

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
