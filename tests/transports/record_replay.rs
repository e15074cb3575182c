//! `Replay` and `Recorder` with recordings of real hubs.

use std::fs;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use scramjet_client_blocking::core::{EventName, NextEvent, SendSequence};
use scramjet_client_blocking::transport::{Phase, TransportError};
use scramjet_client_blocking::{ErrorKind, HostClient, StartOptions, StopOptions, Upload};
use scramjet_client_testing::replay::{Check, Recorder, Replay};
use scramjet_client_testing::script::{Answer, Script};
use scramjet_client_tests::fixture;

use crate::tcp_transport::Tcp;

/// A temporary folder.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("scramjet-client-recorded-{test}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.0.join(name), content).unwrap();
        self
    }

    /// Returns the names and contents of the files.
    fn content(&self) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        files
            .iter()
            .map(|path| {
                (
                    path.file_name().unwrap().to_str().unwrap().to_owned(),
                    text(path),
                )
            })
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn failure_report(replay: Replay) -> String {
    let finished = catch_unwind(AssertUnwindSafe(|| replay.assert_done()));
    finished
        .unwrap_err()
        .downcast::<String>()
        .map(|text| *text)
        .unwrap()
}

#[test]
fn replay_plays_recordings_of_hubs() {
    let id = fixture::load("0.18.7", "stop-with-keepalive")
        .request
        .segment_after("instance")
        .unwrap()
        .to_owned();
    let replay = Replay::of(
        fixture::folder("0.18.7"),
        ["version", "stop-with-keepalive"],
    )
    .unwrap();
    let host = replay.client().build().unwrap();
    assert_eq!(host.version().unwrap().version, "0.18.7");
    let options = StopOptions::new(Duration::from_millis(300)).can_call_keepalive(true);
    host.instance(id).unwrap().stop(&options).unwrap();
    replay.assert_done();

    // Interim responses, and a request body that was not recorded to its end.
    let replay = Replay::of(
        fixture::folder("0.18.7"),
        ["sequence-upload-expect-continue"],
    )
    .unwrap()
    .checking(Check::Target);
    replay
        .client()
        .build()
        .unwrap()
        .send_sequence(b"\x1f\x8ba package".as_slice())
        .unwrap();
    let open = fixture::load("1.0.1", "stream-log");
    assert!(!open.response.complete);
    let replay = Replay::of(fixture::folder("1.0.1"), ["stream-log"]).unwrap();
    let mut log = replay
        .client()
        .build()
        .unwrap()
        .instance(open.request.segment_after("instance").unwrap())
        .unwrap()
        .log()
        .unwrap();
    let mut bytes = Vec::new();
    assert_eq!(
        log.read_to_end(&mut bytes).unwrap_err().kind(),
        io::ErrorKind::UnexpectedEof
    );
    assert_eq!(bytes, open.response.body);
    replay.assert_done();
    // A request without a response.
    let silent = fixture::load("1.0.1", "event-once-ended");
    let replay = Replay::of(fixture::folder("1.0.1"), ["event-once-ended"]).unwrap();
    let instance = replay
        .client()
        .hub_version("1.0.1")
        .build()
        .unwrap()
        .instance(silent.request.segment_after("instance").unwrap())
        .unwrap();
    let name = silent.request.target.rsplit('/').next().unwrap();
    let error = instance
        .host()
        .call(&NextEvent {
            id: instance.id(),
            name: &EventName::try_from(name).unwrap(),
        })
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Transport(TransportError {
                phase: Phase::Wait,
                ..
            })
        ),
        "{error:?}"
    );
    assert!(
        format!("{error:?}").ends_with("event-once-ended: no response was recorded"),
        "{error:?}"
    );
}

const STARTED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"id\":\"i\"}";

