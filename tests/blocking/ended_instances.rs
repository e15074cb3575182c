//! Calls on an instance that ends, or whose input has ended. They return soon on hubs of each
//! generation.

use std::env;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::types::RunnerExit;
use scramjet_client_blocking::{
    Child, ContentType, Error, ErrorKind, HostClient, Input, InstanceClient, KillOptions,
    OutputStream, SequenceClient, StartOptions, StreamWriter, Upload,
};
use scramjet_client_testing::fake_hub::{FakeHub, Generation, Proxy};
use scramjet_client_tests::hub::shared;
#[cfg(target_os = "linux")]
use scramjet_client_tests::process;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use scramjet_client_tests::{package, programs};
use serde_json::json;

use crate::helpers::{FnReader, FnWriter, Mailbox, in_child, within};
use crate::live::listening;
use crate::outages::GENERATIONS;
use crate::stub_hub::until;
use crate::wait_event::acts;

/// Upper bound for each step. Hubs of 1.x keep calls and streams open for 195 seconds after a
/// failure.
const LIMIT: Duration = Duration::from_secs(20);

/// A hub, and the sequences that a test uploaded to it.
struct TestHub {
    name: &'static str,
    host: HostClient,
    fake: Option<FakeHub>,
    sequences: Mutex<Vec<SequenceClient>>,
}

impl TestHub {
    fn fake(name: &'static str, generation: Generation) -> Self {
        let hub = FakeHub::new(generation);
        programs::serve(&hub);
        Self::of(name, hub)
    }

    fn of(name: &'static str, hub: FakeHub) -> Self {
        Self {
            name,
            host: HostClient::new(hub.url()).unwrap(),
            fake: Some(hub),
            sequences: Mutex::default(),
        }
    }

    fn fakes() -> Vec<Self> {
        vec![
            Self::fake("fake 0.18", Generation::V0_18),
            Self::fake("fake 1.x", Generation::V1),
        ]
    }

    fn all() -> Vec<Self> {
        let real = shared().map(|hub| Self {
            name: "real hub",
            host: HostClient::new(hub.url()).unwrap(),
            fake: None,
            sequences: Mutex::default(),
        });
        real.into_iter().chain(Self::fakes()).collect()
    }

    fn reports_exit(&self) -> bool {
        self.host.dialect().unwrap().remembers_ended_instances()
    }

    fn sequence(&self, sample: &str) -> SequenceClient {
        let package = package::sequence(sample);
        let sequence = self.host.send_sequence(package).unwrap();
        self.sequences.lock().unwrap().push(sequence.clone());
        sequence
    }

    /// Starts an instance and waits until it reads its input.
    fn instance(&self, sample: &str) -> InstanceClient {
        let instance = self.sequence(sample).start(&StartOptions::new()).unwrap();
        listening(&instance);
        instance
    }

    /// Starts an instance that fails some time after its start.
    fn dying_instance(&self) -> InstanceClient {
        self.sequence("acts").start(&dies_later()).unwrap()
    }

    /// Checks that a call returned in time.
    fn assert_in_time(&self, what: &str, begin: Instant) {
        let took = begin.elapsed();
        println!("{}: {what} took {took:?}", self.name);
        assert!(took < LIMIT, "{}: {what} took {took:?}", self.name);
    }

    /// Checks that the instance ended with an uncaught exception, if the hub reports that.
    fn assert_uncaught_exception(&self, what: &str, error: &Error) {
        let ended = error.ended();
        let ended = ended.unwrap_or_else(|| panic!("{}: {what}: {error:?}", self.name));
        if self.reports_exit() {
            let reason = ended.reason.as_deref();
            assert_eq!(
                (ended.exit, reason),
                (Some(RunnerExit::Other(101)), Some("Runner failed"))
            );
            let text = ": the instance has ended: Runner failed (exit code 101)";
            assert!(error.to_string().ends_with(text), "{what}: {error}");
        }
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        // A fake hub needs no clean-up.
        if self.fake.is_none() {
            for sequence in self.sequences.get_mut().unwrap() {
                sequence.force_delete().unwrap();
            }
        }
    }
}

/// Runs a test on each hub in parallel.
fn on_each(targets: Vec<TestHub>, test: impl Fn(&TestHub) + Send + Sync + 'static) {
    within("a call on an instance that ends", move || {
        thread::scope(|scope| {
            for target in targets {
                scope.spawn(|| {
                    let target = target;
                    test(&target);
                });
            }
        });
    });
}

