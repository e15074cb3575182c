//! The requests of this library compared with those of the TypeScript client.

use std::{collections::BTreeSet, fs};

use scramjet_client_core::http::Method;
use scramjet_client_core::{EventName, Streamed};
use serde_json::Value;

use super::{Body, SentRequest, every::goldens};
use crate::drive::here;

const STREAM_TYPE: Difference = Difference {
    of: "content-type: application/octet-stream → none",
    because: "a GET has no body; hubs read its content type on topics alone",
};
const EXPECT: Difference = Difference {
    of: "expect: 100-continue → none",
    because: "the client does not wait for it, and hubs do not need it",
};
const TWICE: Difference = Difference {
    of: "content-type: application/json, application/json → application/json",
    because: "the client sends the header twice",
};

/// A recorded request of the TypeScript client, our golden request, and the intended differences.
const TYPESCRIPT: &[(&str, &str, &[Difference])] = &[
    ("listSequences", "list-sequences", &[]),
    ("sendSequence", "send-sequence", &[]),
    ("seq-overwrite", "overwrite-sequence", &[]),
    ("seq-start", "start-sequence-config-and-args", &[]),
    ("deleteSequence", "delete-sequence", &[]),
    ("deleteSequence-force", "delete-sequence-force", &[]),
    ("inst-kill", "kill-instance", &[]),
    ("inst-kill-rm", "kill-instance-remove-immediately", &[]),
    ("inst-stop", "stop-instance-1s", &[]),
    ("inst-sendInput", "send-input-text-keep-open", &[]),
    ("inst-inout", "in-out-text", &[]),
    ("inst-sendStdin", "send-stdin", &[]),
    ("inst-getStream", "read-stream-stdout", &[STREAM_TYPE]),
    ("inst-getEventStream", "read-events", &[STREAM_TYPE]),
    ("getLogStream", "read-log", &[STREAM_TYPE]),
    ("getAuditStream", "read-audit", &[STREAM_TYPE]),
    ("inst-sendEvent", "send-event-text", &[]),
    ("sendSequence-string", "send-sequence", &[]),
    (
        "seq-start-undefined-members",
        "start-sequence-no-config-and-args",
        &[],
    ),
    ("createTopic", "create-topic-text", &[]),
    ("deleteTopic", "delete-topic", &[]),
    ("getTopic", "read-topic-ndjson", &[]),
    ("sendTopic", "send-topic-ndjson", &[EXPECT]),
    ("sendTopic-end", "send-topic-text-end", &[EXPECT]),
    ("host-manager-getVersion", "get-version-through-hub", &[]),
    ("manager-getVersion", "get-version", &[]),
    (
        "manager-host-getVersion",
        "get-version-through-manager",
        &[],
    ),
    ("manager-getHosts", "list-hubs", &[]),
    ("manager-getLoad", "get-load", &[]),
    ("manager-getConfig", "get-manager-config", &[]),
    ("manager-getSequences", "list-sequences", &[]),
    ("manager-getAllSequences", "list-all-sequences", &[]),
    ("manager-getInstances", "list-instances", &[]),
    ("manager-getTopics", "list-manager-topics", &[]),
    ("manager-getStoreItems", "list-store-items", &[]),
    ("manager-putStoreItem-id", "put-store-item-id", &[]),
    ("manager-putStoreItem-noid", "put-store-item", &[]),
    ("manager-deleteStoreItem", "delete-store-item", &[]),
    ("manager-clearStore", "clear-store", &[]),
    (
        "manager-disconnectHubs",
        "disconnect-hubs-every-option",
        &[],
    ),
    ("manager-deleteHub", "delete-hub-force", &[TWICE]),
    ("manager-deleteHub-f", "delete-hub", &[TWICE]),
    ("manager-getNamedData", "read-topic-bytes", &[]),
    ("manager-sendNamedData", "send-topic-bytes", &[]),
    ("manager-getLogStream", "read-log", &[STREAM_TYPE]),
    ("manager-getAuditStream", "read-audit", &[STREAM_TYPE]),
    ("mm-getManagers", "list-managers", &[]),
    ("mm-getVersion", "get-version", &[]),
    ("mm-getLoad", "get-load", &[]),
    ("mm-getInfo", "get-multi-manager-info", &[]),
    ("mm-getLogStream", "read-log", &[STREAM_TYPE]),
    ("mm-startManager", "start-manager", &[TWICE]),
    (
        "mm-manager-getVersion",
        "get-version-through-multi-manager",
        &[],
    ),
    ("mw-getManagers", "list-spaces", &[]),
    ("mw-getVersion", "get-version", &[]),
    ("mw-getAuditStream", "read-audit", &[STREAM_TYPE]),
    ("mw-manager-getHosts", "list-hubs-through-middleware", &[]),
    (
        "mw-manager-host-getVersion",
        "get-version-through-platform",
        &[],
    ),
    ("mw-listAccessKeys", "list-access-keys", &[]),
    ("mw-createAccessKey", "create-access-key", &[TWICE]),
    (
        "mw-createAccessKey-none",
        "create-access-key-none",
        &[TWICE],
    ),
    ("mw-revokeAccessKey", "revoke-access-key", &[TWICE]),
    ("mw-revokeAllAccessKeys", "revoke-all-access-keys", &[TWICE]),
];

