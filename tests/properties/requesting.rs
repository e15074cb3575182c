//! Requests with any value of a caller: IDs, names, headers, base URLs, event names and data,
//! options.
//!
//! - Nothing panics, and a value that cannot be sent is an error before anything is sent.
//! - A request goes to the scheme, host and port of the base URL and to the path of its operation,
//!   segment by segment and without a query. Values in the path are sent byte for byte.
//! - It has the headers of its endpoint and of its operation, once each and with the given values,
//!   and no others.
//! - Values in a body can be read back unchanged.

use scramjet_client_core::http::{HeaderMap, HeaderName, HeaderValue, Method};
use scramjet_client_core::*;
use serde_json::{Value, json};

/// The body of a request.
pub(crate) trait Body {
    fn bytes(&self) -> &[u8];
}

impl Body for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Body for Streamed {
    fn bytes(&self) -> &[u8] {
        &[]
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const BYTES: (&str, &str) = ("content-type", "application/octet-stream");

/// An endpoint, and the headers of all its requests.
pub(crate) struct Hub {
    endpoint: Endpoint,
    headers: HeaderMap,
}

impl Hub {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        let endpoint = endpoint.with_dialect(Dialect::LATEST);
        Self { endpoint, headers }
    }

    pub(crate) fn with_defaults() -> Self {
        Self::new(Endpoint::new("http://hub.example:8000/api/v1").expect("a base URL"))
    }

    /// Builds the request and checks its path and headers. `own` are the operation's headers.
    /// Returns the body.
    fn sent<O: Operation<Payload: Body>>(
        &self,
        operation: &O,
        route: &[&str],
        own: &[(&str, &str)],
    ) -> Result<Vec<u8>, RequestError> {
        let request = self.endpoint.request(operation)?;
        assert_eq!(request.method(), O::METHOD);
        assert_eq!(
            request.uri().to_string(),
            format!("{}/{}", self.endpoint.base_url(), route.join("/")),
            "{}",
            O::NAME
        );
        let base: http::Uri = self.endpoint.base_url().parse().expect("a valid base URL");
        assert_eq!(
            (request.uri().scheme(), request.uri().authority()),
            (base.scheme(), base.authority()),
            "{}",
            O::NAME
        );
        assert_eq!(request.uri().query(), None, "{}", O::NAME);
        let authority = base.authority().map_or("", |authority| authority.as_str());
        let (_, above) = self.endpoint.base_url().split_once("://").expect("a URL");
        let above = above
            .strip_prefix(authority)
            .expect("a base URL that begins with the host");
        let below = request
            .uri()
            .path()
            .strip_prefix(above)
            .expect("a path below the base");
        assert!(
            below.split('/').skip(1).eq(route.iter().copied()),
            "{}: {below}",
            O::NAME
        );

        let mut headers = self.headers.clone();
        for (name, value) in own {
            let value = HeaderValue::from_str(value).expect("an operation's own header");
            headers.insert(
                HeaderName::try_from(*name).expect("an operation's own header"),
                value,
            );
        }
        assert_eq!(request.headers(), &headers, "{}", O::NAME);
        for value in request.headers().values() {
            assert!(
                !value.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte)),
                "{}",
                O::NAME
            );
        }
        Ok(request.body().bytes().to_vec())
    }

    fn json<O: Operation<Payload: Body>>(
        &self,
        operation: &O,
        route: &[&str],
        own: &[(&str, &str)],
    ) -> Result<Value, RequestError> {
        self.sent(operation, route, own)
            .map(|body| serde_json::from_slice(&body).expect("JSON"))
    }
}

/// Returns `true` if hubs can find the value in a path, and no proxy changes or misinterprets it.
pub(crate) fn is_addressable(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"\"#/<>?[\\]^`{|}".contains(c);
    let escapes = value.split('%').skip(1).any(|after| {
        after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
    });
    !value.is_empty() && !matches!(value, "." | "..") && value.chars().all(plain) && !escapes
}

