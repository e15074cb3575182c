//! Instance pools.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::patterns::Placement;
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, Event, HostClient, InstanceClient, InstanceId, InstancePool,
    KillOptions, PoolOptions, Readiness, SequenceClient, StartOptions,
};
use scramjet_client_tests::hub::{Hub, shared};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::refused_url;
use serde_json::json;

use crate::helpers::{until, within};
use crate::samples::{Uploaded, failed_at_once, until_killable};
use crate::stub_hub::{Reply, StubHub, json_reply, until_gone};

/// Starts a pool of `args`. Each instance has its index as its argument.
fn args_pool(sequence: &SequenceClient, options: PoolOptions) -> InstancePool {
    let options = options.readiness(Readiness::event("started"));
    options
        .start([sequence.clone()], |place| StartOptions::new().arg(place))
        .unwrap()
}

/// Returns the index that an instance of `args` was started with.
fn place(instance: InstanceClient) -> u64 {
    let started = instance.last_event("started").unwrap();
    let seen: serde_json::Value = serde_json::from_str(started.data.as_str().unwrap()).unwrap();
    seen["args"][0].as_u64().unwrap()
}

fn ids(pool: &InstancePool) -> Vec<InstanceId> {
    pool.instances()
        .map(|instance| instance.id().clone())
        .collect()
}

fn until_replaced(pool: &InstancePool, count: usize, id: &InstanceId) {
    until("the pool replaces the instance", || {
        let ids = ids(pool);
        ids.len() == count && !ids.contains(id)
    });
}

fn instances_of(sequence: &SequenceClient) -> usize {
    sequence.list_instances().unwrap().len()
}

on_each_hub!(pool_start_starts_instances_one_by_one_with_their_own_options);
fn pool_start_starts_instances_one_by_one_with_their_own_options(host: HostClient) {
    let sequence = Uploaded::sample(&host, "args");
    let pool = PoolOptions::new(4)
        .readiness(Readiness::event("started"))
        .start([sequence.clone()], {
            let sequence = sequence.clone();
            move |place| {
                assert_eq!(instances_of(&sequence), place);
                StartOptions::new().arg(place)
            }
        })
        .unwrap();
    assert_eq!(
        pool.instances().map(place).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );

    // `shutdown` returns one result for each instance.
    let started = ids(&pool);
    let ended = pool.shutdown(Duration::from_millis(200));
    for (id, result) in &ended {
        assert_eq!(result.as_ref().unwrap().id, *id);
    }
    assert_eq!(
        ended.into_iter().map(|(id, _)| id).collect::<Vec<_>>(),
        started
    );
    until_gone(&sequence);
}

on_each_hub!(pool_next_is_round_robin_across_threads);
fn pool_next_is_round_robin_across_threads(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let pool = PoolOptions::new(3)
        .start([sequence.clone()], |_| StartOptions::new())
        .unwrap();
    let ids = ids(&pool);
    for turn in 0..9 {
        assert_eq!(pool.next().unwrap().id(), &ids[turn % 3]);
    }

    let returned: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| [(); 300].map(|()| pool.next().unwrap().id().clone())))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut shares = BTreeMap::new();
    returned
        .into_iter()
        .for_each(|id| *shares.entry(id).or_insert(0) += 1);
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [6400; 3]);

    drop(pool);
    until_gone(&sequence);
}

on_each_hub!(pool_next_skips_ended_instances_and_replace_starts_new_ones);
fn pool_next_skips_ended_instances_and_replace_starts_new_ones(host: HostClient) {
    let kill_second = |pool: &InstancePool| {
        let killed = pool.instances().nth(1).unwrap().clone();
        until_killable(&killed);
        killed.kill(&KillOptions::new()).unwrap();
        killed.id().clone()
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let sequence = Uploaded::sample(&host, "args");
            let pool = args_pool(&sequence, PoolOptions::new(3));
            let killed = kill_second(&pool);
            until("the pool skips the instance", || {
                !ids(&pool).contains(&killed)
            });
            let left = ids(&pool);
            assert_eq!(left.len(), 2);
            for _ in 0..6 {
                assert!(left.contains(pool.next().unwrap().id()));
            }
            // The pool did not start a new one.
            assert_eq!(pool.shutdown(Duration::ZERO).len(), 2);
            until_gone(&sequence);
        });
        scope.spawn(|| {
            let sequence = Uploaded::sample(&host, "args");
            let pool = args_pool(&sequence, PoolOptions::new(3).replace(true));
            let first = pool.instances().next().unwrap();
            for _ in 0..2 {
                let killed = kill_second(&pool);
                until_replaced(&pool, 3, &killed);
                assert_eq!(pool.instances().map(place).collect::<Vec<_>>(), [0, 1, 2]);
            }
            assert_eq!(pool.instances().next().unwrap().id(), first.id());
            drop(pool);
            until_gone(&sequence);
        });
    });
}

