//! Clean-up on the hub and in this process after calls fail, are cancelled, or cannot start a
//! thread.

use std::cell::RefCell;
use std::env;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::types::{Deleted, RunnerExit};
use scramjet_client_blocking::{
    CancelToken, Child, Error, ErrorKind, HostClient, KillOptions, Package, PoolOptions, Readiness,
    StartOptions, StopOptions, Upload, Version,
};
use scramjet_client_testing::fake_hub::{FakeHub, Fault, Generation};
use scramjet_client_tests::hub::shared;
use scramjet_client_tests::link::Link;
use scramjet_client_tests::package;
#[cfg(target_os = "linux")]
use scramjet_client_tests::process::{client_threads, connections_to};
use scramjet_client_tests::programs::{fake_hub, fake_hub_with};

use crate::helpers::{FnReader, Folder, GENERATIONS, in_child, in_parallel, until, within};
use crate::outages::hubs;
use crate::samples::Uploaded;
use crate::stub_hub::{Reply, StubHub};

/// Environment variable with the URL of the hub for a child process.
const HUB: &str = "TEST_CLEANUP_HUB";

/// Kills an instance, and retries because hubs of 1.x refuse a kill shortly after the start.
fn kill_when_possible(instance: &scramjet_client_blocking::InstanceClient, options: &KillOptions) {
    until("the instance is killed", || instance.kill(options).is_ok());
}

#[test]
fn deploy_and_run_succeeds_if_the_function_kills_its_instance() {
    within("deploying", || {
        in_parallel(hubs(), |(url, hub)| {
            let host = HostClient::new(&url).unwrap();
            let ran = host.deploy_and_run(package::sequence("stays"), |sequence| {
                let instance = sequence.start(&StartOptions::new())?;
                instance.wait_event("ready")?;
                kill_when_possible(&instance, &KillOptions::new());
                Ok::<_, Error>((7, sequence.id().clone()))
            });
            let ran = ran.unwrap();
            let (seven, id) = ran.result.unwrap();
            assert_eq!(seven, 7);
            let gone = || {
                host.sequence_info(&id)
                    .is_err_and(|error| error.is_not_found())
            };
            match ran.cleanup.unwrap() {
                Deleted::Gone => assert!(gone()),
                Deleted::HandedOver => {
                    let dialect = host.dialect().unwrap();
                    assert!(dialect.has(Version::new(1, 0, 0)));
                    until("the hub has deleted it", gone);
                }
            }
            assert!(hub.is_none_or(|hub| hub.running().is_empty()));
        });
    });
}

/// This fake hub takes as long as a real one.
#[test]
fn deployment_close_lets_a_1_x_hub_finish_the_deletion() {
    within("deploying", || {
        for killed in [true, false] {
            let hub = FakeHub::new(Generation::V1);
            scramjet_client_tests::programs::serve(&hub);
            let deployment = hub.client().deploy(package::sequence("stays")).unwrap();
            let instance = deployment.start(&StartOptions::new()).unwrap();
            instance.wait_event("ready").unwrap();
            if killed {
                kill_when_possible(&instance, &KillOptions::new());
            }
            let begin = hub.now();
            assert_eq!(deployment.close().unwrap(), Deleted::HandedOver);
            let took = hub.now() - begin;
            // The deletion itself takes 16 seconds.
            assert!(took < Duration::from_secs(5), "{took:?}");
            assert_eq!(hub.sequences().len(), 1);
            // If an instance was killed without `remove_immediately`, the hub keeps it for 195
            // seconds.
            hub.advance(Duration::from_secs(if killed { 196 } else { 17 }));
            assert!(hub.sequences().is_empty());
        }
    });
}

#[test]
fn deployment_close_deletes_a_sequence_without_instances_at_once() {
    within("deploying", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = fake_hub(generation);
            let deployment = hub.client().deploy(package::sequence("stays")).unwrap();
            assert_eq!(deployment.close().unwrap(), Deleted::Gone);
            assert!(hub.sequences().is_empty());
        });
    });
}

