//! Bugs of the clients for TypeScript and Python, and the tests that show that this client does not
//! have them.
//!
//! T: the TypeScript client (0.26 and 1.0). P: the Python client (1.1.1). All were seen on real
//! hubs.

use std::error::Error as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::{env, io, iter};

use scramjet_client_blocking::transport::{Phase, TransportError};
use scramjet_client_blocking::{
    ErrorKind, HostClient, Input, KillOptions, OutputStream, StartOptions,
};
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};
use serde_json::json;

use crate::helpers::{client_1x, in_child_of, recording, serving};

/// The number of the bug, a description, and the tests.
const BUGS: &[(&str, &str, &[&str])] = &[
    (
        "T1",
        "a failed start hides that the connection was refused",
        &["start_reports_why_it_cannot_connect"],
    ),
    (
        "T2",
        "a start fails with an object that is no error, and without the hub's message",
        &[
            "start_reports_each_refusal_of_the_hub",
            "start_returns_the_error_message_of_the_hub",
        ],
    ),
    (
        "T3",
        "each request opens a connection, and none is closed",
        &["version_and_list_sequences_share_one_connection"],
    ),
    (
        "T4",
        "there are no timeouts",
        &["every_limit_ends_every_call_in_time"],
    ),
    (
        "T5",
        "a truncated body hangs forever",
        &[
            "byte_stream_stays_an_error_after_it_was_cut_off",
            "client_survives_every_faulty_server",
        ],
    ),
    (
        "T6",
        "logging an error crashes the process",
        &[
            "error_display_and_debug_match_the_snapshots",
            "error_is_small_send_and_sync",
        ],
    ),
    (
        "T7",
        "an id can change the route",
        &[
            "sequence_id_is_sent_unchanged_or_refused",
            "invalid_ids_and_event_names_are_errors_before_connecting",
        ],
    ),
    (
        "T8",
        "the base URL is rewritten",
        &[
            "endpoint_new_keeps_the_base_url_or_refuses_it",
            "host_client_new_does_not_rewrite_the_base_url",
        ],
    ),
    (
        "T9",
        "a header of one client is sent by all clients",
        &["header_is_sent_by_its_client_only_and_a_later_value_replaces_it"],
    ),
    (
        "T10",
        "the platform cannot be used over HTTPS",
        &["manager_host_reaches_a_hub_through_the_middleware_over_https"],
    ),
    (
        "T11",
        "all failures have the same error, without the hub's message",
        &[
            "error_code_follows_from_the_kind",
            "api_error_reads_retry_after",
            "api_error_reads_every_form_of_refusal",
            "version_reports_a_host_name_that_cannot_be_resolved",
            "start_reports_why_it_cannot_connect",
            "requests_on_a_lost_connection_are_retried_only_if_safe",
            "version_and_start_report_that_no_file_descriptor_is_left",
            "cancelled_token_prevents_connections",
        ],
    ),
    (
        "T12",
        "a success without a body is an error",
        &[
            "kill_send_event_and_delete_sequence_accept_an_empty_body",
            "empty_body_decodes_as_null",
        ],
    ),
    (
        "T13",
        "input is reported as sent before it is",
        &[
            "send_input_and_finish_lose_no_data_if_the_program_exits_at_once",
            "send_input_returns_after_the_hub_has_received_everything",
        ],
    ),
    (
        "T14",
        "an event that fires before the wait is lost",
        &[
            "wait_event_returns_early_and_late_events",
            "wait_event_and_wait_any_find_events_in_a_flood",
        ],
    ),
    (
        "T15",
        "waits do not end with the instance",
        &[
            "wait_any_wait_next_event_and_wait_ended_return_when_the_instance_ends",
            "output_stdout_and_stderr_end_when_the_instance_is_killed",
        ],
    ),
    (
        "T16",
        "events without data, and events of older hubs, fail",
        &[
            "wait_event_returns_an_earlier_event_unless_its_data_is_falsy",
            "event_body_unwraps_envelopes_of_old_hubs",
        ],
    ),
    (
        "T17",
        "options of a call are ignored",
        &[
            "start_sequence_sends_every_option",
            "inout_sends_all_input_and_then_reads_the_output",
        ],
    ),
    (
        "T18",
        "a call changes its options, which affects the next call",
        &["start_and_send_stdin_do_not_affect_the_next_call"],
    ),
    (
        "T19",
        "the published types import packages that are not dependencies",
        &["core_has_only_known_dependencies"],
    ),
    (
        "T20",
        "the request hooks are never called",
        &["observer_sees_every_step_of_a_request"],
    ),
    ("P1", "requests are printed", &["calls_print_nothing"]),
    (
        "P2",
        "nothing can be sent to standard input",
        &["send_stdin_reaches_the_process"],
    ),
    (
        "P3",
        "events cannot be streamed",
        &["send_event_and_event_stream_exchange_events"],
    ),
    (
        "P4",
        "the next event has no name",
        &["last_event_returns_at_once_and_next_event_waits"],
    ),
    (
        "P5",
        "the data of an event is not sent",
        &[
            "send_event_accepts_any_name_and_data",
            "send_event_and_event_stream_exchange_events",
        ],
    ),
    (
        "P6",
        "text is sent with quotes, and the end of an input is not sent",
        &[
            "send_input_sends_text_unchanged",
            "send_input_has_content_type_and_end",
        ],
    ),
    (
        "P7",
        "an error response is returned as a success",
        &[
            "calls_with_an_unknown_id_are_not_found",
            "client_survives_every_faulty_server",
        ],
    ),
    (
        "P8",
        "a start takes no options, and output cannot be read",
        &[
            "start_passes_app_config_and_args_unchanged",
            "stream_reads_stdout_stderr_and_output_to_their_end",
        ],
    ),
    (
        "P9",
        "a stream ends after five minutes",
        &[
            "every_limit_ends_every_call_in_time",
            "idle_timeout_restarts_with_each_byte",
            "suite_passes_for_every_transport",
        ],
    ),
    (
        "P10",
        "data must be text",
        &[
            "send_stream_keeps_non_utf_8_bytes_if_the_hub_supports_them",
            "input_writer_keeps_characters_that_are_split_between_writes",
        ],
    ),
    (
        "P11",
        "each request opens a session",
        &["version_and_list_sequences_share_one_connection"],
    ),
    (
        "P12",
        "a custom connector works only once",
        &["every_driver_returns_the_same_values"],
    ),
    (
        "P13",
        "the example in the README does not run",
        &["program_runs_on_a_hub"],
    ),
    (
        "P14",
        "the URLs of the platform are wrong",
        &[
            "manager_host_reaches_a_hub_through_the_middleware",
            "multi_manager_client_uses_all_its_routes",
        ],
    ),
    (
        "P15",
        "an id can change the route, and percent-encoding is undone",
        &["platform_ids_are_sent_unchanged_or_refused"],
    ),
];

