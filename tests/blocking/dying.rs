//! Calls whose instance dies, or whose input has ended: they say so soon, on hubs of each
//! generation.

use std::env;
use std::fs;
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
use scramjet_client_tests::scripted::{ScriptedServer, response};
use scramjet_client_tests::{package, programs};
use serde_json::json;

use crate::helpers::{Mailbox, in_child, within};
use crate::live::listening;
use crate::stand_in::until;
use crate::waiting::acts;

/// Hubs of 1.x keep calls and streams waiting for 195 seconds. Much longer than any step takes.
const LIMIT: Duration = Duration::from_secs(20);

/// A hub, and the sequences that a test has uploaded to it.
struct Scene {
    name: &'static str,
    host: HostClient,
    fake: Option<FakeHub>,
    sequences: Mutex<Vec<SequenceClient>>,
}

impl Scene {
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

    fn tells(&self) -> bool {
        self.host.dialect().unwrap().remembers_ended_instances()
    }

    fn sequence(&self, sample: &str) -> SequenceClient {
        let package = package::sequence(sample);
        let sequence = self.host.send_sequence(package).unwrap();
        self.sequences.lock().unwrap().push(sequence.clone());
        sequence
    }

    /// An instance that listens to its input.
    fn instance(&self, sample: &str) -> InstanceClient {
        let instance = self.sequence(sample).start(&StartOptions::new()).unwrap();
        listening(&instance);
        instance
    }

    /// An instance that fails some time after its start.
    fn dying(&self) -> InstanceClient {
        self.sequence("acts").start(&dies()).unwrap()
    }

    /// It does not end before the instance, and in time.
    fn took(&self, what: &str, begin: Instant) {
        let took = begin.elapsed();
        println!("{}: {what} took {took:?}", self.name);
        assert!(took < LIMIT, "{}: {what} took {took:?}", self.name);
    }