#[test]
fn deploy_and_run_returns_the_result_and_the_error_of_the_clean_up() {
    within("deploying", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = fake_hub(generation);
            hub.fault(
                Fault::refuse(500, r#"{"error":"no"}"#)
                    .on("DELETE", "sequence/*")
                    .always(),
            );
            for result in [Ok(7), Err("own")] {
                let ran = hub
                    .client()
                    .deploy_and_run(package::sequence("stays"), |_| result);
                let ran = ran.unwrap();
                assert_eq!(ran.result, result);
                assert_eq!(ran.cleanup.unwrap_err().api().unwrap().status, 500);
            }
        });
    });
}

/// Packs a sequence with this package name.
pub(crate) fn named_package(folder: &Folder, name: &str) -> Upload {
    folder.file(
        "package.json",
        format!(r#"{{"name":"{name}","version":"1.0.0","main":"index.js"}}"#).as_bytes(),
    );
    folder.file("index.js", b"module.exports = () => {};");
    let package = Package::from_dir(&folder.0).unwrap();
    Upload::reader(package.reader())
}

#[test]
fn deploy_aborted_while_waiting_for_the_response_leaves_no_sequence() {
    type Limit = fn(&HostClient, &CancelToken) -> HostClient;
    let limits: [(&str, Limit); 3] = [
        ("cancelled", |host, token| host.with_cancel(token)),
        ("deadline", |host, _| {
            host.with_deadline(Duration::from_secs(2))
        }),
        ("idle", |host, _| {
            host.with_idle_timeout(Duration::from_secs(1))
        }),
    ];
    within("deploying", move || {
        in_parallel(hubs(), |(url, _hub)| {
            for (what, limit) in limits {
                let (direct, link) = (HostClient::new(&url).unwrap(), Link::to(&url));
                let name = format!("{what}-{}-{}", std::process::id(), link.port());
                let folder = Folder::new(&name);
                let upload = named_package(&folder, &name);
                let token = CancelToken::new();
                let host = limit(&HostClient::new(link.url()).unwrap(), &token);
                link.freeze_responses();
                let deploying = thread::spawn(move || host.deploy(upload).map(drop));
                let count = || direct.sequence_ids(&name).unwrap().len();
                until("the hub has the sequence", || count() == 1);
                token.cancel();
                let error = deploying.join().unwrap().unwrap_err();
                assert_eq!(error.phase(), Some(Phase::Wait), "{what}: {error:?}");
                let says = "the hub may have processed the request";
                assert!(error.to_string().contains(says), "{error}");
                link.unfreeze();
                let begin = Instant::now();
                until("the sequence is deleted", || count() == 0);
                println!(
                    "{url}: {what}: deleted {:?} after the link was unfrozen",
                    begin.elapsed()
                );
            }
        });
    });
}

#[test]
fn deploy_with_a_deadline_uploads_a_reader_and_propagates_its_panic() {
    within("deploying", || {
        let hub = fake_hub(Generation::V1);
        let host = hub.client().with_deadline(Duration::from_secs(20));
        let package = package::sequence("stays");
        let deployed = host.deploy(Upload::reader(std::io::Cursor::new(package)));
        deployed.unwrap().close().unwrap();
        let deploy = || {
            host.deploy(Upload::reader(FnReader(|_: &mut [u8]| {
                panic!("in the reader")
            })))
            .map(drop)
        };
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(deploy));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"in the reader"));
        assert!(hub.sequences().is_empty());
    });
}

