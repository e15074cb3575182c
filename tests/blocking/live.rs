//! Everyday use of a hub. The tests run on a real hub and on fake hubs.
//!
//! If the hub's version lacks a feature, the test skips it and prints a message. Every test deletes
//! what it created.

use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::Operation;
use scramjet_client_blocking::core::{Json, NextEvent, Path, SendSequence};
use scramjet_client_blocking::error::RequestError;
use scramjet_client_blocking::http::{HeaderMap, HeaderValue, Method, header};
use scramjet_client_blocking::types::{Adapter, InstanceStatus, SequenceRef};
use scramjet_client_blocking::{
    Dialect, Error, ErrorCode, Event, EventName, HostClient, Input, InstanceClient, KillOptions,
    OutputStream, SequenceClient, StartOptions, StopOptions, Upload, Version,
};
use scramjet_client_tests::hub::{Hub, shared};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::package;
use serde_json::{Value, json};

use crate::helpers::Folder;
use crate::program::{self, Outcome};
use crate::stub_hub::until;

const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

/// Returns `true` if the hub has this version or a later one. Otherwise prints that the test is
/// skipped.
pub(crate) fn has(host: &HostClient, test: &str, since: Version) -> bool {
    let dialect = host.dialect().unwrap();
    if !dialect.has(since) {
        eprintln!(
            "SKIPPED {test}: this hub is {}, it needs {since}",
            dialect.version()
        );
    }
    dialect.has(since)
}

/// Returns a client for an instance that the hub does not know.
pub(crate) fn unknown_instance(host: &HostClient) -> InstanceClient {
    host.instance(UNKNOWN_ID).unwrap()
}

/// Returns a client for a sequence that the hub does not know.
pub(crate) fn unknown_sequence(host: &HostClient) -> SequenceClient {
    host.sequence(UNKNOWN_ID).unwrap()
}

/// An uploaded sample sequence. Drop deletes it with its instances.
pub(crate) struct Uploaded(SequenceClient);

impl Uploaded {
    pub(crate) fn sample(host: &HostClient, name: &str) -> Self {
        Self(host.send_sequence(package::sequence(name)).unwrap())
    }

    /// Starts an instance and waits until it reads its input.
    pub(crate) fn listening(&self, options: &StartOptions) -> InstanceClient {
        let instance = self.start(options).unwrap();
        listening(&instance);
        instance
    }
}

/// Starts an instance of a sample sequence and waits until it reads its input.
pub(crate) fn running(host: &HostClient, name: &str) -> (Uploaded, InstanceClient) {
    let sequence = Uploaded::sample(host, name);
    let instance = sequence.listening(&StartOptions::new());
    (sequence, instance)
}

/// Like [`running`], but does not wait and does not read the log.
pub(crate) fn started(host: &HostClient, name: &str) -> (Uploaded, InstanceClient) {
    let sequence = Uploaded::sample(host, name);
    let instance = sequence.start(&StartOptions::new()).unwrap();
    (sequence, instance)
}

/// Waits until the instance can be killed. Hubs of 1.x refuse that while it is starting.
pub(crate) fn until_killable(instance: &InstanceClient) {
    until("the instance has started", || {
        instance.info().unwrap().status != Some(InstanceStatus::Starting)
    });
}

/// Returns `true` if the error says that the sequence failed at once. Hubs of 1.x refuse such a
/// start. Hubs of 0.18 start the instance.
pub(crate) fn failed_at_once(error: &Error) -> bool {
    error.ended().is_some() || was_refused(error)
}

/// Returns `true` if the hub refused a start because the sequence failed at once.
pub(crate) fn was_refused(error: &Error) -> bool {
    error.operation() == Some("start sequence")
        && error.api().is_some_and(|refusal| {
            refusal.status == 400 && refusal.to_string().contains("Sequence failed")
        })
}

