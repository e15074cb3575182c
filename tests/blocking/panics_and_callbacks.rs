//! User code that panics, blocks, or makes calls itself. It never blocks other calls, never aborts
//! the process, and never makes partial data look complete.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::mem::forget;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use std::{env, thread};

use http::{Request, Response};
use scramjet_client_blocking::transport::{CallLimits, RequestBody, UreqTransport};
use scramjet_client_blocking::{
    CancelToken, ContentType, Error, HostClient, Input, InstanceClient, InstancePool, KillOptions,
    PoolOptions, Readiness, RequestEvent, RequestInfo, RetryPolicy, SequenceClient, StartOptions,
    StopOptions, Transport, Upload,
};
use scramjet_client_testing::fake_hub::{FakeHub, Generation};
use scramjet_client_testing::script::from_fn;
use scramjet_client_tests::programs;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::helpers::{FnReader, GENERATIONS, in_child, in_parallel, until, within};
use crate::samples::{listening, until_killable};
use crate::wait_event::acts;

/// Panics at its nth step.
#[derive(Clone, Default)]
struct PanicCountdown {
    left: Arc<AtomicUsize>,
}

impl PanicCountdown {
    fn set(&self, nth: usize) {
        self.left.store(nth, Ordering::SeqCst);
    }

    /// Returns `true` if it has not panicked yet.
    fn is_left(&self) -> bool {
        self.left.load(Ordering::SeqCst) > 0
    }

    fn step(&self) {
        let less = |left: usize| left.checked_sub(1);
        let before = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        assert_ne!(before, Ok(1), "the code of a user panics");
    }
}

/// A reader that may panic.
struct CountdownReader<R>(R, PanicCountdown);

impl<R: Read> Read for CountdownReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1.step();
        self.0.read(buffer)
    }
}

/// A value that panics on drop.
struct PanicsInDrop<T>(T);

impl<T> Drop for PanicsInDrop<T> {
    fn drop(&mut self) {
        panic!("the destructor of a user panics")
    }
}

impl<R: Read> Read for PanicsInDrop<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

struct Panics;

impl Read for Panics {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("the reader of a user panics")
    }
}

fn panics<T>(work: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

/// Returns a client whose observer may panic.
fn client_with_observer(hub: &FakeHub, countdown: &PanicCountdown) -> HostClient {
    let countdown = countdown.clone();
    HostClient::builder(hub.url())
        .observer(move |_: &RequestInfo<'_>, _: &RequestEvent<'_>| countdown.step())
        .build()
        .unwrap()
}

/// Returns a client whose transport may panic: before it sends, after the response head, in each
/// read of the body, and on cancellation.
fn client_with_transport(hub: &FakeHub, countdown: &PanicCountdown) -> HostClient {
    let (countdown, inner) = (countdown.clone(), UreqTransport::default());
    let transport = from_fn(move |request: Request<RequestBody<'_>>| {
        countdown.step();
        let limits = request.extensions().get::<CallLimits>().cloned();
        let response = inner.send(request)?;
        countdown.step();
        let hook = limits.and_then(|limits| limits.cancel).map(|token| {
            let countdown = countdown.clone();
            token.on_cancel(move || countdown.step())
        });
        Ok(response.map(|body| -> Box<dyn Read + Send> {
            let body = CountdownReader(body, countdown.clone());
            Box::new(Holding(body, hook))
        }))
    });
    HostClient::builder(hub.url())
        .transport(Arc::new(transport))
        .build()
        .unwrap()
}

/// A reader that keeps a value alive.
struct Holding<R, T>(R, T);

impl<R: Read, T> Read for Holding<R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let _ = &self.1;
        self.0.read(buffer)
    }
}

fn start(host: &HostClient, hub: &FakeHub, sample: &str) -> InstanceClient {
    let sequence = host.send_sequence(hub.package(sample)).unwrap();
    let instance = sequence.start(&StartOptions::new()).unwrap();
    listening(&instance);
    instance
}

// Every call, with a panic at each place where it runs user code.

type Call = fn(&Setup) -> Result<(), Error>;

