//! The traps of the clients that there are for other languages, and what shows that this one is without them.
//!
//! T: the TypeScript client (0.26 and 1.0). P: the Python client (1.1.1). Each was measure there with real hubs.

use std::error::Error as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::{env, io, iter};

use scramjet_client_blocking::{
    ErrorKind, HostClient, Input, KillOptions, OutputStream, Phase, StartOptions, TransportError,
};
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};
use serde_json::json;

use crate::helpers::{Mailbox, in_child_of, recording};

/// The trap, what happens in it, and the tests.
const TRAPS: &[(&str, &str, &[&str])] = &[
    (
        "T1",
        "a start that cannot connect hides the cause",
        &["a_start_that_cannot_connect_says_why"],
    ),
    (
        "T2",
        "a start fails with what is no error, and without the hub's words",
        &[
            "start_reports_each_refusal_of_the_hub",
            "a_sequence_that_cannot_be_started_is_an_error_with_the_hubs_words",
        ],
    ),
    (
        "T3",
        "each request opens a connection, and they pile up",
        &["a_thousand_calls_share_a_connection"],
    ),
    (
        "T4",
        "nothing is ever given up",
        &["every_limit_ends_every_call_in_time"],
    ),
    (
        "T5",
        "a body that is cut short hangs for ever",
        &[
            "a_stream_that_is_cut_off_stays_an_error",
            "client_survives_every_faulty_server",
        ],
    ),
    (
        "T6",
        "an error that is logged kills the process",
        &[
            "errors_are_told_in_full",
            "errors_are_small_and_go_anywhere",
        ],
    ),
    (
        "T7",
        "an id reaches another route",
        &[
            "sequence_id_is_sent_unchanged_or_refused",
            "names_that_hubs_cannot_find_are_refused_before_any_connection",
        ],
    ),
    (
        "T8",
        "the hub's address is rewritten",
        &[
            "endpoint_new_keeps_the_base_url_or_refuses_it",
            "the_address_of_a_hub_is_not_rewritten",
        ],
    ),
    (
        "T9",
        "a header of one client is sent by all",
        &["headers_are_sent_by_their_client_alone_and_a_later_one_replaces"],
    ),
    (
        "T10",
        "the way through the platform fails over https",
        &["a_hub_is_reached_through_middleware_and_manager_over_https"],
    ),
    (
        "T11",
        "all failures are one, without the hub's words",
        &[
            "every_error_has_a_code",
            "retry_after_is_read",
            "every_shape_of_refusal",
            "a_host_that_is_not_found_is_told_as_such",
            "a_start_that_cannot_connect_says_why",
            "requests_on_a_lost_connection_are_retried_only_if_safe",
            "who_has_no_files_left_is_told_so",
            "cancelled_token_prevents_connections",
        ],
    ),
    (
        "T12",
        "a success without a body is an error",
        &[
            "a_success_without_a_body_is_one",
            "empty_body_decodes_as_null",
        ],
    ),
    (
        "T13",
        "an input that is said to be sent is not",
        &[
            "a_program_that_exits_right_after_it_has_sent_has_lost_nothing",
            "sent_is_said_when_the_hub_has_taken_everything",
        ],
    ),
    (
        "T14",
        "an event that is quicker than who waits for it is lost",
        &[
            "an_event_is_heard_whether_it_comes_early_or_late",
            "a_flood_hides_no_event",
        ],
    ),
    (
        "T15",
        "nobody is told that the instance has ended",
        &[
            "waiting_ends_with_the_instance",
            "streams_end_when_the_instance_is_killed",
        ],
    ),
    (
        "T16",
        "events without data, and those of older hubs",
        &[
            "an_event_that_has_fired_is_heard_unless_its_data_was_as_good_as_none",
            "event_body_unwraps_envelopes_of_old_hubs",
        ],
    ),
    (
        "T17",
        "options of a call are passed over",
        &[
            "requests_match_the_golden_requests",
            "inout_sends_all_and_then_reads_what_is_there",
        ],
    ),
    (
        "T18",
        "options that were passed are changed, and leak into the next call",
        &["nothing_of_a_call_is_left_for_the_next"],
    ),
    (
        "T19",
        "the published types cannot be used without what they import",
        &["core_has_only_known_dependencies"],
    ),
    (
        "T20",
        "who wants to look on is never told",
        &["each_request_is_told_from_its_beginning_to_its_end"],
    ),
    ("P1", "requests are printed", &["nothing_is_printed"]),
    (
        "P2",
        "nothing can be sent to the standard input",
        &["standard_input_reaches_the_process"],
    ),
    (
        "P3",
        "events cannot be streamed",
        &["events_are_sent_and_streamed"],
    ),
    (
        "P4",
        "the next event has no name",
        &["the_last_event_is_there_and_the_next_is_waited_for"],
    ),
    (
        "P5",
        "the data of an event never arrives",
        &[
            "send_event_accepts_any_name_and_data",
            "events_are_sent_and_streamed",
        ],
    ),
    (
        "P6",
        "text gets quotes on its way, and the end of an input is not said",
        &[
            "text_arrives_as_it_is",
            "requests_match_the_golden_requests",
        ],
    ),
    (
        "P7",
        "a refusal is a result",
        &[
            "what_is_not_there_is_not_found",
            "client_survives_every_faulty_server",
        ],
    ),
    (
        "P8",
        "no options for a start, and no output",
        &[
            "a_sequence_gets_the_configuration_and_arguments_as_they_were_given",
            "what_an_instance_prints_is_read_to_its_end",
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
        "bytes have to be text",
        &[
            "bytes_that_are_not_utf_8_come_back_where_the_hub_keeps_them",
            "characters_that_are_cut_anywhere_come_back_whole",
        ],
    ),
    (
        "P11",
        "each request opens a session",
        &["a_thousand_calls_share_a_connection"],
    ),
    (
        "P12",
        "a connector of one's own works once",
        &["every_driver_returns_the_same_values"],
    ),
    (
        "P13",
        "the program of the README does not run",
        &["the_program_runs"],
    ),
    (
        "P14",
        "the addresses of the platform are wrong",
        &[
            "a_hub_is_reached_through_middleware_and_manager",
            "a_multi_manager_answers_on_all_its_routes",
        ],
    ),
    (
        "P15",
        "an id reaches another route, and escapes are undone",
        &["platform_ids_are_sent_unchanged_or_refused"],
    ),
];

/// The sources of all suites.
fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_trap_has_a_test() {
    let mut found = String::new();
    sources(Path::new(env!("CARGO_MANIFEST_DIR")), &mut found);
    for (trap, what, tests) in TRAPS {
        assert!(!tests.is_empty(), "{trap}: {what}: no test");
        for test in *tests {
            let forms = [
                format!("#[test]\nfn {test}()"),
                format!("on_each_hub!({test});"),
            ];
            assert!(
                forms.iter().any(|form| found.contains(form)),
                "{trap}: {what}: there is no test {test}"
            );
        }
    }
    let numbers = |kind: char| {
        TRAPS
            .iter()
            .filter(|(trap, ..)| trap.starts_with(kind))
            .count()
    };
    assert_eq!((numbers('T'), numbers('P')), (20, 15));
}

#[test]
fn a_start_that_cannot_connect_says_why() {
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
fn a_sequence_that_cannot_be_started_is_an_error_with_the_hubs_words() {
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
            "502 SERVER_ERROR: an HTML page (502 Bad Gateway)",
        ),
    ] {
        let server = ScriptedServer::start(move |connection| {
            while connection.read_request().is_ok()
                && connection
                    .send(response(status, &[], body.as_bytes()))
                    .is_ok()
            {}
        });
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

/// In a process of its own, which can have few files open, and has no more left when it calls.
#[cfg(target_os = "linux")]
#[test]
fn who_has_no_files_left_is_told_so() {
    const HUB: &str = "TEST_TRAPS_CHILD_HUB";
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

/// How many descriptors this process has open.
#[cfg(target_os = "linux")]
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_thousand_calls_share_a_connection() {
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
            // Refusals and failures give theirs back too.
            host.list_sequences().unwrap_err();
        }
        assert_eq!(server.connections(), 1, "{}", server.url());
        #[cfg(target_os = "linux")]
        // Other tests of this process open some meanwhile, but not a thousand.
        assert!(descriptors() < 500, "{} descriptors", descriptors());
    }
}

#[test]
fn the_address_of_a_hub_is_not_rewritten() {
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
fn a_success_without_a_body_is_one() {
    for status in ["200 OK", "202 Accepted", "204 No Content"] {
        let server = ScriptedServer::start(move |connection| {
            let length = if status.starts_with("204") {
                ""
            } else {
                "Content-Length: 0\r\n"
            };
            while connection.read_request().is_ok()
                && connection
                    .send(format!("HTTP/1.1 {status}\r\n{length}\r\n").as_bytes())
                    .is_ok()
            {}
        });
        let host = HostClient::builder(server.url())
            .hub_version("1.0.1")
            .build()
            .unwrap();
        let instance = host.instance("i").unwrap();
        instance.kill(&KillOptions::new()).unwrap();
        instance.send_event("e", json!({ "a": 1 })).unwrap();
        host.delete_sequence("x").unwrap();
    }
}

#[test]
fn nothing_of_a_call_is_left_for_the_next() {
    let (server, requests) = recording(br#"{"id":"i"}"#);
    let host = HostClient::builder(server.url())
        .hub_version("1.0.1")
        .build()
        .unwrap();
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
fn text_arrives_as_it_is() {
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

/// In a process of its own, whose output is looked at.
#[test]
fn nothing_is_printed() {
    const QUIET: &str = "SCRAMJET_CLIENT_QUIET";
    if env::var_os(QUIET).is_some() {
        let asked = Mailbox::new();
        let server = ScriptedServer::start({
            let asked = Arc::clone(&asked);
            move |connection| {
                while let Ok(request) = connection.read_request() {
                    asked.put(request.target);
                    let _ = connection.send(response(
                        "200 OK",
                        &[],
                        br#"{"id":"i","version":"1.0.1"}"#,
                    ));
                }
            }
        });
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
            asked.take();
        }
        return;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child
        .args(["traps::nothing_is_printed", "--exact", "--nocapture"])
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
        "test traps::nothing_is_printed ... ok",
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