/// Waits until the instance reads its input. Hubs of 0.18 deliver earlier input twice.
pub(crate) fn listening(instance: &InstanceClient) {
    if instance.host().dialect().unwrap().doubles_early_input() {
        let mut log = instance.log_lines().unwrap().map(Result::unwrap);
        assert!(
            log.any(|line| line.msg.starts_with("Sequence loaded")),
            "the log has no line \"Sequence loaded\""
        );
    }
}

impl Deref for Uploaded {
    type Target = SequenceClient;

    fn deref(&self) -> &SequenceClient {
        &self.0
    }
}

impl Drop for Uploaded {
    fn drop(&mut self) {
        match self.0.force_delete() {
            Err(error) if !error.is_not_found() && !thread::panicking() => panic!("{error:?}"),
            _ => {}
        }
    }
}

/// An operation that the library does not model, as a user would add it. The body need not be JSON
/// that `serde_json` can write.
pub(crate) struct PostJson<'a> {
    pub(crate) base: &'static str,
    pub(crate) id: &'a str,
    pub(crate) route: &'static str,
    pub(crate) body: &'a str,
}

impl Operation for PostJson<'_> {
    const NAME: &'static str = "post JSON";
    const METHOD: Method = Method::POST;
    type Payload = Vec<u8>;
    type Decoder = Json<Value>;

    fn path(&self) -> Path {
        Path::new(self.base)
            .value("id", self.id)
            .literal(self.route)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        Ok(())
    }

    fn payload(&self, _: Dialect) -> Result<Vec<u8>, RequestError> {
        Ok(self.body.into())
    }
}

on_each_hub!(program_runs_on_a_hub);
fn program_runs_on_a_hub(host: HostClient) {
    assert_eq!(program::run(&host).unwrap(), Outcome::expected());
}

on_each_hub!(send_sequence_accepts_every_kind_of_upload);
fn send_sequence_accepts_every_kind_of_upload(host: HostClient) {
    let bytes = package::sequence("shout");
    let folder = Folder::new("package");
    let path = folder.file("package.tar.gz", &bytes);
    let uploads = [
        ("bytes", Upload::from(bytes.clone())),
        ("path", Upload::path(&path)),
        ("file", Upload::file(std::fs::File::open(&path).unwrap())),
        (
            "reader",
            Upload::reader(std::io::Cursor::new(bytes.clone())),
        ),
        (
            "sized reader",
            Upload::sized_reader(
                std::io::Cursor::new(bytes.clone()),
                bytes.len().try_into().unwrap(),
            ),
        ),
    ];
    for (what, upload) in uploads {
        let sequence = Uploaded(
            host.send_sequence(upload)
                .unwrap_or_else(|error| panic!("{what}: {error:?}")),
        );
        assert_eq!(sequence.info().unwrap().config.name, "shout", "{what}");
        assert!(
            host.list_sequences()
                .unwrap()
                .iter()
                .any(|listed| listed.id == *sequence.id()),
            "{what}"
        );
    }
}

on_each_hub!(send_sequence_returns_the_message_of_the_hub_for_a_bad_package);
fn send_sequence_returns_the_message_of_the_hub_for_a_bad_package(host: HostClient) {
    let expected_errors = [
        (
            "not a gzip",
            ErrorCode::PrerunnerError,
            "Invalid pkg tar.gz archive",
        ),
        (
            "truncated",
            ErrorCode::PrerunnerError,
            "Invalid pkg tar.gz archive",
        ),
        (
            "empty tar",
            ErrorCode::Other("ENOENT".into()),
            "ENOENT: open ",
        ),
        (
            "no package.json",
            ErrorCode::Other("ENOENT".into()),
            "package.json",
        ),
        (
            "package.json without main",
            ErrorCode::UnprocessableEntity,
            "decoder failed at key \"main\"",
        ),
        (
            "package.json not JSON",
            ErrorCode::UnprocessableEntity,
            "Unprocessable Entity",
        ),
    ];
    for ((what, package), (expected, code, text)) in
        package::garbage_packages().into_iter().zip(expected_errors)
    {
        assert_eq!(what, expected);
        // `send_sequence` would reject data that is not gzip.
        let error = host.send(&SendSequence, package.into()).unwrap_err();
        let refusal = error.api().unwrap_or_else(|| panic!("{what}: {error:?}"));
        assert!(refusal.is_unprocessable(), "{what}: {error}");
        assert_eq!(refusal.code, code, "{what}: {error}");
        assert!(refusal.message.contains(text), "{what}: {error}");
    }
    let error = host.send(&SendSequence, Vec::new().into()).unwrap_err();
    assert!(
        error
            .api()
            .is_some_and(|refusal| refusal.is_unprocessable()),
        "{error}"
    );
}