/// Appends the source code in a folder, without indentation.
fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                *found += line.trim_start();
                found.push('\n');
            }
        }
    }
}

#[test]
fn every_bug_has_a_test() {
    let mut found = String::new();
    for folder in [".", "../crates/core/src", "../crates/core/tests"] {
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut found,
        );
    }
    for (bug, what, tests) in BUGS {
        assert!(!tests.is_empty(), "{bug}: {what}: no test");
        for test in *tests {
            let forms = [
                format!("#[test]\nfn {test}()"),
                format!("on_each_hub!({test});"),
            ];
            assert!(
                forms.iter().any(|form| found.contains(form)),
                "{bug}: {what}: there is no test {test}"
            );
        }
    }
    let numbers = |kind: char| {
        BUGS.iter()
            .filter(|(bug, ..)| bug.starts_with(kind))
            .count()
    };
    assert_eq!((numbers('T'), numbers('P')), (20, 15));
}

#[test]
fn start_reports_why_it_cannot_connect() {
    let host = HostClient::new(refused_url()).unwrap();
    let error = host
        .sequence("x")
        .unwrap()
        .start(&StartOptions::new())
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Transport(TransportError {
                phase: Phase::Connect,
                ..
            })
        ),
        "{error:?}"
    );
    assert!(format!("{error:?}").contains("refused"), "{error:?}");
}

