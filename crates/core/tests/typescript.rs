//! The requests of this library compared with recorded ones of the TypeScript client.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderValue, Request, header};
use scramjet_client_core::*;
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_testing::replay::RecordedExchange;
use serde_json::{Value, json};

/// An intended difference between the requests of the two clients.
struct Difference {
    of: &'static str,
    because: &'static str,
}

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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/ts-client")
}

fn typescript(name: &str) -> ReceivedRequest {
    let bytes = fs::read(folder().join(format!("{name}.request")));
    let bytes = bytes.unwrap_or_else(|error| panic!("{name}: {error}"));
    let response = "HTTP/1.1 200 OK\r\n\r\n";
    RecordedExchange::from_bytes(name, bytes, response)
        .unwrap()
        .request
}

fn id<T: TryFrom<&'static str, Error: Debug>>(text: &'static str) -> T {
    T::try_from(text).unwrap()
}

/// Compares our requests to a hub with recorded ones.
struct Comparison<'a> {
    hub: &'a Endpoint,
    /// The names of the recordings.
    compared: BTreeSet<String>,
}

impl Comparison<'_> {
    fn same<O: Operation<Payload: Body>>(&mut self, recording: &str, operation: &O) {
        self.differs(recording, operation, &[]);
    }

    fn differs<O: Operation<Payload: Body>>(
        &mut self,
        recording: &str,
        operation: &O,
        expected: &[Difference],
    ) {
        let ours = self.hub.request(operation);
        let ours = ours.unwrap_or_else(|error| panic!("{recording}: {error}"));
        let expected: Vec<_> = expected
            .iter()
            .inspect(|known| assert!(!known.because.is_empty()))
            .map(|known| known.of)
            .collect();
        let differences = differences(&typescript(recording), &ours);
        assert_eq!(differences, expected, "{recording}");
        let is_new = self.compared.insert(recording.to_owned());
        assert!(is_new, "{recording} is compared twice");
    }

    /// Compares with another hub, for example one behind a Manager.
    fn at<'b>(&mut self, hub: &'b Endpoint, compare: impl FnOnce(&mut Comparison<'b>)) {
        let compared = std::mem::take(&mut self.compared);
        let mut other = Comparison { hub, compared };
        compare(&mut other);
        self.compared = other.compared;
    }
}

#[test]
fn requests_match_the_typescript_client() {
    let hub = Endpoint::new("http://hub.example:8000/api/v1").unwrap();
    let hub = &hub.with_dialect(Dialect::LATEST);
    let mut compare = Comparison {
        hub,
        compared: BTreeSet::new(),
    };
    compare_hub(&mut compare);
    compare_sequence(&mut compare);
    compare_instance(&mut compare);
    compare_topics(&mut compare);
    compare_manager(&mut compare);
    compare_multi_manager(&mut compare);
    compare_middleware(&mut compare);
    for (recording, path, name) in TYPESCRIPT_ONLY {
        let sent = typescript(recording);
        assert_eq!((sent.method.as_str(), below(&sent.target)), ("GET", path));
        assert!(
            EventName::new(name).is_err(),
            "{recording}: {name:?} is sent to a route that the hub does not find"
        );
        compare.compared.insert(recording.to_owned());
    }
    let recorded = RecordedExchange::names(folder()).unwrap();
    assert_eq!(
        compare.compared,
        recorded.into_iter().collect(),
        "left: the compared recordings, right: all"
    );
}

fn compare_hub(compare: &mut Comparison<'_>) {
    compare.same("listSequences", &ListSequences);
    compare.same("sendSequence", &SendSequence);
    compare.same("sendSequence-string", &SendSequence);
    compare.differs("getLogStream", &ReadLog, &[STREAM_TYPE]);
    compare.differs("getAuditStream", &ReadAudit, &[STREAM_TYPE]);
    let manager = compare.hub.manager_of_hub().unwrap();
    compare.at(&manager, |compare| {
        compare.same("host-manager-getVersion", &GetVersion);
    });
}

