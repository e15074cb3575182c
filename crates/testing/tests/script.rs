//! Tests of `Script` through a client.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::{Event, EventName, NextEvent, SendSequence};
use scramjet_client_blocking::http::Request;
use scramjet_client_blocking::transport::{Phase, RequestBody, StopReason, TransportError};
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, HostClient, InstanceClient, KillOptions, RetryPolicy,
    StartOptions, Transport, Upload,
};
use scramjet_client_testing::script::{Answer, Script};

/// Waits for the next event with a single request. `InstanceClient::next_event` makes several.
fn next_event(instance: &InstanceClient, name: &str) -> Result<Event, Error> {
    instance.host().call(&NextEvent {
        id: instance.id(),
        name: &EventName::try_from(name)?,
    })
}

const VERSION: &str = r#"{"version":"1.0.1"}"#;

/// Upper bound for short waits, even on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// Returns the panic message of `assert_done`.
fn report(script: &Script) -> String {
    *catch_unwind(AssertUnwindSafe(|| script.assert_done()))
        .unwrap_err()
        .downcast()
        .unwrap()
}

/// Returns the problems in the report. An indented line belongs to the one before.
fn problems(script: &Script) -> Vec<String> {
    let report = report(script);
    let mut lines = report.lines();
    assert_eq!(lines.next().unwrap(), "the script did not go as planned");
    let mut problems = Vec::<String>::new();
    for line in lines {
        match problems.last_mut() {
            Some(last) if line.starts_with(' ') => *last += &format!("\n{line}"),
            _ => problems.push(line.to_owned()),
        }
    }
    problems
}

/// Returns the last cause of an error.
fn cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().unwrap().to_string()
}

fn host(script: &Script) -> HostClient {
    script.client().build().unwrap()
}

fn is_lost_in_wait(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Transport(TransportError {
            phase: Phase::Wait,
            ..
        })
    )
}

