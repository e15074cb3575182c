//! Waits that cannot end well: on a hub that has forgotten the instance, or for an event that never
//! comes.

use std::thread;
use std::time::Duration;

use scramjet_client_blocking::{CancelToken, HostClient, Readiness, SequenceClient, StartOptions};
use scramjet_client_testing::fake_hub::{FakeHub, Generation};

use crate::helpers::within;

const GENERATIONS: [Generation; 2] = [Generation::V0_18, Generation::V1];

/// A hub with a sequence that stays and says nothing.
fn silent(generation: Generation) -> (FakeHub, SequenceClient) {
    let hub = FakeHub::new(generation);
    hub.program("silent", |process| process.stay());
    let host = HostClient::new(hub.url()).unwrap();
    let sequence = host.send_sequence(hub.package("silent")).unwrap();
    (hub, sequence)
}

fn has_asked_for_the_event(hub: &FakeHub) -> bool {
    let requests = hub.requests();
    requests.iter().any(|line| line.ends_with("/event/never"))
}

#[test]
fn wait_event_ends_soon_when_the_hub_has_forgotten_the_instance() {
    within("a wait over a restart of the hub", || {
        for generation in GENERATIONS {
            let (hub, sequence) = silent(generation);
            let instance = sequence.start(&StartOptions::new()).unwrap();
            let waiting = thread::spawn(move || instance.wait_event("never"));
            hub.wait_until("the event is asked for", has_asked_for_the_event);
            let before = hub.requests().len();
            hub.restart(true);
            let error = waiting.join().unwrap().unwrap_err();
            assert!(error.ended().is_some(), "{generation:?}: {error:?}");
            // It does not ask for what cannot come any more.
            let after = hub.requests().len() - before;
            assert!(after < 60, "{generation:?}: {after} requests");
        }
    });
}

#[test]
fn start_and_wait_that_times_out_says_which_event_did_not_come() {
    within("starts that do not get ready", || {
        for generation in GENERATIONS {
            let (_hub, sequence) = silent(generation);
            let readiness = Readiness::event("never").timeout(Duration::from_millis(500));
            let result = sequence.start_and_wait(&StartOptions::new(), &readiness);
            let error = result.map(drop).unwrap_err();
            assert!(error.is_timeout(), "{generation:?}: {error:?}");
            let text = error.to_string();
            assert!(text.contains("/never): timed out after 500ms"), "{text}");
        }
    });
}

#[test]
fn start_and_wait_that_is_cancelled_says_which_event_did_not_come() {
    within("a start that is cancelled", || {
        for generation in GENERATIONS {
            let (hub, sequence) = silent(generation);
            let token = CancelToken::new();
            let sequence = sequence.with_cancel(&token);
            let starting = thread::spawn(move || {
                sequence.start_and_wait(&StartOptions::new(), &Readiness::event("never"))
            });
            hub.wait_until("the event is asked for", has_asked_for_the_event);
            token.cancel();
            let error = starting.join().unwrap().map(drop).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("/never): cancelled"), "{text}");
        }
    });
}

#[test]
fn tcp_keep_alive_takes_any_time() {
    let hub = FakeHub::new(Generation::V1);
    for silence in [Duration::ZERO, Duration::from_secs(40_000), Duration::MAX] {
        let host = HostClient::builder(hub.url()).tcp_keep_alive(silence);
        let version = host.build().and_then(|host| host.version());
        assert!(version.is_ok(), "{silence:?}: {version:?}");
    }
}
