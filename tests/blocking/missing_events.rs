//! Waits for an event that never comes.

use std::thread;
use std::time::Duration;

use scramjet_client_blocking::{CancelToken, HostClient, Readiness, SequenceClient, StartOptions};
use scramjet_client_testing::fake_hub::{FakeHub, Generation};

use crate::helpers::{GENERATIONS, in_parallel, within};

/// Starts a hub with a sequence that runs and emits no events.
fn silent(generation: Generation) -> (FakeHub, SequenceClient) {
    let hub = FakeHub::new(generation);
    hub.program("silent", |process| process.run_until_killed());
    let host = HostClient::new(hub.url()).unwrap();
    let sequence = host.send_sequence(hub.package("silent")).unwrap();
    (hub, sequence)
}

fn has_requested_the_event(hub: &FakeHub) -> bool {
    let requests = hub.requests();
    requests.iter().any(|line| line.ends_with("/event/never"))
}

#[test]
fn wait_event_ends_soon_when_the_hub_has_forgotten_the_instance() {
    within("a wait during a restart of the hub", || {
        in_parallel(GENERATIONS, |generation| {
            let (hub, sequence) = silent(generation);
            let instance = sequence.start(&StartOptions::new()).unwrap();
            let waiting = thread::spawn(move || instance.wait_event("never"));
            hub.wait_until("the client requests the event", has_requested_the_event);
            let before = hub.requests().len();
            hub.restart(true);
            let error = waiting.join().unwrap().unwrap_err();
            assert!(error.ended().is_some(), "{generation:?}: {error:?}");
            // The client stops polling when the instance is gone.
            let after = hub.requests().len() - before;
            assert!(after < 60, "{generation:?}: {after} requests");
        });
    });
}

#[test]
fn start_and_wait_names_the_missing_event_on_timeout() {
    within("starts that do not become ready", || {
        in_parallel(GENERATIONS, |generation| {
            let (_hub, sequence) = silent(generation);
            let readiness = Readiness::event("never").timeout(Duration::from_millis(500));
            let result = sequence.start_and_wait(&StartOptions::new(), &readiness);
            let error = result.map(drop).unwrap_err();
            assert!(error.is_timeout(), "{generation:?}: {error:?}");
            let text = error.to_string();
            assert!(text.contains("/never): timed out after 500ms"), "{text}");
        });
    });
}

#[test]
fn start_and_wait_names_the_missing_event_on_cancel() {
    within("a start that is cancelled", || {
        in_parallel(GENERATIONS, |generation| {
            let (hub, sequence) = silent(generation);
            let token = CancelToken::new();
            let sequence = sequence.with_cancel(&token);
            let starting = thread::spawn(move || {
                sequence.start_and_wait(&StartOptions::new(), &Readiness::event("never"))
            });
            hub.wait_until("the client requests the event", has_requested_the_event);
            token.cancel();
            let error = starting.join().unwrap().map(drop).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("/never): cancelled"), "{text}");
        });
    });
}