on_each_hub!(sequence_info_keeps_all_fields_of_the_response);
fn sequence_info_keeps_all_fields_of_the_response(host: HostClient) {
    let sequence = Uploaded::sample(&host, "shout");
    let info = sequence.info().unwrap();
    assert_eq!(info.id, *sequence.id());
    assert_eq!(
        (info.config.name.as_str(), info.config.version.as_str()),
        ("shout", "1.0.0")
    );
    assert_eq!(info.config.main.as_deref(), Some("index.js"));
    assert_eq!(info.config.engines["node"], ">=16");
    assert_eq!(info.config.adapter, Some(Adapter::Process));
    assert!(info.config.extra.contains_key("sequenceDir"), "{info:?}");
    assert!(info.instances.is_empty());
    assert_eq!(host.sequence_info(sequence.id()).unwrap(), info);
}

on_each_hub!(start_passes_app_config_and_args_unchanged);
fn start_passes_app_config_and_args_unchanged(host: HostClient) {
    let sequence = Uploaded::sample(&host, "args");
    #[derive(serde::Serialize)]
    struct Config {
        deep: Vec<Option<f64>>,
    }
    let options = StartOptions::new()
        .app_config(Config {
            deep: vec![Some(1.5), None],
        })
        .arg("x")
        .args([1, 2])
        .arg(json!({ "y": null, "ż": [] }));
    for (options, seen) in [
        (
            StartOptions::new(),
            r#"{"config":null,"args":[]}"#.to_owned(),
        ),
        (
            options,
            r#"{"config":{"deep":[1.5,null]},"args":["x",1,2,{"y":null,"ż":[]}]}"#.to_owned(),
        ),
    ] {
        let instance = sequence.start(&options).unwrap();
        assert_eq!(instance.last_event("started").unwrap().data, json!(seen));
        let mut line = String::new();
        BufReader::new(instance.output().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line.trim_end(), seen);
    }
}

on_each_hub!(list_instances_and_instance_find_started_instances);
fn list_instances_and_instance_find_started_instances(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let first = sequence.start(&StartOptions::new()).unwrap();
    let second = sequence.start(&StartOptions::new()).unwrap();
    assert!(
        first
            .started()
            .is_some_and(|started| started.id == *first.id())
    );

    let mut listed = sequence.list_instances().unwrap();
    listed.sort();
    let mut started = vec![first.id().clone(), second.id().clone()];
    started.sort();
    assert_eq!(listed, started);
    assert!(
        host.list_instances()
            .unwrap()
            .iter()
            .any(|info| info.id == *first.id())
    );

    let elsewhere = HostClient::new(format!("{}/", host.base_url())).unwrap();
    for instance in [
        sequence.instance(first.id()).unwrap(),
        sequence
            .instance_on(first.id().as_str(), &elsewhere)
            .unwrap(),
    ] {
        let info = instance.info().unwrap();
        assert_eq!(info.id, *first.id());
        assert_eq!(
            info.sequence.as_ref().map(SequenceRef::id),
            Some(sequence.id())
        );
        assert!(info.created.is_some());
        assert!(instance.started().is_none());
        assert!(instance.health().unwrap().healthy);
    }
}

