//! `run` and `run_with`.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use scramjet_client_blocking::types::{LogLine, RunnerExit};
use scramjet_client_blocking::{
    CancelToken, ContentType, Error, ErrorKind, HostClient, Input, Output, RunOptions,
    SequenceClient, StartOptions, Upload, Version,
};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::response;
use serde_json::json;

use crate::helpers::{Numbered, SameNumbered, until, within};
use crate::samples::{Uploaded, unknown_sequence, was_refused};
use crate::stub_hub::{Reply, StubHub, json_reply, until_gone};
use crate::wait_event::acts;

const FLOOD: u64 = 8 << 20;

fn text(reader: impl Read + Send + 'static) -> Input {
    Input::bytes(Upload::reader(reader)).content_type(ContentType::Text)
}

fn assert_flood(bytes: &[u8]) {
    let mut same = SameNumbered::new(FLOOD);
    same.write_all(bytes).unwrap();
    assert_eq!(same.left(), 0);
}

fn reports_exit(host: &HostClient) -> bool {
    host.dialect().unwrap().has(Version::new(0, 27, 0))
}

on_each_hub!(run_returns_the_output_for_all_input);
fn run_returns_the_output_for_all_input(host: HostClient) {
    within("running", move || {
        let ended = |run: &Output| {
            assert_eq!(run.exit(), Some(RunnerExit::Completed), "{:?}", run.ended);
            assert_eq!(run.exit(), run.ended.exit);
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                let sequence = Uploaded::sample(&host, "shout");
                let options = StartOptions::new()
                    .app_config(json!({ "greeting": "did you say " }))
                    .arg("?");
                let run = sequence.run(&options, "one\ntwo").unwrap();
                assert_eq!(
                    String::from_utf8(run.output.clone()).unwrap(),
                    "did you say ONE?\ndid you say TWO?\n"
                );
                assert!(run.stdout.is_empty() && run.stderr.is_empty() && run.log.is_none());
                ended(&run);
                until_gone(&sequence);
            });
            scope.spawn(|| {
                let sequence = Uploaded::sample(&host, "prints");
                let run = sequence
                    .run_with(&StartOptions::new(), "", RunOptions::new().log(true))
                    .unwrap();
                let [output, stdout, stderr, log] = [
                    &run.output,
                    &run.stdout,
                    &run.stderr,
                    run.log.as_ref().unwrap(),
                ]
                .map(|bytes| String::from_utf8_lossy(bytes));
                assert_eq!(
                    (&*output, &*stderr),
                    ("output 1\noutput 2\noutput 3\n", "stderr 1\nstderr 2\n")
                );
                assert!(
                    stdout.ends_with("stdout 1\nstdout 2\nstdout 3\n"),
                    "{stdout}"
                );
                let lines: Vec<LogLine> = log
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
                assert!(
                    lines.iter().any(|line| line.msg.contains("completed")),
                    "{log}"
                );
                ended(&run);
                until_gone(&sequence);
            });
            scope.spawn(|| {
                let sequence = Uploaded::sample(&host, "tees");
                let run = sequence
                    .run(&StartOptions::new(), text(Numbered::new().take(FLOOD)))
                    .unwrap();
                for stream in [&run.output, &run.stdout, &run.stderr] {
                    assert_flood(stream);
                }
                ended(&run);
                until_gone(&sequence);
            });
            scope.spawn(|| {
                let sequence = Uploaded::sample(&host, "first-line");
                // The input is endless, and the sequence reads only its first line.
                let run = sequence
                    .run(&StartOptions::new(), text(Numbered::new()))
                    .unwrap();
                assert_eq!(run.output.len(), 4096);
                ended(&run);
                until_gone(&sequence);
            });
        });
    });
}