/// Requests of the TypeScript client that no hub understands. It percent-encodes the name, which
/// hubs do not decode, or splits it into two segments.
const TYPESCRIPT_ONLY: [(&str, &str, &str); 2] = [
    ("inst-getEvent-space", "/instance/INS/event/a%20b", "a b"),
    (
        "inst-getEvent-unicode-slash",
        "/instance/INS/event/za%C5%BC%C3%B3%C5%82%C4%87/x",
        "zażółć/x",
    ),
];

struct Difference {
    of: &'static str,
    because: &'static str,
}

#[test]
fn requests_match_the_typescript_client() {
    let goldens = goldens();
    for &(recording, name, expected) in TYPESCRIPT {
        let golden = goldens
            .iter()
            .find(|golden| golden.name == name)
            .unwrap_or_else(|| panic!("no golden request {name}"));
        let differences = differences(&typescript(recording), &golden.request);
        let expected: Vec<&str> = expected
            .iter()
            .inspect(|known| assert!(!known.because.is_empty()))
            .map(|known| known.of)
            .collect();
        assert_eq!(differences, expected, "{recording}");
    }
    for (recording, path, name) in TYPESCRIPT_ONLY {
        let sent = typescript(recording);
        assert_eq!(
            (sent.method.as_str(), sent.path.as_str()),
            (Method::GET.as_str(), path),
            "{recording}"
        );
        assert!(
            EventName::new(name).is_err(),
            "{recording}: {name:?} is sent to a route that the hub does not find"
        );
    }
    let files = fs::read_dir(here("fixtures/ts-client")).expect("the recordings");
    let files: BTreeSet<_> = files
        .map(|entry| {
            entry
                .expect("a readable entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    let used = TYPESCRIPT
        .iter()
        .map(|row| row.0)
        .chain(TYPESCRIPT_ONLY.iter().map(|row| row.0));
    assert_eq!(
        files,
        used.map(|name| format!("{name}.request")).collect(),
        "left: the recordings, right: those that are compared"
    );
}

fn typescript(name: &str) -> SentRequest {
    let raw = fs::read(here("fixtures/ts-client").join(format!("{name}.request")))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let end = raw
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .expect("a whole head");
    let head = String::from_utf8(raw[..end].to_vec()).expect("a head in UTF-8");
    let mut lines = head.split("\r\n");
    let mut parts = lines
        .next()
        .expect("a request line")
        .split(' ')
        .map(str::to_owned);
    let method = parts.next().expect("a method");
    let path = parts
        .next()
        .expect("a target")
        .strip_prefix("/api/v1")
        .expect("the base path")
        .to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    SentRequest {
        method,
        path,
        headers: headers.collect(),
        body: raw[end + 4..].to_vec(),
    }
}

/// Returns the differences that matter to a hub.
fn differences(theirs: &SentRequest, ours: &SentRequest) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            differences.push(format!("{what}: {theirs} → {ours}"));
        }
    };
    compare("method", theirs.method.clone(), ours.method.clone());
    compare("path", route(&theirs.path), route(&ours.path));
    let names: BTreeSet<&str> = theirs
        .headers
        .iter()
        .chain(&ours.headers)
        .map(|(name, _)| name.as_str())
        .collect();
    for name in names.into_iter().filter(|name| {
        ["accept", "content-type", "expect"].contains(name) || name.starts_with("x-")
    }) {
        let values = |sent: &SentRequest| {
            let values: Vec<&str> = sent
                .headers
                .iter()
                .filter(|header| header.0 == name)
                .map(|header| header.1.as_str())
                .collect();
            if values.is_empty() {
                "none".to_owned()
            } else {
                values.join(", ")
            }
        };
        compare(name, values(theirs), values(ours));
    }
    if ours.body == Streamed::default().bytes() {
        compare(
            "body",
            (!theirs.body.is_empty()).to_string(),
            true.to_string(),
        );
    } else {
        let json = |body: &[u8]| {
            if body.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(body).expect("a JSON body")
            }
        };
        compare(
            "body",
            json(&theirs.body).to_string(),
            json(&ours.body).to_string(),
        );
    }
    differences
}

/// Returns a path with placeholders for the IDs.
fn route(path: &str) -> String {
    let mut before = "";
    let segments = path.split('/').map(|segment| {
        let id = matches!(before, "sequence" | "instance");
        before = segment;
        if id { "*" } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}
