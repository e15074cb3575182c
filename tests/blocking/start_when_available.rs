//! `start_when_available`.

use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{CancelToken, Error, HostClient, StartOptions};
use scramjet_client_tests::hub::{Hub, shared};

use crate::helpers::within;
use crate::samples::Uploaded;
use crate::scripted_hub::{ScriptedHub, Start};

fn overloaded(headers: &'static [(&'static str, &'static str)]) -> Start {
    Start::Refused(
        "419 Insufficient Space on Resource",
        headers,
        r#"{"error":"Insufficient Space on Resource"}"#,
    )
}

#[test]
fn start_when_available_waits_for_retry_after() {
    within("starting", || {
        let hub = ScriptedHub::start(
            "1.0.1",
            vec![
                overloaded(&[("Retry-After", "2")]),
                overloaded(&[]),
                Start::Running(Vec::new()),
            ],
        );
        let begin = Instant::now();
        let instance = hub
            .sequence()
            .start_when_available(&StartOptions::new())
            .unwrap();
        // Without `Retry-After`, the client waits for one second.
        assert!(
            (3..8).contains(&begin.elapsed().as_secs()),
            "{:?}",
            begin.elapsed()
        );
        assert_eq!(hub.running(), [instance.id().to_string()]);
        assert_eq!(hub.lifecycle().len(), 3);

        // Other refusals are final.
        let refused = Start::Refused("503 Service Unavailable", &[], "");
        let hub = ScriptedHub::start("1.0.1", vec![overloaded(&[("Retry-After", "0")]), refused]);
        let error = hub
            .sequence()
            .start_when_available(&StartOptions::new())
            .unwrap_err();
        assert_eq!(error.api().unwrap().status, 503);
    });
}

/// The hub always sends `Retry-After: 0`.
#[test]
fn start_when_available_pauses_even_if_retry_after_is_zero() {
    within("starting", || {
        let overloaded = (0..1000).map(|_| overloaded(&[("Retry-After", "0")]));
        let hub = ScriptedHub::start("1.0.1", overloaded.collect());
        let error = hub
            .sequence()
            .with_deadline(Duration::from_secs(1))
            .start_when_available(&StartOptions::new())
            .unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert!(
            (2..=12).contains(&hub.lifecycle().len()),
            "{}",
            hub.lifecycle().len()
        );
    });
}

#[test]
fn start_when_available_ends_at_the_deadline_and_on_cancel() {
    if !shared().is_some_and(|hub| hub.is_local()) {
        return;
    }
    let hub = Hub::start_overloaded().unwrap();
    let host = HostClient::new(hub.url()).unwrap();
    let sequence = Uploaded::sample(&host, "acts");
    within("starting", {
        let sequence = host.sequence(sequence.id()).unwrap();
        move || {
            let (limit, begin) = (Duration::from_millis(1500), Instant::now());
            let error = sequence
                .with_deadline(limit)
                .start_when_available(&StartOptions::new())
                .unwrap_err();
            assert!(error.is_timeout() && begin.elapsed() >= limit, "{error:?}");
            // The attempts include the refusal that the client waited for.
            assert!(
                error.attempts().first().is_some_and(Error::is_overloaded),
                "{error:?}"
            );

            let token = CancelToken::new();
            let waiting = sequence.with_cancel(&token);
            let waiter = thread::spawn(move || {
                waiting
                    .start_when_available(&StartOptions::new())
                    .unwrap_err()
            });
            token.cancel();
            assert!(waiter.join().unwrap().is_cancelled());
        }
    });
    drop(sequence);
    hub.stop().unwrap();
}
