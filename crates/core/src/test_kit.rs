//! Helpers for unit tests of operations and of the types in requests and responses.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Debug;

use http::{HeaderValue, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Dialect, Endpoint, Operation, Streamed, operation_names};

const BASE: &str = "http://hub.example:8000/api/v1";

/// Returns a hub of the newest dialect.
pub(crate) fn hub() -> Endpoint {
    let endpoint = Endpoint::new(BASE).expect("a base URL");
    endpoint.with_dialect(Dialect::LATEST)
}

/// Returns a hub of this version.
pub(crate) fn hub_of(version: &str) -> Endpoint {
    let version = version.parse().expect("a version");
    hub().with_dialect(Dialect::of(version))
}

/// Returns a hub that requires a token.
pub(crate) fn hub_with_token() -> Endpoint {
    let mut hub = hub();
    let token = HeaderValue::from_static("Bearer s3cret");
    hub.set_header(header::AUTHORIZATION, token)
        .expect("a header");
    hub
}

/// Makes an id or a name from a text.
pub(crate) fn id<T: TryFrom<&'static str, Error: Debug>>(text: &'static str) -> T {
    T::try_from(text).expect("a valid id")
}

/// Checks the request of an operation to a hub of the newest dialect.
///
/// `expected` consists of the method and the path below the base URL, the headers without the
/// constant `accept`, an empty line, and the body. Indentation is ignored. Values of sensitive
/// headers and streamed bodies have placeholders.
#[track_caller]
pub(crate) fn assert_request<O: Operation<Payload: Body>>(operation: &O, expected: &str) {
    assert_request_to(&hub(), operation, expected);
}

/// Like [`assert_request`], with another hub.
#[track_caller]
pub(crate) fn assert_request_to<O: Operation<Payload: Body>>(
    hub: &Endpoint,
    operation: &O,
    expected: &str,
) {
    let name = O::NAME;
    assert!(
        operation_names().any(|known| known == name),
        "the operation {name:?} is missing in `operations!` of its module"
    );
    tests::record(name);
    let built = request_text(hub, operation);
    let lines: Vec<_> = expected.trim().lines().map(str::trim).collect();
    let expected = lines.join("\n");
    if built != expected {
        panic!("{name}: another request\n--- expected\n{expected}\n--- built\n{built}\n---");
    }
}

fn request_text<O: Operation<Payload: Body>>(hub: &Endpoint, operation: &O) -> String {
    let request = hub
        .request(operation)
        .unwrap_or_else(|error| panic!("{}: {error}", O::NAME));
    let url = request.uri().to_string();
    let path = url.strip_prefix(BASE).expect("a path below the base URL");
    let mut text = format!("{} {path}", request.method());
    if !operation.server_wait().is_zero() {
        text += &format!(", answered after {:?}", operation.server_wait());
    }
    let mut headers: Vec<_> = request.headers().iter().collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    let accept = HeaderValue::from_static("*/*");
    assert_eq!(headers.remove(0), (&header::ACCEPT, &accept));
    for (name, value) in headers {
        let value = match value.is_sensitive() {
            true => "Sensitive",
            false => value.to_str().expect("ASCII"),
        };
        text += &format!("\n{name}: {value}");
    }
    let body = request.body().text();
    if !body.is_empty() {
        text += &format!("\n\n{body}");
    }
    text
}

/// A request body that can be compared with text.
pub(crate) trait Body {
    fn text(&self) -> String;
}

impl Body for Vec<u8> {
    fn text(&self) -> String {
        String::from_utf8(self.clone()).expect("UTF-8")
    }
}

impl Body for Streamed {
    fn text(&self) -> String {
        "<streamed>".into()
    }
}

/// Checks that decoding and encoding keeps all of the JSON. Give each object an unknown member.
#[track_caller]
pub(crate) fn assert_round_trip<T: DeserializeOwned + Serialize + Debug>(json: Value) {
    let decoded: T =
        serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{json}: {error}"));
    let encoded = serde_json::to_value(&decoded).expect("JSON");
    assert_eq!(
        encoded, json,
        "left: after decoding and encoding {decoded:?}"
    );
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::collections::BTreeSet;
    use std::io::Write;
    use std::process::{self, Command};
    use std::{env, fs};

    use super::*;

    /// Names the file to which a child process writes the operations whose requests it checks.
    const RECORD: &str = "SCRAMJET_TEST_RECORD";

    /// Appends a line to the file of [`RECORD`], if it is set.
    pub(super) fn record(operation: &str) {
        if let Some(path) = env::var_os(RECORD) {
            let file = fs::OpenOptions::new().create(true).append(true).open(path);
            let line = format!("{operation}\n");
            file.and_then(|mut file| file.write_all(line.as_bytes()))
                .expect("a writable file");
        }
    }

    #[test]
    fn operation_names_are_unique() {
        let names: BTreeSet<_> = operation_names().collect();
        assert_eq!(names.len(), operation_names().count());
    }

    /// Runs all unit tests in a child process.
    #[test]
    fn every_operation_has_a_test_of_its_request() {
        if env::var_os(RECORD).is_some() {
            return;
        }
        let path = env::temp_dir().join(format!("scramjet-requests-{}", process::id()));
        let mut tests = Command::new(env::current_exe().expect("this program"));
        let ended = tests.env(RECORD, &path).output().expect("a child process");
        let checked = fs::read_to_string(&path).unwrap_or_default();
        fs::remove_file(&path).unwrap_or_default();
        let checked: BTreeSet<_> = checked.lines().collect();
        let missing: Vec<_> = operation_names()
            .filter(|name| !checked.contains(name))
            .collect();
        assert!(
            missing.is_empty(),
            "no unit test calls `assert_request` for {missing:?} (the tests ended with {})",
            ended.status
        );
    }
}