on_each_hub!(pool_evict_leaves_no_instance_behind);
fn pool_evict_leaves_no_instance_behind(host: HostClient) {
    let sequence = Uploaded::sample(&host, "args");
    let evict_first = |options: PoolOptions| {
        let pool = args_pool(&sequence, options);
        let id = pool.next().unwrap().id().clone();
        pool.evict(&id);
        assert!(!ids(&pool).contains(&id));
        for _ in 0..4 {
            assert!(pool.next().is_none_or(|instance| *instance.id() != id));
        }
        // The hub still runs the evicted instance.
        let instance = host.instance(&id).unwrap();
        (pool, instance)
    };

    let (pool, instance) = evict_first(PoolOptions::new(2));
    instance.info().unwrap();
    drop(pool);
    until_gone(&sequence);

    let (pool, instance) = evict_first(PoolOptions::new(1));
    assert!(pool.next().is_none());
    let ended = pool.shutdown(Duration::ZERO);
    assert_eq!(
        ended.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        [instance.id()]
    );
    until_gone(&sequence);

    let (pool, instance) = evict_first(PoolOptions::new(2).replace(true));
    until("the pool replaces the instance", || ids(&pool).len() == 2);
    until("the instance is killed", || instance.info().is_err());
    drop(pool);
    until_gone(&sequence);
}

/// Starts a pool whose third instance fails. Returns the error and the number of started instances,
/// and checks that none is left.
fn start_failing_at_third(
    host: &HostClient,
    options: PoolOptions,
    third: &'static str,
) -> (Error, usize) {
    let sequence = Uploaded::sample(host, "starts-by-arg");
    let started = Arc::new(AtomicUsize::new(0));
    let error = options
        .start([sequence.clone()], {
            let started = Arc::clone(&started);
            move |place| {
                started.fetch_add(1, Ordering::SeqCst);
                StartOptions::new().arg(if place == 2 { third } else { "ready" })
            }
        })
        .unwrap_err();
    until_gone(&sequence);
    (error, started.load(Ordering::SeqCst))
}

on_each_hub!(pool_start_that_fails_half_way_leaves_no_instance);
fn pool_start_that_fails_half_way_leaves_no_instance(host: HostClient) {
    let readiness = Readiness::event("ready").fails_on("error");
    thread::scope(|scope| {
        for concurrency in [1, 3] {
            let (host, readiness) = (&host, &readiness);
            let options = move |count| {
                PoolOptions::new(count)
                    .concurrency(concurrency)
                    .readiness(readiness.clone())
            };
            // With a concurrency of 1, nothing starts after the failure. Otherwise, pending starts
            // complete.
            let assert_started = move |started| {
                assert!(
                    if concurrency == 1 {
                        started == 3
                    } else {
                        started >= 3
                    },
                    "{started} starts with concurrency {concurrency}"
                )
            };
            scope.spawn(move || {
                let (error, started) = start_failing_at_third(host, options(5), "throws");
                assert!(failed_at_once(&error), "{error:?}");
                assert_started(started);
                let (error, started) = start_failing_at_third(host, options(5), "error");
                let is_failure = |event: &Event| event.data == json!("failed as requested");
                assert!(
                    matches!(error.kind(), ErrorKind::Failed(event) if is_failure(event)),
                    "{error:?}"
                );
                assert_started(started);
            });
            scope.spawn(move || {
                let options =
                    options(3).readiness(readiness.clone().timeout(Duration::from_secs(3)));
                let (error, started) = start_failing_at_third(host, options, "silent");
                assert!(error.is_timeout(), "{error:?}");
                assert_started(started);
            });
        }
    });
}