fn compare_sequence(compare: &mut Comparison<'_>) {
    let id = &id("s");
    compare.same("seq-overwrite", &OverwriteSequence { id });
    let options = &StartOptions::new().app_config(json!({ "a": 1 })).arg(1);
    compare.same("seq-start", &StartSequence { id, options });
    let options = &StartOptions::new().app_config(None::<u8>);
    let start = StartSequence { id, options };
    compare.same("seq-start-undefined-members", &start);
    let delete = |force| DeleteSequence { id, force };
    compare.same("deleteSequence", &delete(false));
    compare.same("deleteSequence-force", &delete(true));
}

fn compare_instance(compare: &mut Comparison<'_>) {
    let (instance, event) = (&id("i"), &id("EV"));
    let content_type = ContentType::Text;
    let id = instance;
    let kill = |options| KillInstance { id, options };
    let (none, remove) = (
        KillOptions::new(),
        KillOptions::new().remove_immediately(true),
    );
    compare.same("inst-kill", &kill(&none));
    compare.same("inst-kill-rm", &kill(&remove));
    let options = &StopOptions::new(Duration::from_secs(1));
    compare.same("inst-stop", &StopInstance { id, options });
    let end = Some(false);
    let input = SendInput {
        id,
        content_type,
        end,
    };
    compare.same("inst-sendInput", &input);
    compare.same("inst-inout", &InOut { id, content_type });
    compare.same("inst-sendStdin", &SendStdin { id, end: None });
    let stream = OutputStream::Stdout;
    compare.differs("inst-getStream", &ReadStream { id, stream }, &[STREAM_TYPE]);
    let events = ReadEvents { id, name: event };
    compare.differs("inst-getEventStream", &events, &[STREAM_TYPE]);
    let (name, data) = ("EV", &json!("msg"));
    compare.same("inst-sendEvent", &SendEvent { id, name, data });
}

fn compare_topics(compare: &mut Comparison<'_>) {
    let name = &id("TOP");
    let create = CreateTopic {
        name,
        content_type: ContentType::Text,
    };
    compare.same("createTopic", &create);
    compare.same("deleteTopic", &DeleteTopic { name });
    let read = |content_type| ReadTopic { name, content_type };
    compare.same("getTopic", &read(ContentType::Ndjson));
    compare.same("manager-getNamedData", &read(ContentType::Bytes));
    let send = |content_type, end| SendTopic {
        name,
        content_type,
        end,
    };
    compare.differs("sendTopic", &send(ContentType::Ndjson, None), &[EXPECT]);
    compare.differs(
        "sendTopic-end",
        &send(ContentType::Text, Some(true)),
        &[EXPECT],
    );
    compare.same("manager-sendNamedData", &send(ContentType::Bytes, None));
}

fn compare_manager(compare: &mut Comparison<'_>) {
    compare.same("manager-getVersion", &GetVersion);
    compare.same("manager-getHosts", &ListHubs);
    compare.same("manager-getLoad", &GetLoad);
    compare.same("manager-getConfig", &GetManagerConfig);
    compare.same("manager-getSequences", &ListSequences);
    compare.same("manager-getAllSequences", &ListAllSequences);
    compare.same("manager-getInstances", &ListInstances);
    compare.same("manager-getTopics", &ListManagerTopics);
    compare.same("manager-getStoreItems", &ListStoreItems);
    let item = &id("ITEM");
    let put = |id| PutStoreItem { id };
    compare.same("manager-putStoreItem-id", &put(Some(item)));
    compare.same("manager-putStoreItem-noid", &put(None));
    compare.same("manager-deleteStoreItem", &DeleteStoreItem { id: item });
    compare.same("manager-clearStore", &ClearStore);
    let mut every = DisconnectHubs::id("H").limit(1);
    every.access_key = Some("K".into());
    compare.same("manager-disconnectHubs", &every);
    let id = &id("HUB");
    let delete = |force| DeleteHub { id, force };
    compare.differs("manager-deleteHub", &delete(true), &[TWICE]);
    compare.differs("manager-deleteHub-f", &delete(false), &[TWICE]);
    compare.differs("manager-getLogStream", &ReadLog, &[STREAM_TYPE]);
    compare.differs("manager-getAuditStream", &ReadAudit, &[STREAM_TYPE]);
    let hub = compare.hub.hub_of_manager(id).unwrap();
    compare.at(&hub, |compare| {
        compare.same("manager-host-getVersion", &GetVersion);
    });
}