#[test]
fn start_returns_the_error_message_of_the_hub() {
    let page = "<html><head><title>502 Bad Gateway</title></head></html>";
    for (status, body, says) in [
        ("404 Not Found", "Not Found", "404 NOT_FOUND: Not Found"),
        (
            "500 Oh",
            r#"{"error":{"code":"PRERUNNER_ERROR","message":"Bad package"}}"#,
            "500 PRERUNNER_ERROR: Bad package",
        ),
        (
            "502 Bad Gateway",
            page,
            "502 SERVER_ERROR: HTML page (502 Bad Gateway)",
        ),
    ] {
        let server = serving(move |_| response(status, &[], body.as_bytes()));
        let error = HostClient::new(server.url())
            .unwrap()
            .sequence("x")
            .unwrap()
            .start(&StartOptions::new())
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(
            error
                .api()
                .map(|refusal| String::from_utf8_lossy(&refusal.body).into_owned())
                .as_deref(),
            Some(body)
        );
    }
}

/// The child process has a low limit for open files, and uses all of them before it calls.
#[cfg(target_os = "linux")]
#[test]
fn version_and_start_report_that_no_file_descriptor_is_left() {
    const HUB: &str = "TEST_BUGS_CHILD_HUB";
    if let Ok(url) = env::var(HUB) {
        let host = HostClient::builder(url)
            .hub_version("1.0.1")
            .build()
            .unwrap();
        let sequence = host.sequence("x").unwrap();
        let files: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(files.len() > 8, "{} files", files.len());
        for error in [
            host.version().unwrap_err(),
            sequence.start(&StartOptions::new()).unwrap_err(),
        ] {
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Transport(TransportError {
                        phase: Phase::Connect,
                        ..
                    })
                ),
                "{error:?}"
            );
            assert!(
                error.is_connect() && !error.is_timeout() && !error.is_cancelled(),
                "{error:?}"
            );
            let causes = iter::successors(error.source(), |&cause| cause.source());
            let code = causes
                .filter_map(|cause| cause.downcast_ref::<io::Error>())
                .find_map(io::Error::raw_os_error);
            // EMFILE.
            assert!(
                code == Some(24) && format!("{error:?}").contains("Too many open files"),
                "{code:?}: {error:?}"
            );
        }
        drop(files);
        host.version().unwrap();
        return;
    }
    let (server, requests) = recording(br#"{"version":"1.0.1"}"#);
    let mut bounded = Command::new("sh");
    bounded
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap());
    in_child_of(bounded, &[(HUB, &server.url())]);
    assert!(requests.take().target.ends_with("/version") && requests.is_empty());
}

#[test]
fn version_and_list_sequences_share_one_connection() {
    for encrypted in [false, true] {
        let handler = |connection: &mut scramjet_client_tests::scripted::Connection| {
            while connection.read_request().is_ok()
                && connection
                    .send(response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                    .is_ok()
            {}
        };
        let server = if encrypted {
            ScriptedServer::start_tls(handler)
        } else {
            ScriptedServer::start(handler)
        };
        let builder = HostClient::builder(server.url());
        let host = match server.certificate() {
            Some(pem) => builder.ca_certificate_pem(pem),
            None => builder,
        };
        let host = host.build().unwrap();
        for _ in 0..1000 {
            host.version().unwrap();
            // Error responses and failed calls return their connection, too.
            host.list_sequences().unwrap_err();
        }
        assert_eq!(server.connections(), 1, "{}", server.url());
        #[cfg(target_os = "linux")]
        {
            // Other tests of this process open some files at the same time.
            let open = scramjet_client_tests::process::open_files().len();
            assert!(open < 500, "{open} open files");
        }
    }
}

#[test]
fn host_client_new_does_not_rewrite_the_base_url() {
    for url in [
        "http://www.example.com:8000/api/v1",
        "https://www.example.com/hubs/b/a/api/v1",
        "http://example.com/a//b",
    ] {
        assert_eq!(HostClient::new(url).unwrap().base_url(), url);
    }
    for url in [
        "http://user:secret@example.com/api/v1",
        "http://example.com/api/v1?token=abc",
    ] {
        let error = HostClient::new(url).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Request(_)) && !error.to_string().contains("secret"),
            "{error}"
        );
    }
}

