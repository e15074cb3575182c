//! The request of every operation, compared with golden requests in `fixtures/requests` and with
//! requests of the TypeScript client. `BLESS=1` rewrites the golden requests.

mod every;
mod typescript;

use std::marker::PhantomData;
use std::{collections::BTreeSet, fs, time::Duration};

use scramjet_client_core::http::{HeaderValue, Method, header};
use scramjet_client_core::{Discard, Endpoint, Operation, Path, RequestPayload, Streamed};

use crate::drive::{core_sources, here, hub, is_blessing};
use every::goldens;

/// A request as text.
pub(super) struct Golden {
    /// Type name of the operation, without path and lifetimes.
    pub(super) operation: String,
    /// File name: the operation in kebab case, and the variant.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) request: SentRequest,
    server_wait: Duration,
}

/// A request, in a form that can be compared with those of another client.
#[derive(Clone)]
pub(super) struct SentRequest {
    pub(super) method: String,
    /// Relative to `/api/v1`.
    pub(super) path: String,
    /// With lower-case names.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

pub(super) trait Body {
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

pub(super) fn golden<O: Operation<Payload: Body>>(
    variant: &str,
    hub: &Endpoint,
    operation: &O,
) -> Golden {
    let request = hub
        .request(operation)
        .unwrap_or_else(|error| panic!("{} {variant}: {error}", O::NAME));
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
    let variant = if variant.is_empty() {
        String::new()
    } else {
        format!("-{variant}")
    };
    Golden {
        name: kebab_case(&kind) + &variant,
        operation: kind,
        text,
        request: SentRequest {
            method: request.method().to_string(),
            path: request
                .uri()
                .path()
                .split_once("/api/v1")
                .expect("the base path")
                .1
                .to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        value.to_str().unwrap_or_default().to_owned(),
                    )
                })
                .collect(),
            body: body.to_vec(),
        },
        server_wait: operation.server_wait(),
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

#[test]
fn requests_match_the_golden_requests() {
    let folder = here("fixtures/requests");
    let goldens = goldens();
    let names: BTreeSet<String> = goldens.iter().map(|golden| golden.name.clone()).collect();
    assert_eq!(
        names.len(),
        goldens.len(),
        "two golden requests have one name"
    );
    for golden in &goldens {
        let file = folder.join(format!("{}.http", golden.name));
        if is_blessing() {
            fs::write(&file, &golden.text).expect("a golden request is written");
        }
        let committed = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}; BLESS=1 writes it", file.display()));
        assert_eq!(
            golden.text, committed,
            "{}; BLESS=1 takes the new one",
            golden.name
        );
    }
    let files: BTreeSet<String> = fs::read_dir(&folder)
        .expect("the golden requests")
        .map(|entry| {
            entry
                .expect("a readable entry")
                .file_name()
                .into_string()
                .expect("a UTF-8 name")
                .replace(".http", "")
        })
        .collect();
    assert_eq!(
        files, names,
        "left: the files, right: the requests of this test"
    );
}

/// Returns the names of core's operations, from its sources.
pub(crate) fn implemented() -> BTreeSet<String> {
    let mut operations = BTreeSet::new();
    for (_, text) in core_sources() {
        let lines = text.lines().map(str::trim_start);
        let implementations = lines
            .filter(|line| line.starts_with("impl"))
            .filter_map(|line| line.split_once(" Operation for "));
        let uses = text.split("\nget! {").skip(1);
        let uses = uses.filter_map(|text| text.split_once("pub struct "));
        for (_, name) in implementations.chain(uses) {
            operations.insert(
                name.chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect::<String>(),
            );
        }
    }
    operations
}

#[test]
fn every_operation_has_a_golden_request() {
    let rendered: BTreeSet<String> = goldens()
        .into_iter()
        .map(|golden| golden.operation)
        .collect();
    assert_eq!(
        implemented(),
        rendered,
        "left: what core implements, right: what has a golden request"
    );
}

#[test]
fn only_stop_instance_has_a_server_wait() {
    let waiting = goldens()
        .into_iter()
        .filter(|golden| !golden.server_wait.is_zero());
    let waiting: Vec<_> = waiting
        .map(|golden| (golden.name, golden.server_wait.as_millis()))
        .collect();
    let waiting: Vec<_> = waiting
        .iter()
        .map(|(name, millis)| (name.as_str(), *millis))
        .collect();
    let expected = [
        ("stop-instance", 7_000),
        ("stop-instance-1s", 1_000),
        ("stop-instance-1s-keepalive", 1_000),
        ("stop-instance-0.28.2-1s", 1_000),
        ("stop-instance-0.28.1-1s", 1_000),
        ("stop-instance-0.18-1s-keepalive", 1_000),
        ("stop-instance-longest", 0x7fff_ffff),
    ];
    assert_eq!(
        waiting, expected,
        "only a stop waits on the hub before its response"
    );
}

#[test]
fn tokens_are_sensitive_headers() {
    let with_token: Vec<_> = goldens()
        .into_iter()
        .filter(|golden| golden.name.ends_with("with-token"))
        .collect();
    assert_eq!(with_token.len(), 3);
    for golden in with_token {
        assert!(
            golden.text.contains("\nauthorization: Sensitive\n"),
            "{}",
            golden.text
        );
        assert!(!golden.text.contains("s3cret"), "{}", golden.text);
        assert!(
            golden
                .request
                .headers
                .contains(&("authorization".into(), "Bearer s3cret".into())),
            "it is sent all the same"
        );
    }
}

#[test]
fn request_sets_the_json_content_type_for_built_bodies_only() {
    struct Post<P>(PhantomData<P>);

    impl<P: RequestPayload> Operation for Post<P> {
        const NAME: &'static str = "post";
        const METHOD: Method = Method::POST;
        type Payload = P;
        type Decoder = Discard;

        fn path(&self) -> Path {
            Path::new("post")
        }
    }

    fn content_type<P: RequestPayload>() -> Option<HeaderValue> {
        let hub = Endpoint::new("http://h/api/v1").unwrap();
        let request = hub.request(&Post::<P>(PhantomData)).unwrap();
        request.headers().get(header::CONTENT_TYPE).cloned()
    }

    let json = HeaderValue::from_static("application/json");
    assert_eq!(content_type::<Vec<u8>>(), Some(json));
    assert_eq!(content_type::<Streamed>(), None);
}