on_each_hub!(pool_start_that_times_out_or_is_cancelled_leaves_no_instance);
fn pool_start_that_times_out_or_is_cancelled_leaves_no_instance(host: HostClient) {
    for concurrency in [1, 2] {
        let sequence = Uploaded::sample(&host, "starts-by-arg");
        let options = || {
            PoolOptions::new(4)
                .concurrency(concurrency)
                .readiness(Readiness::event("ready"))
        };
        let silent = |place| StartOptions::new().arg(if place == 0 { "ready" } else { "silent" });

        let begin = Instant::now();
        let error = options()
            .start(
                [sequence.with_deadline(Duration::from_millis(1500))],
                silent,
            )
            .unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        // Without the deadline, it would wait for as long as the instance runs.
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{:?}",
            begin.elapsed()
        );
        until_gone(&sequence);

        let token = CancelToken::new();
        let error = options()
            .start([sequence.with_cancel(&token)], {
                let token = token.clone();
                move |place| {
                    if place == 2 {
                        token.cancel();
                    }
                    StartOptions::new()
                }
            })
            .unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
        until_gone(&sequence);
    }
}

on_each_hub!(pool_start_leaves_no_instance_if_its_options_function_panics);
fn pool_start_leaves_no_instance_if_its_options_function_panics(host: HostClient) {
    for concurrency in [1, 3] {
        let sequence = Uploaded::sample(&host, "events");
        let options = PoolOptions::new(6).concurrency(concurrency);
        let start = AssertUnwindSafe(|| {
            let pool = options.start([sequence.clone()], |place| {
                assert_ne!(place, 2, "there is no third");
                StartOptions::new()
            });
            drop(pool);
        });
        let panic = catch_unwind(start).unwrap_err();
        assert!(
            panic
                .downcast_ref::<String>()
                .is_some_and(|text| text.contains("there is no third"))
        );
        until_gone(&sequence);
    }
}

on_each_hub!(pool_next_returns_instances_with_their_own_deadline);
fn pool_next_returns_instances_with_their_own_deadline(host: HostClient) {
    // Starts take some seconds on a busy machine.
    const LIMIT: Duration = Duration::from_secs(6);

    let sequence = Uploaded::sample(&host, "events");
    let pool = PoolOptions::new(1)
        .start([sequence.with_deadline(LIMIT)], |_| StartOptions::new())
        .unwrap();
    let instance = pool.next().unwrap();
    // The call takes its own full deadline, and a later call still works.
    let begin = Instant::now();
    assert!(instance.wait_next_event("never").unwrap_err().is_timeout());
    assert!(begin.elapsed() >= LIMIT, "{:?}", begin.elapsed());
    instance.info().unwrap();
}

#[test]
fn pool_start_places_instances_round_robin_on_several_hubs() {
    let Some(hub) = shared().filter(|hub| hub.is_local()) else {
        return;
    };
    let other = Hub::start().unwrap();
    let hosts = [hub.into(), HostClient::new(other.url()).unwrap()];
    let sequences = hosts.each_ref().map(|host| Uploaded::sample(host, "args"));
    let start = |place| StartOptions::new().arg(place);
    let options = PoolOptions::new(3)
        .concurrency(2)
        .replace(true)
        .readiness(Readiness::event("started"));
    let pool = options
        .start(
            sequences.each_ref().map(|sequence| (**sequence).clone()),
            start,
        )
        .unwrap();

    let urls = |pool: &InstancePool| {
        pool.instances()
            .map(|instance| instance.host().base_url().to_owned())
            .collect::<Vec<_>>()
    };
    let expected = [
        hosts[0].base_url(),
        hosts[1].base_url(),
        hosts[0].base_url(),
    ];
    assert_eq!(urls(&pool), expected);
    let killed = pool.instances().nth(1).unwrap().clone();
    killed.kill(&KillOptions::new()).unwrap();
    until_replaced(&pool, 3, killed.id());
    assert_eq!(urls(&pool), expected);
    assert_eq!(pool.instances().map(place).collect::<Vec<_>>(), [0, 1, 2]);

    for (id, result) in pool.shutdown(Duration::from_millis(100)) {
        result.unwrap_or_else(|error| panic!("{id}: {error:?}"));
    }
    assert_eq!(
        sequences.each_ref().map(|sequence| instances_of(sequence)),
        [0, 0]
    );
    drop(sequences);
    other.stop().unwrap();
}