#[test]
fn deploy_that_is_cancelled_during_the_upload_returns_at_once() {
    within("deploying", || {
        let hub = fake_hub(Generation::V1);
        let token = CancelToken::new();
        let (sender, receiver) = channel();
        let (_kept, never) = channel::<()>();
        let host = hub.client().with_cancel(&token);
        let upload = Upload::reader(FnReader(move |_: &mut [u8]| {
            let _ = sender.send(());
            let _ = never.recv();
            Ok(0)
        }));
        let deploying = thread::spawn(move || host.deploy(upload).map(drop));
        receiver.recv().unwrap();
        token.cancel();
        assert!(deploying.join().unwrap().unwrap_err().is_cancelled());
        assert!(hub.sequences().is_empty());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn cancelled_spawn_leaves_no_threads_or_connections_if_the_hub_is_silent() {
    const COUNT: usize = 40;
    if env::var(HUB).is_err() {
        // The test counts threads, so it needs a process of its own.
        return in_child(&[(HUB, "own")]);
    }
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let id = hub
            .client()
            .send_sequence(package::sequence("stays"))
            .unwrap();
        let host = HostClient::new(hub.url()).unwrap();
        host.version().unwrap();
        hub.fault(Fault::silence().on("POST", "sequence/*/start").always());
        hub.fault(Fault::silence().on("POST", "sequence").always());
        let token = CancelToken::new();
        let cancelled = host.with_cancel(&token);
        let sequence = cancelled.sequence(id.id()).unwrap();
        thread::scope(|scope| {
            let spawn = || sequence.spawn(&StartOptions::new()).unwrap_err();
            let spawning: Vec<_> = (0..COUNT).map(|_| scope.spawn(spawn)).collect();
            let deploying = scope.spawn(|| cancelled.deploy(package::sequence("echo")));
            let sent = |request: &&String| {
                request.ends_with("/start") || request.ends_with("POST /api/v1/sequence")
            };
            until("all requests are sent", || {
                hub.requests().iter().filter(sent).count() > COUNT + 1
            });
            let begin = Instant::now();
            token.cancel();
            for spawning in spawning {
                assert!(spawning.join().unwrap().is_cancelled());
            }
            assert!(deploying.join().unwrap().unwrap_err().is_cancelled());
            println!("{generation:?}: returned after {:?}", begin.elapsed());
        });
        drop((sequence, cancelled, host));
        let (begin, url) = (Instant::now(), hub.url());
        until("no threads and connections are left", || {
            client_threads() == 0 && connections_to(&url).is_empty()
        });
        println!("{generation:?}: nothing left after {:?}", begin.elapsed());
        // Hubs of 0.18 take no instance ids. Without a response, the client cannot know the
        // instances.
        if generation == Generation::V1 {
            assert!(hub.running().is_empty(), "{:?}", hub.running());
        }
    });
}

#[test]
fn pool_shutdown_stops_at_most_32_instances_at_the_same_time() {
    within("a pool", || {
        // The number of stops in progress, and its maximum.
        let stops = Arc::new((Mutex::new((0_usize, 0_usize)), Condvar::new()));
        let stub = StubHub::start("1.0.1", {
            let stops = Arc::clone(&stops);
            move |request| {
                if request.ends_with("/_stop") {
                    let (state, changed) = &*stops;
                    let mut counts = state.lock().unwrap();
                    counts.0 += 1;
                    counts.1 = counts.1.max(counts.0);
                    changed.notify_all();
                    // Leaves time for the next request to arrive.
                    let bound = Duration::from_secs(3);
                    let waits = |counts: &mut (usize, usize)| counts.1 <= 32;
                    let waited = changed.wait_timeout_while(counts, bound, waits);
                    waited.unwrap().0.0 -= 1;
                }
                Reply::Default
            }
        });
        let pool = PoolOptions::new(40)
            .start([stub.sequence()], |_| StartOptions::new())
            .unwrap();
        assert_eq!(pool.shutdown(Duration::ZERO).len(), 40);
        let most = stops.0.lock().unwrap().1;
        assert!((2..=32).contains(&most), "{most} at the same time");
    });
}

#[test]
fn pool_releases_the_handles_of_replaced_instances() {
    within("a pool", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = fake_hub(generation);
            let transport = hub.transport();
            let builder = HostClient::builder("http://hub.invalid/api/v1");
            let host = builder.transport(Arc::clone(&transport)).build().unwrap();
            let sequence = host.send_sequence(package::sequence("events")).unwrap();
            let pool = PoolOptions::new(1)
                .replace(true)
                .start([sequence], |_| StartOptions::new())
                .unwrap();
            let replace = || {
                let old = pool.next().unwrap().id().clone();
                assert!(hub.crash(&old));
                until("the pool replaces the instance", || {
                    pool.next().is_some_and(|instance| *instance.id() != old)
                });
                // Each handle holds a clone of the transport.
                Arc::strong_count(&transport)
            };
            let before = replace();
            assert!((0..5).all(|_| replace() > 0));
            // The pool holds two more handles while it requests the list of instances.
            let kept = || Arc::strong_count(&transport);
            until("the pool drops its handles", || kept() <= before + 2);
        });
    });
}