/// A hub, and the handles for a call.
struct Setup {
    hub: FakeHub,
    /// The observer or transport of this client may panic.
    host: HostClient,
    sequence: SequenceClient,
    instance: InstanceClient,
}

impl Setup {
    fn new(
        generation: Generation,
        sample: &str,
        client: fn(&FakeHub, &PanicCountdown) -> HostClient,
    ) -> (Self, PanicCountdown) {
        let hub = FakeHub::builder(generation).time_scale(20.0);
        let hub = hub.settings(|settings| {
            // Hubs of 0.18 forget an instance after this time.
            if sample == "completes" {
                settings.times.completed = Duration::from_secs(3600);
            }
        });
        let hub = hub.start();
        programs::serve(&hub);
        hub.program("completes", |process| process.write("one\ntwo\n"));
        // Stays, because hubs of 0.18 forget an instance that has completed.
        hub.program("logs", |process| {
            process.log("one");
            process.log("two");
            process.run_until_killed()
        });
        let countdown = PanicCountdown::default();
        let host = client(&hub, &countdown);
        let sequence = host.send_sequence(hub.package(sample)).unwrap();
        let instance = sequence.start(&StartOptions::new()).unwrap();
        listening(&instance);
        let setup = Self {
            hub,
            host,
            sequence,
            instance,
        };
        (setup, countdown)
    }
}

const CALLS: &[(&str, &str, Call)] = &[
    ("version", "stays", |setup| setup.host.version().map(drop)),
    ("wait_event", "shout", |setup| {
        setup.instance.wait_event("ready").map(drop)
    }),
    ("wait_next_event", "events", |setup| {
        let pings = HostClient::new(setup.hub.url())?.instance(setup.instance.id().as_str())?;
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            // Pings repeatedly, because an event before the wait does not count.
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) && pings.send_event("ping", 1).is_ok() {
                    thread::yield_now();
                }
            });
            let waits = || setup.instance.wait_next_event("pong").map(drop);
            let result = catch_unwind(AssertUnwindSafe(waits));
            over.store(true, Ordering::SeqCst);
            result.unwrap_or_else(|panic| resume_unwind(panic))
        })
    }),
    ("wait_ended", "prints", |setup| {
        setup.instance.wait_ended().map(drop)
    }),
    ("start_with_retry", "starts-by-arg", |setup| {
        let policy = RetryPolicy::linear(Duration::from_millis(1)).max_attempts(2);
        let readiness = Readiness::event("ready").fails_on("error");
        let options = StartOptions::new().arg("error");
        let start = setup
            .sequence
            .start_with_retry(&options, &readiness, &policy);
        // Both attempts fail.
        start.map_or(Ok(()), |_| unreachable!("an instance is ready"))
    }),
    ("run", "tees", |setup| {
        setup.sequence.run(&StartOptions::new(), "in\n").map(drop)
    }),
    ("spawn", "prints", |setup| {
        let child = setup.sequence.spawn(&StartOptions::new())?;
        child.wait_with_output().map(drop)
    }),
    ("transform", "tees", |setup| {
        setup.instance.transform_bytes("in\n").map(drop)
    }),
    ("send_input", "tees", |setup| {
        let data = Input::text("in\n").end(false);
        setup.instance.send_input(data).map(drop)
    }),
    ("input_writer", "tees", |setup| {
        let mut writer = setup.instance.input_writer(ContentType::Text)?;
        // `finish` returns the error of the write.
        let _ = writer.write_all(b"in\n").and_then(|()| writer.flush());
        writer.finish().map(drop)
    }),
    ("output_until_ended", "completes", |setup| {
        for line in setup.instance.output_until_ended()?.lines() {
            line?;
        }
        Ok(())
    }),
    ("follow_log", "logs", |setup| {
        let mut follow = setup.instance.follow_log()?;
        follow.by_ref().take(2).try_for_each(|item| item.map(drop))
    }),
    ("deploy", "stays", |setup| {
        let limited = setup.host.with_deadline(Duration::from_secs(20));
        let deployment = limited.deploy(setup.hub.package("stays"))?;
        deployment.start(&StartOptions::new())?;
        deployment.close().map(drop)
    }),
    ("stop", "stays", |setup| {
        let options = StopOptions::new(Duration::from_millis(20));
        setup.instance.stop(&options).map(drop)
    }),
    ("pool", "stays", |setup| {
        let pool = PoolOptions::new(3)
            .concurrency(2)
            .start([setup.sequence.clone()], |_| StartOptions::new())?;
        for (_, ended) in pool.shutdown(Duration::from_millis(20)) {
            ended?;
        }
        Ok(())
    }),
];