on_each_hub!(calls_with_an_unknown_id_are_not_found);
fn calls_with_an_unknown_id_are_not_found(host: HostClient) {
    let sequence = unknown_sequence(&host);
    let instance = unknown_instance(&host);
    let errors: [(&str, Error); 10] = [
        ("sequence info", sequence.info().unwrap_err()),
        ("start", sequence.start(&StartOptions::new()).unwrap_err()),
        ("instances", sequence.list_instances().unwrap_err()),
        ("delete", sequence.delete().unwrap_err()),
        ("force delete", sequence.force_delete().unwrap_err()),
        ("instance info", instance.info().unwrap_err()),
        (
            "stop",
            instance
                .stop(&StopOptions::new(Duration::ZERO))
                .unwrap_err(),
        ),
        (
            "kill",
            instance
                .kill(&KillOptions::new().remove_immediately(true))
                .unwrap_err(),
        ),
        ("output", instance.output().unwrap_err()),
        ("input", instance.send_input("x").unwrap_err()),
    ];
    for (what, error) in errors {
        assert!(error.is_not_found(), "{what}: {error:?}");
        assert!(
            error
                .url()
                .is_some_and(|url| error.to_string().contains(url)),
            "{what}: {error}"
        );
    }
}

#[test]
fn start_on_an_overloaded_hub_fails_with_is_overloaded() {
    if !shared().is_some_and(|hub| hub.is_local()) {
        return;
    }
    let hub = Hub::start_overloaded().unwrap();
    let host = HostClient::new(hub.url()).unwrap();
    let sequence = Uploaded::sample(&host, "shout");
    let error = sequence.start(&StartOptions::new()).unwrap_err();
    assert!(error.is_overloaded(), "{error:?}");
    assert_eq!(
        error.api().map(|refusal| &refusal.code),
        Some(&ErrorCode::InsufficientResources)
    );
    drop(sequence);
    hub.stop().unwrap();
}

/// A call that waits for the event `pong`.
type NextEventCall = fn(&InstanceClient) -> Result<Event, Error>;

on_each_hub!(last_event_returns_at_once_and_next_event_waits);
fn last_event_returns_at_once_and_next_event_waits(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    for _ in 0..2 {
        let ready = instance.last_event("ready").unwrap();
        assert_eq!(
            (ready.name.as_str(), ready.data),
            ("ready", json!("events"))
        );
    }

    let calls: [NextEventCall; 2] = [
        |instance| instance.next_event("pong"),
        // `next_event` reads the stream of events instead.
        |instance| {
            let (id, name) = (instance.id(), &EventName::new("pong").unwrap());
            instance.host().call(&NextEvent { id, name })
        },
    ];
    for call in calls {
        let pong = while_pinged(&instance, call);
        assert_eq!((pong.name.as_str(), pong.data), ("pong", json!("hey")));
    }
}

/// Waits for the answer to a ping.
fn while_pinged(instance: &InstanceClient, call: NextEventCall) -> Event {
    let (sender, receiver) = channel();
    let waiting = instance.clone();
    let waiter = thread::spawn(move || sender.send(call(&waiting)).unwrap());
    let ping = PostJson {
        base: "instance",
        id: instance.id().as_str(),
        route: "_event",
        body: r#"[5001,{"eventName":"ping","message":"hey"}]"#,
    };
    // The hub does not report when the call is waiting, so ping until it returns.
    let pong = loop {
        instance.host().call(&ping).unwrap();
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(event) => break event.unwrap(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("the waiting thread has ended"),
        }
    };
    waiter.join().unwrap();
    pong
}