/// Returns `false` also for properties of every JavaScript object, because hubs find no instance
/// with such an ID.
fn is_instance_id(value: &str) -> bool {
    let of_objects = "__defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ \
         __proto__ constructor hasOwnProperty \
                      isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf";
    is_addressable(value) && !of_objects.split_whitespace().any(|name| name == value)
}

/// Deserializes a value as from a reply, without validation.
fn unchecked<T: serde::de::DeserializeOwned>(value: &str) -> T {
    serde_json::from_value(json!(value)).expect("any text")
}

/// A value in the path of requests.
struct Segment<'a> {
    hub: &'a Hub,
    text: &'a str,
    good: bool,
}

impl Segment<'_> {
    /// Builds a request with the value at its place in `route`.
    fn check<O: Operation<Payload: Body>>(
        &self,
        operation: &O,
        route: &[&str],
        own: &[(&str, &str)],
    ) {
        self.assert_sent(self.hub.sent(operation, route, own));
    }

    /// Checks that a valid value was sent, and that the error names an invalid one.
    fn assert_sent<T>(&self, sent: Result<T, RequestError>) {
        let Self { text, good, .. } = *self;
        match sent {
            Ok(_) => assert!(good, "{text:?} was sent"),
            Err(RequestError::PathSegment { value, .. }) => {
                assert!(!good && value == text, "{value:?} was refused")
            }
            // The URL is too long.
            Err(RequestError::Http(_)) => assert!(text.len() > 60_000, "{text:?} is no request"),
            Err(error) => panic!("{text:?}: {error}"),
        }
    }
}

/// A path with two values.
struct Values<'a>([&'a str; 2]);

impl Operation for Values<'_> {
    const NAME: &'static str = "get values";
    const METHOD: Method = Method::GET;
    type Payload = Vec<u8>;
    type Decoder = Discard;

    fn path(&self) -> Path {
        let [first, second] = self.0;
        let path = Path::new("a").value("first", first);
        path.literal("b").value("second", second)
    }
}

/// Checks `Path`, which all operations use.
pub(crate) fn check_path(hub: &Hub, first: &str, second: &str) {
    let values = [first, second];
    let refused = values.into_iter().find(|value| !is_addressable(value));
    let (text, good) = (refused.unwrap_or(first), refused.is_none());
    let segment = Segment { hub, text, good };
    segment.check(&Values(values), &["a", first, "b", second], &[]);
}

pub(crate) fn check_sequence_id(hub: &Hub, text: &str) {
    let good = is_addressable(text);
    let segment = Segment { hub, text, good };
    assert_eq!(SequenceId::new(text).is_ok(), good, "{text:?}");
    let id = &unchecked(text);
    let options = &StartOptions::new();
    segment.check(&GetSequence { id }, &["sequence", text], &[]);
    segment.check(
        &ListSequenceInstances { id },
        &["sequence", text, "instances"],
        &[],
    );
    segment.check(&OverwriteSequence { id }, &["sequence", text], &[BYTES]);
    segment.check(
        &DeleteSequence { id, force: false },
        &["sequence", text],
        &[JSON],
    );
    segment.check(
        &DeleteSequence { id, force: true },
        &["sequence", text],
        &[JSON, ("x-seq-kill-inst", "true")],
    );
    segment.check(
        &StartSequence { id, options },
        &["sequence", text, "start"],
        &[JSON],
    );
}

