//! Cancellation, in addition to the rows of `faults`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{CancelToken, Error, HostClient, InstanceClient, Upload};
use scramjet_client_tests::scripted::{Connection, response};

use crate::helpers::{Mailbox, recording, within};
use crate::setup::{EndlessData, LIMIT, Limit, Scheme, host, next_event};
use crate::timing::{assert_not_late, assert_precise};

#[test]
fn cancelled_token_prevents_connections() {
    let (server, requests) = recording(b"[]");
    let token = CancelToken::new();
    let host = host(&server);
    let ended = host.with_cancel(&token);
    token.clone().cancel();
    let instance = ended.instance("x").unwrap();
    let (fed, reads) = EndlessData::new();
    let calls: [Error; 5] = [
        ended.list_sequences().unwrap_err(),
        ended
            .send_sequence(Upload::reader(fed))
            .map(drop)
            .unwrap_err(),
        next_event(&instance, "e").unwrap_err(),
        instance.event_stream("e").map(drop).unwrap_err(),
        instance.output().map(drop).unwrap_err(),
    ];
    for error in calls {
        Limit::Cancel.check(&error, Phase::Connect, LIMIT);
    }
    assert!(!reads.continue_within(Duration::ZERO), "the data was read");
    assert!(requests.is_empty());
    assert_eq!(server.connections(), 0);
    // Nor does it use an idle connection.
    host.list_sequences().unwrap();
    requests.take();
    assert!(ended.list_sequences().unwrap_err().is_cancelled());
    assert!(requests.is_empty());
}

#[test]
fn cancel_ends_many_calls_on_many_threads() {
    const CALLS: usize = 50;
    for scheme in Scheme::BOTH {
        within("many calls", move || {
            let arrived = Mailbox::new();
            let server = scheme.serve({
                let arrived = Arc::clone(&arrived);
                move |connection| {
                    while connection.read_request().is_ok() {
                        arrived.put(());
                    }
                }
            });
            let token = CancelToken::new();
            let instance = host(&server).with_cancel(&token).instance("x").unwrap();
            let wait = |instance: InstanceClient| {
                let error = next_event(&instance, "e").unwrap_err();
                (error, Instant::now())
            };
            let calls: Vec<_> = (0..CALLS)
                .map(|_| {
                    let instance = instance.clone();
                    thread::spawn(move || wait(instance))
                })
                .collect();
            for _ in 0..CALLS {
                arrived.take();
            }
            let begin = Instant::now();
            token.cancel();
            let mut late = Vec::new();
            for call in calls {
                let (error, end) = call.join().unwrap();
                Limit::Cancel.check(&error, Phase::Wait, LIMIT);
                let took = end.saturating_duration_since(begin);
                assert_not_late("a call", took, Duration::ZERO);
                late.push(took);
            }
            assert_precise("the cancellation", late.iter().copied());
            println!(
                "{CALLS} calls over {} were cancelled: the last one after {:.1} ms",
                scheme.name(),
                late.iter().max().unwrap().as_secs_f64() * 1e3
            );
        });
    }
}

/// A call that is cancelled before, during or after its response succeeds or fails as cancelled.
/// Other calls are not affected.
#[test]
fn cancel_that_races_with_the_response_affects_no_other_call() {
    const ROUNDS: usize = 300;
    for scheme in Scheme::BOTH {
        within("a race", move || {
            let arrived = Mailbox::new();
            let server = scheme.serve({
                let arrived = Arc::clone(&arrived);
                move |connection: &mut Connection| {
                    while let Ok(request) = connection.read_request() {
                        if request.header("x-race").is_some() {
                            arrived.put(());
                        }
                        if connection
                            .send(response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                            .is_err()
                        {
                            return;
                        }
                    }
                }
            });
            let builder = || HostClient::builder(server.url());
            // Two clients share a connection pool. The server recognizes one of them by a header.
            let transport = Arc::new(transport(server.certificate()));
            let other = builder().transport(transport.clone()).build().unwrap();
            let raced = builder()
                .transport(transport)
                .header("x-race", "1")
                .build()
                .unwrap();
            let cancelled = Arc::new(AtomicUsize::new(0));
            for round in 0..ROUNDS {
                let token = CancelToken::new();
                let canceller = thread::spawn({
                    let (token, arrived) = (token.clone(), Arc::clone(&arrived));
                    move || {
                        // Cancels while the request is sent, or when it has arrived.
                        if round % 4 > 0 {
                            arrived.take();
                            (0..round * 10).for_each(|_| std::hint::spin_loop());
                        }
                        token.cancel();
                    }
                });
                match raced.with_cancel(&token).version() {
                    Ok(version) => assert_eq!(version.version, "1.0.1"),
                    Err(error) => {
                        assert!(error.is_cancelled(), "{error:?}");
                        cancelled.fetch_add(1, Ordering::Relaxed);
                    }
                }
                // The connection may be in the pool again before `cancel` returns, which must not
                // close it then.
                for _ in 0..2 {
                    other.version().unwrap();
                }
                canceller.join().unwrap();
                other.version().unwrap();
                while !arrived.is_empty() {}
            }
            println!(
                "{} of {ROUNDS} calls over {} lost the race",
                cancelled.load(Ordering::Relaxed),
                scheme.name()
            );
        });
    }
}

fn transport(pem: Option<&str>) -> scramjet_client_blocking::transport::UreqTransport {
    let mut config = scramjet_client_blocking::transport::UreqConfig::default();
    config.ca_certificates = pem.map(|pem| pem.as_bytes().to_vec());
    scramjet_client_blocking::transport::UreqTransport::new(&config).unwrap()
}

/// Any call of a handle may be cancelled. Cancelling a child token does not cancel its parent.
#[test]
fn child_token_is_cancelled_alone_and_with_its_parent() {
    let arrived = Mailbox::new();
    let server = Scheme::Http.serve({
        let arrived = Arc::clone(&arrived);
        move |connection| {
            while connection.read_request().is_ok() {
                arrived.put(());
            }
        }
    });
    within("children", move || {
        let parent = CancelToken::new();
        let children = [parent.child(), parent.child()];
        let calls = children.each_ref().map(|child| {
            let instance = host(&server).with_cancel(child).instance("x").unwrap();
            let call = thread::spawn(move || next_event(&instance, "e").unwrap_err());
            arrived.take();
            call
        });
        let [first, second] = calls;
        children[0].cancel();
        assert!(first.join().unwrap().is_cancelled() && !second.is_finished());
        parent.cancel();
        assert!(second.join().unwrap().is_cancelled());
    });
}
