//! Compares a recorded response with the response of the model.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::Value;

use super::wire::RecordedResponse;
use crate::driver::TestResponse;

/// The parts of two bodies that must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyComparison {
    /// All values except times and those that depend on the machine.
    Same,
    /// All values except times, those that depend on the machine, and ids from the hub.
    FreshIds,
    /// Only the members of JSON lines. Each chunk must consist of whole lines.
    Lines,
}

/// The headers that are compared, which are those that clients read.
const HEADERS: &[&str] = &[
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "content-length",
    "content-type",
    "keep-alive",
];

/// The JSON members whose values are times or depend on the machine.
const VOLATILE: &[&str] = &[
    "available",
    "avgLoad",
    "created",
    "currentLoad",
    "ended",
    "fs",
    "memFree",
    "memUsed",
    "mount",
    "packageSize",
    "processId",
    "receivedAt",
    "size",
    "started",
    "ts",
    "use",
    "used",
];

/// The JSON members whose length depends on the machine. Only the first element is compared.
const VOLATILE_LISTS: &[&str] = &["fsSize"];

pub(crate) fn differences(
    recorded: &RecordedResponse,
    played: &TestResponse,
    body: BodyComparison,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, recorded: &dyn std::fmt::Debug, played: &dyn std::fmt::Debug| {
        let (recorded, played) = (format!("{recorded:?}"), format!("{played:?}"));
        if recorded != played {
            found.push(format!("{what}: recorded {recorded}, played {played}"));
        }
    };
    differ("interim responses", &recorded.continues, &played.continues);
    differ("complete", &recorded.complete, &played.ended);
    differ("status", &recorded.status, &played.status());
    let (reason, headers) = match &played.head {
        Some(head) => (head.reason.as_str(), head.headers.clone()),
        None => ("", HeaderMap::new()),
    };
    differ("reason", &recorded.reason.as_str(), &reason);
    for name in HEADERS {
        let recorded = recorded.headers.get(*name).map(String::as_str);
        let played = headers.get(*name).map(|value| value.to_str().unwrap());
        differ(name, &recorded, &played);
    }
    found.extend(body_differences(recorded, played, body));
    found
}

fn body_differences(
    recorded: &RecordedResponse,
    played: &TestResponse,
    body: BodyComparison,
) -> Vec<String> {
    if body == BodyComparison::Lines {
        return line_differences(&recorded.chunks, &played.chunks);
    }
    let is_json = recorded
        .headers
        .get("content-type")
        .is_some_and(|given| given == "application/json");
    let (theirs, ours) = (recorded.chunks.concat(), played.chunks.concat());
    // Errors of instance routes are JSON without a content type.
    if (is_json || theirs.starts_with(b"{\"error\"")) && !theirs.is_empty() {
        let mut found = Vec::new();
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        json_differences("body", &parse(&theirs), &parse(&ours), body, &mut found);
        return found;
    }
    let text = |chunks: &[Vec<u8>]| -> Vec<String> {
        let text = |chunk: &Vec<u8>| String::from_utf8_lossy(chunk).into_owned();
        chunks.iter().map(text).collect()
    };
    let (theirs, ours) = (text(&recorded.chunks), text(&played.chunks));
    match theirs == ours {
        true => Vec::new(),
        false => vec![format!("chunks: recorded {theirs:?}, played {ours:?}")],
    }
}

fn json_differences(
    at: &str,
    recorded: &Value,
    played: &Value,
    body: BodyComparison,
    found: &mut Vec<String>,
) {
    let member = at.rsplit('.').next().unwrap_or_default();
    match (recorded, played) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
            for name in names {
                let at = format!("{at}.{name}");
                match (theirs.get(name), ours.get(name)) {
                    (Some(theirs), Some(ours)) => json_differences(&at, theirs, ours, body, found),
                    (Some(theirs), None) => found.push(format!("{at}: only recorded: {theirs}")),
                    (None, ours) => found.push(format!("{at}: only played: {ours:?}")),
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            let compared = if VOLATILE_LISTS.contains(&member) {
                1
            } else {
                usize::MAX
            };
            if theirs.len().min(compared) != ours.len().min(compared) {
                found.push(format!("{at}: recorded {theirs:?}, played {ours:?}"));
            }
            for (theirs, ours) in theirs.iter().zip(ours) {
                json_differences(at, theirs, ours, body, found);
            }
        }
        _ if std::mem::discriminant(recorded) != std::mem::discriminant(played) => {
            found.push(format!("{at}: recorded {recorded}, played {played}"));
        }
        _ if VOLATILE.contains(&member) => {}
        (Value::String(theirs), Value::String(ours))
            if body == BodyComparison::FreshIds && without_ids(theirs) == without_ids(ours) => {}
        _ if recorded != played => {
            found.push(format!("{at}: recorded {recorded}, played {played}"));
        }
        _ => {}
    }
}

/// Replaces UUIDs by `<id>`.
fn without_ids(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut rest = text;
    let mut without = String::new();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if end == 36 {
            without.push_str("<id>");
            rest = &rest[end..];
        } else {
            without.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    without
}

/// Checks that all chunks are whole lines, and that each line of the model has all members that all
/// recorded lines have, and only members that some recorded line has.
fn line_differences(recorded: &[Vec<u8>], played: &[Vec<u8>]) -> Vec<String> {
    let members = |chunks: &[Vec<u8>]| -> Option<Vec<BTreeSet<String>>> {
        let mut all = Vec::new();
        for chunk in chunks {
            let text = std::str::from_utf8(chunk).ok()?.strip_suffix('\n')?;
            for line in text.split('\n') {
                let line: Value = serde_json::from_str(line).ok()?;
                let line = line.as_object()?.iter();
                // Skips members whose name is that of a source.
                let general = |(_, value): &(&String, &Value)| !value.is_object();
                all.push(line.filter(general).map(|(name, _)| name.clone()).collect());
            }
        }
        Some(all)
    };
    let (Some(theirs), Some(ours)) = (members(recorded), members(played)) else {
        return vec![format!("lines: recorded {recorded:?}, played {played:?}")];
    };
    if ours.is_empty() {
        return vec!["no lines were played".to_owned()];
    }
    let known: BTreeSet<_> = theirs.iter().flatten().cloned().collect();
    let required = theirs.iter().fold(known.clone(), |a, b| &a & b);
    let differs =
        |line: &&BTreeSet<String>| !line.is_superset(&required) || !line.is_subset(&known);
    let wrong = ours.iter().filter(differs);
    wrong
        .map(|line| format!("a line has {line:?}; required {required:?}, known {known:?}"))
        .collect()
}