/// Options for an instance that prints something, and later throws an uncaught exception.
fn dies_later() -> StartOptions {
    acts(json!([{ "print": "some" }, { "wait": 1500 }, { "throw": "later" }]))
}

fn is_ended(error: &Error) -> bool {
    error.ended().is_some() || error.is_not_found()
}

fn is_input_ended(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InputEnded)
}

// Calls and streams of an instance that fails.

#[test]
fn run_returns_when_the_instance_fails() {
    on_each(TestHub::all(), |target| {
        let sequence = target.sequence("acts");
        let begin = Instant::now();
        let run = sequence.run(&dies_later(), "").unwrap();
        target.assert_in_time("run", begin);
        assert_eq!(run.output, b"some", "{}", target.name);
        if target.reports_exit() {
            assert_eq!(run.exit(), Some(RunnerExit::Other(101)));
            assert_eq!(run.ended.reason.as_deref(), Some("Runner failed"));
        }
    });
}

#[test]
fn wait_with_output_returns_when_the_instance_fails() {
    on_each(TestHub::all(), |target| {
        let child = target.sequence("acts").spawn(&dies_later()).unwrap();
        let begin = Instant::now();
        let output = child.wait_with_output().unwrap();
        target.assert_in_time("wait_with_output", begin);
        assert_eq!(output.output, b"some", "{}", target.name);
        if target.reports_exit() {
            assert_eq!(output.exit(), Some(RunnerExit::Other(101)));
        }
    });
}

#[test]
fn transform_through_an_instance_that_fails_is_an_error() {
    on_each(TestHub::all(), |target| {
        let instance = target.dying_instance();
        let begin = Instant::now();
        let error = instance.transform_bytes("in").unwrap_err();
        target.assert_in_time("transform_bytes", begin);
        target.assert_uncaught_exception("transform_bytes", &error);
    });
}

#[test]
fn transform_through_an_instance_that_is_killed_or_exits_is_an_error() {
    on_each(TestHub::all(), |target| {
        let steps = json!([{ "print": "some" }, { "wait": 1500 }, { "exit": 3 }]);
        let exits = target.sequence("acts").start(&acts(steps)).unwrap();
        let error = exits.transform_bytes("in").unwrap_err();
        assert!(error.ended().is_some(), "{}: {error:?}", target.name);

        let killed = target.instance("tees");
        let killer = killed.clone();
        let (sender, receiver) = channel();
        let killing = thread::spawn(move || {
            receiver.recv().unwrap();
            // Hubs of 1.x refuse a kill shortly after the start.
            until("the instance is killed", || {
                killer.kill(&KillOptions::new()).is_ok()
            });
        });
        let mut output = signal_on_write(sender);
        let input = Input::text("in").end(false);
        let error = killed.transform(input, &mut output).unwrap_err();
        assert!(error.ended().is_some(), "{}: {error:?}", target.name);
        killing.join().unwrap();
    });
}

/// Returns a writer that sends a signal for each write.
fn signal_on_write(sender: Sender<()>) -> impl Write {
    FnWriter(move |bytes: &[u8]| {
        // The receiver may be gone.
        let _ = sender.send(());
        Ok(bytes.len())
    })
}

#[test]
fn output_until_ended_ends_when_the_instance_fails() {
    on_each(TestHub::all(), |target| {
        let mut output = target.dying_instance().output_until_ended().unwrap();
        let begin = Instant::now();
        let mut text = String::new();
        let result = output.read_to_string(&mut text);
        target.assert_in_time("output_until_ended", begin);
        assert_eq!(text, "some", "{}", target.name);
        if target.reports_exit() {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            let error = error.downcast::<Error>().unwrap();
            target.assert_uncaught_exception("output_until_ended", &error);
            // Later reads fail as well.
            let error = output.read(&mut [0]).unwrap_err();
            target.assert_uncaught_exception(
                "output_until_ended",
                &error.downcast::<Error>().unwrap(),
            );
        } else {
            // The hub itself ends the stream.
            result.unwrap();
        }
    });
}

#[test]
fn output_until_ended_returns_all_data_even_if_it_is_read_late() {
    on_each(TestHub::all(), |target| {
        let text = "some\n".repeat(20_000);
        let steps = json!([{ "print": text }, { "wait": 500 }, { "throw": "later" }]);
        let instance = target.sequence("acts").start(&acts(steps)).unwrap();
        let mut output = instance.output_until_ended().unwrap();
        // The write fails as soon as the client has noticed the end of the instance.
        let mut writer = instance.input_writer(ContentType::Text).unwrap();
        while writer.write_all(b"a").and_then(|()| writer.flush()).is_ok() {
            thread::yield_now();
        }
        drop(writer);
        let mut read = String::new();
        let result = output.read_to_string(&mut read);
        assert_eq!(result.is_err(), target.reports_exit(), "{}", target.name);
        assert!(read == text, "{}: {} bytes", target.name, read.len());
    });
}

