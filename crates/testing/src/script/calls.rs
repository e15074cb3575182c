//! The requests that each client call makes.
//!
//! The error for an unexpected request lists them, because many calls make requests that are not
//! visible in the code of a test.

use std::fmt::Write;

use crate::ReceivedRequest;

/// A group of client calls that make the same requests.
struct ClientCall {
    /// The names of the methods.
    names: &'static str,
    /// The method and the path of each request, with a note if it is not always made. A segment
    /// that begins with a colon is an id or a name. `since` and `before` refer to the version of
    /// the hub.
    requests: &'static [&'static str],
}

/// The calls of hosts, sequences and instances. Of calls with the same number of requests, the
/// simpler ones come first.
const CALLS: &[ClientCall] = &[
    call("version, wait_ready, dialect", &["GET version"]),
    call("status", &["GET status"]),
    call("config", &["GET config"]),
    call("load_check", &["GET load-check"]),
    call("list_entities", &["GET entities"]),
    call(
        "list_sequences, sequence_named, sequence_ids",
        &["GET sequences"],
    ),
    call("list_instances", &["GET instances"]),
    call("log_stream, log_lines", &["GET log"]),
    call(
        "follow_log of a host",
        &["GET log", "GET version (after a silence)"],
    ),
    call(
        "follow_logs",
        &[
            "GET log (since 0.27.0)",
            "GET version (after a silence, since 0.27.0)",
            "GET instances (before 0.27.0)",
            "GET instance/:id/log (before 0.27.0)",
        ],
    ),
    call(
        "follow_logs_of",
        &[
            "GET instances",
            "GET instance/:id (if the list does not have it)",
            "GET log (since 0.27.0)",
            "GET version (after a silence, since 0.27.0)",
            "GET instance/:id/log (before 0.27.0)",
        ],
    ),
    call("audit_stream, audit_records", &["GET audit"]),
    call("list_topics", &["GET topics"]),
    call("create_topic", &["POST topics"]),
    call("delete_topic", &["DELETE topics/:name"]),
    call(
        "scoped_topic",
        &["POST topics", "DELETE topics/:name (at the end)"],
    ),
    call("send_topic, topic_writer", &["POST topic/:name"]),
    call("topic, follow_topic", &["GET topic/:name"]),
    call("send_sequence", &["POST sequence"]),
    call("info of a sequence, sequence_info", &["GET sequence/:id"]),
    call("overwrite", &["PUT sequence/:id"]),
    call("delete, delete_sequence", &["DELETE sequence/:id"]),
    call(
        "list_instances of a sequence",
        &["GET sequence/:id/instances"],
    ),
    call(
        "force_delete, force_delete_sequence",
        &[
            "GET sequence/:id/instances",
            "POST instance/:id/_kill",
            "GET instance/:id (if the hub refuses to kill it)",
            "DELETE sequence/:id",
        ],
    ),
    call(
        "deploy, deploy_and_run",
        &[
            "POST sequence",
            "GET sequence/:id/instances (at the end)",
            "POST instance/:id/_kill (at the end)",
            "GET instance/:id (if the hub refuses to kill it)",
            "DELETE sequence/:id (at the end)",
        ],
    ),
    call(
        "deploy_if_changed",
        &[
            "GET sequence/:id (of the sequence in the state file)",
            "PUT sequence/:id (if it has changed, since 0.38.0)",
            "POST sequence (if there is none to overwrite)",
            "DELETE sequence/:id (with remove_old)",
        ],
    ),
    call("start", &["POST sequence/:id/start"]),
    call(
        "start_when_available",
        &[
            "POST sequence/:id/start",
            "GET instance/:id (if the response is lost)",
            "POST instance/:id/_kill (if the call is canceled or times out)",
        ],
    ),
    call(
        "start_and_wait, start_with_retry",
        &[
            "POST sequence/:id/start",
            "GET instance/:id/event/:name",
            "GET instance/:id/events/:name (since 0.38.0)",
            "GET instance/:id",
            "POST instance/:id/_kill (if it does not get ready)",
        ],
    ),
    call(
        "spawn",
        &[
            "POST sequence/:id/start",
            "GET instance/:id/output",
            "GET instance/:id/stdout",
            "GET instance/:id/stderr",
            "GET instance/:id (if the response to the start is lost)",
            "POST instance/:id/_kill (if the Child is dropped before its end)",
        ],
    ),
    call(
        "run",
        &[
            "POST sequence/:id/start",
            "GET instance/:id/output",
            "GET instance/:id/stdout",
            "GET instance/:id/stderr",
            "GET instance/:id/log (before 0.19.0)",
            "POST instance/:id/input",
            "GET instance/:id",
            "POST instance/:id/_kill",
        ],
    ),
    call(
        "run_with",
        &[
            "POST sequence/:id/start",
            "GET instance/:id/output",
            "GET instance/:id/stdout",
            "GET instance/:id/stderr",
            "GET instance/:id/log (if the log is collected)",
            "POST instance/:id/input",
            "GET instance/:id",
            "POST instance/:id/_kill",
        ],
    ),
    call(
        "PoolOptions::start",
        &[
            "GET load-check (with Placement::LeastLoaded)",
            "POST sequence/:id/start",
            "GET instance/:id/event/:name (with a readiness)",
            "GET instance/:id/events/:name (with a readiness, since 0.38.0)",
            "GET instance/:id (with a readiness)",
            "GET instances (each second)",
            "POST instance/:id/_kill (at the end)",
        ],
    ),
    call(
        "InstancePool::shutdown, Child::stop",
        &[
            "POST instance/:id/_stop",
            "GET instance/:id",
            "POST instance/:id/_kill (if it does not stop in time)",
        ],
    ),
    call(
        "Child::kill",
        &[
            "POST instance/:id/_kill",
            "GET instance/:id (if the hub refuses to kill it)",
        ],
    ),
    call(
        "info of an instance, instance_info, Child::try_wait",
        &["GET instance/:id"],
    ),
    call(
        "wait_ended, Child::wait, Child::wait_with_output",
        &["GET instance/:id"],
    ),
    call("health", &["GET instance/:id/health"]),
    call("kill", &["POST instance/:id/_kill"]),
    call("stop", &["POST instance/:id/_stop"]),
    call(
        "set_monitoring_rate",
        &["POST instance/:id/_monitoring_rate"],
    ),
    call("send_event", &["POST instance/:id/_event"]),
    call("event_stream", &["GET instance/:id/events/:name"]),
    call(
        "follow_events",
        &[
            "GET instance/:id/events/:name",
            "GET instance/:id (after a silence)",
        ],
    ),
    call(
        "next_event, wait_next_event, wait_next_any",
        &["GET instance/:id/events/:name", "GET instance/:id"],
    ),
    call(
        "event, wait_event, wait_any",
        &[
            "GET instance/:id/event/:name",
            "GET instance/:id/events/:name (since 0.38.0)",
            "GET instance/:id",
        ],
    ),
    call(
        "send_input, input_writer",
        &[
            "POST instance/:id/input",
            "GET instance/:id (to see if it has ended)",
        ],
    ),
    call(
        "send_stdin, stdin_writer",
        &[
            "POST instance/:id/stdin",
            "GET instance/:id (to see if it has ended)",
        ],
    ),
    call("output", &["GET instance/:id/output"]),
    call(
        "output_until_ended",
        &[
            "GET instance/:id/output",
            "GET instance/:id (to see if it has ended)",
        ],
    ),
    call("stdout", &["GET instance/:id/stdout"]),
    call("stderr", &["GET instance/:id/stderr"]),
    call("log, log_lines", &["GET instance/:id/log"]),
    call(
        "follow_log of an instance",
        &[
            "GET instance/:id/log",
            "GET instance/:id (after a silence)",
            "GET log (after a gap, since 0.27.0)",
        ],
    ),
    call(
        "transform, transform_bytes, json_channel, line_channel",
        &[
            "GET instance/:id/output",
            "POST instance/:id/input",
            "GET instance/:id (to see if it has ended)",
        ],
    ),
    call("inout", &["POST instance/:id/inout"]),
];