#[test]
fn then_answers_in_order() {
    let script = Script::new()
        .then("GET", "instance/x", Answer::ok(r#"{"id":"x"}"#))
        .then("POST", "/api/v1/instance/x/_kill", Answer::status(202, ""))
        .then(
            "GET",
            "instance/*",
            Answer::status(404, r#"{"error":"Instance x not found"}"#),
        );
    let instance = host(&script).instance("x").unwrap();
    assert_eq!(instance.info().unwrap().id, "x");
    instance.kill(&KillOptions::new()).unwrap();
    assert_eq!(
        instance.info().unwrap_err().api().unwrap().message,
        "Instance x not found"
    );
    let targets: Vec<_> = script
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    assert_eq!(
        targets,
        [
            "GET /api/v1/instance/x",
            "POST /api/v1/instance/x/_kill",
            "GET /api/v1/instance/x"
        ]
    );
    script.assert_done();
}

#[test]
fn unexpected_request_fails_and_lists_what_is_expected() {
    let script = Script::new()
        .then("GET", "instance/x", Answer::ok(r#"{"id":"x"}"#))
        .then("DELETE", "sequence/s", Answer::ok("{}"))
        .always("GET", "version", |_| Answer::ok(VERSION));
    let host = host(&script);
    let sequence = host.sequence("s").unwrap();
    let first = cause(&sequence.start(&StartOptions::new()).unwrap_err());
    assert_eq!(
        first.lines().next().unwrap(),
        "POST sequence/s/start: unexpected request; the script still expects \
         GET instance/x, then DELETE sequence/s, and always answers GET version"
    );
    host.instance("x").unwrap().info().unwrap();
    host.delete_sequence("s").unwrap();
    let second = cause(&host.instance("x").unwrap().info().unwrap_err());
    assert_eq!(
        second.lines().next().unwrap(),
        "GET instance/x: unexpected request; the script expects no more requests, and \
         always answers GET version"
    );
    assert_eq!(script.requests().len(), 4, "with the unexpected ones");
    assert_eq!(problems(&script), [first, second]);
}

#[test]
fn unexpected_request_lists_the_calls_that_make_it() {
    let (event, _event) = Answer::live();
    let script = Script::new()
        .time_limit(Duration::from_secs(1))
        .then("GET", "instance/x/event/ready", event)
        .always("GET", "instance/x", |_| Answer::ok(r#"{"id":"x"}"#));
    let instance = host(&script).instance("x").unwrap();
    instance.wait_event("ready").unwrap_err();
    let expected = "\
GET instance/x/events/ready: unexpected request; the script still expects GET \
instance/x/event/ready, and always answers GET instance/x
  These client calls make it, each with all of its requests:
    event_stream: GET instance/:id/events/:name
    follow_events: GET instance/:id/events/:name, GET instance/:id (after a silence)
    next_event, wait_next_event, wait_next_any: GET instance/:id/events/:name, GET instance/:id
    last_event, wait_event, wait_any: GET instance/:id/event/:name, GET instance/:id/events/:name \
(since 0.38.0), GET instance/:id
    start_and_wait, start_with_retry: POST sequence/:id/start, GET instance/:id/event/:name, GET \
instance/:id/events/:name (since 0.38.0), GET instance/:id, POST instance/:id/_kill (if it does \
not get ready)
    PoolOptions::start: GET load-check (with Placement::LeastLoaded), POST sequence/:id/start, GET \
instance/:id/event/:name (with a readiness), GET instance/:id/events/:name (with a readiness, \
since 0.38.0), GET instance/:id (with a readiness), GET instances (each second), \
POST instance/:id/_kill (at the end)";
    let problems = problems(&script);
    assert_eq!(problems.first().unwrap(), expected);
}

#[test]
fn unexpected_request_to_an_unknown_route_lists_no_calls() {
    let script = Script::new();
    let request = Request::get("http://a-hub/api/v1/a/route/of/ones/own");
    let request = request.body(RequestBody::Empty).unwrap();
    let error = script.send(request).map(drop).unwrap_err();
    let expected = "GET a/route/of/ones/own: unexpected request; the script expects no \
                    more requests";
    assert_eq!(cause(&error), expected);
    assert_eq!(problems(&script), [expected]);
}

#[test]
fn unexpected_request_for_the_version_explains_its_cause() {
    let script = Script::new().always("POST", "sequence/s/start", |_| Answer::ok("{}"));
    let host = HostClient::builder(Script::URL).transport(Arc::new(script.clone()));
    let host = host.retry(None).build().unwrap();
    for _ in 0..3 {
        host.sequence("s").unwrap().force_delete().unwrap_err();
    }
    let expected = "\
GET version: unexpected request; the script expects no more requests, and always \
answers POST sequence/s/start
  These client calls make it, each with all of its requests:
    version, wait_ready, dialect: GET version
    follow_log of a host: GET log, GET version (after a silence)
    follow_logs: GET log (since 0.27.0), GET version (after a silence, since 0.27.0), \
GET instances (before 0.27.0), GET instance/:id/log (before 0.27.0)
    follow_logs_of: GET instances, GET instance/:id (if the list does not have it), \
GET log (since 0.27.0), GET version (after a silence, since 0.27.0), \
GET instance/:id/log (before 0.27.0)
  Many other calls make it if the client does not know the version of the hub. \
HostClientBuilder::hub_version sets it.
  This request came 3 times.";
    assert_eq!(problems(&script), [expected]);
}

#[test]
fn unexpected_request_lists_a_bounded_number_of_expected_ones() {
    let mut script = Script::new();
    for number in 0..100 {
        script = script.then("GET", &format!("instance/{number}"), Answer::ok("{}"));
    }
    let error = cause(&host(&script).version().unwrap_err());
    assert!(
        error.contains(", then GET instance/9, then 90 more\n"),
        "{error}"
    );
    assert_eq!(problems(&script).len(), 101);
}

#[test]
fn assert_done_reports_an_expected_request_that_did_not_come() {
    let script = Script::new().then("GET", "version", Answer::ok("{}")).then(
        "DELETE",
        "sequence/s",
        Answer::ok("{}"),
    );
    host(&script).version().unwrap_err();
    assert_eq!(
        report(&script),
        "the script did not go as planned\n\
         DELETE sequence/s: the expected request did not come"
    );
}

#[test]
fn dropping_the_last_clone_reports_problems() {
    let script = Script::new().then("GET", "version", Answer::ok("{}"));
    let clone = script.clone();
    drop(script);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(clone))).is_err());
    // The script reports its problems once.
    let script = Script::new().then("GET", "version", Answer::ok("{}"));
    assert!(catch_unwind(AssertUnwindSafe(|| script.assert_done())).is_err());
    drop(script);
    // A test that already panics keeps its own message.
    let panic = catch_unwind(|| {
        let _script = Script::new().then("GET", "version", Answer::ok("{}"));
        std::panic::resume_unwind(Box::new("the test's own"));
    });
    assert_eq!(
        *panic.unwrap_err().downcast::<&str>().unwrap(),
        "the test's own"
    );
}

#[test]
fn paths_match_from_their_end() {
    let matches = |path: &str| {
        let script = Script::new().always("*", path, |_| Answer::ok("[]"));
        host(&script).list_sequences().is_ok()
    };
    for (path, expected) in [
        ("*", true),
        ("sequences", true),
        ("v1/sequences", true),
        ("*/sequences", true),
        ("/api/v1/sequences", true),
        ("/*/*/*", true),
        ("/sequences", false),
        ("/v1/sequences", false),
        ("equences", false),
        ("sequences/", false),
        ("/x/api/v1/sequences", false),
        ("/*/*", false),
    ] {
        let matches = catch_unwind(AssertUnwindSafe(|| matches(path))).unwrap_or(false);
        assert_eq!(matches, expected, "{path}");
    }
}

#[test]
fn requests_show_credentials_and_debug_output_does_not() {
    let script = Script::new().then("POST", "sequence", Answer::ok(r#"{"id":"s"}"#));
    let host = script
        .client()
        .bearer_token("a-secret")
        .header("x-other", "another-secret")
        .build()
        .unwrap();
    host.send(&SendSequence, Upload::reader(&b"the package"[..]))
        .unwrap();
    let request = script.requests().remove(0);
    assert_eq!(
        (request.header("authorization"), request.header("x-other")),
        (Some("Bearer a-secret"), Some("another-secret"))
    );
    assert_eq!(
        (request.text().as_str(), request.complete),
        ("the package", true)
    );
    let shown = format!("{request:?} {script:?} {host:?}");
    assert!(
        !shown.contains("secret") && shown.contains("11 bytes"),
        "{shown}"
    );
}

#[test]
fn refusals_leave_the_rest_of_an_upload_unread() {
    let script = Script::new()
        .then("POST", "sequence", Answer::status(413, ""))
        .then_with("POST", "sequence", |request| {
            let mut some = [0; 5];
            request.read_exact(&mut some).unwrap();
            assert_eq!(request.body, b"0123\0");
            Answer::status(422, "")
        });
    let host = host(&script);
    // The readers are endless, so the test hangs if one is read to its end.
    assert_eq!(
        host.send(&SendSequence, Upload::reader(io::repeat(0)))
            .unwrap_err()
            .api()
            .unwrap()
            .status,
        413
    );
    let data = b"0123".chain(io::repeat(0));
    assert_eq!(
        host.send(&SendSequence, Upload::reader(data))
            .unwrap_err()
            .api()
            .unwrap()
            .status,
        422
    );
    assert!(script.requests().iter().all(|request| !request.complete));
    script.assert_done();
}

#[test]
fn answer_error_is_the_cause_of_the_client_error() {
    let refused = TransportError::new(Phase::Connect, "connection refused");
    let script = Script::new()
        .then("GET", "version", Answer::error(refused))
        .then("GET", "version", Answer::error("no such luck"))
        .then("GET", "version", Answer::status(1000, ""))
        .then("GET", "version", Answer::ok("").header("not a name", ""))
        .then("GET", "version", Answer::ok("").with_status(1000))
        .then("GET", "version", Answer::pieces([r#"{"version":"#]).lost());
    let host = host(&script);
    assert!(host.version().unwrap_err().is_connect());
    for expected in [
        "no such luck",
        "invalid status code",
        "invalid HTTP header name",
        "invalid status code",
    ] {
        assert_eq!(cause(&host.version().unwrap_err()), expected);
    }
    let error = host.version().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Reply(_)) && error.to_string().contains("(got 11 bytes)"),
        "{error}"
    );
    script.assert_done();
}

#[test]
fn client_retries_only_with_a_policy() {
    let script = || {
        let refused = Answer::error(TransportError::new(Phase::Connect, "connection refused"));
        Script::new()
            .then("GET", "version", refused)
            .then("GET", "version", Answer::ok(VERSION))
    };
    let without = script();
    host(&without).version().unwrap_err();
    assert_eq!(without.requests().len(), 1);
    host(&without).version().unwrap();
    let with = script();
    let builder = with.client().retry(RetryPolicy::default());
    builder.build().unwrap().version().unwrap();
    with.assert_done();
}

#[test]
fn live_answers_come_when_the_test_sends_them() {
    let (answer, response) = Answer::live();
    let (lost_answer, lost) = Answer::live();
    let script = Script::new()
        .then("GET", "version", answer.with_status(503))
        .then("GET", "version", lost_answer);
    let host = host(&script);
    let (sender, errors) = channel();
    let caller = thread::spawn(move || {
        sender.send(host.version().unwrap_err()).unwrap();
        sender.send(host.version().unwrap_err()).unwrap();
    });
    assert!(errors.try_recv().is_err());
    response.piece("not ");
    response.piece("yet");
    response.end();
    assert_eq!(errors.recv().unwrap().api().unwrap().status, 503);
    lost.lose();
    assert!(is_lost_in_wait(&errors.recv().unwrap()));
    caller.join().unwrap();
    script.assert_done();
}

#[test]
fn time_limit_ends_the_wait_for_a_head() {
    let (answer, response) = Answer::live();
    let script = Script::new()
        .time_limit(Duration::from_millis(30))
        .then("GET", "version", answer);
    let error = host(&script).version().unwrap_err();
    let expected = "GET version: no response came within 30ms; the test has not called \
                    ResponseHandle::head, piece or end";
    assert_eq!(cause(&error), expected);
    assert!(is_lost_in_wait(&error) && !error.is_timeout(), "{error:?}");
    assert!(response.is_dropped());
    drop(response);
    assert_eq!(problems(&script), [expected]);
}

#[test]
fn time_limit_ends_the_wait_for_a_piece() {
    let (answer, response) = Answer::live();
    let script = Script::new().time_limit(Duration::from_millis(30)).then(
        "GET",
        "instance/x/output",
        answer,
    );
    response.piece("a line\n");
    let mut output = host(&script).instance("x").unwrap().output().unwrap();
    let mut line = [0; 7];
    output.read_exact(&mut line).unwrap();
    let error = output.read(&mut line).unwrap_err();
    let expected = "GET instance/x/output: no piece came within 30ms; the test has not called \
                    ResponseHandle::piece or end";
    assert_eq!(cause(&error), expected);
    assert_eq!(problems(&script), [expected]);
    drop(output);
}

#[test]
fn time_limit_applies_to_each_wait_and_can_be_removed() {
    let (answer, response) = Answer::live();
    let script = Script::new()
        .time_limit(Duration::from_millis(400))
        .then("GET", "version", answer);
    let host = host(&script);
    let caller = thread::spawn(move || host.version());
    // The total time exceeds the limit, but no single wait does.
    for piece in [r#"{"ver"#, r#"sion":"#, r#""1.0"#, r#".1"}"#] {
        thread::sleep(Duration::from_millis(150));
        response.piece(piece);
    }
    response.end();
    assert_eq!(caller.join().unwrap().unwrap().version, "1.0.1");
    script.assert_done();

    let (answer, response) = Answer::live();
    let script = Script::new()
        .time_limit(Duration::from_millis(10))
        .time_limit(None)
        .then("GET", "version", answer);
    let host = script.client().build().unwrap();
    let caller = thread::spawn(move || host.version());
    thread::sleep(Duration::from_millis(100));
    response.piece(VERSION);
    response.end();
    caller.join().unwrap().unwrap();
    script.assert_done();
}

#[test]
fn the_callers_limit_counts_if_it_is_shorter_than_the_time_limit() {
    let (answer, response) = Answer::live();
    let script = Script::new().then("GET", "version", answer);
    let host = host(&script).with_deadline(Duration::from_millis(30));
    assert!(host.version().unwrap_err().is_timeout());
    // The client no longer waits, so the handle may be dropped.
    drop(response);
    script.assert_done();
}

#[test]
fn dropping_a_response_handle_is_an_error_of_the_body() {
    const DROPPED: &str = "the test dropped the ResponseHandle without calling end or lose";
    let (answer, response) = Answer::live();
    let (unanswered, unused) = Answer::live();
    let script = Script::new()
        .then("GET", "instance/x/output", answer)
        .then("GET", "version", unanswered);
    let host = host(&script);
    response.piece("a line\n");
    let mut output = host.instance("x").unwrap().output().unwrap();
    drop(response);
    let mut received = Vec::new();
    let error = output.read_to_end(&mut received).unwrap_err();
    assert_eq!(received, b"a line\n");
    assert_eq!(cause(&error), format!("GET instance/x/output: {DROPPED}"));
    // The handle is dropped before the headers and before the request.
    drop(unused);
    let error = host.version().unwrap_err();
    assert_eq!(cause(&error), format!("GET version: {DROPPED}"));
    assert_eq!(
        problems(&script),
        [
            format!("GET instance/x/output: {DROPPED}"),
            format!("GET version: {DROPPED}")
        ]
    );
}

#[test]
fn dropping_a_response_handle_is_fine_after_the_body() {
    let (answer, response) = Answer::live();
    let script = Script::new().then("GET", "instance/x/output", answer);
    response.head();
    let output = host(&script).instance("x").unwrap().output().unwrap();
    assert!(!response.is_dropped());
    drop(output);
    assert!(response.is_dropped());
    drop(response);
    script.assert_done();
}

#[test]
fn silent_answers_end_with_the_limits_of_the_call() {
    // The time limit of the script must not end them.
    let script = Script::new().time_limit(Duration::from_millis(1)).always(
        "GET",
        "instance/x/once/e",
        |_| Answer::silent(),
    );
    let instance = host(&script).instance("x").unwrap();
    let limit = Duration::from_millis(50);
    assert!(matches!(
        next_event(&instance.with_deadline(limit), "e")
            .unwrap_err()
            .kind(),
        ErrorKind::Deadline {
            phase: Phase::Wait,
            ..
        }
    ));
    assert!(matches!(
        next_event(&instance.with_idle_timeout(limit), "e")
            .unwrap_err()
            .kind(),
        ErrorKind::Idle {
            phase: Phase::Wait,
            ..
        }
    ));
    let token = CancelToken::new();
    let waiter = thread::spawn({
        let instance = instance.with_cancel(&token);
        move || next_event(&instance, "e").unwrap_err()
    });
    token.cancel();
    assert!(waiter.join().unwrap().is_cancelled());
    script.assert_done();
}

#[test]
fn silent_answers_read_the_request() {
    let script = Script::new().then("POST", "sequence", Answer::silent());
    let host = host(&script).with_deadline(Duration::from_millis(50));
    let upload = Upload::reader(&b"a package"[..]);
    assert!(host.send(&SendSequence, upload).unwrap_err().is_timeout());
    assert_eq!(script.requests()[0].text(), "a package");
    assert!(script.requests()[0].complete);
}

#[test]
fn silent_answers_end_when_the_test_drops_the_script() {
    let script = Script::new().always("GET", "version", |_| Answer::silent());
    let clone = script.clone();
    let host = host(&script);
    let (sender, errors) = channel();
    thread::spawn(move || sender.send(host.version().unwrap_err()));
    let start = Instant::now();
    while script.requests().is_empty() {
        assert!(start.elapsed() < SOON);
        thread::yield_now();
    }
    drop(script);
    assert!(errors.recv_timeout(Duration::from_millis(50)).is_err());
    drop(clone);
    let error = errors.recv_timeout(SOON).unwrap();
    assert_eq!(
        cause(&error),
        "GET version: the script was dropped before it answered"
    );
}

#[test]
fn live_answers_end_with_the_limits_of_the_call() {
    let handles = Mutex::new(Vec::new());
    let script = Script::new().always("GET", "instance/x/once/e", move |_| {
        let (answer, response) = Answer::live();
        handles.lock().unwrap().push(response);
        answer
    });
    let instance = host(&script).instance("x").unwrap();
    let limit = Duration::from_millis(50);
    let error = next_event(&instance.with_deadline(limit), "e").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Deadline { .. }));
    let error = next_event(&instance.with_idle_timeout(limit), "e");
    assert!(matches!(error.unwrap_err().kind(), ErrorKind::Idle { .. }));
    let token = CancelToken::new();
    let waiter = thread::spawn({
        let instance = instance.with_cancel(&token);
        move || next_event(&instance, "e").unwrap_err()
    });
    token.cancel();
    assert!(waiter.join().unwrap().is_cancelled());
    script.assert_done();
}

#[test]
fn cancel_ends_an_upload() {
    struct Canceling(CancelToken);
    impl Read for Canceling {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.cancel();
            buf.fill(b'.');
            Ok(buf.len())
        }
    }
    let script = Script::new().always("POST", "sequence", |_| Answer::ok(r#"{"id":"s"}"#));
    let token = CancelToken::new();
    let host = host(&script).with_cancel(&token);
    let error = host
        .send(&SendSequence, Upload::reader(Canceling(token)))
        .map(drop)
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Cancelled {
                phase: Phase::Send,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!script.requests()[0].complete);
}

#[test]
fn the_error_of_a_reader_is_the_error_of_the_upload() {
    struct Stops;
    impl Read for Stops {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(StopReason::Cancelled.into())
        }
    }
    let script = Script::new().always("POST", "sequence", |_| Answer::ok(r#"{"id":"s"}"#));
    let failing = Upload::reader(b"abc".chain(Stops));
    let error = host(&script).send(&SendSequence, failing).unwrap_err();
    assert!(error.is_cancelled());
    let request = script.requests().remove(0);
    assert_eq!((request.text().as_str(), request.complete), ("abc", false));
}

#[test]
fn threads_share_a_script() {
    let script = Arc::new(Script::new().always("GET", "version", |_| Answer::ok(VERSION)));
    let host = host(&script);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| host.version().unwrap());
        }
    });
    assert_eq!(script.requests().len(), 8);
}