fn compare_multi_manager(compare: &mut Comparison<'_>) {
    compare.same("mm-getManagers", &ListManagers);
    compare.same("mm-getVersion", &GetVersion);
    compare.same("mm-getLoad", &GetLoad);
    compare.same("mm-getInfo", &GetMultiManagerInfo);
    compare.differs("mm-getLogStream", &ReadLog, &[STREAM_TYPE]);
    let config = &json!({ "id": "M" });
    compare.differs("mm-startManager", &StartManager { config }, &[TWICE]);
    let manager = compare.hub.manager_of_multi_manager(&id("M")).unwrap();
    compare.at(&manager, |compare| {
        compare.same("mm-manager-getVersion", &GetVersion);
    });
}

fn compare_middleware(compare: &mut Comparison<'_>) {
    compare.same("mw-getManagers", &ListSpaces);
    compare.same("mw-getVersion", &GetVersion);
    compare.differs("mw-getAuditStream", &ReadAudit, &[STREAM_TYPE]);
    let mut middleware = compare.hub.clone();
    let token = HeaderValue::from_static("Bearer s3cret");
    middleware.set_header(header::AUTHORIZATION, token).unwrap();
    let space = &id("SP");
    compare.at(&middleware, |compare| {
        compare.same("mw-listAccessKeys", &ListAccessKeys { space });
        let create = |description| CreateAccessKey { space, description };
        compare.differs("mw-createAccessKey", &create(Some(" desc ")), &[TWICE]);
        compare.differs("mw-createAccessKey-none", &create(None), &[TWICE]);
        let revoke = RevokeAccessKey { space, key: "KEY" };
        compare.differs("mw-revokeAccessKey", &revoke, &[TWICE]);
        let revoke = RevokeAllAccessKeys { space };
        compare.differs("mw-revokeAllAccessKeys", &revoke, &[TWICE]);
    });
    let manager = middleware.manager_of_space(space).unwrap();
    compare.at(&manager, |compare| {
        compare.same("mw-manager-getHosts", &ListHubs);
    });
    let hub = manager.hub_of_manager(&id("HUB")).unwrap();
    compare.at(&hub, |compare| {
        compare.same("mw-manager-host-getVersion", &GetVersion);
    });
}

/// A request body. The bytes of an upload are not compared.
trait Body {
    fn bytes(&self) -> Option<&[u8]>;
}

impl Body for Vec<u8> {
    fn bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl Body for Streamed {
    fn bytes(&self) -> Option<&[u8]> {
        None
    }
}

/// Returns the differences that matter to a hub.
fn differences<B: Body>(theirs: &ReceivedRequest, ours: &Request<B>) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            differences.push(format!("{what}: {theirs} → {ours}"));
        }
    };
    compare(
        "method",
        theirs.method.to_string(),
        ours.method().to_string(),
    );
    compare("path", route(&theirs.target), route(ours.uri().path()));
    let names = theirs.headers.keys().chain(ours.headers().keys());
    let names: BTreeSet<_> = names.map(header::HeaderName::as_str).collect();
    let matters =
        |name: &&str| ["accept", "content-type", "expect"].contains(name) || name.starts_with("x-");
    for name in names.into_iter().filter(matters) {
        let values = |headers: &http::HeaderMap| {
            let values = headers.get_all(name).iter();
            let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
            match values.is_empty() {
                true => "none".to_owned(),
                false => values.join(", "),
            }
        };
        compare(name, values(&theirs.headers), values(ours.headers()));
    }
    match ours.body().bytes() {
        None => {
            let has_body = !theirs.body.is_empty();
            compare("body", has_body.to_string(), true.to_string());
        }
        Some(ours) => {
            let json = |body: &[u8]| match body {
                [] => Value::Null.to_string(),
                body => serde_json::from_slice::<Value>(body).unwrap().to_string(),
            };
            compare("body", json(&theirs.body), json(ours));
        }
    }
    differences
}

/// Returns the part of a path below the base URL.
fn below(path: &str) -> &str {
    path.strip_prefix("/api/v1").unwrap()
}

/// Returns a path below the base URL, with placeholders for the IDs.
fn route(path: &str) -> String {
    let mut before = "";
    let segments = below(path).split('/').map(|segment| {
        let id = matches!(before, "sequence" | "instance");
        before = segment;
        if id { "*" } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}
