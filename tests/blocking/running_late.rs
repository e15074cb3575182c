//! Bytes that arrive later than the end of a run.

use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use scramjet_client_blocking::StartOptions;
use scramjet_client_blocking::types::RunnerExit;
use scramjet_client_tests::scripted::response;

use crate::helpers::within;
use crate::stand_in::{Scene, StandIn};

/// A stream that comes over a slow line, after the process was killed.
#[test]
fn run_reads_stdout_that_is_late_to_its_end() {
    within("running", || {
        let (kill, killed) = channel();
        let (kill, killed) = (Mutex::new(kill), Mutex::new(killed));
        let hub = StandIn::start("1.0.1", move |words| match words {
            "GET /instance/instance-0/output" => Scene::Answer(response("200 OK", &[], b"out")),
            "GET /instance/instance-0/stdout" => {
                let killed = killed.lock().unwrap_or_else(PoisonError::into_inner);
                match killed.recv() {
                    Ok(()) => Scene::Answer(response("200 OK", &[], b"late")),
                    Err(_) => Scene::Silence,
                }
            }
            "GET /instance/instance-0/stderr" => Scene::Answer(response("200 OK", &[], b"")),
            "POST /instance/instance-0/input" => Scene::Answer(response("200 OK", &[], b"")),
            "POST /instance/instance-0/_kill" => {
                let kill = kill.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = kill.send(());
                Scene::Usual
            }
            _ => Scene::Usual,
        });
        let begin = Instant::now();
        let run = hub.sequence().run(&StartOptions::new(), "some").unwrap();
        println!("{:?}", begin.elapsed());
        assert_eq!(run.exit(), Some(RunnerExit::Completed));
        assert_eq!(
            (&run.output[..], &run.stdout[..]),
            (&b"out"[..], &b"late"[..])
        );
        assert_eq!(hub.seen("_kill").len(), 1);
    });
}