pub(crate) fn check_instance_id(hub: &Hub, text: &str) {
    let good = is_instance_id(text);
    let segment = Segment { hub, text, good };
    assert_eq!(InstanceId::new(text).is_ok(), good, "{text:?}");
    let id = &unchecked(text);
    let event = &EventName::new("e").expect("a name");
    let below = |last| ["instance", text, last];
    segment.check(&GetInstance { id }, &["instance", text], &[]);
    segment.check(&GetInstanceHealth { id }, &below("health"), &[]);
    segment.check(
        &StopInstance {
            id,
            options: &StopOptions::default(),
        },
        &below("_stop"),
        &[JSON],
    );
    segment.check(
        &KillInstance {
            id,
            options: &KillOptions::new(),
        },
        &below("_kill"),
        &[JSON],
    );
    segment.check(
        &SetMonitoringRate { id, rate: 1 },
        &below("_monitoring_rate"),
        &[JSON],
    );
    segment.check(
        &SendEvent {
            id,
            name: "e",
            data: &json!("x"),
        },
        &below("_event"),
        &[JSON],
    );
    segment.check(
        &NextEvent { id, name: event },
        &["instance", text, "once", "e"],
        &[],
    );
    segment.check(
        &LastEvent { id, name: event },
        &["instance", text, "event", "e"],
        &[],
    );
    segment.check(
        &ReadEvents { id, name: event },
        &["instance", text, "events", "e"],
        &[],
    );
    for stream in [
        OutputStream::Stdout,
        OutputStream::Stderr,
        OutputStream::Output,
        OutputStream::Log,
    ] {
        let last = format!("{stream:?}").to_lowercase();
        segment.check(&ReadStream { id, stream }, &["instance", text, &last], &[]);
    }
    for content_type in [
        ContentType::Text,
        ContentType::Bytes,
        ContentType::Ndjson,
        ContentType::TextNdjson,
    ] {
        let own = ("content-type", content_type.as_str());
        segment.check(
            &SendInput {
                id,
                content_type,
                end: None,
            },
            &below("input"),
            &[own],
        );
        let end = Some(true);
        segment.check(
            &SendInput {
                id,
                content_type,
                end,
            },
            &below("input"),
            &[own, ("x-end-stream", "true")],
        );
        segment.check(&InOut { id, content_type }, &below("inout"), &[own]);
    }
    segment.check(
        &SendStdin {
            id,
            end: Some(false),
        },
        &below("stdin"),
        &[BYTES, ("x-end-stream", "false")],
    );
}

pub(crate) fn check_event_name(hub: &Hub, text: &str) {
    let good = is_addressable(text);
    let segment = Segment { hub, text, good };
    assert_eq!(EventName::new(text).is_ok(), good, "{text:?}");
    let id = &InstanceId::new("i").expect("an id");
    let name = &unchecked(text);
    segment.check(
        &NextEvent { id, name },
        &["instance", "i", "once", text],
        &[],
    );
    segment.check(
        &LastEvent { id, name },
        &["instance", "i", "event", text],
        &[],
    );
    segment.check(
        &ReadEvents { id, name },
        &["instance", "i", "events", text],
        &[],
    );
}

pub(crate) fn check_topic_name(hub: &Hub, text: &str) {
    let good = is_addressable(text);
    let segment = Segment { hub, text, good };
    assert_eq!(TopicName::new(text).is_ok(), good, "{text:?}");
    let name = &unchecked(text);
    for content_type in [
        ContentType::Text,
        ContentType::Bytes,
        ContentType::Ndjson,
        ContentType::TextNdjson,
    ] {
        let own = ("content-type", content_type.as_str());
        segment.check(
            &SendTopic {
                name,
                content_type,
                end: None,
            },
            &["topic", text],
            &[own],
        );
        segment.check(&ReadTopic { name, content_type }, &["topic", text], &[own]);
        let body = hub
            .json(&CreateTopic { name, content_type }, &["topics"], &[JSON])
            .expect("it is not in the route");
        assert_eq!(
            body,
            json!({ "id": text, "content-type": content_type.as_str() })
        );
    }
    segment.check(&DeleteTopic { name }, &["topics", text], &[JSON]);
}