#[test]
fn child_output_and_stdout_end_when_the_instance_fails() {
    on_each(TestHub::all(), |target| {
        let mut child = target.sequence("acts").spawn(&dies_later()).unwrap();
        let begin = Instant::now();
        for stream in [child.output.take(), child.stdout.take()] {
            let lines: Vec<_> = stream
                .into_iter()
                .flat_map(|stream| stream.lines())
                .collect();
            let failed = lines.last().is_some_and(|line| line.is_err());
            assert_eq!(failed, target.reports_exit(), "{}: {lines:?}", target.name);
        }
        target.assert_in_time("reading the streams of a child", begin);
        child.wait().unwrap();
    });
}

#[test]
fn output_until_ended_of_an_instance_that_completes_ends_without_an_error() {
    on_each(TestHub::all(), |target| {
        let instance = target.instance("shout");
        let mut streams = [
            instance.output_until_ended().unwrap(),
            instance.stream_until_ended(OutputStream::Stderr).unwrap(),
        ];
        instance.send_input("one\n").unwrap();
        let texts = streams.each_mut().map(|stream| {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        assert_eq!(texts[0], "ONE\n", "{}", target.name);
    });
}

// Input for an instance that has ended, and input that has ended.

/// Sends input in each way, and returns the errors.
fn send_in_each_way(target: &TestHub, instance: &InstanceClient) -> Vec<Error> {
    let begin = Instant::now();
    let writers = [
        InstanceClient::input_writer(instance, ContentType::Text).unwrap(),
        InstanceClient::stdin_writer(instance, ContentType::Text).unwrap(),
    ];
    let [input, stdin] = writers.map(|mut writer| {
        // The client may already know that the instance has ended.
        let _ = writer.write_all(b"more").and_then(|()| writer.flush());
        writer.finish().map(drop)
    });
    let results = [
        instance.send_input("more").map(drop),
        instance.send_stdin("more").map(drop),
        input,
        stdin,
    ];
    target.assert_in_time("sending in four ways", begin);
    results.map(Result::unwrap_err).into()
}

#[test]
fn send_input_to_a_dead_instance_is_an_error() {
    on_each(TestHub::all(), |target| {
        let killed = target.instance("stays");
        until("the instance is killed", || {
            killed.kill(&KillOptions::new()).is_ok()
        });
        killed.wait_ended().unwrap();
        for error in send_in_each_way(target, &killed) {
            assert!(is_ended(&error), "{}: killed: {error:?}", target.name);
        }
    });
}

#[test]
fn send_input_to_an_instance_that_failed_is_an_error() {
    on_each(TestHub::all(), |target| {
        let failed = target.dying_instance();
        failed.wait_ended().unwrap();
        for error in send_in_each_way(target, &failed) {
            assert!(is_ended(&error), "{}: failed: {error:?}", target.name);
            if target.reports_exit() {
                target.assert_uncaught_exception("sending", &error);
            }
        }
    });
}

#[test]
fn send_input_after_the_end_of_the_input_is_an_error() {
    on_each(TestHub::all(), |target| {
        let instance = target.instance("stays");
        instance.send_input("all").unwrap();
        instance.send_stdin("all").unwrap();
        for error in send_in_each_way(target, &instance) {
            assert!(is_input_ended(&error), "{}: {error:?}", target.name);
            assert!(error.to_string().contains("its input has ended"), "{error}");
        }
    });
}

#[test]
fn send_input_works_on_a_new_instance_with_a_reused_id() {
    // This fake hub forgets ended instances soon.
    let hub = programs::fake_hub(Generation::V1);
    on_each(vec![TestHub::of("fake 1.x", hub)], |target| {
        let sequence = target.sequence("stays");
        let options = StartOptions::new().instance_id("00000000-0000-4000-8000-000000000001");
        let first = sequence.start(&options).unwrap();
        first.send_input("all").unwrap();
        let kill = KillOptions::new().remove_immediately(true);
        until("the instance is killed", || first.kill(&kill).is_ok());
        until("the hub forgets the instance", || {
            first.info().is_err_and(|error| error.is_not_found())
        });
        let second = sequence.start(&options).unwrap();
        second.send_input("all").unwrap();
    });
}

// Writers.

#[test]
fn finish_after_the_instance_failed_is_an_error() {
    on_each(TestHub::all(), |target| {
        let instance = target.dying_instance();
        let mut writer = instance.input_writer(ContentType::Text).unwrap();
        writer
            .write_all(b"a")
            .and_then(|()| writer.flush())
            .unwrap();
        instance.wait_ended().unwrap();
        let begin = Instant::now();
        let error = writer.finish().unwrap_err();
        target.assert_in_time("finish", begin);
        target.assert_uncaught_exception("finish", &error);
    });
}

#[test]
fn write_fails_when_the_instance_has_failed() {
    on_each(TestHub::all(), |target| {
        let instance = target.dying_instance();
        let mut writer = instance.input_writer(ContentType::Text).unwrap();
        let begin = Instant::now();
        let error = loop {
            match writer.write_all(b"a").and_then(|()| writer.flush()) {
                Ok(()) => thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        target.assert_in_time("writing", begin);
        target.assert_uncaught_exception("writing", &writer.finish().unwrap_err());
    });
}

// Threads and sockets.

#[cfg(target_os = "linux")]
#[test]
fn spawn_and_input_writer_leave_no_threads_or_sockets_of_failed_instances() {
    const HUB: &str = "TEST_DYING_HUB";
    if let Ok(url) = env::var(HUB) {
        let before = process::sockets();
        let host = HostClient::new(url).unwrap();
        let sequence = host.send_sequence(package::sequence("acts")).unwrap();
        let fails = acts(json!([{ "wait": 300 }, { "throw": "later" }]));
        let children: Vec<_> = (0..5).map(|_| sequence.spawn(&fails).unwrap()).collect();
        let writer = |child: &Child| {
            let mut writer = child.input(ContentType::Text).unwrap();
            writer.write_all(b"a").unwrap();
            writer
        };
        let writers: Vec<_> = children.iter().map(writer).collect();
        for child in &children {
            child.instance().wait_ended().unwrap();
        }
        let begin = Instant::now();
        drop(writers);
        drop(children);
        drop((sequence, host));
        until("no threads and sockets are left", || {
            process::client_threads() == 0 && process::sockets() <= before
        });
        println!("nothing was left after {:?}", begin.elapsed());
        return;
    }
    let targets = TestHub::all();
    for target in &targets {
        println!("{}:", target.name);
        in_child(&[(HUB, target.host.base_url())]);
    }
}

// A transform whose input is refused.

#[test]
fn transform_twice_through_one_instance_is_an_error() {
    on_each(TestHub::all(), |target| {
        let instance = target.instance("shout");
        assert_eq!(instance.transform_bytes("one\n").unwrap(), b"ONE\n");
        let begin = Instant::now();
        let error = instance.transform_bytes("two\n").unwrap_err();
        target.assert_in_time("the second transform", begin);
        assert!(is_input_ended(&error), "{}: {error:?}", target.name);

        // This client does not know that the input has ended.
        let host = HostClient::new(target.host.base_url()).unwrap();
        let instance = host.instance(instance.id().clone()).unwrap();
        let error = instance.transform_bytes("three\n").unwrap_err();
        let refused = error.api().is_some() || is_input_ended(&error);
        assert!(refused, "{}: {error:?}", target.name);
    });
}

// Proxies that buffer response heads.

#[test]
fn run_spawn_transform_and_event_stream_work_if_a_proxy_buffers_heads() {
    on_each(TestHub::fakes(), |target| {
        let hub = target.fake.as_ref().unwrap();
        let (shout, events) = (target.sequence("shout"), target.sequence("events"));
        hub.set_proxy(Proxy::nginx());

        let begin = Instant::now();
        let run = shout.run(&StartOptions::new(), "one\n").unwrap();
        assert_eq!(run.output, b"ONE\n", "{}", target.name);
        target.assert_in_time("run", begin);

        let begin = Instant::now();
        let mut child = shout.spawn(&StartOptions::new()).unwrap();
        child.instance().wait_event("ready").unwrap();
        child.instance().send_input("two\n").unwrap();
        let mut output = String::new();
        let stream = child.output.as_mut().unwrap();
        stream.read_to_string(&mut output).unwrap();
        assert_eq!(output, "TWO\n", "{}", target.name);
        child.kill().unwrap();
        target.assert_in_time("spawn", begin);

        let begin = Instant::now();
        let instance = shout.start(&StartOptions::new()).unwrap();
        instance.wait_event("ready").unwrap();
        assert_eq!(instance.transform_bytes("three\n").unwrap(), b"THREE\n");
        target.assert_in_time("transform", begin);

        let begin = Instant::now();
        let instance = events.start(&StartOptions::new()).unwrap();
        instance.wait_event("ready").unwrap();
        let mut stream = instance.event_stream("pong").unwrap();
        instance.send_event("ping", "x").unwrap();
        assert_eq!(stream.next().unwrap().unwrap().data, "x");
        target.assert_in_time("event_stream", begin);
    });
}

// Idle timeouts.

#[test]
fn run_with_an_idle_timeout_ends_after_that_time() {
    const IDLE: Duration = Duration::from_secs(8);
    on_each(TestHub::all(), |target| {
        let sequence = target.sequence("acts");
        // The output starts after the idle timeout has started, so it restarts the timeout.
        let prints = acts(json!([{ "wait": 700 }, { "print": "some" }]));
        let begin = Instant::now();
        let error = sequence
            .with_idle_timeout(IDLE)
            .run(&prints, "in")
            .unwrap_err();
        let took = begin.elapsed();
        println!(
            "{}: run with an idle timeout of 8 s took {took:?}",
            target.name
        );
        assert!(
            matches!(error.kind(), ErrorKind::Idle { limit, .. } if *limit == IDLE),
            "{}: {error:?}",
            target.name
        );
        assert!(
            took >= IDLE && took < IDLE * 2 - Duration::from_secs(2),
            "{took:?}"
        );
    });
}

// Panics.

/// Returns a reader of endless data. The receiver of the channel learns when it is dropped.
fn endless(used: Sender<()>) -> impl Read + Send {
    FnReader(move |buffer: &mut [u8]| {
        let _ = &used;
        buffer.fill(b'\n');
        Ok(buffer.len())
    })
}

#[test]
fn transform_propagates_panics_of_its_reader_callback_and_writer() {
    on_each(TestHub::all(), |target| {
        let panic = |what: &str, input: Input, output: &mut dyn Write| {
            let instance = target.instance("echo");
            let mut output = output;
            let begin = Instant::now();
            let call = AssertUnwindSafe(|| instance.transform(input, &mut output));
            let panic = catch_unwind(call).unwrap_err();
            target.assert_in_time(what, begin);
            *panic.downcast::<&str>().unwrap()
        };
        let reader = Upload::reader(FnReader(|_: &mut [u8]| panic!("the reader panics")));
        let reader = Input::bytes(reader);
        assert_eq!(
            panic("a reader that panics", reader, &mut io::sink()),
            "the reader panics"
        );
        let callback = Upload::bytes("some").progress(|_| panic!("the callback panics"));
        assert_eq!(
            panic("a callback that panics", callback.into(), &mut io::sink()),
            "the callback panics"
        );
        let (used, over) = channel();
        let endless = Input::bytes(Upload::reader(endless(used))).content_type(ContentType::Text);
        let mut writer = FnWriter(|_: &[u8]| panic!("the writer panics"));
        assert_eq!(
            panic("a writer that panics", endless, &mut writer),
            "the writer panics"
        );
        // The library has dropped the reader.
        assert_eq!(
            over.recv_timeout(LIMIT),
            Err(RecvTimeoutError::Disconnected)
        );
    });
}

// Writers that are dropped or aborted.

/// Starts a server that reports each chunk of an input. It reports the end as an empty string, and
/// an aborted upload as `None`.
fn input_server(answers: bool) -> (ScriptedServer, Arc<Mailbox<Option<String>>>) {
    let pieces = Mailbox::new();
    let server = ScriptedServer::start({
        let pieces = Arc::clone(&pieces);
        move |connection| {
            while let Ok(request) = connection.read_head() {
                if request.method == "GET" {
                    let running = response("200 OK", &[], br#"{"id":"i","status":"running"}"#);
                    let _ = connection.send(&running);
                    continue;
                }
                loop {
                    match connection.read_chunk() {
                        Ok(piece) if piece.is_empty() => break pieces.put(Some(String::new())),
                        Ok(piece) => pieces.put(Some(String::from_utf8(piece).unwrap())),
                        Err(_) => return pieces.put(None),
                    }
                }
                if answers {
                    let _ = connection.send(response("200 OK", &[], b""));
                }
            }
        }
    });
    (server, pieces)
}

fn writer(server: &ScriptedServer) -> StreamWriter {
    let host = HostClient::new(server.url()).unwrap();
    let instance = host.instance("i").unwrap();
    instance.input_writer(ContentType::Text).unwrap()
}

#[test]
fn dropping_a_stream_writer_waits_for_the_end_of_the_input() {
    within("dropping a writer", || {
        let (server, pieces) = input_server(true);
        for _ in 0..50 {
            let mut writer = writer(&server);
            writer.write_all(b"all").unwrap();
            drop(writer);
            // The hub received the end before it sent the response that the writer waits for.
            for piece in ["all", ""] {
                assert_eq!(pieces.try_take(), Some(Some(piece.to_owned())));
            }
        }
    });
}

#[test]
fn dropping_a_stream_writer_does_not_wait_for_an_unresponsive_hub() {
    within("dropping a writer", || {
        let (server, pieces) = input_server(false);
        let mut writer = writer(&server);
        writer.write_all(b"all").unwrap();
        let begin = Instant::now();
        drop(writer);
        assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
        assert_eq!(pieces.take().as_deref(), Some("all"));
        assert_eq!(pieces.take().as_deref(), Some(""));
    });
}

#[test]
fn stream_writer_abort_or_drop_in_a_panic_does_not_complete_the_upload() {
    within("aborting a writer", || {
        let (server, pieces) = input_server(true);
        let ends: [fn(StreamWriter); 3] = [
            StreamWriter::abort,
            |writer| writer.json_lines().abort(),
            |writer| {
                let panic = catch_unwind(AssertUnwindSafe(move || panic!("with {writer:?}")));
                assert!(panic.is_err());
            },
        ];
        for end in ends {
            let mut writer = writer(&server);
            writer
                .write_all(b"half")
                .and_then(|()| writer.flush())
                .unwrap();
            assert_eq!(pieces.take().as_deref(), Some("half"));
            end(writer);
            assert_eq!(pieces.take(), None, "the upload looks complete");
        }
    });
}

#[test]
fn send_input_works_after_stream_writer_abort() {
    on_each(TestHub::all(), |target| {
        let instance = target.instance("echo");
        let mut output = instance.output().unwrap();
        let mut writer = instance.input_writer(ContentType::Text).unwrap();
        writer
            .write_all(b"half, ")
            .and_then(|()| writer.flush())
            .unwrap();
        let mut half = [0; 6];
        output.read_exact(&mut half).unwrap();
        writer.abort();
        instance.send_input("whole").unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(
            (&half, rest.as_str()),
            (b"half, ", "whole"),
            "{}",
            target.name
        );
    });
}

// Streams whose hub is gone.

#[test]
fn transform_and_run_fail_if_the_hub_restarts_or_is_unreachable() {
    within("calls whose hub is lost", || {
        for generation in GENERATIONS {
            let hub = programs::fake_hub(generation);
            let host = HostClient::new(hub.url()).unwrap();
            let start_transform = || {
                let sequence = host.send_sequence(hub.package("tees")).unwrap();
                let instance = sequence.start(&StartOptions::new()).unwrap();
                listening(&instance);
                let (sender, receiver) = channel();
                let transforming = thread::spawn(move || {
                    let endless = Upload::reader(endless(channel().0));
                    instance
                        .transform(endless, &mut signal_on_write(sender))
                        .unwrap_err()
                });
                receiver.recv().unwrap();
                transforming
            };
            let transforming = start_transform();
            hub.restart(true);
            let error = transforming.join().unwrap();
            assert!(error.ended().is_some(), "{generation:?}: {error:?}");

            let transforming = start_transform();
            hub.set_unreachable(true);
            let error = transforming.join().unwrap();
            // The error comes from the request for the state of the instance.
            assert!(matches!(error.kind(), ErrorKind::Transport(_)), "{error:?}");
            assert_eq!(error.operation(), Some("get instance"), "{error:?}");
            hub.set_unreachable(false);

            let sequence = host.send_sequence(hub.package("stays")).unwrap();
            let before = hub.requests().len();
            let running = thread::spawn(move || sequence.run(&StartOptions::new(), ""));
            hub.wait_until("the client reads the streams", |hub| {
                let requests = hub.requests();
                let mut since = requests.iter().skip(before);
                since.any(|line| line.contains("/stderr"))
            });
            hub.restart(true);
            let error = running.join().unwrap().unwrap_err();
            assert!(error.ended().is_some(), "{generation:?}: {error:?}");
        }
    });
}