    /// Checks that the instance has died of an uncaught exception, as far as the hub tells.
    fn says_how(&self, what: &str, error: &Error) {
        let ended = error.ended();
        let ended = ended.unwrap_or_else(|| panic!("{}: {what}: {error:?}", self.name));
        if self.tells() {
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

impl Drop for Scene {
    fn drop(&mut self) {
        // A fake hub goes as a whole.
        if self.fake.is_none() {
            for sequence in self.sequences.get_mut().unwrap() {
                sequence.force_delete().unwrap();
            }
        }
    }
}

/// Does the same on each hub, at the same time.
fn on_each(scenes: Vec<Scene>, test: impl Fn(&Scene) + Send + Sync + 'static) {
    within("a call whose instance dies", move || {
        thread::scope(|scope| {
            for scene in scenes {
                scope.spawn(|| {
                    let scene = scene;
                    test(&scene);
                });
            }
        });
    });
}

/// Writes something, and dies later of an uncaught exception.
fn dies() -> StartOptions {
    acts(json!([{ "print": "some" }, { "wait": 1500 }, { "throw": "later" }]))
}

fn is_ended(error: &Error) -> bool {
    error.ended().is_some() || error.is_not_found()
}

fn is_input_ended(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InputEnded)
}

// Calls and streams of an instance that dies.

#[test]
fn run_ends_with_an_instance_that_fails() {
    on_each(Scene::all(), |scene| {
        let sequence = scene.sequence("acts");
        let begin = Instant::now();
        let run = sequence.run(&dies(), "").unwrap();
        scene.took("run", begin);
        assert_eq!(run.output, b"some", "{}", scene.name);
        if scene.tells() {
            assert_eq!(run.exit(), Some(RunnerExit::Other(101)));
            assert_eq!(run.ended.reason.as_deref(), Some("Runner failed"));
        }
    });
}

#[test]
fn wait_with_output_ends_with_an_instance_that_fails() {
    on_each(Scene::all(), |scene| {
        let child = scene.sequence("acts").spawn(&dies()).unwrap();
        let begin = Instant::now();
        let output = child.wait_with_output().unwrap();
        scene.took("wait_with_output", begin);
        assert_eq!(output.output, b"some", "{}", scene.name);
        if scene.tells() {
            assert_eq!(output.exit(), Some(RunnerExit::Other(101)));
        }
    });
}

#[test]
fn transform_through_an_instance_that_fails_is_an_error() {
    on_each(Scene::all(), |scene| {
        let instance = scene.dying();
        let begin = Instant::now();
        let error = instance.transform_bytes("in").unwrap_err();
        scene.took("transform_bytes", begin);
        scene.says_how("transform_bytes", &error);
    });
}

#[test]
fn transform_through_an_instance_that_is_killed_or_exits_is_an_error() {
    on_each(Scene::all(), |scene| {
        let steps = json!([{ "print": "some" }, { "wait": 1500 }, { "exit": 3 }]);
        let exits = scene.sequence("acts").start(&acts(steps)).unwrap();
        let error = exits.transform_bytes("in").unwrap_err();
        assert!(error.ended().is_some(), "{}: {error:?}", scene.name);

        let killed = scene.instance("tees");
        let killer = killed.clone();
        let (begun, begins) = channel();
        let killing = thread::spawn(move || {
            begins.recv().unwrap();
            // A hub of 1.x refuses that in the moment after the start.
            until("it is killed", || killer.kill(&KillOptions::new()).is_ok());
        });
        let mut output = Telling(begun);
        let input = Input::text("in").end(false);
        let error = killed.transform(input, &mut output).unwrap_err();
        assert!(error.ended().is_some(), "{}: {error:?}", scene.name);
        killing.join().unwrap();
    });
}

/// Tells of what is written to it.
struct Telling(Sender<()>);

impl Write for Telling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_until_ended_ends_with_an_instance_that_fails() {
    on_each(Scene::all(), |scene| {
        let mut output = scene.dying().output_until_ended().unwrap();
        let begin = Instant::now();
        let mut text = String::new();
        let result = output.read_to_string(&mut text);
        scene.took("output_until_ended", begin);
        assert_eq!(text, "some", "{}", scene.name);
        if scene.tells() {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            let error = error.downcast::<Error>().unwrap();
            scene.says_how("output_until_ended", &error);
            // It stays an error.
            let error = output.read(&mut [0]).unwrap_err();
            scene.says_how("output_until_ended", &error.downcast::<Error>().unwrap());
        } else {
            // The hub ends it.
            result.unwrap();
        }
    });
}

#[test]
fn output_until_ended_gives_all_that_was_written_however_late_it_is_read() {
    on_each(Scene::all(), |scene| {
        let text = "some\n".repeat(20_000);
        let steps = json!([{ "print": text }, { "wait": 500 }, { "throw": "later" }]);
        let instance = scene.sequence("acts").start(&acts(steps)).unwrap();
        let mut output = instance.output_until_ended().unwrap();
        // It is interrupted when the client has noticed the end.
        let mut writer = instance.input_writer(ContentType::Text).unwrap();
        while writer.write_all(b"a").and_then(|()| writer.flush()).is_ok() {
            thread::yield_now();
        }
        drop(writer);
        let mut read = String::new();
        let result = output.read_to_string(&mut read);
        assert_eq!(result.is_err(), scene.tells(), "{}", scene.name);
        assert!(read == text, "{}: {} bytes", scene.name, read.len());
    });
}

#[test]
fn the_streams_of_a_child_end_with_an_instance_that_fails() {
    on_each(Scene::all(), |scene| {
        let mut child = scene.sequence("acts").spawn(&dies()).unwrap();
        let begin = Instant::now();
        for stream in [child.output.take(), child.stdout.take()] {
            let lines: Vec<_> = stream
                .into_iter()
                .flat_map(|stream| stream.lines())
                .collect();
            let failed = lines.last().is_some_and(|line| line.is_err());
            assert_eq!(failed, scene.tells(), "{}: {lines:?}", scene.name);
        }
        scene.took("reading the streams of a child", begin);
        child.wait().unwrap();
    });
}

#[test]
fn output_until_ended_of_an_instance_that_completes_ends_without_an_error() {
    on_each(Scene::all(), |scene| {
        let instance = scene.instance("shout");
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
        assert_eq!(texts[0], "ONE\n", "{}", scene.name);
    });
}

// Input for an instance that is dead, and input that has ended.

/// Sends to an instance in every way, and gives the errors.
fn send_in_each_way(scene: &Scene, instance: &InstanceClient) -> Vec<Error> {
    let begin = Instant::now();
    let writers = [
        InstanceClient::input_writer(instance, ContentType::Text).unwrap(),
        InstanceClient::stdin_writer(instance, ContentType::Text).unwrap(),
    ];
    let [input, stdin] = writers.map(|mut writer| {
        // It may be known by now.
        let _ = writer.write_all(b"more").and_then(|()| writer.flush());
        writer.finish().map(drop)
    });
    let results = [
        instance.send_input("more").map(drop),
        instance.send_stdin("more").map(drop),
        input,
        stdin,
    ];
    scene.took("sending in four ways", begin);
    results.map(Result::unwrap_err).into()
}

#[test]
fn send_input_to_a_dead_instance_is_an_error() {
    on_each(Scene::all(), |scene| {
        let killed = scene.instance("stays");
        until("it is killed", || killed.kill(&KillOptions::new()).is_ok());
        killed.wait_ended().unwrap();
        for error in send_in_each_way(scene, &killed) {
            assert!(is_ended(&error), "{}: killed: {error:?}", scene.name);
        }
    });
}

#[test]
fn send_input_to_an_instance_that_failed_is_an_error() {
    on_each(Scene::all(), |scene| {
        let failed = scene.dying();
        failed.wait_ended().unwrap();
        for error in send_in_each_way(scene, &failed) {
            assert!(is_ended(&error), "{}: failed: {error:?}", scene.name);
            if scene.tells() {
                scene.says_how("sending", &error);
            }
        }
    });
}

#[test]
fn send_input_to_an_input_that_has_ended_is_an_error() {
    on_each(Scene::all(), |scene| {
        let instance = scene.instance("stays");
        instance.send_input("all").unwrap();
        instance.send_stdin("all").unwrap();
        for error in send_in_each_way(scene, &instance) {
            assert!(is_input_ended(&error), "{}: {error:?}", scene.name);
            assert!(error.to_string().contains("has ended before"), "{error}");
        }
    });
}

#[test]
fn an_instance_of_the_same_id_has_an_input_of_its_own() {
    // One that forgets instances soon.
    let hub = programs::fake_hub(Generation::V1);
    on_each(vec![Scene::of("fake 1.x", hub)], |scene| {
        let sequence = scene.sequence("stays");
        let options = StartOptions::new().instance_id("00000000-0000-4000-8000-000000000001");
        let first = sequence.start(&options).unwrap();
        first.send_input("all").unwrap();
        let kill = KillOptions::new().remove_immediately(true);
        until("it is killed", || first.kill(&kill).is_ok());
        until("it is forgotten", || {
            first.info().is_err_and(|error| error.is_not_found())
        });
        let second = sequence.start(&options).unwrap();
        second.send_input("all").unwrap();
    });
}

// Writers.

#[test]
fn finish_when_the_instance_failed_meanwhile_is_an_error() {
    on_each(Scene::all(), |scene| {
        let instance = scene.dying();
        let mut writer = instance.input_writer(ContentType::Text).unwrap();
        writer
            .write_all(b"a")
            .and_then(|()| writer.flush())
            .unwrap();
        instance.wait_ended().unwrap();
        let begin = Instant::now();
        let error = writer.finish().unwrap_err();
        scene.took("finish", begin);
        scene.says_how("finish", &error);
    });
}

#[test]
fn write_fails_when_the_instance_has_failed() {
    on_each(Scene::all(), |scene| {
        let instance = scene.dying();
        let mut writer = instance.input_writer(ContentType::Text).unwrap();
        let begin = Instant::now();
        let error = loop {
            match writer.write_all(b"a").and_then(|()| writer.flush()) {
                Ok(()) => thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        scene.took("writing", begin);
        scene.says_how("writing", &writer.finish().unwrap_err());
    });
}

// Threads and sockets.

/// The threads of the library in this process, and its sockets.
fn left() -> (Vec<String>, usize) {
    let entries = |path: &str| fs::read_dir(path).unwrap().filter_map(Result::ok);
    let threads = entries("/proc/self/task")
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.starts_with("scramjet-"))
        .collect();
    let sockets = entries("/proc/self/fd")
        .filter_map(|file| fs::read_link(file.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count();
    (threads, sockets)
}

#[test]
fn nothing_stays_behind_of_instances_that_failed() {
    const HUB: &str = "TEST_DYING_HUB";
    if let Ok(url) = env::var(HUB) {
        let before = left();
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
        until("nothing is left", || {
            let left = left();
            left.0.is_empty() && left.1 <= before.1
        });
        println!("nothing was left after {:?}", begin.elapsed());
        return;
    }
    let scenes = Scene::all();
    for scene in &scenes {
        println!("{}:", scene.name);
        in_child(&[(HUB, scene.host.base_url())]);
    }
}

// A transform whose input is not taken.

#[test]
fn transform_twice_through_one_instance_is_an_error() {
    on_each(Scene::all(), |scene| {
        let instance = scene.instance("shout");
        assert_eq!(instance.transform_bytes("one\n").unwrap(), b"ONE\n");
        let begin = Instant::now();
        let error = instance.transform_bytes("two\n").unwrap_err();
        scene.took("the second transform", begin);
        assert!(is_input_ended(&error), "{}: {error:?}", scene.name);

        // A client that does not know of the first one.
        let host = HostClient::new(scene.host.base_url()).unwrap();
        let instance = host.instance(instance.id().clone()).unwrap();
        let error = instance.transform_bytes("three\n").unwrap_err();
        let refused = error.api().is_some() || is_input_ended(&error);
        assert!(refused, "{}: {error:?}", scene.name);
    });
}

// Proxies that keep heads back.

#[test]
fn nothing_waits_for_heads_that_a_proxy_keeps_back() {
    on_each(Scene::fakes(), |scene| {
        let hub = scene.fake.as_ref().unwrap();
        let (shout, events) = (scene.sequence("shout"), scene.sequence("events"));
        hub.set_proxy(Proxy::nginx());

        let begin = Instant::now();
        let run = shout.run(&StartOptions::new(), "one\n").unwrap();
        assert_eq!(run.output, b"ONE\n", "{}", scene.name);
        scene.took("run", begin);

        let begin = Instant::now();
        let mut child = shout.spawn(&StartOptions::new()).unwrap();
        child.instance().wait_event("ready").unwrap();
        child.instance().send_input("two\n").unwrap();
        let mut output = String::new();
        let stream = child.output.as_mut().unwrap();
        stream.read_to_string(&mut output).unwrap();
        assert_eq!(output, "TWO\n", "{}", scene.name);
        child.kill().unwrap();
        scene.took("spawn", begin);

        let begin = Instant::now();
        let instance = shout.start(&StartOptions::new()).unwrap();
        instance.wait_event("ready").unwrap();
        assert_eq!(instance.transform_bytes("three\n").unwrap(), b"THREE\n");
        scene.took("transform", begin);

        let begin = Instant::now();
        let instance = events.start(&StartOptions::new()).unwrap();
        instance.wait_event("ready").unwrap();
        let mut stream = instance.event_stream("pong").unwrap();
        instance.send_event("ping", "x").unwrap();
        assert_eq!(stream.next().unwrap().unwrap().data, "x");
        scene.took("event_stream", begin);
    });
}

// Idle timeouts.

#[test]
fn run_with_an_idle_timeout_ends_after_that_time() {
    const IDLE: Duration = Duration::from_secs(8);
    on_each(Scene::all(), |scene| {
        let sequence = scene.sequence("acts");
        // Something moves when the first wait has begun.
        let moves = acts(json!([{ "wait": 700 }, { "print": "some" }]));
        let begin = Instant::now();
        let error = sequence
            .with_idle_timeout(IDLE)
            .run(&moves, "in")
            .unwrap_err();
        let took = begin.elapsed();
        println!(
            "{}: run with an idle timeout of 8 s took {took:?}",
            scene.name
        );
        assert!(
            matches!(error.kind(), ErrorKind::Idle { limit, .. } if *limit == IDLE),
            "{}: {error:?}",
            scene.name
        );
        assert!(
            took >= IDLE && took < IDLE * 2 - Duration::from_secs(2),
            "{took:?}"
        );
    });
}

// Panics.

struct Panics;

impl Read for Panics {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("the reader panics")
    }
}

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("the writer panics")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives data without end, and tells when it is dropped.
struct Endless(Sender<()>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Nobody listens.
        let _ = &self.0;
        buffer.fill(b'\n');
        Ok(buffer.len())
    }
}

#[test]
fn a_panic_comes_out_of_transform_and_ends_it() {
    on_each(Scene::all(), |scene| {
        let panic = |what: &str, input: Input, output: &mut dyn Write| {
            let instance = scene.instance("echo");
            let mut output = output;
            let begin = Instant::now();
            let call = AssertUnwindSafe(|| instance.transform(input, &mut output));
            let panic = catch_unwind(call).unwrap_err();
            scene.took(what, begin);
            *panic.downcast::<&str>().unwrap()
        };
        let reader = Input::bytes(Upload::reader(Panics));
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
        let endless = Input::bytes(Upload::reader(Endless(used))).content_type(ContentType::Text);
        assert_eq!(
            panic("a writer that panics", endless, &mut Panics),
            "the writer panics"
        );
        // Nobody sends any more.
        assert_eq!(
            over.recv_timeout(LIMIT),
            Err(RecvTimeoutError::Disconnected)
        );
    });
}

// Writers that are not finished.

/// A server that tells of each piece that is written to an input, and of the end: an empty one,
/// or `None` if it was cut off. It answers if it is to.
fn taking(answers: bool) -> (ScriptedServer, Arc<Mailbox<Option<String>>>) {
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
fn a_writer_that_is_dropped_waits_for_the_end_of_the_input() {
    within("dropping a writer", || {
        let (server, pieces) = taking(true);
        for _ in 0..50 {
            let mut writer = writer(&server);
            writer.write_all(b"all").unwrap();
            drop(writer);
            // It was there before the answer that the writer waits for.
            for piece in ["all", ""] {
                assert_eq!(pieces.try_take(), Some(Some(piece.to_owned())));
            }
        }
    });
}

#[test]
fn a_writer_that_is_dropped_does_not_wait_for_a_hub_that_does_not_answer() {
    within("dropping a writer", || {
        let (server, pieces) = taking(false);
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
fn a_writer_that_is_aborted_or_dropped_in_a_panic_is_cut_off() {
    within("aborting a writer", || {
        let (server, pieces) = taking(true);
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
            assert_eq!(pieces.take(), None, "it was taken for all");
        }
    });
}

#[test]
fn an_input_goes_on_after_a_writer_that_was_aborted() {
    on_each(Scene::all(), |scene| {
        let instance = scene.instance("echo");
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
            scene.name
        );
    });
}

// Streams that are lost with their hub.

/// Tells when something comes of an output.
struct Tells(Sender<()>);

impl Write for Tells {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nobody listens any more.
        let _ = self.0.send(());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn transform_and_run_say_so_if_their_hub_has_restarted_or_is_away() {
    within("calls whose hub is lost", || {
        for generation in [Generation::V0_18, Generation::V1] {
            let hub = programs::fake_hub(generation);
            let host = HostClient::new(hub.url()).unwrap();
            let begun = || {
                let sequence = host.send_sequence(hub.package("tees")).unwrap();
                let instance = sequence.start(&StartOptions::new()).unwrap();
                listening(&instance);
                let (tell, told) = channel();
                let transforming = thread::spawn(move || {
                    let endless = Upload::reader(Endless(channel().0));
                    instance.transform(endless, &mut Tells(tell)).unwrap_err()
                });
                told.recv().unwrap();
                transforming
            };
            let transforming = begun();
            hub.restart(true);
            let error = transforming.join().unwrap();
            assert!(error.ended().is_some(), "{generation:?}: {error:?}");

            let transforming = begun();
            hub.set_unreachable(true);
            let error = transforming.join().unwrap();
            // It is the hub that does not answer.
            assert!(matches!(error.kind(), ErrorKind::Transport(_)), "{error:?}");
            assert_eq!(error.operation(), Some("get instance"), "{error:?}");
            hub.set_unreachable(false);

            let sequence = host.send_sequence(hub.package("stays")).unwrap();
            let before = hub.requests().len();
            let running = thread::spawn(move || sequence.run(&StartOptions::new(), ""));
            hub.wait_until("it is read", |hub| {
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