/// The places that are tried per call, in groups. Later places only repeat the same requests.
const PLACES: [[usize; 4]; 3] = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]];

/// Makes each call several times, with a panic at its first place, its second one, and so on. The
/// call returns or panics, and later calls work.
fn panic_at_each_callback(
    generation: Generation,
    client: fn(&FakeHub, &PanicCountdown) -> HostClient,
) {
    thread::scope(|scope| {
        for (name, sample, call) in CALLS {
            scope.spawn(move || {
                for group in PLACES {
                    let is_last = AtomicBool::new(false);
                    in_parallel(group, |nth| {
                        let what = format!("{name}, with a panic at place {nth}");
                        let work = move || {
                            call_with_panic(nth, &Setup::new(generation, sample, client), *call)
                        };
                        is_last.fetch_or(within(&what, work), Ordering::SeqCst);
                    });
                    if is_last.into_inner() {
                        break;
                    }
                }
            });
        }
    });
}

/// Makes a call in which user code panics at the nth place. Returns `true` if there is no such
/// place.
fn call_with_panic(nth: usize, (setup, countdown): &(Setup, PanicCountdown), call: Call) -> bool {
    countdown.set(nth);
    let result = catch_unwind(AssertUnwindSafe(|| call(setup)));
    let left = countdown.is_left();
    countdown.set(0);
    if left {
        result.unwrap().unwrap();
    }
    // The same handles still work.
    setup.host.version().unwrap();
    setup.sequence.info().unwrap();
    // The instance may be gone.
    let _ = setup.instance.info();
    left
}

#[test]
fn calls_return_or_panic_if_an_observer_panics() {
    panic_at_each_callback(Generation::V1, client_with_observer);
}

#[test]
fn calls_return_or_panic_if_a_transport_panics() {
    panic_at_each_callback(Generation::V0_18, client_with_transport);
}

// Panics on threads of the client.

/// Returns a client whose observer panics a number of times on threads with this name.
fn client_panicking_on(
    hub: &FakeHub,
    name: &'static str,
    times: usize,
) -> (HostClient, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(times));
    let host = HostClient::builder(hub.url())
        .observer({
            let left = Arc::clone(&left);
            move |_: &RequestInfo<'_>, _: &RequestEvent<'_>| {
                if thread::current().name() == Some(name) {
                    let less = |left: usize| left.checked_sub(1);
                    let panics = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
                    assert!(panics.is_err(), "the observer of a user panics");
                }
            }
        })
        .build()
        .unwrap();
    (host, left)
}

