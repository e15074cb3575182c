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

/// Lists client calls: their names, and the requests that they make.
macro_rules! calls {
    ($($names:literal => $($request:literal),*;)*) => {
        &[$(ClientCall { names: $names, requests: &[$($request),*] }),*]
    };
}

/// The calls of hosts, sequences and instances. Of calls with the same number of requests, the
/// simpler ones come first.
const CALLS: &[ClientCall] = calls! {
    "version, wait_ready, dialect" => "GET version";
    "status" => "GET status";
    "config" => "GET config";
    "load_check" => "GET load-check";
    "list_entities" => "GET entities";
    "list_sequences, sequence_named, sequence_ids" => "GET sequences";
    "list_instances" => "GET instances";
    "log_stream, log_lines" => "GET log";
    "follow_log of a host" => "GET log", "GET version (after a silence)";
    "follow_logs" => "GET log (since 0.27.0)", "GET version (after a silence, since 0.27.0)",
        "GET instances (before 0.27.0)", "GET instance/:id/log (before 0.27.0)";
    "follow_logs_of" => "GET instances", "GET instance/:id (if the list does not have it)",
        "GET log (since 0.27.0)", "GET version (after a silence, since 0.27.0)",
        "GET instance/:id/log (before 0.27.0)";
    "audit_stream, audit_records" => "GET audit";
    "list_topics" => "GET topics";
    "create_topic" => "POST topics";
    "delete_topic" => "DELETE topics/:name";
    "scoped_topic" => "POST topics", "DELETE topics/:name (at the end)";
    "send_topic, topic_writer" => "POST topic/:name";
    "topic, follow_topic" => "GET topic/:name";
    "send_sequence" => "POST sequence";
    "info of a sequence, sequence_info" => "GET sequence/:id";
    "overwrite" => "PUT sequence/:id";
    "delete, delete_sequence" => "DELETE sequence/:id";
    "list_instances of a sequence" => "GET sequence/:id/instances";
    "force_delete, force_delete_sequence" => "GET sequence/:id/instances",
        "POST instance/:id/_kill", "GET instance/:id (if the hub refuses to kill it)",
        "DELETE sequence/:id";
    "deploy, deploy_and_run" => "POST sequence", "GET sequence/:id/instances (at the end)",
        "POST instance/:id/_kill (at the end)", "GET instance/:id (if the hub refuses to kill it)",
        "DELETE sequence/:id (at the end)";
    "deploy_if_changed" => "GET sequence/:id (of the sequence in the state file)",
        "PUT sequence/:id (if it has changed, since 0.38.0)",
        "POST sequence (if there is none to overwrite)", "DELETE sequence/:id (with remove_old)";
    "start" => "POST sequence/:id/start";
    "start_when_available" => "POST sequence/:id/start",
        "GET instance/:id (if the response is lost)",
        "POST instance/:id/_kill (if the call is canceled or times out)";
    "start_and_wait, start_with_retry" => "POST sequence/:id/start", "GET instance/:id/event/:name",
        "GET instance/:id/events/:name (since 0.38.0)", "GET instance/:id",
        "POST instance/:id/_kill (if it does not get ready)";
    "spawn" => "POST sequence/:id/start", "GET instance/:id/output", "GET instance/:id/stdout",
        "GET instance/:id/stderr", "GET instance/:id (if the response to the start is lost)",
        "POST instance/:id/_kill (if the Child is dropped before its end)";
    "run" => "POST sequence/:id/start", "GET instance/:id/output", "GET instance/:id/stdout",
        "GET instance/:id/stderr", "GET instance/:id/log (before 0.19.0)",
        "POST instance/:id/input", "GET instance/:id", "POST instance/:id/_kill";
    "run_with" => "POST sequence/:id/start", "GET instance/:id/output", "GET instance/:id/stdout",
        "GET instance/:id/stderr", "GET instance/:id/log (if the log is collected)",
        "POST instance/:id/input", "GET instance/:id", "POST instance/:id/_kill";
    "PoolOptions::start" => "GET load-check (with Placement::LeastLoaded)",
        "POST sequence/:id/start", "GET instance/:id/event/:name (with a readiness)",
        "GET instance/:id/events/:name (with a readiness, since 0.38.0)",
        "GET instance/:id (with a readiness)", "GET instances (each second)",
        "POST instance/:id/_kill (at the end)";
    "InstancePool::shutdown, Child::stop" => "POST instance/:id/_stop", "GET instance/:id",
        "POST instance/:id/_kill (if it does not stop in time)";
    "Child::kill" => "POST instance/:id/_kill", "GET instance/:id (if the hub refuses to kill it)";
    "info of an instance, instance_info, Child::try_wait" => "GET instance/:id";
    "wait_ended, Child::wait, Child::wait_with_output" => "GET instance/:id";
    "health" => "GET instance/:id/health";
    "kill" => "POST instance/:id/_kill";
    "stop" => "POST instance/:id/_stop";
    "set_monitoring_rate" => "POST instance/:id/_monitoring_rate";
    "send_event" => "POST instance/:id/_event";
    "event_stream" => "GET instance/:id/events/:name";
    "follow_events" => "GET instance/:id/events/:name", "GET instance/:id (after a silence)";
    "next_event, wait_next_event, wait_next_any" => "GET instance/:id/events/:name",
        "GET instance/:id";
    "last_event, wait_event, wait_any" => "GET instance/:id/event/:name",
        "GET instance/:id/events/:name (since 0.38.0)", "GET instance/:id";
    "send_input, input_writer" => "POST instance/:id/input",
        "GET instance/:id (to see if it has ended)";
    "send_stdin, stdin_writer" => "POST instance/:id/stdin",
        "GET instance/:id (to see if it has ended)";
    "output" => "GET instance/:id/output";
    "output_until_ended" => "GET instance/:id/output", "GET instance/:id (to see if it has ended)";
    "stdout" => "GET instance/:id/stdout";
    "stderr" => "GET instance/:id/stderr";
    "log, log_lines" => "GET instance/:id/log";
    "follow_log of an instance" => "GET instance/:id/log", "GET instance/:id (after a silence)",
        "GET log (after a gap, since 0.27.0)";
    "transform, transform_bytes, json_channel, line_channel" => "GET instance/:id/output",
        "POST instance/:id/input", "GET instance/:id (to see if it has ended)";
    "inout" => "POST instance/:id/inout";
};

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