const fn call(names: &'static str, requests: &'static [&'static str]) -> ClientCall {
    ClientCall { names, requests }
}

/// Returns a text that lists the client calls that make a request, with all of their requests. It
/// is empty if there is no such call.
pub(super) fn making(request: &ReceivedRequest) -> String {
    let mut calls = find(request);
    calls.sort_by_key(|call| call.requests.len());
    let mut text = String::new();
    match calls.as_slice() {
        [] => {}
        [call] => {
            // Writes to a string do not fail.
            let _ = write!(text, "\n  This client call makes it: {call}");
        }
        calls => {
            text += "\n  These client calls make it, each with all of its requests:";
            for call in calls {
                let _ = write!(text, "\n    {call}");
            }
        }
    }
    if request.path().ends_with("/version") {
        text += "\n  Many other calls make it if the client does not know the version of the hub. \
                 HostClientBuilder::hub_version sets it.";
    }
    text
}

/// Returns the calls that make a request, in the order of the table.
fn find(request: &ReceivedRequest) -> Vec<&'static ClientCall> {
    let found = CALLS.iter().filter_map(|call| {
        let lengths = call
            .requests
            .iter()
            .map(|wanted| matched_segments(wanted, request));
        Some((lengths.max()?, call))
    });
    let found: Vec<_> = found.collect();
    // The longest match counts, because `GET instance/:id/log` also ends like `GET log`.
    let longest = found.iter().map(|(length, _)| *length).max();
    let longest = longest.unwrap_or_default();
    let of_longest = |(length, _): &(usize, _)| *length > 0 && *length == longest;
    let found = found.into_iter().filter(of_longest);
    found.map(|(_, call)| call).collect()
}

/// Returns the number of path segments that a request shares with a request of the table; 0 if they
/// are different requests.
fn matched_segments(wanted: &str, request: &ReceivedRequest) -> usize {
    let mut parts = wanted.split(' ');
    let (method, path) = (parts.next(), parts.next().unwrap_or_default());
    let mut segments = request.path().rsplit('/');
    let same = path.rsplit('/').all(|wanted| {
        segments.next().is_some_and(|segment| {
            segment == wanted || (wanted.starts_with(':') && !segment.is_empty())
        })
    });
    match same && method == Some(request.method.as_str()) {
        true => path.split('/').count(),
        false => 0,
    }
}

impl std::fmt::Display for ClientCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.names, self.requests.join(", "))
    }
}

#[cfg(test)]
mod tests;