/// The IDs of the platform, in its own routes and in base URLs below it.
pub(crate) fn check_platform_id(hub: &Hub, text: &str) {
    let good = is_addressable(text);
    let segment = Segment { hub, text, good };
    assert_eq!(HubId::new(text).is_ok(), good, "{text:?}");
    assert_eq!(ManagerId::new(text).is_ok(), good, "{text:?}");
    assert_eq!(SpaceId::new(text).is_ok(), good, "{text:?}");
    assert_eq!(StoreItemId::new(text).is_ok(), good, "{text:?}");
    for force in [true, false] {
        let own = ("x-force", if force { "true" } else { "false" });
        segment.check(
            &DeleteHub {
                id: &unchecked(text),
                force,
            },
            &["sth", text],
            &[JSON, own],
        );
    }
    let item = &unchecked(text);
    segment.check(&PutStoreItem { id: Some(item) }, &["s3", text], &[BYTES]);
    segment.check(&DeleteStoreItem { id: item }, &["s3", text], &[JSON]);
    let space = &unchecked(text);
    let keys = ["space", text, "apikey"];
    segment.check(&ListAccessKeys { space }, &keys, &[JSON]);
    segment.check(
        &CreateAccessKey {
            space,
            description: None,
        },
        &keys,
        &[JSON],
    );
    segment.check(
        &RevokeAccessKey { space, key: "k" },
        &keys,
        &[JSON, ("x-revoke", "k")],
    );
    segment.check(
        &RevokeAllAccessKeys { space },
        &keys,
        &[JSON, ("x-revoke-all", "true")],
    );

    let endpoint = &hub.endpoint;
    let nested = [
        (endpoint.hub_of_manager(&unchecked(text)), "sth"),
        (endpoint.manager_of_multi_manager(&unchecked(text)), "cpm"),
        (endpoint.manager_of_space(&unchecked(text)), "space"),
    ];
    for (endpoint_below, first) in nested {
        let sent = endpoint_below.and_then(|below| {
            assert_eq!(
                below.base_url(),
                format!("{}/{first}/{text}/api/v1", endpoint.base_url())
            );
            let below = Hub {
                endpoint: below,
                headers: hub.headers.clone(),
            };
            below.sent(&GetVersion, &["version"], &[])
        });
        segment.assert_sent(sent);
    }
}

/// Headers that describe the connection or the body. Callers cannot set them.
const FRAMING: &str = "host content-length content-type content-encoding transfer-encoding \
     connection upgrade te trailer expect";

/// Sets a header for all requests. Returns the endpoint with the header, if it is accepted.
pub(crate) fn check_header(name: &str, value: &str) -> Option<Hub> {
    let mut hub = Hub::with_defaults();
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
    let is_value = value.chars().all(|c| c == '\t' || !(c.is_ascii_control()));
    let key = HeaderName::try_from(name);
    let content = HeaderValue::try_from(value);
    // A name longer than 64 kB is invalid as well.
    assert_eq!(key.is_ok(), is_name && name.len() < 1 << 16, "{name:?}");
    assert_eq!(content.is_ok(), is_value, "{value:?}");
    let (Ok(key), Ok(content)) = (key, content) else {
        return None;
    };
    let framing = FRAMING
        .split(' ')
        .any(|framing| framing.eq_ignore_ascii_case(name));
    let fits = name.len()
        + value.len()
        + if name.eq_ignore_ascii_case("accept") {
            0
        } else {
            "accept*/*".len()
        }
        <= 16 << 10;
    // HTTP does not preserve surrounding white space and other characters.
    let is_preserved = value.trim_matches([' ', '\t']) == value && value.is_ascii();
    let set = hub.endpoint.set_header(key.clone(), content.clone());
    assert_eq!(
        set.is_ok(),
        !framing && fits && is_preserved,
        "{name:?}: {value:?}: {set:?}"
    );
    if let Err(error) = set {
        assert!(matches!(error, RequestError::Header { .. }), "{error:?}");
        let other = hub
            .endpoint
            .set_header(key, HeaderValue::from_static(" "))
            .expect_err("a value that is refused in any case");
        assert!(
            !is_preserved || !fits || error.to_string() == other.to_string(),
            "the value of a header may be a secret: {error}"
        );
        return None;
    }
    assert_eq!(content.as_bytes(), value.as_bytes());
    hub.headers.insert(key.clone(), content);
    hub.sent(&GetVersion, &["version"], &[])
        .expect("nothing of the caller's is in it but the header");
    let id = &SequenceId::new("s").expect("an id");
    hub.sent(
        &DeleteSequence { id, force: false },
        &["sequence", "s"],
        &[JSON],
    )
    .expect("the same");
    // Debug output hides the value: it is the same for another value.
    let mut other = Hub::with_defaults();
    other
        .endpoint
        .set_header(key, HeaderValue::from_static("x"))
        .expect("a value like any other");
    assert_eq!(
        format!("{:?}", hub.endpoint),
        format!("{:?}", other.endpoint)
    );
    Some(hub)
}

