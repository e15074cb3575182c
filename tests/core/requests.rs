//! What every operation sends: compared with golden requests in `fixtures/requests`, and with what the TypeScript client sent.
//! `BLESS=1` writes the golden requests anew.

use std::{collections::BTreeSet, fs, time::Duration};

use scramjet_client_core::http::{HeaderName, HeaderValue, Method};
use scramjet_client_core::{
    ContentType, DeleteSequence, Dialect, Endpoint, EventName, GetInstance, GetInstanceHealth, GetSequence, GetVersion, InstanceId,
    KillInstance, KillOptions, LastEvent, Limits, ListInstances, ListSequenceInstances, ListSequences, NextEvent, Operation, OutputStream,
    OverwriteSequence, ReadStream, SendInput, SendSequence, SendStdin, SequenceId, StartOptions, StartSequence, StopInstance, StopOptions,
    Streamed, Version,
};
use serde_json::{Value, json};

use crate::drive::{blessing, core_sources, here, hub};

/// A request as text.
struct Golden {
    /// The operation's type, without path and lifetimes.
    operation: String,
    /// The name of the file: the operation in kebab case, and the variant.
    name: String,
    text: String,
    request: Sent,
}

/// A request as it is compared with that of another client.
#[derive(Clone)]
struct Sent {
    method: String,
    /// Below `/api/v1`.
    path: String,
    /// In lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

trait Body {
    fn bytes(&self) -> &[u8];
}

impl Body for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Body for Streamed {
    fn bytes(&self) -> &[u8] {
        b"<streamed>"
    }
}

fn golden<O: Operation<Payload: Body>>(variant: &str, hub: &Endpoint, operation: &O) -> Golden {
    let request = hub.request(operation).unwrap_or_else(|error| panic!("{} {variant}: {error}", O::NAME));
    let mut headers: Vec<_> = request.headers().iter().collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in &headers {
        text += &format!("{name}: {value:?}\n");
    }
    let body = request.body().bytes();
    text += "\n";
    if !body.is_empty() {
        text += &format!("{}\n", String::from_utf8_lossy(body));
    }
    let kind = type_name::<O>();
    let variant = if variant.is_empty() { String::new() } else { format!("-{variant}") };
    Golden {
        name: kebab_case(&kind) + &variant,
        operation: kind,
        text,
        request: Sent {
            method: request.method().to_string(),
            path: request.uri().path().split_once("/api/v1").expect("the base path").1.to_owned(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect(),
            body: body.to_vec(),
        },
    }
}

fn type_name<T>() -> String {
    let full = std::any::type_name::<T>();
    let path = full.split('<').next().unwrap_or(full);
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

fn kebab_case(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

fn goldens() -> Vec<Golden> {
    let hub = hub();
    let old = hub.clone().with_dialect(Dialect::of(Version::new(0, 18, 7)));
    let new = hub.clone().with_dialect(Dialect::LATEST);
    let last_coded = hub.clone().with_dialect(Dialect::of(Version::new(0, 28, 1)));
    let first_plain = hub.clone().with_dialect(Dialect::of(Version::new(0, 28, 2)));
    let mut secret = hub.clone();
    let token = HeaderValue::from_static("Bearer s3cret");
    secret.set_header(HeaderName::from_static("authorization"), token).expect("a header of the caller");
    let under_prefix = Endpoint::new("https://example.com/hubs/a%20b/api/v1/").expect("a base URL");

    let id = &SequenceId::new("2d1cb1f0-81ea-4e33-a94d-ba8fe578a025").expect("a sequence id");
    let odd = &SequenceId::new("a+b@c!$&'()*,;=:~50%-_.").expect("a sequence id");
    let instance = &InstanceId::new("946d707f-53cd-4a87-9b10-258897d1e67d").expect("an instance id");
    let event = &EventName::new("weather+city").expect("an event name");

    let nothing = &StartOptions::new();
    let usual = &StartOptions::new().app_config(json!({ "a": 1 })).arg(1);
    let every = &StartOptions::new()
        .app_config(json!({ "greeting": "zażółć", "nested": { "list": [1, null] } }))
        .args(["x", "y"])
        .arg(json!({ "o": 2 }))
        .arg(None::<u8>)
        .instance_id("11111111-2222-4333-8444-555555555555")
        .input_topic("cities")
        .output_topic("weather")
        .limits(Limits::new().memory(512).gpu(true))
        .member("system", json!({ "x": 1 }));
    let of_old_hubs = &StartOptions::new().app_config(json!({})).args([1, 2]).member("unknown", true);

    let second = Duration::from_secs(1);
    let stop = |options| StopInstance { id: instance, options };
    let input = |content_type, end| SendInput { id: instance, content_type, end };
    let stdin = |end| SendStdin { id: instance, end };
    let read = |stream| ReadStream { id: instance, stream };

    vec![
        golden("", &hub, &GetVersion),
        golden("with-token", &secret, &GetVersion),
        golden("under-prefix", &under_prefix, &GetVersion),
        golden("", &hub, &ListSequences),
        golden("", &hub, &GetSequence { id }),
        golden("odd-id", &hub, &GetSequence { id: odd }),
        golden("", &hub, &ListSequenceInstances { id }),
        golden("", &hub, &SendSequence),
        golden("with-token", &secret, &SendSequence),
        golden("", &hub, &OverwriteSequence { id }),
        golden("", &hub, &DeleteSequence { id, force: false }),
        golden("0.18", &old, &DeleteSequence { id, force: false }),
        golden("force", &new, &DeleteSequence { id, force: true }),
        golden("", &hub, &StartSequence { id, options: nothing }),
        golden("config-and-args", &hub, &StartSequence { id, options: usual }),
        golden("every-option", &new, &StartSequence { id, options: every }),
        golden("0.18", &old, &StartSequence { id, options: of_old_hubs }),
        golden("with-token", &secret, &StartSequence { id, options: usual }),
        golden("", &hub, &ListInstances),
        golden("", &hub, &GetInstance { id: instance }),
        golden("", &hub, &GetInstanceHealth { id: instance }),
        golden("", &hub, &KillInstance { id: instance, options: &KillOptions::new() }),
        golden("remove-immediately", &hub, &KillInstance { id: instance, options: &KillOptions::new().remove_immediately(true) }),
        golden("", &hub, &stop(&StopOptions::default())),
        golden("1s", &new, &stop(&StopOptions::new(second))),
        golden("1s-keepalive", &new, &stop(&StopOptions::new(second).can_call_keepalive(true))),
        golden("0.28.2-1s", &first_plain, &stop(&StopOptions::new(second))),
        golden("0.28.1-1s", &last_coded, &stop(&StopOptions::new(second))),
        golden("0.18-1s-keepalive", &old, &stop(&StopOptions::new(second).can_call_keepalive(true))),
        golden("0.18-at-once", &old, &stop(&StopOptions::new(Duration::ZERO))),
        golden("longest", &new, &stop(&StopOptions::new(Duration::from_millis(0x7fff_ffff)))),
        golden("text", &hub, &input(ContentType::Text, None)),
        golden("text-end", &hub, &input(ContentType::Text, Some(true))),
        golden("text-keep-open", &hub, &input(ContentType::Text, Some(false))),
        golden("bytes", &hub, &input(ContentType::Bytes, None)),
        golden("bytes-end", &hub, &input(ContentType::Bytes, Some(true))),
        golden("bytes-keep-open", &hub, &input(ContentType::Bytes, Some(false))),
        golden("ndjson", &hub, &input(ContentType::Ndjson, None)),
        golden("ndjson-end", &hub, &input(ContentType::Ndjson, Some(true))),
        golden("ndjson-keep-open", &hub, &input(ContentType::Ndjson, Some(false))),
        golden("", &hub, &stdin(None)),
        golden("end", &hub, &stdin(Some(true))),
        golden("keep-open", &hub, &stdin(Some(false))),
        golden("stdout", &hub, &read(OutputStream::Stdout)),
        golden("stderr", &hub, &read(OutputStream::Stderr)),
        golden("output", &hub, &read(OutputStream::Output)),
        golden("log", &hub, &read(OutputStream::Log)),
        golden("", &hub, &NextEvent { id: instance, name: event }),
        golden("0.18", &old, &NextEvent { id: instance, name: event }),
        golden("", &hub, &LastEvent { id: instance, name: event }),
        golden("0.18", &old, &LastEvent { id: instance, name: event }),
    ]
}

#[test]
fn requests_are_the_golden_ones() {
    let folder = here("fixtures/requests");
    let goldens = goldens();
    let names: BTreeSet<String> = goldens.iter().map(|golden| golden.name.clone()).collect();
    assert_eq!(names.len(), goldens.len(), "two golden requests have one name");
    for golden in &goldens {
        let file = folder.join(format!("{}.http", golden.name));
        if blessing() {
            fs::write(&file, &golden.text).expect("a golden request is written");
        }
        let committed = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}; BLESS=1 writes it", file.display()));
        assert_eq!(golden.text, committed, "{}; BLESS=1 takes the new one", golden.name);
    }
    let files: BTreeSet<String> = fs::read_dir(&folder)
        .expect("the golden requests")
        .map(|entry| entry.expect("a readable entry").file_name().into_string().expect("a UTF-8 name").replace(".http", ""))
        .collect();
    assert_eq!(files, names, "left: the files, right: the requests of this test");
}

#[test]
fn every_operation_has_a_golden_request() {
    let mut operations = BTreeSet::new();
    for (_, text) in core_sources() {
        for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("impl")) {
            if let Some((_, name)) = line.split_once(" Operation for ") {
                operations.insert(name.chars().take_while(char::is_ascii_alphanumeric).collect::<String>());
            }
        }
    }
    let rendered: BTreeSet<String> = goldens().into_iter().map(|golden| golden.operation).collect();
    assert_eq!(operations, rendered, "left: what core implements, right: what has a golden request");
}

#[test]
fn secrets_are_not_shown() {
    let with_token: Vec<_> = goldens().into_iter().filter(|golden| golden.name.ends_with("with-token")).collect();
    assert_eq!(with_token.len(), 3);
    for golden in with_token {
        assert!(golden.text.contains("\nauthorization: Sensitive\n"), "{}", golden.text);
        assert!(!golden.text.contains("s3cret"), "{}", golden.text);
        assert!(golden.request.headers.contains(&("authorization".into(), "Bearer s3cret".into())), "it is sent all the same");
    }
}

/// What the TypeScript client sent, the golden request for the same, and how they differ on purpose.
const TYPESCRIPT: [(&str, &str, &[Difference]); 12] = [
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
    ("inst-sendStdin", "send-stdin", &[]),
    (
        "inst-getStream",
        "read-stream-stdout",
        &[Difference { of: "content-type: application/octet-stream → none", because: "a GET has no body; hubs read it on topics alone" }],
    ),
];

/// Requests of the TypeScript client that no hub understands: a name is sent as escapes, which hubs do not decode, or as two segments.
const TYPESCRIPT_ONLY: [(&str, &str, &str); 2] = [
    ("inst-getEvent-space", "/instance/INS/event/a%20b", "a b"),
    ("inst-getEvent-unicode-slash", "/instance/INS/event/za%C5%BC%C3%B3%C5%82%C4%87/x", "zażółć/x"),
];

struct Difference {
    of: &'static str,
    because: &'static str,
}

#[test]
fn requests_are_those_of_the_typescript_client() {
    let goldens = goldens();
    for (recording, name, expected) in TYPESCRIPT {
        let golden = goldens.iter().find(|golden| golden.name == name).unwrap_or_else(|| panic!("no golden request {name}"));
        let differences = differences(&typescript(recording), &golden.request);
        let expected: Vec<&str> = expected.iter().inspect(|known| assert!(!known.because.is_empty())).map(|known| known.of).collect();
        assert_eq!(differences, expected, "{recording}");
    }
    for (recording, path, name) in TYPESCRIPT_ONLY {
        let sent = typescript(recording);
        assert_eq!((sent.method.as_str(), sent.path.as_str()), (Method::GET.as_str(), path), "{recording}");
        assert!(EventName::new(name).is_err(), "{recording}: {name:?} is sent to a route that the hub does not find");
    }
    let files = fs::read_dir(here("fixtures/ts-client")).expect("the recordings");
    let files: BTreeSet<_> = files.map(|entry| entry.expect("a readable entry").file_name().into_string().expect("UTF-8")).collect();
    let used = TYPESCRIPT.iter().map(|row| row.0).chain(TYPESCRIPT_ONLY.iter().map(|row| row.0));
    assert_eq!(files, used.map(|name| format!("{name}.request")).collect(), "left: the recordings, right: those that are compared");
}

fn typescript(name: &str) -> Sent {
    let raw = fs::read(here("fixtures/ts-client").join(format!("{name}.request"))).unwrap_or_else(|error| panic!("{name}: {error}"));
    let end = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(raw[..end].to_vec()).expect("a head in UTF-8");
    let mut lines = head.split("\r\n");
    let mut words = lines.next().expect("a request line").split(' ').map(str::to_owned);
    let method = words.next().expect("a method");
    let path = words.next().expect("a target").strip_prefix("/api/v1").expect("the base path").to_owned();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Sent { method, path, headers: headers.collect(), body: raw[end + 4..].to_vec() }
}

/// How ours differs from theirs, in what a hub takes notice of.
fn differences(theirs: &Sent, ours: &Sent) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            differences.push(format!("{what}: {theirs} → {ours}"));
        }
    };
    compare("method", theirs.method.clone(), ours.method.clone());
    compare("path", route(&theirs.path), route(&ours.path));
    let names: BTreeSet<&str> = theirs.headers.iter().chain(&ours.headers).map(|(name, _)| name.as_str()).collect();
    for name in names.into_iter().filter(|name| ["accept", "content-type", "expect"].contains(name) || name.starts_with("x-")) {
        let values = |sent: &Sent| {
            let values: Vec<&str> = sent.headers.iter().filter(|header| header.0 == name).map(|header| header.1.as_str()).collect();
            if values.is_empty() { "none".to_owned() } else { values.join(", ") }
        };
        compare(name, values(theirs), values(ours));
    }
    if ours.body == Streamed::default().bytes() {
        compare("body", (!theirs.body.is_empty()).to_string(), true.to_string());
    } else {
        let json = |body: &[u8]| if body.is_empty() { Value::Null } else { serde_json::from_slice(body).expect("a JSON body") };
        compare("body", json(&theirs.body).to_string(), json(&ours.body).to_string());
    }
    differences
}

/// A path with every id replaced.
fn route(path: &str) -> String {
    let mut before = "";
    let segments = path.split('/').map(|segment| {
        let id = matches!(before, "sequence" | "instance");
        before = segment;
        if id { "*" } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}