#[test]
fn output_until_ended_ends_with_the_instance_if_an_observer_panics() {
    within("a stream of an instance that fails", || {
        // Hubs of 1.x keep the streams of a failed instance open for 195 seconds.
        let hub = FakeHub::new(Generation::V1);
        programs::serve(&hub);
        let (host, left) = client_panicking_on(&hub, "scramjet-watchdog", 2);
        let sequence = host.send_sequence(hub.package("acts")).unwrap();
        let instance = sequence
            .start(&acts(json!([{"wait": 800}, {"throw": true}])))
            .unwrap();
        let mut output = instance.output_until_ended().unwrap();
        let error = output.read(&mut [0; 10]).unwrap_err();
        let error = error.downcast::<Error>().unwrap();
        assert!(error.ended().is_some(), "{error:?}");
        assert_eq!(left.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn pool_replaces_instances_after_an_observer_panicked() {
    within("a pool whose observer panics", || {
        let hub = programs::fake_hub(Generation::V1);
        // One of these threads watches the instances, the other one replaces them.
        let (host, left) = client_panicking_on(&hub, "scramjet-pool", 3);
        let sequence = host.send_sequence(hub.package("stays")).unwrap();
        let pool = PoolOptions::new(1)
            .replace(true)
            .start([sequence], |_| StartOptions::new())
            .unwrap();
        let first = pool.next().unwrap().id().clone();
        hub.crash(first.as_str());
        until("the pool replaces the instance", || {
            pool.next().is_some_and(|instance| *instance.id() != first)
        });
        assert_eq!(left.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn pool_can_be_dropped_by_its_own_options_function() {
    within("a pool that is dropped by its own function", || {
        let hub = programs::fake_hub(Generation::V1);
        let host = HostClient::new(hub.url()).unwrap();
        let sequence = host.send_sequence(hub.package("stays")).unwrap();
        let place = Arc::new(Mutex::new(None::<InstancePool>));
        let (sender, receiver) = channel();
        let start = {
            let place = Arc::clone(&place);
            move |_| {
                let pool = place.lock().unwrap().take();
                if pool.is_some() {
                    let _ = sender.send(panics(|| drop(pool)));
                }
                StartOptions::new()
            }
        };
        let pool = PoolOptions::new(2)
            .replace(true)
            .start([sequence], start)
            .unwrap();
        let first = pool.next().unwrap().id().clone();
        *place.lock().unwrap() = Some(pool);
        hub.crash(first.as_str());
        assert!(!receiver.recv().unwrap(), "dropping it panicked");
        hub.wait_until("all have ended", |hub| hub.running().is_empty());
    });
}

// Cancellation.

#[test]
fn on_cancel_hook_that_panics_does_not_prevent_other_cancellations() {
    within("a hook that panics", || {
        let hub = programs::fake_hub(Generation::V1);
        let host = HostClient::new(hub.url()).unwrap();
        let instance = start(&host, &hub, "stays");
        let token = CancelToken::new();
        let _hooks = [(); 2].map(|()| token.on_cancel(|| panic!("the hook of a user panics")));
        let waiting = instance.with_cancel(&token);
        let waiter = thread::spawn(move || waiting.wait_event("never").unwrap_err());
        hub.wait_until("the call waits", |hub| {
            hub.requests().iter().any(|line| line.contains("never"))
        });
        assert!(panics(|| token.cancel()));
        assert!(waiter.join().unwrap().is_cancelled());
        assert!(!panics(|| token.cancel()), "the panic is reported once");
    });
}

#[test]
fn on_cancel_hook_can_use_its_token_and_the_client() {
    within("a hook that calls back", || {
        let hub = programs::fake_hub(Generation::V1);
        let host = HostClient::new(hub.url()).unwrap();
        let (token, (sender, receiver)) = (CancelToken::new(), channel());
        let hook = token.on_cancel({
            let token = token.clone();
            move || {
                token.cancel();
                drop(token.on_cancel(|| {}));
                let cancelled = host.with_cancel(&token.child()).version();
                let _ = sender.send((
                    cancelled.unwrap_err().is_cancelled(),
                    host.version().is_ok(),
                ));
                drop((token, host));
            }
        });
        token.cancel();
        assert_eq!(receiver.recv(), Ok((true, true)));
        drop(hook);
    });
}

// Streams after a panic.

#[test]
fn byte_stream_stays_an_error_after_its_progress_callback_panicked() {
    within("a callback that panics", || {
        let hub = programs::fake_hub(Generation::V1);
        let host = HostClient::new(hub.url()).unwrap();
        let instance = start(&host, &hub, "tees");
        instance.send_input("some text\n").unwrap();
        let mut stream = instance.output().unwrap().progress(|progress| {
            assert_eq!(progress.bytes, 0, "the callback of a user panics");
            ControlFlow::Continue(())
        });
        assert!(panics(|| stream.read(&mut [0; 4])));
        for _ in 0..2 {
            assert!(stream.read(&mut [0; 4]).is_err());
        }
    });
}

#[test]
fn follow_log_returns_an_error_and_ends_after_its_transport_panicked() {
    within("a transport that panics", || {
        let hub = programs::fake_hub(Generation::V1);
        let countdown = PanicCountdown::default();
        let host = client_with_transport(&hub, &countdown);
        let instance = start(&host, &hub, "stays");
        let mut follow = instance.follow_log().unwrap();
        countdown.set(1);
        hub.crash(instance.id().as_str());
        while !panics(|| assert!(follow.next().is_some(), "following ended")) {}
        assert!(!countdown.is_left());
        assert!(follow.next().unwrap().is_err());
        assert!(follow.next().is_none());
    });
}

#[derive(Debug, PartialEq)]
struct NotTwo(u64);

impl<'de> Deserialize<'de> for NotTwo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        assert_ne!(number, 2, "the type of a user panics");
        Ok(Self(number))
    }
}

impl Serialize for NotTwo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, 2, "the type of a user panics");
        self.0.serialize(serializer)
    }
}

#[test]
fn json_lines_lose_only_the_line_whose_type_panics() {
    within("a type that panics", || {
        let hub = programs::fake_hub(Generation::V1);
        let host = HostClient::new(hub.url()).unwrap();
        let instance = start(&host, &hub, "tees");
        let mut writer = instance
            .input_writer(ContentType::Ndjson)
            .unwrap()
            .json_lines();
        for number in 1..=3 {
            assert_eq!(
                panics(|| writer.send(&NotTwo(number)).unwrap()),
                number == 2
            );
        }
        writer.finish().unwrap();
        let output = instance.output().unwrap();
        let mut text = String::new();
        { output }.read_to_string(&mut text).unwrap();
        assert_eq!(text, "1\n3\n");

        let instance = start(&host, &hub, "tees");
        instance.send_input("1\n2\n3\n").unwrap();
        let mut items = instance.output().unwrap().json_lines::<NotTwo>();
        assert_eq!(items.next().unwrap().unwrap(), NotTwo(1));
        assert!(panics(|| items.next()));
        assert_eq!(items.next().unwrap().unwrap(), NotTwo(3));
        assert!(items.next().is_none());
    });
}

// Destructors.

/// Drops the value while another panic unwinds. The observer panics during the drop.
fn drop_in_a_panic<T>(what: &str, armed: &AtomicBool, value: T) {
    println!("{what}");
    armed.store(true, Ordering::SeqCst);
    assert!(panics(move || {
        let _value = value;
        panic!("something else panics")
    }));
    armed.store(false, Ordering::SeqCst);
}

/// A failure aborts the process, so the test runs in a child process.
#[test]
fn dropping_handles_in_a_panic_does_not_abort_the_process() {
    const CHILD: &str = "TEST_PANICKING_CHILD_DROP";
    if env::var_os(CHILD).is_none() {
        return in_child(&[(CHILD, "1")]);
    }
    let hub = programs::fake_hub(Generation::V1);
    let armed = Arc::new(AtomicBool::new(false));
    let host = HostClient::builder(hub.url())
        .observer({
            let armed = Arc::clone(&armed);
            move |_: &RequestInfo<'_>, _: &RequestEvent<'_>| {
                assert!(
                    !armed.load(Ordering::SeqCst),
                    "the observer of a user panics"
                );
            }
        })
        .build()
        .unwrap();
    let sequence = host.send_sequence(hub.package("stays")).unwrap();
    let instance = sequence.start(&StartOptions::new()).unwrap();
    drop_in_a_panic("streams", &armed, [instance.stdout(), instance.stderr()]);
    drop_in_a_panic("items", &armed, instance.log_lines().unwrap());
    drop_in_a_panic("until ended", &armed, instance.output_until_ended());
    drop_in_a_panic("follow", &armed, instance.follow_log().unwrap());
    let writer = instance.input_writer(ContentType::Text).unwrap();
    drop_in_a_panic("writer", &armed, writer);
    let child = sequence.spawn(&StartOptions::new()).unwrap();
    drop_in_a_panic("child", &armed, child);
    let pool = PoolOptions::new(2)
        .start([sequence], |_| StartOptions::new())
        .unwrap();
    drop_in_a_panic("pool", &armed, pool);
    let deployment = host.deploy(hub.package("stays")).unwrap();
    drop_in_a_panic("deployment", &armed, deployment);
    let topic = host.scoped_topic("a-topic", ContentType::Text).unwrap();
    drop_in_a_panic("topic", &armed, topic);

    let token = CancelToken::new();
    let held = PanicsInDrop(());
    drop_in_a_panic("hook", &armed, token.on_cancel(move || drop(held)));
    let upload = || Upload::reader(PanicsInDrop(Panics));
    drop_in_a_panic("upload", &armed, upload());
    let held = PanicsInDrop(());
    let progress = Upload::bytes([0x1f, 0x8b]).progress(move |_| {
        let _held = &held;
        panic!("the callback of a user panics")
    });
    assert!(panics(|| host.send_sequence(progress)));
    // These readers panic in `read`, and again when that panic drops them.
    assert!(panics(|| host.send_sequence(upload())));
    assert!(panics(|| instance.send_input(Input::ndjson(upload()))));
    assert!(panics(|| instance.transform(upload(), &mut io::sink())));
    let bodies = from_fn(|_| Ok(Response::new(Box::new(PanicsInDrop(Panics)) as Box<_>)));
    let other = HostClient::builder(hub.url()).transport(Arc::new(bodies));
    let other = other.hub_version("1.0.1").build().unwrap();
    assert!(panics(|| other.version()));
    let other = other.instance("an-instance").unwrap();
    assert!(panics(|| other.wait_event("ready")));

    host.version().unwrap();
}

// Calls from callbacks, and calls while a thread ends.

#[test]
fn observer_can_make_calls() {
    within("an observer that calls back", || {
        in_parallel(GENERATIONS, |generation| {
            let hub = FakeHub::builder(generation).time_scale(20.0).start();
            programs::serve(&hub);
            let (calls, events) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let itself = Arc::new(OnceLock::<HostClient>::new());
            let observed = HostClient::builder(hub.url()).observer({
                let (calls, events, itself) = (calls.clone(), events.clone(), itself.clone());
                move |request: &RequestInfo<'_>, _: &RequestEvent<'_>| {
                    if request.operation == "get version" {
                        // The observer also sees its own calls.
                        events.fetch_add(1, Ordering::SeqCst);
                    } else if let Some(host) = itself.get() {
                        host.version().unwrap();
                        calls.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            let host = observed.build().unwrap();
            itself.set(host.clone()).unwrap();
            let sequence = host.send_sequence(hub.package("tees")).unwrap();
            let output = sequence.run(&StartOptions::new(), "in\n").unwrap();
            assert_eq!(output.output, b"in\n");
            let calls = calls.load(Ordering::SeqCst);
            // The observer gets four events for each of its own calls: built, attempt, head and
            // body.
            assert!(calls > 20 && events.load(Ordering::SeqCst) >= 4 * calls);
        });
    });
}

#[test]
fn progress_callback_can_send_input_cancel_its_call_and_drop_the_client() {
    within("a reader that calls back", || {
        let hub = programs::fake_hub(Generation::V1);
        let host = HostClient::new(hub.url()).unwrap();
        let instance = start(&host, &hub, "tees");
        let mut inner = Some((instance.clone(), host));
        let upload = Upload::reader(&b"outer\n"[..]).progress(move |progress| {
            if let Some((instance, host)) = inner.take_if(|_| progress.bytes == 0) {
                let data = Input::text("inner\n").end(false);
                assert_eq!(instance.send_input(data).unwrap().bytes, 6);
                drop((instance, host));
            }
            ControlFlow::Continue(())
        });
        let output = instance
            .transform_bytes(Input::bytes(upload).content_type(ContentType::Text))
            .unwrap();
        assert_eq!(output, b"inner\nouter\n");

        let instance = start(instance.host(), &hub, "tees");
        let token = CancelToken::new();
        let cancels = token.clone();
        let endless = Upload::reader(io::repeat(b'.')).progress(move |progress| {
            if progress.bytes > 0 {
                cancels.cancel();
            }
            ControlFlow::Continue(())
        });
        let error = instance
            .with_cancel(&token)
            .send_input(endless)
            .unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
    });
}

#[test]
fn blocked_reader_or_observer_does_not_block_other_calls() {
    within("code that blocks", || {
        const BLOCKED: &str = "blocked";
        let hub = programs::fake_hub(Generation::V1);
        let ((go_on, go_on_receiver), (sender, receiver)) = (channel::<()>(), channel());
        let (go_on_receiver, observes) = (Mutex::new(go_on_receiver), Mutex::new(sender.clone()));
        let host = HostClient::builder(hub.url()).observer(
            move |_: &RequestInfo<'_>, _: &RequestEvent<'_>| {
                if thread::current().name() == Some(BLOCKED) {
                    let _ = observes.lock().unwrap().send(());
                    let _ = go_on_receiver.lock().unwrap().recv();
                }
            },
        );
        let host = host.build().unwrap();
        let instance = start(&host, &hub, "tees");
        let token = CancelToken::new();
        let (other, sends) = (host.clone(), instance.clone());
        let reading = thread::spawn(move || {
            let reader = FnReader(move |_: &mut [u8]| {
                sender.send(()).unwrap();
                loop {
                    thread::park();
                }
            });
            let data = Input::from(Upload::reader(reader));
            sends.send_input(data.end(false))
        });
        let blocked = thread::Builder::new().name(BLOCKED.into());
        let observed = blocked.spawn(move || other.version().map(drop)).unwrap();
        receiver.recv().and_then(|()| receiver.recv()).unwrap();

        host.version().unwrap();
        instance.info().unwrap();
        let waiting = instance.with_cancel(&token);
        let waiter = thread::spawn(move || waiting.wait_event("never").unwrap_err());
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());
        until_killable(&instance);
        instance.kill(&KillOptions::new()).unwrap();
        instance.wait_ended().unwrap();

        assert!(!observed.is_finished() && !reading.is_finished());
        drop(go_on);
        observed.join().unwrap().unwrap();
        drop(hub);
    });
}

/// Runs a closure on drop.
struct RunOnDrop(Option<Box<dyn FnOnce()>>);

impl Drop for RunOnDrop {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|work| work());
    }
}

/// A panic in the destructor of a thread-local aborts the process, so the test runs in a child
/// process.
#[test]
fn handles_work_in_the_destructor_of_a_thread_local() {
    const CHILD: &str = "TEST_PANICKING_CHILD_THREAD";
    thread_local! {
        static AT_THE_END: RefCell<Vec<RunOnDrop>> = const { RefCell::new(Vec::new()) };
    }
    if env::var_os(CHILD).is_none() {
        return in_child(&[(CHILD, "1")]);
    }
    within("calls of a thread that ends", || {
        let hub = programs::fake_hub(Generation::V1);
        let host = HostClient::new(hub.url()).unwrap();
        let sequence = host.send_sequence(hub.package("tees")).unwrap();
        let (stays, (sender, receiver)) = (hub.package("stays"), channel());
        let ending = thread::spawn(move || {
            // Registered before the thread-locals of the client, and so dropped after them.
            AT_THE_END.with_borrow_mut(Vec::clear);
            let instance = sequence.start(&StartOptions::new()).unwrap();
            let child = sequence.spawn(&StartOptions::new()).unwrap();
            let pool = PoolOptions::new(2)
                .start([sequence.clone()], |_| StartOptions::new())
                .unwrap();
            let deployment = host.deploy(stays).unwrap();
            let (output, log) = (instance.stdout().unwrap(), instance.follow_log().unwrap());
            let writer = child.input(ContentType::Text).unwrap();
            let token = CancelToken::new();
            let cancelled = instance.with_cancel(&token);
            let hook = token.on_cancel(|| {});
            let waiter = thread::spawn(move || cancelled.wait_event("never").unwrap_err());
            let work = move || {
                drop((output, log));
                writer.finish().unwrap();
                child.wait_with_output().unwrap();
                drop((pool, deployment));
                token.cancel();
                drop(hook);
                assert!(waiter.join().unwrap().is_cancelled());
                let limited = instance.with_deadline(Duration::from_millis(50));
                assert!(limited.wait_event("never").unwrap_err().is_timeout());
                assert_eq!(instance.transform_bytes("in\n").unwrap(), b"in\n");
                sequence.run(&StartOptions::new(), "in\n").unwrap();
                sender.send(()).unwrap();
            };
            AT_THE_END.with_borrow_mut(|all| all.push(RunOnDrop(Some(Box::new(work)))));
        });
        ending.join().unwrap();
        receiver.recv().unwrap();
    });
}

/// The panic hook is global, so the test runs in a child process.
#[test]
fn panic_hook_can_make_calls() {
    const CHILD: &str = "TEST_PANICKING_CHILD_HOOK";
    if env::var_os(CHILD).is_none() {
        return in_child(&[(CHILD, "1")]);
    }
    within("calls of a panic hook", || {
        let hub = programs::fake_hub(Generation::V1);
        let countdown = PanicCountdown::default();
        let host = client_with_transport(&hub, &countdown);
        let instance = start(&host, &hub, "tees");
        let calls = Arc::new(AtomicUsize::new(0));
        set_hook(Box::new({
            let (host, instance, calls) = (host.clone(), instance.clone(), Arc::clone(&calls));
            move |_| {
                host.version().unwrap();
                let limited = instance.with_deadline(Duration::from_millis(50));
                assert!(limited.wait_event("never").unwrap_err().is_timeout());
                calls.fetch_add(1, Ordering::SeqCst);
            }
        }));
        assert!(panics(|| host.send_sequence(Upload::reader(Panics))));
        assert!(panics(
            || instance.transform(Upload::reader(Panics), &mut io::sink())
        ));
        let token = CancelToken::new();
        let _hook = token.on_cancel(|| panic!("the hook of a user panics"));
        assert!(panics(|| token.cancel()));
        // This panic is on a thread of the library.
        countdown.set(1);
        assert!(panics(|| instance.wait_event("never")));
        assert_eq!(calls.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn forgotten_handles_do_not_block_other_calls() {
    const CHILD: &str = "TEST_PANICKING_CHILD_FORGET";
    if env::var_os(CHILD).is_none() {
        return in_child(&[(CHILD, "1")]);
    }
    within("calls with forgotten handles", || {
        let hub = FakeHub::builder(Generation::V1).time_scale(20.0).start();
        programs::serve(&hub);
        let host = HostClient::new(hub.url()).unwrap();
        let sequence = host.send_sequence(hub.package("tees")).unwrap();
        let instance = sequence.start(&StartOptions::new()).unwrap();
        let token = CancelToken::new();
        let bounded = instance.with_cancel(&token);
        forget(bounded.output().unwrap());
        forget(bounded.output_until_ended().unwrap());
        forget(bounded.follow_log().unwrap());
        forget(bounded.log_lines().unwrap());
        forget(bounded.stdin_writer(ContentType::Text).unwrap());
        forget(sequence.spawn(&StartOptions::new()).unwrap());
        forget(host.deploy(hub.package("stays")).unwrap());
        forget(host.scoped_topic("topic", ContentType::Text).unwrap());
        let (sender, receiver) = channel();
        forget(token.on_cancel(move || sender.send(()).unwrap()));
        let pool = PoolOptions::new(1).replace(true);
        forget(pool.start([sequence.clone()], |_| StartOptions::new()));

        let waiting = bounded.clone();
        let waiter = thread::spawn(move || waiting.wait_event("never").unwrap_err());
        token.cancel();
        assert!(waiter.join().unwrap().is_cancelled());
        receiver.recv().unwrap();
        let output = sequence.run(&StartOptions::new(), "in\n").unwrap();
        assert_eq!(output.output, b"in\n");
        until_killable(&instance);
        instance.kill(&KillOptions::new()).unwrap();
        instance.wait_ended().unwrap();
    });
    // The process can exit although the forgotten threads still run.
}