on_each_hub!(run_with_until_exit_waits_until_the_process_exits);
fn run_with_until_exit_waits_until_the_process_exits(host: HostClient) {
    within("running", move || {
        let sequence = Uploaded::sample(&host, "prints");
        // The idle timeout is shorter than the 10 seconds for which the hub keeps the process.
        let sequence = sequence.with_idle_timeout(Duration::from_secs(8));
        let options = RunOptions::new().until_exit(true);
        let run = sequence
            .run_with(&StartOptions::new(), "", options)
            .unwrap();
        assert_eq!(run.output, b"output 1\noutput 2\noutput 3\n");
        let success = reports_exit(&host).then_some(true);
        assert_eq!(run.ended.is_success(), success, "{:?}", run.ended);
        let ended = |id: &_| match host.instance_info(id) {
            Ok(info) => info.ended.is_some(),
            Err(error) => error.is_not_found(),
        };
        assert!(ended(&run.ended.id));
    });
}

on_each_hub!(run_does_not_wait_for_the_process_after_the_sequence_completed);
fn run_does_not_wait_for_the_process_after_the_sequence_completed(host: HostClient) {
    within("running", move || {
        let sequence = Uploaded::sample(&host, "shout");
        let begin = Instant::now();
        let run = sequence.run(&StartOptions::new(), "some").unwrap();
        println!("{}: {:?}", host.base_url(), begin.elapsed());
        assert_eq!(run.exit(), Some(RunnerExit::Completed));
        let killed = Instant::now();
        until_gone(&sequence);
        // Without a kill, the process would live for 10 seconds.
        assert!(killed.elapsed() < Duration::from_secs(8));
    });
}

on_each_hub!(run_returns_the_exit_of_a_failed_sequence);
fn run_returns_the_exit_of_a_failed_sequence(host: HostClient) {
    within("running", move || {
        let reports_exit = reports_exit(&host);
        let check = |sequence: &SequenceClient,
                     options: &StartOptions,
                     may_be_refused: bool,
                     expected: fn(RunnerExit) -> bool| {
            let run = match sequence.run(options, text(Numbered::new())) {
                Err(error) if reports_exit && may_be_refused && was_refused(&error) => return,
                run => run.unwrap(),
            };
            assert_eq!(run.exit().is_some(), reports_exit, "{:?}", run.ended);
            assert!(run.exit().is_none_or(expected), "{:?}", run.ended);
            until_gone(sequence);
        };
        let broken = Uploaded::sample(&host, "fails-at-load");
        check(&broken, &StartOptions::new(), true, |exit| {
            exit == RunnerExit::FailedOnStart
        });
        let acting = Uploaded::sample(&host, "acts");
        check(
            &acting,
            &acts(json!([{ "throw": "at once" }])),
            true,
            |exit| exit == RunnerExit::FailedDuringExecution,
        );
        check(
            &acting,
            &acts(json!([{ "print": "some" }, { "wait": 300 }, { "throw": "later" }])),
            false,
            |exit| !exit.is_success(),
        );
        check(
            &acting,
            &acts(json!([{ "wait": 300 }, { "exit": 5 }])),
            false,
            |exit| !exit.is_success(),
        );
    });
}

/// A reader that fails or panics at the end of its data.
struct Failing(io::Take<Numbered>, bool);

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 if self.1 => panic!("the reader panics"),
            0 => Err(io::Error::other("the disk is gone")),
            read => Ok(read),
        }
    }
}

