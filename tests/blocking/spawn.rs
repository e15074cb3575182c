//! `spawn`, and `Child`.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{Child, ContentType, Ended, HostClient, StartOptions};
use scramjet_client_tests::on_each_hub;
use serde_json::json;

use crate::helpers::{in_parallel, within};
use crate::samples::{Uploaded, listening, until_killable};
use crate::stub_hub::{Reply, StubHub, json_reply, until_gone};
use crate::wait_event::acts;

on_each_hub!(spawn_returns_a_child_that_exchanges_lines_and_can_be_killed);
fn spawn_returns_a_child_that_exchanges_lines_and_can_be_killed(host: HostClient) {
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
            // The hub would keep the process for some time after the end of its output.
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

on_each_hub!(wait_with_output_collects_only_streams_that_were_not_taken);
fn wait_with_output_collects_only_streams_that_were_not_taken(host: HostClient) {
    let sequence = Uploaded::sample(&host, "acts");
    within("running", {
        let sequence = sequence.clone();
        move || {
            let steps = json!([
                { "on": "leave", "emit": "left" }, { "print": "some" },
                { "wait": 300 }, { "exit": 0 },
            ]);
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

/// Releases a child that ends with its input, and one that ignores that it is stopped.
fn released(host: &HostClient, release: impl Fn(Child) + Sync) {
    in_parallel(["echo", "stays"], |name| {
        let sequence = Uploaded::sample(host, name);
        let child = sequence.spawn(&StartOptions::new()).unwrap();
        assert_eq!(child.instance().id(), child.id());
        release(child);
        until_gone(&sequence);
    });
}

on_each_hub!(child_is_ended_on_drop);
fn child_is_ended_on_drop(host: HostClient) {
    within("a child", move || released(&host, drop));
}

on_each_hub!(child_kill_ends_it);
fn child_kill_ends_it(host: HostClient) {
    within("a child", move || {
        released(&host, |mut child| child.kill().unwrap())
    });
}

on_each_hub!(child_is_ended_by_a_panic);
fn child_is_ended_by_a_panic(host: HostClient) {
    within("a child", move || {
        released(&host, |child| {
            drop(catch_unwind(AssertUnwindSafe(move || {
                panic!("with {child:?}")
            })))
        })
    });
}

on_each_hub!(child_stop_ends_it_after_its_timeout);
fn child_stop_ends_it_after_its_timeout(host: HostClient) {
    within("a child", move || {
        released(&host, |mut child| {
            let grace = Duration::from_millis(200);
            let begin = Instant::now();
            let ended: Ended = child.stop(grace).unwrap();
            assert!(begin.elapsed() >= grace && ended.id == *child.id());
            // Stopping an instance that is gone succeeds.
            assert_eq!(child.stop(Duration::ZERO).unwrap().id, ended.id);
        })
    });
}

on_each_hub!(child_wait_returns_after_its_instance_was_killed);
fn child_wait_returns_after_its_instance_was_killed(host: HostClient) {
    within("a child", move || {
        released(&host, |mut child| {
            let instance = child.instance().clone();
            until_killable(&instance);
            instance
                .kill(&scramjet_client_blocking::KillOptions::new())
                .unwrap();
            child.wait().unwrap();
        })
    });
}

on_each_hub!(child_keep_leaves_the_instance_running);
fn child_keep_leaves_the_instance_running(host: HostClient) {
    let sequence = Uploaded::sample(&host, "echo");
    within("a child", {
        let sequence = sequence.clone();
        move || {
            let kept = sequence.spawn(&StartOptions::new()).unwrap().keep();
            listening(&kept);
            // Opened before the input is sent, because the hub may not know yet that the child's
            // streams are closed.
            let mut stream = kept.output().unwrap();
            kept.send_input("still there").unwrap();
            let mut output = String::new();
            stream.read_to_string(&mut output).unwrap();
            assert_eq!(output, "still there");
        }
    });
}

/// Hubs of 1.x do not end an instance that hangs or has called `keepAlive`.
#[test]
fn child_streams_are_empty_if_the_hub_responds_after_the_end_of_the_instance() {
    // The streams of a child are opened without a response after half a second.
    let (spawned, is_spawned) = channel::<()>();
    let is_spawned = Mutex::new(is_spawned);
    let hub = StubHub::start("0.18.7", move |request| {
        if request.ends_with("/output") {
            // Ends when `spawned` is dropped.
            let _ = is_spawned.lock().unwrap().recv();
        }
        match request.split('/').next_back() {
            Some("output" | "stdout" | "stderr") => {
                json_reply("404 Not Found", &json!({ "error": "not found" }))
            }
            _ => Reply::Default,
        }
    });
    within("spawning", move || {
        let mut child = hub.sequence().spawn(&StartOptions::new()).unwrap();
        assert!(child.stdout.is_none() && child.stderr.is_none());
        let mut output = child.output.take().unwrap();
        drop(spawned);
        let mut text = String::new();
        assert_eq!(output.read_to_string(&mut text).unwrap(), 0);
        assert_eq!(output.read_to_string(&mut text).unwrap(), 0);
        hub.end(child.id().as_str());
        assert_eq!(child.wait().unwrap().exit, None);
    });
}

#[test]
fn child_stop_kills_an_instance_that_does_not_stop_in_time() {
    within("running", || {
        let stopped = Arc::new(AtomicBool::new(false));
        let hub = StubHub::start("1.0.1", {
            let stopped = Arc::clone(&stopped);
            move |request| match request {
                "POST /instance/instance-0/_stop" if !stopped.swap(true, Ordering::SeqCst) => {
                    json_reply("202 Accepted", &json!({}))
                }
                _ => Reply::Default,
            }
        });
        let mut child = hub.sequence().spawn(&StartOptions::new()).unwrap();
        child.stop(Duration::ZERO).unwrap();
        assert!(hub.running().is_empty());
        assert_eq!(
            (hub.requests("_stop").len(), hub.requests("_kill").len()),
            (1, 1)
        );

        // `stop` returns the refusal, and the drop kills the instance.
        let hub = StubHub::start("1.0.1", |request| match request {
            "POST /instance/instance-0/_stop" => json_reply("403 Forbidden", &json!({})),
            _ => Reply::Default,
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
        assert_eq!(hub.running().len(), 1);
        drop(child);
        assert!(hub.running().is_empty());
    });
}