fn start(body: &str) -> String {
    format!(
        "POST /api/v1/sequence/s/start HTTP/1.1\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn replay_compares_requests_with_their_recordings() {
    let folder = Folder::new("compared");
    folder
        .write("start.request", start(r#"{ "args": ["Berlin"] }"#))
        .write("start.http", STARTED);
    let play = |check: Option<Check>, act: &dyn Fn(&HostClient) -> bool| {
        let replay = Replay::open(&folder.0).unwrap();
        let replay = if let Some(check) = check {
            replay.checking(check)
        } else {
            replay
        };
        let succeeded = act(&replay.client().hub_version("1.0.1").build().unwrap());
        (
            succeeded,
            catch_unwind(AssertUnwindSafe(|| replay.assert_done()))
                .err()
                .map(|panic| *panic.downcast::<String>().unwrap()),
        )
    };
    let starts = |id: &'static str, arg: &'static str| {
        move |host: &HostClient| {
            host.sequence(id)
                .unwrap()
                .start(&StartOptions::new().arg(arg))
                .is_ok()
        }
    };
    assert_eq!(
        play(None, &starts("s", "Berlin")),
        (true, None),
        "JSON of the same meaning"
    );
    let (succeeded, report) = play(None, &starts("s", "Paris"));
    let difference = "start: the request differs\n  body\n    \
        recorded { \"args\": [\"Berlin\"] }\n    received {\"args\":[\"Paris\"]}";
    assert_eq!(
        (succeeded, report.unwrap()),
        (
            false,
            format!("the replay did not go as recorded\n{difference}")
        )
    );
    assert_eq!(
        play(Some(Check::ContentType), &starts("s", "Paris")),
        (true, None)
    );
    let (succeeded, report) = play(Some(Check::Target), &starts("other", "Paris"));
    let difference = "target\n    recorded /api/v1/sequence/s/start\n    \
        received /api/v1/sequence/other/start";
    assert!(!succeeded && report.unwrap().contains(difference));
    let (succeeded, report) = play(Some(Check::Target), &|host| {
        host.sequence("s").unwrap().info().is_ok()
    });
    assert!(
        !succeeded
            && report
                .unwrap()
                .contains("method\n    recorded POST\n    received GET")
    );
    folder.write(
        "start.request",
        start("{}").replace("application/json", "text/plain"),
    );
    assert_eq!(play(Some(Check::Target), &starts("s", "")), (true, None));
    let (succeeded, report) = play(Some(Check::ContentType), &starts("s", ""));
    assert!(!succeeded && report.unwrap().contains("content-type\n    recorded"));
}

#[test]
fn assert_done_reports_missing_and_additional_requests() {
    let folder = Folder::new("left");
    folder
        .write("1.request", start(""))
        .write("1.http", STARTED)
        .write("2.request", start(""))
        .write("2.http", STARTED);
    let started = |replay: &Replay| {
        replay
            .client()
            .hub_version("1.0.1")
            .build()
            .unwrap()
            .sequence("s")
            .unwrap()
            .start(&StartOptions::new())
    };
    let replay = Replay::open(&folder.0).unwrap().checking(Check::Target);
    started(&replay).unwrap();
    assert_eq!(
        failure_report(replay.clone()),
        "the replay did not go as recorded\n2: the recorded request did not come"
    );
    drop(replay);

    let replay = Replay::of(&folder.0, ["1"])
        .unwrap()
        .checking(Check::Target);
    started(&replay).unwrap();
    let error = format!("{:?}", started(&replay).unwrap_err());
    assert!(
        error.ends_with("POST sequence/s/start: no remaining exchange matches the request"),
        "{error}"
    );
    assert!(failure_report(replay).contains("no remaining exchange matches the request"));

    // Dropping the replay reports the same.
    let replay = Replay::open(&folder.0).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(replay))).is_err());
}

/// The hub refused the upload before it was recorded to its end.
#[test]
fn replay_compares_the_beginning_of_a_truncated_recording() {
    let folder = Folder::new("part");
    folder.write(
        "1.request",
        "POST /api/v1/sequence HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na\r\nsome pa",
    );
    folder.write(
        "1.http",
        "HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n",
    );
    for (package, status) in [
        ("some package", Some(413)),
        ("some", None),
        ("another package", None),
    ] {
        let replay = Replay::open(&folder.0).unwrap();
        let error = replay
            .client()
            .build()
            .unwrap()
            .send(&SendSequence, package.as_bytes().into())
            .unwrap_err();
        assert_eq!(
            error.api().map(|refusal| refusal.status.as_u16()),
            status,
            "{package}"
        );
        assert_eq!(
            catch_unwind(AssertUnwindSafe(|| replay.assert_done())).is_ok(),
            status.is_some()
        );
    }
}