on_each_hub!(run_that_fails_kills_its_instance);
/// The test tries each way in which a run can fail.
fn run_that_fails_kills_its_instance(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "acts");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("running", move || {
        let stays = acts(json!([{ "emit": "up" }]));
        // The limits end before, around and after the response to the start, and when all streams
        // are open.
        for limit in [1, 60, 150, 300, 1200].map(Duration::from_millis) {
            let begin = Instant::now();
            let error = sequence
                .with_deadline(limit)
                .run(&stays, "some")
                .unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Deadline { limit: found, .. } if *found == limit),
                "{error:?}"
            );
            assert!(begin.elapsed() >= limit);
            until_gone(&sequence);
        }

        let idle = Duration::from_millis(700);
        let error = sequence
            .with_idle_timeout(idle)
            .run(&stays, "some")
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Idle { limit, .. } if *limit == idle),
            "{error:?}"
        );
        until_gone(&sequence);

        let token = CancelToken::new();
        let running = sequence.with_cancel(&token);
        let waiter = thread::spawn({
            let stays = stays.clone();
            move || running.run(&stays, text(Numbered::new())).unwrap_err()
        });
        while sequence.list_instances().unwrap().is_empty() {}
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());
        until_gone(&sequence);

        let reader = |panics| text(Failing(Numbered::new().take(20_000), panics));
        let error = sequence.run(&stays, reader(false)).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Upload(error) if error.to_string() == "the disk is gone"
            ),
            "{error:?}"
        );
        until_gone(&sequence);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            sequence.run(&stays, reader(true)).map(drop)
        }))
        .unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the reader panics"));
        until_gone(&sequence);

        let error = sequence
            .run(&stays, Input::ndjson(&b"1\nnull\n2\n"[..]))
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Upload(_)), "{error:?}");
        until_gone(&sequence);
    });
}

on_each_hub!(run_that_cannot_start_an_instance_is_an_error);
fn run_that_cannot_start_an_instance_is_an_error(host: HostClient) {
    let error = unknown_sequence(&host)
        .run(&StartOptions::new(), "some")
        .unwrap_err();
    assert!(
        error.is_not_found() && error.operation() == Some("start sequence"),
        "{error:?}"
    );
    let sequence = Uploaded::sample(&host, "acts");
    let token = CancelToken::new();
    token.cancel();
    let error = sequence
        .with_cancel(&token)
        .run(&StartOptions::new(), "some")
        .unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    assert!(sequence.list_instances().unwrap().is_empty());
}