#[test]
fn pool_next_skips_an_instance_whose_handle_has_seen_its_end() {
    within("a pool", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = fake_hub(generation);
            let sequence = hub
                .client()
                .send_sequence(package::sequence("events"))
                .unwrap();
            // The pool cannot learn of the end from the list of instances.
            hub.fault(Fault::refuse(503, "").on("GET", "instances").always());
            let pool = PoolOptions::new(2)
                .readiness(Readiness::event("ready"))
                .start([sequence], |_| StartOptions::new())
                .unwrap();
            let dead = pool.next().unwrap();
            assert!(hub.crash(dead.id()));
            let limited = dead.with_deadline(Duration::from_secs(20));
            match generation {
                Generation::V0_18 => {
                    hub.wait_until("the instance is gone", |_| {
                        dead.host().instance_info(dead.id()).is_err()
                    });
                    assert!(limited.send_input("lost\n").unwrap_err().is_not_found());
                }
                _ => assert!(limited.wait_event("never").unwrap_err().ended().is_some()),
            }
            for _ in 0..4 {
                assert_ne!(pool.next().unwrap().id(), dead.id(), "{generation:?}");
            }
            // A 404 for another instance does not change the pool.
            let alive = pool.next().unwrap();
            let elsewhere = alive.host().instance_info("another").unwrap_err();
            assert!(elsewhere.is_not_found() && pool.next().is_some());
        });
    });
}

thread_local! {
    static LAST: RefCell<Option<CallsOnDrop>> = const { RefCell::new(None) };
}

/// A thread-local value that makes calls in its destructor.
struct CallsOnDrop {
    host: HostClient,
    _child: Option<Child>,
    sender: std::sync::mpsc::Sender<Result<String, Error>>,
}

impl Drop for CallsOnDrop {
    fn drop(&mut self) {
        let version = self.host.version().map(|version| version.version);
        let _ = self.sender.send(version);
        let limited = self.host.with_deadline(Duration::from_secs(5));
        let instances = limited.list_instances().map(|list| list.len().to_string());
        let _ = self.sender.send(instances);
    }
}

