//! Running a sequence like a command: to its end, or as a child that is looked after.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::types::{LogLine, RunnerExit};
use scramjet_client_blocking::{
    CancelToken, Child, ContentType, Ended, Error, ErrorKind, HostClient, Input, Output,
    RunOptions, SequenceClient, StartOptions, Upload, Version,
};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::response;
use serde_json::json;

use crate::helpers::{Numbered, SameNumbered, within};
use crate::live::{Uploaded, listening, until_killable, was_refused};
use crate::stand_in::{Scene, StandIn, says, until_gone};
use crate::waiting::acts;

const FLOOD: u64 = 8 << 20;

fn text(reader: impl Read + Send + 'static) -> Input {
    Input::bytes(Upload::reader(reader)).content_type(ContentType::Text)
}

fn is_flood(bytes: &[u8]) {
    let mut same = SameNumbered::new(FLOOD);
    same.write_all(bytes).unwrap();
    assert_eq!(same.left(), 0);
}

fn tells(host: &HostClient) -> bool {
    host.dialect().unwrap().has(Version::new(0, 27, 0))
}

on_each_hub!(a_run_gives_what_the_sequence_made_of_all_the_input);
fn a_run_gives_what_the_sequence_made_of_all_the_input(host: HostClient) {
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
                    is_flood(stream);
                }
                ended(&run);
                until_gone(&sequence);
            });
            scope.spawn(|| {
                let sequence = Uploaded::sample(&host, "first-line");
                // Without an end, as is what nobody reads of it.
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

on_each_hub!(a_run_until_exit_lasts_until_the_process_has_ended_by_itself);
fn a_run_until_exit_lasts_until_the_process_has_ended_by_itself(host: HostClient) {
    within("running", move || {
        let sequence = Uploaded::sample(&host, "prints");
        // A silence that is shorter than the time for which the hub lets the process live.
        let sequence = sequence.with_idle_timeout(Duration::from_secs(4));
        let options = RunOptions::new().until_exit(true);
        let run = sequence
            .run_with(&StartOptions::new(), "", options)
            .unwrap();
        assert_eq!(run.output, b"output 1\noutput 2\noutput 3\n");
        let success = tells(&host).then_some(true);
        assert_eq!(run.ended.is_success(), success, "{:?}", run.ended);
        let ended = |id: &_| match host.instance_info(id) {
            Ok(info) => info.ended.is_some(),
            Err(error) => error.is_not_found(),
        };
        assert!(ended(&run.ended.id));
    });
}

on_each_hub!(a_run_does_not_wait_for_the_process_of_a_sequence_that_has_completed);
fn a_run_does_not_wait_for_the_process_of_a_sequence_that_has_completed(host: HostClient) {
    within("running", move || {
        let sequence = Uploaded::sample(&host, "shout");
        let begin = Instant::now();
        let run = sequence.run(&StartOptions::new(), "some").unwrap();
        println!("{}: {:?}", host.base_url(), begin.elapsed());
        assert_eq!(run.exit(), Some(RunnerExit::Completed));
        let killed = Instant::now();
        until_gone(&sequence);
        // By itself, it would have lived for ten seconds.
        assert!(killed.elapsed() < Duration::from_secs(8));
    });
}

on_each_hub!(a_run_that_ends_badly_is_told_as_such);
fn a_run_that_ends_badly_is_told_as_such(host: HostClient) {
    within("running", move || {
        let tells = tells(&host);
        let check = |sequence: &SequenceClient,
                     options: &StartOptions,
                     may_be_refused: bool,
                     expected: fn(RunnerExit) -> bool| {
            let run = match sequence.run(options, text(Numbered::new())) {
                Err(error) if tells && may_be_refused && was_refused(&error) => return,
                run => run.unwrap(),
            };
            assert_eq!(run.exit().is_some(), tells, "{:?}", run.ended);
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

/// A reader that fails, or panics, after so many bytes.
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

on_each_hub!(a_run_that_fails_kills_what_it_started);
/// One row for each way in which a run comes to nothing.
fn a_run_that_fails_kills_what_it_started(host: HostClient) {
    let uploaded = Uploaded::sample(&host, "acts");
    let sequence = host.sequence(uploaded.id()).unwrap();
    within("running", move || {
        let stays = acts(json!([{ "emit": "up" }]));
        // Before the answer to the start, about when it comes, and when all is open.
        for limit in [1, 60, 150, 300, 1200].map(Duration::from_millis) {
            let begin = Instant::now();
            let error = sequence
                .with_deadline(limit)
                .run(&stays, "some")
                .unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Deadline { limit: said, .. } if *said == limit),
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
            matches!(error.kind(), ErrorKind::Upload(error) if error.to_string() == "the disk is gone"),
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

on_each_hub!(a_run_that_cannot_begin_is_an_error_of_its_own);
fn a_run_that_cannot_begin_is_an_error_of_its_own(host: HostClient) {
    let error = host
        .sequence("00000000-0000-4000-8000-000000000000")
        .unwrap()
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

on_each_hub!(a_child_is_talked_to_as_it_goes);
fn a_child_is_talked_to_as_it_goes(host: HostClient) {
    let sequence = Uploaded::sample(&host, "echo");
    within("running", {
        let sequence = sequence.clone();
        move || {
            let mut child = sequence.spawn(&StartOptions::new()).unwrap();
            listening(child.instance());
            let mut input = child.input(ContentType::Text).unwrap();
            let mut answers = child.output.take().unwrap().lines();
            for line in ["one", "two", "drugi: żółw"] {
                writeln!(input, "{line}").unwrap();
                input.flush().unwrap();
                assert_eq!(answers.next().unwrap().unwrap(), line);
            }
            assert!(child.try_wait().unwrap().is_none());
            input.finish().unwrap();
            assert!(answers.next().is_none());
            // It is kept for some time, which it need not be.
            child.kill().unwrap();
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            assert_eq!(ended.id, *child.id());
            assert_eq!(
                child.try_wait().unwrap().map(|ended| ended.exit),
                Some(ended.exit)
            );
        }
    });
    until_gone(&sequence);
}

on_each_hub!(the_output_of_a_child_is_collected_as_far_as_it_was_not_taken_out);
fn the_output_of_a_child_is_collected_as_far_as_it_was_not_taken_out(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    within("running", {
        let sequence = sequence.clone();
        move || {
            let steps = json!([{ "on": "leave", "emit": "left" }, { "print": "some" }, { "wait": 300 }, { "exit": 0 }]);
            let mut child = sequence.spawn(&acts(steps)).unwrap();
            let mut output = child.output.take().unwrap();
            let collecting = thread::spawn(move || child.wait_with_output().unwrap());
            let mut taken = String::new();
            output.read_to_string(&mut taken).unwrap();
            assert_eq!(taken, "some");
            assert!(collecting.join().unwrap().output.is_empty());
        }
    });
    until_gone(&sequence);
}

on_each_hub!(a_child_does_not_outlive_its_owner_unless_it_is_kept);
/// One row for each way in which a child is let go of.
fn a_child_does_not_outlive_its_owner_unless_it_is_kept(host: HostClient) {
    let (echo, stays) = (
        Uploaded::sample(&host, "echo"),
        Uploaded::sample(&host, "stays"),
    );
    within("running", {
        let sequences = [&echo, &stays].map(|sequence| (**sequence).clone());
        move || {
            let lets_go: [fn(Child); 5] = [
                drop,
                |mut child| child.kill().unwrap(),
                |child| {
                    drop(catch_unwind(AssertUnwindSafe(move || {
                        panic!("with {child:?}")
                    })))
                },
                |mut child| {
                    let grace = Duration::from_millis(200);
                    let begin = Instant::now();
                    let ended: Ended = child.stop(grace).unwrap();
                    assert!(begin.elapsed() >= grace && ended.id == *child.id());
                    // What is gone already is as good as stopped.
                    assert_eq!(child.stop(Duration::ZERO).unwrap().id, ended.id);
                },
                |mut child| {
                    let instance = child.instance().clone();
                    until_killable(&instance);
                    instance
                        .kill(&scramjet_client_blocking::KillOptions::new())
                        .unwrap();
                    child.wait().unwrap();
                },
            ];
            for let_go in lets_go {
                for sequence in &sequences {
                    let child = sequence.spawn(&StartOptions::new()).unwrap();
                    assert_eq!(child.instance().id(), child.id());
                    let_go(child);
                    until_gone(sequence);
                }
            }
            let kept = sequences[0].spawn(&StartOptions::new()).unwrap().keep();
            listening(&kept);
            // Opened before, because the hub may not know yet that the child's streams are closed.
            let mut stream = kept.output().unwrap();
            kept.send_input("still there").unwrap();
            let mut output = String::new();
            stream.read_to_string(&mut output).unwrap();
            assert_eq!(output, "still there");
        }
    });
}

/// A hub of 1.x with a sequence that writes this, has taken its input, and tells how it has ended.
fn of_1x(scene: impl Fn(&str) -> Option<Scene> + Send + Sync + 'static) -> StandIn {
    StandIn::start("1.0.1", move |words| {
        let own = scene(words);
        own.unwrap_or_else(|| match words {
            "GET /instance/instance-0/output" => Scene::Answer(response("200 OK", &[], b"out")),
            "GET /instance/instance-0/stdout" => Scene::Answer(response("200 OK", &[], b"said")),
            "GET /instance/instance-0/stderr" => Scene::Answer(response("200 OK", &[], b"")),
            "POST /instance/instance-0/input" => Scene::Answer(response("200 OK", &[], b"")),
            "GET /instance/instance-0" => {
                let terminated = json!({ "exitcode": -1, "reason": "Instance completed" });
                says(
                    "200 OK",
                    &json!({ "id": "instance-0", "status": "completed", "terminated": terminated }),
                )
            }
            _ => Scene::Usual,
        })
    })
}

#[test]
fn a_run_on_1x_tells_how_it_has_ended_and_its_log_is_read_as_long_as_it_goes_on() {
    within("running", || {
        let hub = of_1x(|words| {
            // It never ends.
            let log: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"msg\":\"logged\"}\r\n";
            words.ends_with("/log").then(|| Scene::Answer(log.to_vec()))
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
        // It has ended by itself.
        assert!(hub.seen("_kill").is_empty() && hub.seen("/log").len() == 1);
    });
}

/// A runner of 0.18 hands out twice what comes before.
#[test]
fn a_run_on_0_18_sends_its_input_when_the_log_says_that_it_is_listened_to() {
    within("running", || {
        let hub = |says: &'static str| {
            StandIn::start("0.18.7", move |words| match words.rsplit('/').next() {
                Some("log") => {
                    // It goes on.
                    let line = format!("{{\"level\":\"INFO\",\"msg\":\"{says}\"}}\n");
                    let log = format!(
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{line}\r\n",
                        line.len()
                    );
                    Scene::Answer(log.into_bytes())
                }
                Some("input") => Scene::Answer(response("200 OK", &[], b"")),
                _ => Scene::Usual,
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
            assert_eq!(hub.seen("/input").len(), sent, "{says}");
        }
    });
}

/// A fault in one place ends the run, also where all the others are silent.
#[test]
fn a_run_whose_connections_fail_is_an_error_and_is_killed() {
    let lives = |words: &str| (words == "GET /instance/instance-0").then_some(Scene::Usual);
    type Row = (&'static str, Scenes, fn(&Error) -> bool);
    type Scenes = fn(&str) -> Option<Scene>;
    let rows: [Row; 4] = [
        // In the middle of a chunk.
        (
            "a stream is lost",
            |words| {
                words.ends_with("/stderr").then(|| {
                    Scene::Last(
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
            |words| {
                words
                    .ends_with("/stderr")
                    .then(|| says("503 Service Unavailable", &json!({})))
            },
            |error| error.api().is_some_and(|refusal| refusal.status == 503),
        ),
        (
            "an input is refused",
            |words| {
                words.ends_with("/input").then(|| {
                    says(
                        "405 Method Not Allowed",
                        &json!({ "error": "Input provided in other way" }),
                    )
                })
            },
            |error| error.to_string().contains("Input provided in other way"),
        ),
        (
            "an input is not answered",
            |words| words.ends_with("/input").then_some(Scene::Cut),
            |error| {
                error.operation() == Some("send input")
                    && matches!(error.kind(), ErrorKind::Transport(_))
            },
        ),
    ];
    for (what, scenes, is) in rows {
        within(what, move || {
            let hub = of_1x(move |words| {
                let open = words.ends_with("/output") || words.ends_with("/stdout");
                // The others stay open.
                scenes(words)
                    .or_else(|| lives(words))
                    .or_else(|| open.then_some(Scene::Usual))
            });
            let error = hub
                .sequence()
                .run(&StartOptions::new(), "some")
                .unwrap_err();
            assert!(is(&error), "{what}: {error:?}");
            assert!(
                hub.living().is_empty() && hub.seen("_kill").len() == 1,
                "{what}"
            );
        });
    }
}

/// The input of an instance that has ended has its end as well.
#[test]
fn an_input_that_is_cut_off_by_the_end_of_the_instance_is_no_error() {
    within("running", || {
        let hub = of_1x(|words| words.ends_with("/input").then_some(Scene::Cut));
        let run = hub.sequence().run(&StartOptions::new(), "some").unwrap();
        assert_eq!(
            (run.output.as_slice(), run.exit()),
            (&b"out"[..], Some(RunnerExit::Completed))
        );
    });
}

#[test]
fn a_run_that_is_cancelled_does_not_wait_for_a_hub_that_does_not_answer() {
    within("running", || {
        let hub = Arc::new(of_1x(|words| match words {
            "GET /instance/instance-0/output" => Some(Scene::Usual),
            "POST /instance/instance-0/_kill" => Some(Scene::Silence),
            _ => None,
        }));
        let token = CancelToken::new();
        let running = hub.sequence().with_cancel(&token);
        let (ends, ended) = channel();
        thread::spawn(move || {
            ends.send(running.run(&StartOptions::new(), "some").unwrap_err())
                .unwrap()
        });
        crate::stand_in::until("it runs", || !hub.seen("/input").is_empty());
        let begin = Instant::now();
        token.cancel();
        assert!(ended.recv().unwrap().is_cancelled());
        assert!(
            begin.elapsed() < Duration::from_secs(4),
            "{:?}",
            begin.elapsed()
        );
        crate::stand_in::until("it is killed", || hub.seen("_kill").len() == 1);
    });
}

/// One that has called `keepAlive`, or hangs, is left alone by a hub of 1.x.
#[test]
fn a_child_that_does_not_stop_in_time_is_killed() {
    within("running", || {
        let stopped = Arc::new(AtomicBool::new(false));
        let hub = StandIn::start("1.0.1", {
            let stopped = Arc::clone(&stopped);
            move |words| match words {
                "POST /instance/instance-0/_stop" if !stopped.swap(true, Ordering::SeqCst) => {
                    says("202 Accepted", &json!({}))
                }
                _ => Scene::Usual,
            }
        });
        let mut child = hub.sequence().spawn(&StartOptions::new()).unwrap();
        child.stop(Duration::ZERO).unwrap();
        assert!(hub.living().is_empty());
        assert_eq!((hub.seen("_stop").len(), hub.seen("_kill").len()), (1, 1));

        // A refusal is told, and it is killed with its owner.
        let hub = StandIn::start("1.0.1", |words| match words {
            "POST /instance/instance-0/_stop" => says("403 Forbidden", &json!({})),
            _ => Scene::Usual,
        });
        let mut child = hub.sequence().spawn(&StartOptions::new()).unwrap();
        assert_eq!(
            child
                .stop(Duration::ZERO)
                .unwrap_err()
                .api()
                .unwrap()
                .status,
            403
        );
        assert_eq!(hub.living().len(), 1);
        drop(child);
        assert!(hub.living().is_empty());
    });
}