#[test]
fn in_any_order_plays_the_matching_exchange() {
    let folder = Folder::new("order");
    for (name, id) in [("1", "a"), ("2", "b")] {
        folder.write(
            &format!("{name}.request"),
            format!("GET /api/v1/instance/{id} HTTP/1.1\r\n\r\n"),
        );
        folder.write(
            &format!("{name}.http"),
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{{\"id\":\"{id}\"}}"),
        );
    }
    let found = |replay: &Replay| {
        let host = replay.client().build().unwrap();
        ["b", "a"].map(|id| {
            host.instance(id)
                .unwrap()
                .info()
                .map(|info| info.id == id)
                .unwrap_or_default()
        })
    };
    let replay = Replay::open(&folder.0).unwrap().in_any_order();
    assert_eq!(found(&replay), [true, true]);
    replay.assert_done();
    let replay = Replay::open(&folder.0).unwrap();
    assert_eq!(found(&replay), [false, false]);
    assert!(failure_report(replay).contains("1: the request differs"));
}

#[test]
fn open_fails_for_files_that_are_not_recordings() {
    let folder = Folder::new("none");
    let open_error = |folder: &Folder| Replay::open(&folder.0).unwrap_err().to_string();
    assert!(
        open_error(&folder).ends_with(": there is no *.request file"),
        "{}",
        open_error(&folder)
    );
    folder.write("a.request", "GET / HTTP/1.1\r\n\r\n");
    assert!(
        open_error(&folder).contains("a.http: "),
        "{}",
        open_error(&folder)
    );
    folder
        .write("a.http", "")
        .write("a.request", "GET / HTTP/1.1\r\n");
    assert!(
        open_error(&folder).contains("a.request: "),
        "{}",
        open_error(&folder)
    );
    folder.write(
        "a.request",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnot a number\r\n",
    );
    assert!(
        open_error(&folder).contains("a.request: "),
        "{}",
        open_error(&folder)
    );
    assert!(
        Replay::open(folder.0.join("missing"))
            .unwrap_err()
            .to_string()
            .contains("missing")
    );
    assert!(
        Replay::of(&folder.0, ["b"])
            .unwrap_err()
            .to_string()
            .contains("b.request: ")
    );
}

/// Makes many calls and returns the results as text.
fn results(host: &HostClient) -> Vec<String> {
    let mut stdout = Vec::new();
    let mut cut = Vec::new();
    vec![
        format!("{:?}", host.version()),
        format!(
            "{:?}",
            host.send(&SendSequence, Upload::reader(&b"some package"[..]))
                .map(|(sequence, _)| sequence.id)
        ),
        format!(
            "{:?}",
            host.sequence("s")
                .unwrap()
                .start(&StartOptions::new())
                .map(|instance| instance.id().clone())
        ),
        format!(
            "{:?}",
            host.instance("none")
                .unwrap()
                .info()
                .map_err(|error| error.to_string())
        ),
        format!(
            "{:?} {stdout:?}",
            host.instance("i")
                .unwrap()
                .stdout()
                .unwrap()
                .read_to_end(&mut stdout)
                .is_ok()
        ),
        format!(
            "{:?} {cut:?}",
            host.instance("i")
                .unwrap()
                .output()
                .unwrap()
                .read_to_end(&mut cut)
                .map_err(|error| error.to_string())
        ),
        format!(
            "{:?}",
            host.instance("i").unwrap().kill(&Default::default())
        ),
    ]
}

#[test]
fn recorder_writes_what_replay_plays() {
    let folder = Folder::new("recorder");
    let hub = Script::new()
        .then(
            "GET",
            "version",
            Answer::ok(r#"{"version":"1.0.1"}"#).header("set-cookie", "session=a-secret"),
        )
        .then("POST", "sequence", Answer::status(202, r#"{"id":"s"}"#))
        .then("POST", "start", Answer::pieces([r#"{"id":"#, r#""i"}"#]))
        .then(
            "GET",
            "instance/none",
            Answer::status(404, "").reason("Instance none not found"),
        )
        .then(
            "GET",
            "stdout",
            Answer::pieces([&b"not \xff"[..], b" UTF-8\r\n"]),
        )
        .then("GET", "output", Answer::pieces(["cut o"]).lost())
        .then("POST", "_kill", Answer::status(204, ""));
    let recorder = Recorder::new(Arc::new(hub.clone()), &folder.0).unwrap();
    let builder = HostClient::builder(Script::URL)
        .bearer_token("a-secret")
        .header("x-key", "a-secret")
        .transport(Arc::new(recorder));
    let recorded = results(&builder.build().unwrap());
    assert!(
        recorded[4].starts_with("true") && recorded[5].contains("(got 5 bytes)"),
        "{recorded:#?}"
    );
    hub.assert_done();

    let files = folder.content();
    let names: Vec<_> = files
        .iter()
        .map(|(name, _)| name.trim_end_matches(".http").trim_end_matches(".request"))
        .collect();
    assert_eq!(
        names.iter().step_by(2).copied().collect::<Vec<_>>(),
        [
            "0001-get-version",
            "0002-post-sequence",
            "0003-post-start",
            "0004-get-none",
            "0005-get-stdout",
            "0006-get-output",
            "0007-post-kill"
        ]
    );
    for (name, text) in &files {
        assert!(!text.contains("secret"), "{name}: {text}");
        assert!(
            !name.ends_with("request")
                || (text.contains("authorization: (left out)")
                    && text.contains("x-key: (left out)")),
            "{text}"
        );
    }
    assert!(
        files[3].1.contains("transfer-encoding: chunked")
            && files[3]
                .1
                .ends_with("\r\n\r\nc\r\nsome package\r\n0\r\n\r\n"),
        "{}",
        files[3].1
    );

    let replay = Replay::open(&folder.0).unwrap();
    assert_eq!(results(&replay.client().build().unwrap()), recorded);
    replay.assert_done();
}

#[test]
fn recorder_writes_an_empty_file_without_a_response() {
    let folder = Folder::new("unanswered");
    let recorder = Recorder::new(Arc::new(Tcp), &folder.0).unwrap();
    let url = scramjet_client_tests::scripted::refused_url();
    let host = HostClient::builder(url)
        .transport(Arc::new(recorder))
        .retry(None)
        .build()
        .unwrap();
    host.version().unwrap_err();
    host.send_sequence(b"\x1f\x8ba package".as_slice())
        .unwrap_err();
    let files = folder.content();
    assert_eq!(
        files
            .iter()
            .filter(|(name, text)| name.ends_with(".http") && text.is_empty())
            .count(),
        2
    );
    let replay = Replay::open(&folder.0).unwrap();
    let host = replay.client().build().unwrap();
    host.version().unwrap_err();
    host.send_sequence(b"\x1f\x8ba package".as_slice())
        .unwrap_err();
    replay.assert_done();
}