#[test]
fn kill_send_event_and_delete_sequence_accept_an_empty_body() {
    for status in ["200 OK", "202 Accepted", "204 No Content"] {
        let server = serving(move |_| {
            let length = if status.starts_with("204") {
                ""
            } else {
                "Content-Length: 0\r\n"
            };
            format!("HTTP/1.1 {status}\r\n{length}\r\n").into_bytes()
        });
        let host = client_1x(&server);
        let instance = host.instance("i").unwrap();
        instance.kill(&KillOptions::new()).unwrap();
        instance.send_event("e", json!({ "a": 1 })).unwrap();
        host.delete_sequence("x").unwrap();
    }
}

#[test]
fn start_and_send_stdin_do_not_affect_the_next_call() {
    let (server, requests) = recording(br#"{"id":"i"}"#);
    let host = client_1x(&server);
    let sequence = host.sequence("x").unwrap();
    let options = StartOptions::new().app_config(json!({ "a": 1 })).arg(2);
    let before = options.clone();
    let instance = sequence.start(&options).unwrap();
    let first = requests.take();
    instance.send_stdin(Input::text("text").end(false)).unwrap();
    assert_eq!(requests.take().header("x-end-stream"), Some("false"));
    assert_eq!(requests.take().target, "/api/v1/instance/i");
    sequence.start(&options).unwrap();
    let second = requests.take();
    assert_eq!((first.headers, first.body), (second.headers, second.body));
    assert_eq!(options, before);
}

#[test]
fn send_input_sends_text_unchanged() {
    let (server, requests) = recording(b"");
    let instance = HostClient::new(server.url())
        .unwrap()
        .instance("i")
        .unwrap();
    instance.send_input(Input::text("hey")).unwrap();
    let request = requests.take();
    assert_eq!(
        (request.target.as_str(), request.body.as_slice()),
        ("/api/v1/instance/i/input", &b"hey"[..])
    );
    assert_eq!(request.header("content-type"), Some("text/plain"));
}

/// The child process prints only the lines of the test harness.
#[test]
fn calls_print_nothing() {
    const QUIET: &str = "SCRAMJET_CLIENT_QUIET";
    if env::var_os(QUIET).is_some() {
        let (server, requests) = recording(br#"{"id":"i","version":"1.0.1"}"#);
        let host = HostClient::builder(server.url())
            .bearer_token("secret")
            .build()
            .unwrap();
        let instance = host
            .send_sequence(b"\x1f\x8b".repeat(50_000))
            .unwrap()
            .start(&StartOptions::new())
            .unwrap();
        instance.send_event("e", json!("x")).unwrap();
        instance.send_input(Input::text("hey")).unwrap();
        instance.stream(OutputStream::Stdout).unwrap();
        HostClient::new(refused_url())
            .unwrap()
            .version()
            .unwrap_err();
        for _ in 0..5 {
            requests.take();
        }
        return;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child
        .args(["known_bugs::calls_print_nothing", "--exact", "--nocapture"])
        .env(QUIET, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let of_the_harness = [
        "",
        "running 1 test",
        "test known_bugs::calls_print_nothing ... ok",
    ];
    let printed: Vec<&str> = text
        .lines()
        .filter(|line| !of_the_harness.contains(line) && !line.starts_with("test result: ok."))
        .collect();
    assert!(
        printed.is_empty() && output.stderr.is_empty(),
        "{printed:?}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
