//! The transport without a network, as it is used: by a client.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::transport::script::{Answer, Script};
use scramjet_client_blocking::{
    CancelToken, ErrorKind, KillOptions, Phase, RetryPolicy, StartOptions, Stopped, TransportError,
    Upload,
};

/// What it complains of at its end.
fn complaints(script: Script) -> String {
    let finished = catch_unwind(AssertUnwindSafe(|| script.finish()));
    finished
        .expect_err("the script is not kept to")
        .downcast::<String>()
        .map(|text| *text)
        .unwrap()
}

#[test]
fn what_was_expected_is_answered_in_its_order() {
    let script = Script::new()
        .then("GET", "instance/x", Answer::ok(r#"{"id":"x"}"#))
        .then("POST", "/api/v1/instance/x/_kill", Answer::status(202, ""))
        .then(
            "GET",
            "instance/*",
            Answer::status(404, r#"{"error":"Instance x not found"}"#),
        );
    let instance = script.client().build().unwrap().instance("x").unwrap();
    assert_eq!(instance.info().unwrap().id, "x");
    instance.kill(&KillOptions::new()).unwrap();
    assert_eq!(
        instance.info().unwrap_err().api().unwrap().message,
        "Instance x not found"
    );
    let targets: Vec<_> = script
        .requests()
        .iter()
        .map(|sent| format!("{} {}", sent.method, sent.target))
        .collect();
    assert_eq!(
        targets,
        [
            "GET /api/v1/instance/x",
            "POST /api/v1/instance/x/_kill",
            "GET /api/v1/instance/x"
        ]
    );
    script.finish();
}

#[test]
fn what_was_not_expected_fails_and_is_told_of() {
    let script = Script::new().then("GET", "instance/x", Answer::ok(r#"{"id":"x"}"#));
    let host = script.client().build().unwrap();
    let error = format!(
        "{:?}",
        host.sequence("s")
            .unwrap()
            .start(&StartOptions::new())
            .unwrap_err()
    );
    assert!(
        error.ends_with("POST /api/v1/sequence/s/start: was not expected, GET instance/x was"),
        "{error}"
    );
    host.instance("x").unwrap().info().unwrap();
    let error = format!("{:?}", host.instance("x").unwrap().info().unwrap_err());
    assert!(
        error.ends_with("GET /api/v1/instance/x: was not expected, nothing more was"),
        "{error}"
    );
    assert_eq!(
        script.requests().len(),
        3,
        "also what was not expected was sent"
    );
    let complaints = complaints(script);
    assert!(
        complaints.contains("sequence/s/start: was not expected")
            && complaints.contains("nothing more was"),
        "{complaints}"
    );
}

#[test]
fn what_is_left_over_is_told_of() {
    let script = Script::new().then("GET", "version", Answer::ok("{}")).then(
        "DELETE",
        "sequence/s",
        Answer::ok("{}"),
    );
    script.client().build().unwrap().version().unwrap_err();
    assert_eq!(
        complaints(script),
        "the script was not kept to\nDELETE sequence/s: was expected and did not come"
    );
}

#[test]
fn it_is_told_of_without_being_asked() {
    let script = Script::new().then("GET", "version", Answer::ok("{}"));
    let clone = script.clone();
    drop(script);
    assert!(
        catch_unwind(AssertUnwindSafe(|| drop(clone))).is_err(),
        "the last one tells"
    );
    // Only once, and not in place of what has gone wrong before.
    let script = Script::new().then("GET", "version", Answer::ok("{}"));
    assert!(catch_unwind(AssertUnwindSafe(|| script.finish())).is_err());
    drop(script);
    let panic = catch_unwind(|| {
        let _script = Script::new().then("GET", "version", Answer::ok("{}"));
        panic!("the test's own");
    });
    assert_eq!(
        *panic.unwrap_err().downcast::<&str>().unwrap(),
        "the test's own"
    );
}

#[test]
fn paths_fit_from_their_end() {
    let fits = |path: &str| {
        let script = Script::new().whenever("*", path, |_| Answer::ok("[]"));
        script.client().build().unwrap().list_sequences().is_ok()
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
        let fits = catch_unwind(AssertUnwindSafe(|| fits(path))).unwrap_or(false);
        assert_eq!(fits, expected, "{path}");
    }
}

#[test]
fn the_test_sees_what_was_sent_and_nobody_else_does() {
    let script = Script::new().then("POST", "sequence", Answer::ok(r#"{"id":"s"}"#));
    let host = script
        .client()
        .bearer_token("a-secret")
        .header("x-other", "another-secret")
        .build()
        .unwrap();
    host.send_sequence(Upload::reader(&b"the package"[..]))
        .unwrap();
    let sent = script.requests().remove(0);
    assert_eq!(
        (sent.header("authorization"), sent.header("x-other")),
        (Some("Bearer a-secret"), Some("another-secret"))
    );
    assert_eq!((sent.text().as_str(), sent.complete), ("the package", true));
    let shown = format!("{sent:?} {script:?} {host:?}");
    assert!(
        !shown.contains("secret") && shown.contains("11 bytes"),
        "{shown}"
    );
}

#[test]
fn a_refusal_leaves_the_rest_of_an_upload_unread() {
    let script = Script::new()
        .then("POST", "sequence", Answer::status(413, ""))
        .then_with("POST", "sequence", |asked| {
            let mut some = [0; 5];
            asked.read_exact(&mut some).unwrap();
            assert_eq!(asked.so_far().body, b"0123\0");
            Answer::status(422, "")
        });
    let host = script.client().build().unwrap();
    // Without end: whoever read all of it would not come back.
    assert_eq!(
        host.send_sequence(Upload::reader(io::repeat(0)))
            .unwrap_err()
            .api()
            .unwrap()
            .status,
        413
    );
    let data = b"0123".chain(io::repeat(0));
    assert_eq!(
        host.send_sequence(Upload::reader(data))
            .unwrap_err()
            .api()
            .unwrap()
            .status,
        422
    );
    assert!(script.requests().iter().all(|sent| !sent.complete));
    script.finish();
}

#[test]
fn errors_are_those_of_the_script() {
    let cut = || TransportError {
        phase: Phase::Connect,
        source: "the cable is cut".into(),
    };
    let script = Script::new()
        .then("GET", "version", Answer::error(cut()))
        .then("GET", "version", Answer::error("no such luck"))
        .then("GET", "version", Answer::status(1000, ""))
        .then("GET", "version", Answer::ok("").header("not a name", ""))
        .then("GET", "version", Answer::pieces([r#"{"version":"#]).lost());
    let host = script.client().build().unwrap();
    assert!(host.version().unwrap_err().is_connect());
    assert!(format!("{:?}", host.version().unwrap_err()).ends_with("caused by: no such luck"));
    assert!(
        format!("{:?}", host.version().unwrap_err()).ends_with("caused by: invalid status code")
    );
    assert!(
        format!("{:?}", host.version().unwrap_err())
            .ends_with("caused by: invalid HTTP header name")
    );
    let error = host.version().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Reply(_))
            && error.to_string().contains("cut off after 11 bytes"),
        "{error}"
    );
    script.finish();
}

/// Unless the client is told to, nothing is sent again, which the script would have to expect.
#[test]
fn clients_may_be_told_to_try_again() {
    let lost = || {
        Answer::error(TransportError {
            phase: Phase::Connect,
            source: "the cable is cut".into(),
        })
    };
    let script = Script::new().then("GET", "version", lost()).then(
        "GET",
        "version",
        Answer::ok(r#"{"version":"1.0.1"}"#),
    );
    script.client().build().unwrap().version().unwrap_err();
    assert_eq!(script.requests().len(), 1);
    script.client().build().unwrap().version().unwrap();
    let script = Script::new().then("GET", "version", lost()).then(
        "GET",
        "version",
        Answer::ok(r#"{"version":"1.0.1"}"#),
    );
    script
        .client()
        .retry(RetryPolicy::default())
        .build()
        .unwrap()
        .version()
        .unwrap();
    script.finish();
}

#[test]
fn an_answer_is_held_until_the_test_says_so() {
    let (answer, live) = Answer::live();
    let (lost, never) = Answer::live();
    let script = Script::new()
        .then("GET", "version", answer.with_status(503))
        .then("GET", "version", lost);
    let host = script.client().build().unwrap();
    let (tell, told) = channel();
    let caller = thread::spawn(move || {
        tell.send(host.version().unwrap_err()).unwrap();
        tell.send(host.version().unwrap_err()).unwrap();
    });
    assert!(told.try_recv().is_err());
    live.piece("not ");
    live.piece("yet");
    live.end();
    assert_eq!(told.recv().unwrap().api().unwrap().status, 503);
    never.lose();
    assert!(matches!(
        told.recv().unwrap().kind(),
        ErrorKind::Transport {
            phase: Phase::Wait,
            ..
        }
    ));
    caller.join().unwrap();
}

#[test]
fn limits_end_what_nobody_answers() {
    let lives = Mutex::new(Vec::new());
    let script = Script::new().whenever("GET", "instance/x/once/e", move |_| {
        let (answer, live) = Answer::live();
        lives.lock().unwrap().push(live);
        answer
    });
    let instance = script.client().build().unwrap().instance("x").unwrap();
    let short = Duration::from_millis(50);
    assert!(matches!(
        instance
            .with_deadline(short)
            .next_event("e")
            .unwrap_err()
            .kind(),
        ErrorKind::Deadline {
            phase: Phase::Wait,
            ..
        }
    ));
    assert!(matches!(
        instance
            .with_idle_timeout(short)
            .next_event("e")
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
        move || instance.next_event("e").unwrap_err()
    });
    token.cancel();
    assert!(waiter.join().unwrap().is_cancelled());
}

#[test]
fn an_upload_ends_with_its_token() {
    struct Cancelling(CancelToken);
    impl Read for Cancelling {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.cancel();
            buf.fill(b'.');
            Ok(buf.len())
        }
    }
    let script = Script::new().whenever("POST", "sequence", |_| Answer::ok(r#"{"id":"s"}"#));
    let token = CancelToken::new();
    let host = script.client().build().unwrap().with_cancel(&token);
    let error = host
        .send_sequence(Upload::reader(Cancelling(token)))
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
fn a_reader_with_an_error_of_its_own_is_told_of() {
    struct Stops;
    impl Read for Stops {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(Stopped::Cancelled.into())
        }
    }
    let script = Script::new().whenever("POST", "sequence", |_| Answer::ok(r#"{"id":"s"}"#));
    let host = script.client().build().unwrap();
    let failing = Upload::reader(b"abc".chain(Stops));
    assert!(host.send_sequence(failing).unwrap_err().is_cancelled());
    assert_eq!(
        (
            script.requests()[0].text().as_str(),
            script.requests()[0].complete
        ),
        ("abc", false)
    );
}

#[test]
fn threads_may_share_it() {
    let script = Arc::new(
        Script::new().whenever("GET", "version", |_| Answer::ok(r#"{"version":"1.0.1"}"#)),
    );
    let host = script.client().build().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| host.version().unwrap());
        }
    });
    assert_eq!(script.requests().len(), 8);
}