/// Starts a stub of 1.x whose instance writes output, reads its input and completes.
fn stub_1x(reply: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> StubHub {
    StubHub::start("1.0.1", move |request| {
        let own = reply(request);
        own.unwrap_or_else(|| match request {
            "GET /instance/instance-0/output" => Reply::Response(response("200 OK", &[], b"out")),
            "GET /instance/instance-0/stdout" => Reply::Response(response("200 OK", &[], b"said")),
            "GET /instance/instance-0/stderr" => Reply::Response(response("200 OK", &[], b"")),
            "POST /instance/instance-0/input" => Reply::Response(response("200 OK", &[], b"")),
            "GET /instance/instance-0" => {
                let terminated = json!({ "exitcode": -1, "reason": "Instance completed" });
                json_reply(
                    "200 OK",
                    &json!({ "id": "instance-0", "status": "completed", "terminated": terminated }),
                )
            }
            _ => Reply::Default,
        })
    })
}

#[test]
fn run_with_log_on_1x_returns_the_exit_and_an_unfinished_log() {
    within("running", || {
        let hub = stub_1x(|request| {
            // The log stays open.
            let log: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                10\r\n{\"msg\":\"logged\"}\r\n";
            request
                .ends_with("/log")
                .then(|| Reply::Response(log.to_vec()))
        });
        let run = hub
            .sequence()
            .run_with(&StartOptions::new(), "some", RunOptions::new().log(true))
            .unwrap();
        assert_eq!(
            (run.exit(), run.ended.reason.as_deref()),
            (Some(RunnerExit::Completed), Some("Instance completed"))
        );
        assert_eq!(
            (
                run.output.as_slice(),
                run.stdout.as_slice(),
                run.stderr.as_slice()
            ),
            (&b"out"[..], &b"said"[..], &b""[..])
        );
        assert_eq!(run.log.as_deref(), Some(&br#"{"msg":"logged"}"#[..]));
        assert!(
            run.ended.to_string().contains("Instance completed"),
            "{}",
            run.ended
        );
        // The instance completed, so the client did not kill it.
        assert!(hub.requests("_kill").is_empty() && hub.requests("/log").len() == 1);
    });
}

/// Hubs of 0.18 deliver earlier input twice.
#[test]
fn run_on_0_18_sends_input_only_after_the_sequence_is_loaded() {
    within("running", || {
        let hub = |says: &'static str| {
            StubHub::start("0.18.7", move |request| match request.rsplit('/').next() {
                Some("log") => {
                    // The log stays open.
                    let line = format!("{{\"level\":\"INFO\",\"msg\":\"{says}\"}}\n");
                    let log = format!(
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{line}\r\n",
                        line.len()
                    );
                    Reply::Response(log.into_bytes())
                }
                Some("input") => Reply::Response(response("200 OK", &[], b"")),
                _ => Reply::Default,
            })
        };
        for (says, sent) in [
            ("Sequence loaded, functions count", 1),
            ("Streams initialized", 0),
        ] {
            let hub = hub(says);
            let error = hub
                .sequence()
                .with_deadline(Duration::from_millis(700))
                .run(&StartOptions::new(), "some")
                .unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
            assert_eq!(hub.requests("/input").len(), sent, "{says}");
        }
    });
}

/// One failed connection ends the run, even if all other streams are idle.
#[test]
fn run_fails_and_kills_its_instance_if_a_connection_fails() {
    let info_reply =
        |request: &str| (request == "GET /instance/instance-0").then_some(Reply::Default);
    type Row = (&'static str, Replies, fn(&Error) -> bool);
    type Replies = fn(&str) -> Option<Reply>;
    let rows: [Row; 4] = [
        // The connection closes within a chunk.
        (
            "a stream is lost",
            |request| {
                request.ends_with("/stderr").then(|| {
                    Reply::LastResponse(
                        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ncut".to_vec(),
                    )
                })
            },
            |error| {
                matches!(error.kind(), ErrorKind::Reply(_))
                    && error.operation() == Some("read stream")
            },
        ),
        (
            "a stream is refused",
            |request| {
                request
                    .ends_with("/stderr")
                    .then(|| json_reply("503 Service Unavailable", &json!({})))
            },
            |error| error.api().is_some_and(|refusal| refusal.status == 503),
        ),
        (
            "an input is refused",
            |request| {
                request.ends_with("/input").then(|| {
                    json_reply(
                        "405 Method Not Allowed",
                        &json!({ "error": "Input provided in other way" }),
                    )
                })
            },
            |error| error.to_string().contains("Input provided in other way"),
        ),
        (
            "an input is not answered",
            |request| request.ends_with("/input").then_some(Reply::Close),
            |error| {
                error.operation() == Some("send input")
                    && matches!(error.kind(), ErrorKind::Transport(_))
            },
        ),
    ];
    for (what, replies, is_expected) in rows {
        within(what, move || {
            let hub = stub_1x(move |request| {
                let open = request.ends_with("/output") || request.ends_with("/stdout");
                // The other streams stay open.
                replies(request)
                    .or_else(|| info_reply(request))
                    .or_else(|| open.then_some(Reply::Default))
            });
            let error = hub
                .sequence()
                .run(&StartOptions::new(), "some")
                .unwrap_err();
            assert!(is_expected(&error), "{what}: {error:?}");
            assert!(
                hub.running().is_empty() && hub.requests("_kill").len() == 1,
                "{what}"
            );
        });
    }
}

/// The input ends with the instance, so this is no error.
#[test]
fn run_ignores_an_input_that_the_end_of_the_instance_cut_off() {
    within("running", || {
        let hub = stub_1x(|request| request.ends_with("/input").then_some(Reply::Close));
        let run = hub.sequence().run(&StartOptions::new(), "some").unwrap();
        assert_eq!(
            (run.output.as_slice(), run.exit()),
            (&b"out"[..], Some(RunnerExit::Completed))
        );
    });
}

#[test]
fn run_that_is_cancelled_does_not_wait_for_an_unresponsive_hub() {
    within("running", || {
        let hub = Arc::new(stub_1x(|request| match request {
            "GET /instance/instance-0/output" => Some(Reply::Default),
            "POST /instance/instance-0/_kill" => Some(Reply::Silence),
            _ => None,
        }));
        let token = CancelToken::new();
        let running = hub.sequence().with_cancel(&token);
        let (sender, receiver) = channel();
        thread::spawn(move || {
            sender
                .send(running.run(&StartOptions::new(), "some").unwrap_err())
                .unwrap()
        });
        until("the instance runs", || !hub.requests("/input").is_empty());
        let begin = Instant::now();
        token.cancel();
        assert!(receiver.recv().unwrap().is_cancelled());
        assert!(
            begin.elapsed() < Duration::from_secs(4),
            "{:?}",
            begin.elapsed()
        );
        until("the instance is killed", || {
            hub.requests("_kill").len() == 1
        });
    });
}

/// The data of the stream arrives after the client has killed the process.
#[test]
fn run_reads_stdout_that_arrives_late_to_its_end() {
    within("running", || {
        let (kill, killed) = channel();
        let (kill, killed) = (Mutex::new(kill), Mutex::new(killed));
        let hub = StubHub::start("1.0.1", move |request| match request {
            "GET /instance/instance-0/output" => Reply::Response(response("200 OK", &[], b"out")),
            "GET /instance/instance-0/stdout" => {
                let killed = killed.lock().unwrap_or_else(PoisonError::into_inner);
                match killed.recv() {
                    Ok(()) => Reply::Response(response("200 OK", &[], b"late")),
                    Err(_) => Reply::Silence,
                }
            }
            "GET /instance/instance-0/stderr" => Reply::Response(response("200 OK", &[], b"")),
            "POST /instance/instance-0/input" => Reply::Response(response("200 OK", &[], b"")),
            "POST /instance/instance-0/_kill" => {
                let kill = kill.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = kill.send(());
                Reply::Default
            }
            _ => Reply::Default,
        });
        let begin = Instant::now();
        let run = hub.sequence().run(&StartOptions::new(), "some").unwrap();
        println!("{:?}", begin.elapsed());
        assert_eq!(run.exit(), Some(RunnerExit::Completed));
        assert_eq!(
            (&run.output[..], &run.stdout[..]),
            (&b"out"[..], &b"late"[..])
        );
        assert_eq!(hub.requests("_kill").len(), 1);
    });
}

/// The process has died, but the end of a stream arrives later than that of the output, because the
/// network is slow.
#[test]
fn run_on_a_slow_network_waits_longer_for_the_ends_of_streams() {
    within("running", || {
        let (respond, responded) = channel();
        let (respond, responded) = (Mutex::new(respond), Mutex::new(responded));
        let status_requests = AtomicUsize::new(0);
        let hub = StubHub::start("1.0.1", move |request| match request {
            "GET /instance/instance-0/stdout" => {
                let responded = responded.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = responded.recv();
                Reply::Response(response("200 OK", &[], b""))
            }
            "GET /instance/instance-0/output" | "GET /instance/instance-0/stderr" => {
                Reply::Response(response("200 OK", &[], b""))
            }
            "POST /instance/instance-0/input" => Reply::Response(response("200 OK", &[], b"")),
            "GET /instance/instance-0" => {
                // The first two are those of the watchdog and of the run.
                let count = status_requests.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(500));
                if count == 1 {
                    let respond = respond.lock().unwrap_or_else(PoisonError::into_inner);
                    let _ = respond.send(());
                }
                let info = if count < 2 {
                    json!({ "id": "instance-0", "status": "running" })
                } else {
                    let terminated = json!({ "exitcode": 213, "reason": "Runner failed" });
                    json!({ "id": "instance-0", "status": "errored", "terminated": terminated })
                };
                json_reply("200 OK", &info)
            }
            _ => Reply::Default,
        });
        let run = hub.sequence().run(&StartOptions::new(), "some").unwrap();
        assert!(
            run.exit().is_some_and(|exit| !exit.is_success()),
            "{:?}",
            run.ended
        );
        assert_eq!(hub.requests("_kill"), [""; 0]);
    });
}