/// Checks a base URL, and a value in a path below it.
pub(crate) fn check_base(base_url: &str, value: &str) {
    let endpoint = match Endpoint::new(base_url) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            let RequestError::BaseUrl { url, .. } = &error else {
                panic!("{error:?}")
            };
            // The error contains no password.
            let authority = base_url
                .split_once("://")
                .and_then(|(_, rest)| rest.split(['/', '\\', '?', '#']).next());
            let secret = authority
                .and_then(|authority| authority.rsplit_once('@')?.0.split_once(':'))
                .map(|(_, secret)| secret);
            if let Some(secret) = secret.filter(|secret| secret.len() >= 8) {
                assert!(
                    url.matches(secret).count() < base_url.matches(secret).count(),
                    "{error}"
                );
            }
            return;
        }
    };
    let base = &endpoint.base_url().to_owned();
    assert!(
        base.starts_with("http://") || base.starts_with("https://"),
        "{base:?}"
    );
    // The url and http crates agree on the parts.
    let url = url::Url::parse(base_url).expect("an accepted URL");
    let uri: http::Uri = base
        .parse()
        .unwrap_or_else(|error| panic!("{base:?} was accepted, but is not a URI: {error}"));
    assert_eq!(uri.scheme_str(), Some(url.scheme()), "{base:?}");
    assert_eq!(uri.host(), url.host_str(), "{base:?}");
    assert_eq!(uri.port_u16(), url.port(), "{base:?}");
    assert_eq!(
        uri.path().trim_end_matches('/'),
        url.path().trim_end_matches('/'),
        "{base:?}"
    );
    assert!(
        !base.contains(['@', '?', '#']) || !uri.authority().expect("a host").as_str().contains('@'),
        "{base:?}"
    );
    let hub = Hub::new(endpoint);
    match hub.sent(&GetVersion, &["version"], &[]) {
        Ok(_) => check_sequence_id(&hub, value),
        Err(error) => assert!(
            matches!(error, RequestError::Http(_)) && base.len() > 60_000,
            "{base:?}: {error:?}"
        ),
    }
}

/// Compares JSON as it is parsed, because the parser may miss the last digit of a long number.
fn assert_same(body: &Value, sent: &Value) {
    let read: Value = serde_json::from_str(&sent.to_string()).expect("JSON");
    assert_eq!(body, &read);
}

pub(crate) fn check_event(hub: &Hub, name: &str, data: &Value) {
    let id = &InstanceId::new("i").expect("an id");
    let body = hub
        .json(
            &SendEvent { id, name, data },
            &["instance", "i", "_event"],
            &[JSON],
        )
        .expect("any event");
    assert_same(
        &body,
        &json!([5001, { "eventName": name, "message": data }]),
    );
}