on_each_hub!(send_input_and_output_exchange_line_by_line);
fn send_input_and_output_exchange_line_by_line(host: HostClient) {
    let sequence = Uploaded::sample(&host, "shout");
    let instance = sequence.listening(
        &StartOptions::new()
            .app_config(json!({ "greeting": "> " }))
            .arg("!"),
    );
    let mut output = BufReader::new(instance.output().unwrap());
    for (line, answer) in [
        ("one\n", "> ONE!\n"),
        ("żółw\n", "> ŻÓŁW!\n"),
        ("three\n", "> THREE!\n"),
    ] {
        let sent = instance.send_input(Input::text(line).end(false)).unwrap();
        assert_eq!(sent.bytes, u64::try_from(line.len()).unwrap());
        let mut received = String::new();
        output.read_line(&mut received).unwrap();
        assert_eq!(received, answer);
    }
    instance.send_input("the end").unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "> THE END!\n");
}

on_each_hub!(send_stdin_reaches_the_process);
fn send_stdin_reaches_the_process(host: HostClient) {
    let sequence = Uploaded::sample(&host, "stdin-to-output");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    let mut output = BufReader::new(instance.output().unwrap());
    // Waits for the echo, because hubs of 0.18 put data before data that is still unread.
    assert_eq!(
        instance
            .send_stdin(Input::text("one\n").end(false))
            .unwrap()
            .bytes,
        4
    );
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    assert_eq!(instance.send_stdin("two\n").unwrap().bytes, 4);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "two\n");
}

on_each_hub!(stream_reads_stdout_stderr_and_output_to_their_end);
fn stream_reads_stdout_stderr_and_output_to_their_end(host: HostClient) {
    let sequence = Uploaded::sample(&host, "prints");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    let read = |stream| {
        let mut reader = instance.stream(stream).unwrap();
        thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        })
    };
    let readers = [
        OutputStream::Stdout,
        OutputStream::Stderr,
        OutputStream::Output,
    ]
    .map(read);
    let [stdout, stderr, output] = readers.map(|reader| reader.join().unwrap().unwrap());
    assert_eq!(stdout, "stdout 1\nstdout 2\nstdout 3\n");
    assert_eq!(stderr, "stderr 1\nstderr 2\n");
    assert_eq!(output, "output 1\noutput 2\noutput 3\n");
}

on_each_hub!(stop_ends_the_instance_after_its_timeout);
fn stop_ends_the_instance_after_its_timeout(host: HostClient) {
    let sequence = Uploaded::sample(&host, "events");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.last_event("ready").unwrap();
    let begin = Instant::now();
    instance
        .stop(&StopOptions::new(Duration::from_millis(700)))
        .unwrap();
    // There are two forms of the request. The wrong one returns at once, or after 7 seconds, the
    // hub's default.
    assert!(
        (600..5000).contains(&begin.elapsed().as_millis()),
        "{:?}",
        begin.elapsed()
    );
    match wait_until_ended(&instance) {
        None => {}
        Some(status) => assert_eq!(status, InstanceStatus::Completed),
    }
}

on_each_hub!(kill_ends_an_instance_that_does_not_stop);
fn kill_ends_an_instance_that_does_not_stop(host: HostClient) {
    let sequence = Uploaded::sample(&host, "stays");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    instance.last_event("ready").unwrap();
    instance
        .stop(&StopOptions::new(Duration::from_millis(300)).can_call_keepalive(true))
        .unwrap();
    instance.last_event("stopping").unwrap();
    assert!(instance.info().unwrap().ended.is_none());
    assert!(sequence.delete().unwrap_err().is_conflict());
    // 1.x refuses to kill an instance that is stopping, but accepts another stop.
    if instance.kill(&KillOptions::new()).is_err() {
        instance.stop(&StopOptions::new(Duration::ZERO)).unwrap();
    }
    wait_until_ended(&instance);
}