/// Releases requests in groups: each waits until its group is complete.
#[derive(Default)]
struct Groups {
    /// The number of arrived requests, of released ones, and the maximum that waited at once.
    state: Mutex<(usize, usize, usize)>,
    arrived: Condvar,
    /// A request timed out while it waited for the others of its group.
    was_incomplete: AtomicBool,
}

impl Groups {
    fn pass(&self, size: usize) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        state.2 = state.2.max(state.0 - state.1);
        let group_end = state.0.div_ceil(size) * size;
        self.arrived.notify_all();
        let bound = Duration::from_secs(10);
        let (mut state, waited) = self
            .arrived
            .wait_timeout_while(state, bound, |state| state.0 < group_end)
            .unwrap();
        self.was_incomplete
            .fetch_or(waited.timed_out(), Ordering::SeqCst);
        state.1 += 1;
    }

    fn max_waiting(&self) -> usize {
        self.state.lock().unwrap().2
    }
}

#[test]
fn pool_start_respects_concurrency_and_shutdown_stops_all_at_once() {
    for concurrency in [1, 3] {
        let (starts, stops) = (Arc::new(Groups::default()), Arc::new(Groups::default()));
        let stub = StubHub::start("1.0.1", {
            let (starts, stops) = (Arc::clone(&starts), Arc::clone(&stops));
            move |request| {
                if request.ends_with("/start") {
                    starts.pass(concurrency);
                } else if request.ends_with("/_stop") {
                    stops.pass(6);
                }
                Reply::Default
            }
        });
        let pool = PoolOptions::new(6)
            .concurrency(concurrency)
            .start([stub.sequence()], |_| StartOptions::new())
            .unwrap();
        assert_eq!(starts.max_waiting(), concurrency);
        assert_eq!(pool.shutdown(Duration::ZERO).len(), 6);
        assert_eq!(stops.max_waiting(), 6);
        for groups in [starts, stops] {
            let was_incomplete = groups.was_incomplete.load(Ordering::SeqCst);
            assert!(!was_incomplete, "concurrency {concurrency}");
        }
        assert!(stub.running().is_empty());
    }
}

#[test]
fn placement_least_loaded_uses_the_least_loaded_reachable_hub() {
    let loaded = |load: f64| {
        StubHub::start("1.0.1", move |request| match request {
            "GET /load-check" => json_reply(
                "200 OK",
                &json!({
                    "avgLoad": 0, "currentLoad": load, "memFree": 1, "memUsed": 1, "fsSize": [],
                }),
            ),
            _ => Reply::Default,
        })
    };
    let start = |hubs: &[&StubHub], options: PoolOptions| {
        let gone = HostClient::new(refused_url())
            .unwrap()
            .sequence("the-sequence")
            .unwrap();
        let sequences = [gone]
            .into_iter()
            .chain(hubs.iter().map(|hub| hub.sequence()));
        let pool = options
            .placement(Placement::LeastLoaded)
            .start(sequences, |_| StartOptions::new())
            .unwrap();
        let places = hubs
            .iter()
            .map(|hub| hub.running().len())
            .collect::<Vec<_>>();
        drop(pool);
        hubs.iter()
            .for_each(|hub| assert!(hub.running().is_empty()));
        places
    };
    let [busy, idle, as_idle] = [80.0, 7.5, 7.5].map(loaded);
    assert_eq!(start(&[&busy, &idle], PoolOptions::new(3)), [0, 3]);
    for concurrency in [1, 4] {
        assert_eq!(
            start(
                &[&busy, &idle, &as_idle],
                PoolOptions::new(4).concurrency(concurrency)
            ),
            [0, 2, 2],
            "concurrency {concurrency}"
        );
    }

    let gone = [(); 2].map(|()| {
        HostClient::new(refused_url())
            .unwrap()
            .sequence("the-sequence")
            .unwrap()
    });
    let error = PoolOptions::new(2)
        .placement(Placement::LeastLoaded)
        .start(gone, |_| StartOptions::new())
        .unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}