/// Checks the options of a start: configuration, arguments, instance ID, topics, and any member.
pub(crate) fn check_options(hub: &Hub, value: &Value, text: &str, member: &str) {
    let id = &SequenceId::new("s").expect("an id");
    let start = |options: StartOptions| {
        hub.json(
            &StartSequence {
                id,
                options: &options,
            },
            &["sequence", "s", "start"],
            &[JSON],
        )
    };
    match start(StartOptions::new().app_config(value)) {
        Ok(body) if value.is_null() => assert_same(&body, &json!({})),
        Ok(body) => assert_same(&body, &json!({ "appConfig": value })),
        Err(RequestError::Option { option, .. }) => {
            assert!(option == "appConfig" && !value.is_object() && !value.is_null())
        }
        Err(error) => panic!("{error}"),
    }
    let body = start(StartOptions::new().arg(value).args([text, member])).expect("any arguments");
    assert_same(&body, &json!({ "args": [value, text, member] }));
    match start(StartOptions::new().instance_id(text)) {
        Ok(body) => {
            assert!(text.len() == 36 && is_instance_id(text));
            assert_same(&body, &json!({ "instanceId": text }));
        }
        Err(RequestError::Option { option, .. }) => {
            assert!(option == "instanceId" && !(text.len() == 36 && is_instance_id(text)))
        }
        Err(error) => panic!("{error}"),
    }
    match start(StartOptions::new().input_topic(text).output_topic(text)) {
        Ok(body) => assert_same(&body, &json!({ "inputTopic": text, "outputTopic": text })),
        Err(error) => assert!(matches!(error, RequestError::Option { .. }) && text.is_empty()),
    }
    // A member without a meaning of its own. A configuration of `null` is left out.
    if member != "appConfig" {
        let body = start(StartOptions::new().member(member, value)).expect("any member");
        assert_same(&body, &json!({ member: value }));
    }
}

/// Checks an access key, which is sent in a header, and its Debug output.
pub(crate) fn check_key(hub: &Hub, text: &str) {
    let space = &SpaceId::new("p").expect("an id");
    let route = ["space", "p", "apikey"];
    let is_value = !text.is_empty()
        && text.trim_matches([' ', '\t']) == text
        && text.chars().all(|c| c == '\t' || matches!(c, ' '..='~'));
    let own = [JSON, ("x-revoke", text)];
    let own: &[_] = if is_value { &own } else { &[] };
    match hub.sent(&RevokeAccessKey { space, key: text }, &route, own) {
        Ok(_) => assert!(is_value, "{text:?} was sent"),
        Err(RequestError::Header { name, problem, .. }) => {
            assert!(
                !is_value && name == "x-revoke" && (text.len() < 8 || !problem.contains(text)),
                "{text:?}: {problem}"
            );
        }
        Err(error) => panic!("{error}"),
    }
    let body = hub
        .json(
            &CreateAccessKey {
                space,
                description: Some(text),
            },
            &route,
            &[JSON],
        )
        .expect("any description");
    assert_same(&body, &json!({ "description": text.trim() }));
    let disconnect = DisconnectHubs::id(text).limit(3);
    assert_same(
        &hub.json(&disconnect, &["disconnect"], &[JSON])
            .expect("any id"),
        &json!({ "id": text, "limit": 3 }),
    );
    let disconnect = DisconnectHubs::access_key(text);
    assert_same(
        &hub.json(&disconnect, &["disconnect"], &[JSON])
            .expect("any key"),
        &json!({ "accessKey": text }),
    );
}

/// The first byte selects the check, a second one its variant. The rest are texts separated by
/// 0xff.
pub(crate) fn check(input: &[u8]) {
    let [which, rest @ ..] = input else { return };
    let texts: Vec<String> = rest
        .split(|byte| *byte == 0xff)
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    let text = |index: usize| texts.get(index).map_or("", String::as_str);
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let hub = &Hub::with_defaults();
    match which % 11 {
        0 => {
            check_sequence_id(hub, text(0));
            check_path(hub, text(0), text(1));
        }
        1 => check_instance_id(hub, text(0)),
        2 => check_event_name(hub, text(0)),
        3 => check_topic_name(hub, text(0)),
        4 => check_platform_id(hub, text(0)),
        5 => check_base(text(0), text(1)),
        6 => drop(check_header(text(0), text(1))),
        7 => check_event(hub, text(0), &value(text(1))),
        8 => check_options(hub, &value(text(0)), text(1), text(2)),
        9 => check_key(hub, text(0)),
        // A header of the caller, in requests to many paths.
        _ => {
            if let Some(hub) = check_header(text(0), text(1)) {
                check_key(&hub, "key");
                check_instance_id(&hub, text(2));
            }
        }
    }
}