/// Waits for the end, and returns the final status. Returns `None` if the hub has forgotten the
/// instance.
fn wait_until_ended(instance: &InstanceClient) -> Option<InstanceStatus> {
    // Standard output ends with the process.
    if let Ok(mut stdout) = instance.stdout() {
        std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
    }
    loop {
        match instance.info() {
            Err(error) if error.is_not_found() => return None,
            Err(error) => panic!("{error:?}"),
            Ok(info) if info.terminated.is_some() => return info.status,
            // The hub notices the end a moment later.
            Ok(_) => thread::yield_now(),
        }
    }
}

on_each_hub!(delete_of_a_sequence_in_use_is_a_conflict_and_force_delete_works);
fn delete_of_a_sequence_in_use_is_a_conflict_and_force_delete_works(host: HostClient) {
    let sequence = Uploaded::sample(&host, "stays");
    let instances = [(); 3].map(|()| sequence.start(&StartOptions::new()).unwrap());
    instances[2].last_event("ready").unwrap();
    let error = sequence.delete().unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    sequence.force_delete().unwrap();
    assert!(sequence.info().unwrap_err().is_not_found());
    let left = host.list_instances().unwrap();
    assert!(!left.iter().any(
        |info| instances.iter().any(|instance| *instance.id() == info.id) && info.ended.is_none()
    ));
}

on_each_hub!(overwrite_replaces_a_sequence_without_instances);
fn overwrite_replaces_a_sequence_without_instances(host: HostClient) {
    let sequence = Uploaded::sample(&host, "shout");
    if has(
        &host,
        "overwrite_replaces_a_sequence_without_instances",
        Version::new(0, 38, 0),
    ) {
        let updated = sequence.overwrite(package::sequence("echo")).unwrap();
        assert_eq!(updated.id(), sequence.id());
        assert_eq!(updated.info().unwrap().config.name, "echo");
    }
}

on_each_hub!(overwrite_and_new_start_options_are_unsupported_on_0_18);
fn overwrite_and_new_start_options_are_unsupported_on_0_18(host: HostClient) {
    if host.dialect().unwrap().has(Version::new(0, 19, 0)) {
        return eprintln!(
            "SKIPPED overwrite_and_new_start_options_are_unsupported_on_0_18: \
             this hub is not of 0.18"
        );
    }
    // This client does not know the version yet, so it requests it from the hub.
    let host = HostClient::new(host.base_url()).unwrap();
    let sequence = Uploaded::sample(&host, "shout");
    let chosen = StartOptions::new().instance_id("11111111-2222-4333-8444-555555555555");
    for error in [
        sequence.overwrite(package::sequence("echo")).unwrap_err(),
        sequence.start(&chosen).unwrap_err(),
        sequence
            .start(&StartOptions::new().input_topic("x"))
            .unwrap_err(),
        sequence
            .start(&StartOptions::new().output_topic("x"))
            .unwrap_err(),
    ] {
        assert!(error.is_unsupported(), "{error:?}");
        assert!(error.to_string().contains("0.18.7"), "{error}");
    }
    assert_eq!(sequence.info().unwrap().config.name, "shout");
    assert!(sequence.list_instances().unwrap().is_empty());
}

/// Real hubs announce 5 seconds of keep-alive, and close idle connections after 6. Fake hubs do
/// not.
#[test]
fn start_works_after_the_connection_was_idle() {
    let Some(hub) = shared() else { return };
    let idle = [
        2900, 2990, 3010, 4990, 5000, 5010, 5500, 5980, 5990, 5995, 6000, 6005, 6010, 6020, 6100,
        6500,
    ]
    .map(Duration::from_millis);
    thread::scope(|scope| {
        for idle in idle {
            scope.spawn(move || {
                let host = HostClient::from(hub);
                host.version().unwrap();
                thread::sleep(idle);
                let sequence = unknown_sequence(&host);
                let error = sequence.start(&StartOptions::new()).unwrap_err();
                assert!(error.is_not_found(), "after {idle:?}: {error:?}");
            });
        }
    });
}