#[test]
fn pool_next_and_drop_are_not_blocked_by_a_hub_that_hangs() {
    within("a pool on a hub that hangs", || {
        let hangs = Arc::new(AtomicBool::new(false));
        let stubs = [true, false].map(|may_hang| {
            let hangs = Arc::clone(&hangs);
            StubHub::start("1.0.1", move |request| match request {
                "GET /instances" if may_hang && hangs.load(Ordering::SeqCst) => Reply::Silence,
                _ => Reply::Default,
            })
        });
        let [hanging, other] = &stubs;
        let pool = PoolOptions::new(2)
            .start([hanging.sequence(), other.sequence()], |_| {
                StartOptions::new()
            })
            .unwrap();
        hangs.store(true, Ordering::SeqCst);
        let before = hanging.requests("GET /instances").len();
        until("the hub hangs", || {
            hanging.requests("GET /instances").len() > before
        });
        other.end("instance-0");
        let begin = Instant::now();
        until("the pool skips the instance", || ids(&pool).len() == 1);
        assert_eq!(pool.next().unwrap().host().base_url(), hanging.url());
        drop(pool);
        // Neither `next` nor the drop waited for the hub that hangs.
        assert!(
            begin.elapsed() < Duration::from_secs(4),
            "{:?}",
            begin.elapsed()
        );
        assert!(hanging.running().is_empty());
    });
}

#[test]
fn pool_replace_retries_after_a_start_that_failed_or_panicked() {
    within("replacing", || {
        let refuses = Arc::new(AtomicBool::new(false));
        let stub = StubHub::start("1.0.1", {
            let refuses = Arc::clone(&refuses);
            move |request| match request {
                "POST /sequence/the-sequence/start" if refuses.swap(false, Ordering::SeqCst) => {
                    json_reply("419 Full", &json!({}))
                }
                _ => Reply::Default,
            }
        });
        let (count, panics) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
        let start = {
            let panics = Arc::clone(&panics);
            move |_| {
                assert!(
                    !panics.swap(false, Ordering::SeqCst),
                    "the options function panics once"
                );
                StartOptions::new().arg(count.fetch_add(1, Ordering::SeqCst))
            }
        };
        let pool = PoolOptions::new(1)
            .replace(true)
            .start([stub.sequence()], start)
            .unwrap();
        for fails in [&refuses, &panics] {
            fails.store(true, Ordering::SeqCst);
            let ended = pool.next().unwrap().id().clone();
            stub.end(ended.as_str());
            until("the pool replaces the instance", || {
                pool.next().is_some_and(|instance| *instance.id() != ended)
            });
            assert!(!fails.load(Ordering::SeqCst));
        }
        assert_eq!(stub.running().len(), 1);
        drop(pool);
        assert!(stub.running().is_empty());
    });
}

#[test]
fn pool_start_rejects_no_sequences_and_accepts_no_instances() {
    let error = PoolOptions::new(1)
        .start([], |_| StartOptions::new())
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    let sequence = HostClient::new(refused_url())
        .unwrap()
        .sequence("the-sequence")
        .unwrap();
    let pool = PoolOptions::new(0)
        .start([sequence], |_| StartOptions::new())
        .unwrap();
    assert!(pool.next().is_none());
    assert!(pool.shutdown(Duration::ZERO).is_empty());
}

#[test]
fn pool_drop_does_not_wait_for_the_kill_of_an_evicted_instance() {
    within("dropping", || {
        let (kill, killing) = channel();
        let first = AtomicBool::new(true);
        let hub = StubHub::start("0.18.7", move |request| {
            if !request.ends_with("/_kill") || !first.swap(false, Ordering::Relaxed) {
                return Reply::Default;
            }
            kill.send(()).unwrap();
            Reply::Silence
        });
        let options = PoolOptions::new(1).replace(true);
        let pool = options
            .start([hub.sequence()], |_| StartOptions::new())
            .unwrap();
        let instance = pool.next().unwrap();
        pool.evict(instance.id());
        killing.recv().unwrap();
        let begin = Instant::now();
        drop(pool);
        // The timeout of a kill is 5 seconds.
        assert!(begin.elapsed() < Duration::from_secs(4));
        assert!(hub.running().is_empty());
    });
}