#[test]
fn version_and_list_instances_work_in_the_destructor_of_a_thread_local() {
    if env::var(HUB).is_err() {
        // The process could be aborted, so the test needs one of its own.
        return in_child(&[(HUB, "own")]);
    }
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let host = HostClient::new(hub.url()).unwrap();
        let sequence = host.send_sequence(package::sequence("events")).unwrap();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let last = |child| CallsOnDrop {
                host,
                _child: child,
                sender,
            };
            // The value that is registered first is dropped last.
            LAST.with(|slot| assert!(slot.borrow().is_none()));
            let child = sequence.spawn(&StartOptions::new()).unwrap();
            LAST.set(Some(last(Some(child))));
        })
        .join()
        .unwrap();
        assert_eq!(receiver.recv().unwrap().unwrap(), generation.version());
        assert_eq!(receiver.recv().unwrap().unwrap(), "1");
        hub.wait_until("the child is killed", |hub| hub.running().is_empty());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn calls_fail_with_error_kind_thread_if_no_thread_can_be_created() {
    if let Ok(url) = env::var(HUB) {
        assert!(thread::Builder::new().spawn(|| ()).is_err());
        let host = HostClient::new(&url).unwrap();
        let sequence = host.sequence(env::var("TEST_SEQUENCE").unwrap()).unwrap();
        let instance = host.instance(env::var("TEST_INSTANCE").unwrap()).unwrap();
        let limited = host.with_deadline(Duration::from_secs(20));
        let failures = [
            (
                "wait_any",
                instance.wait_any(["never", "ever"]).unwrap_err(),
            ),
            ("follow_log", instance.follow_log().unwrap_err()),
            (
                "start",
                sequence
                    .start_when_available(&StartOptions::new())
                    .unwrap_err(),
            ),
            ("spawn", sequence.spawn(&StartOptions::new()).unwrap_err()),
            ("run", sequence.run(&StartOptions::new(), "").unwrap_err()),
            ("deploy", limited.deploy(vec![0x1f, 0x8b]).unwrap_err()),
            (
                "pool",
                PoolOptions::new(0)
                    .start([sequence], |_| StartOptions::new())
                    .unwrap_err(),
            ),
        ];
        for (what, error) in failures {
            assert!(
                matches!(error.kind(), ErrorKind::Thread(_)),
                "{what}: {error:?}"
            );
            assert!(!error.is_retryable() && !error.is_connect(), "{what}");
            let text = error.to_string();
            assert!(
                text.contains("thread could not be created"),
                "{what}: {text}"
            );
        }
        // Calls that need no thread work, and so does connecting with a cancel token.
        instance.info().unwrap();
        instance.wait_event("ready").unwrap();
        let another = HostClient::new(url).unwrap();
        let cancellable = another.with_cancel(&CancelToken::new());
        return cancellable.version().map(drop).unwrap();
    }
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let sequence = hub
            .client()
            .send_sequence(package::sequence("events"))
            .unwrap();
        let instance = sequence.start(&StartOptions::new()).unwrap();
        instance.wait_event("ready").unwrap();
        let (sequence, instance) = (sequence.id().to_string(), instance.id().to_string());
        // With a host name and a deadline, the client resolves the name on a thread.
        let url = hub.url().replace("127.0.0.1", "localhost");
        let variables = [
            (HUB, url.as_str()),
            ("TEST_SEQUENCE", &sequence),
            ("TEST_INSTANCE", &instance),
            ("RUST_TEST_THREADS", "1"),
            // No thread can have a stack that is larger than the address space.
            ("RUST_MIN_STACK", "200000000000000"),
        ];
        in_child(&variables);
    });
}

#[test]
fn is_success_is_true_if_the_instance_ended_on_request() {
    /// Time for which a hub of 1.x keeps an ended instance. The client must ask within this time.
    const KEPT: Duration = Duration::from_secs(60);
    let real = shared().map(|hub| (hub.url().to_owned(), None));
    let fakes = GENERATIONS.map(|generation| {
        let hub = fake_hub_with(generation, |times| times.lingering = KEPT);
        (hub.url(), Some(hub))
    });
    within("ending", || {
        in_parallel(real.into_iter().chain(fakes), |(url, hub)| {
            let host = HostClient::new(&url).unwrap();
            let sequence = Uploaded::sample(&host, "events");
            let is_v1 = hub
                .as_ref()
                .is_some_and(|hub| hub.generation() == Generation::V1);
            let end = |end: &dyn Fn(&mut Child)| {
                let mut child = sequence.spawn(&StartOptions::new()).unwrap();
                child.instance().wait_event("ready").unwrap();
                end(&mut child);
                child.wait().unwrap()
            };
            let killed = end(&|child| child.kill().unwrap());
            let once = end(&|child| kill_when_possible(child.instance(), &KillOptions::new()));
            let options = StopOptions::new(Duration::from_millis(100));
            let stopped = end(&|child| drop(child.instance().stop(&options).unwrap()));
            for (ended, exit) in [
                (killed, RunnerExit::Killed),
                (once, RunnerExit::Killed),
                (stopped, RunnerExit::Stopped),
            ] {
                // Hubs of 0.18 do not report the exit.
                let expected = is_v1.then_some(exit);
                assert_eq!(ended.exit, expected, "{url}: {ended:?}");
                assert_eq!(
                    ended.is_success(),
                    expected.map(|_| true),
                    "{url}: {ended:?}"
                );
            }
            if let Some(hub) = &hub {
                // Ends the time in which the instances block the deletion of their sequence.
                hub.advance(KEPT);
            }
        });
    });
}
