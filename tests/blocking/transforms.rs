//! `transform`: input and output at the same time, with large data, failures and limits.

use std::env;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use scramjet_client_blocking::{
    CancelToken, ContentType, Error, ErrorKind, HostClient, Input, InstanceClient, StartOptions,
    Upload,
};
use scramjet_client_tests::hub::PARENT_HUB;
use scramjet_client_tests::on_each_hub;
#[cfg(target_os = "linux")]
use scramjet_client_tests::process::peak;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::{Value, json};

use crate::helpers::{Mailbox, Numbered, SameNumbered, client_1x, in_child, within};
use crate::live::{Uploaded, running, unknown_instance};

fn numbered(length: u64) -> Input {
    text(Numbered::new().take(length))
}

fn text(reader: impl Read + Send + 'static) -> Input {
    Input::bytes(Upload::reader(reader)).content_type(ContentType::Text)
}

/// Returns an input, and a receiver that disconnects when the input is dropped.
fn input_with_signal(reader: impl Read + Send + 'static) -> (Input, Receiver<()>) {
    struct Signaling<R>(R, #[allow(dead_code)] Sender<()>);
    impl<R: Read> Read for Signaling<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    let (used, dropped) = channel();
    (text(Signaling(reader, used)), dropped)
}

fn endless() -> (Input, Receiver<()>) {
    input_with_signal(Numbered::new())
}

/// Checks that the client has dropped the input.
fn assert_reader_dropped(dropped: &Receiver<()>) {
    assert_eq!(
        dropped.recv_timeout(Duration::from_secs(10)),
        Err(RecvTimeoutError::Disconnected)
    );
}

#[cfg(target_os = "linux")]
on_each_hub!(transform_uses_constant_memory);
#[cfg(target_os = "linux")]
fn transform_uses_constant_memory(host: HostClient) {
    let transform = |sequence: &Uploaded, length: u64| {
        let instance = sequence.listening(&StartOptions::new());
        let mut same = SameNumbered::new(length);
        let begin = Instant::now();
        let done = instance.transform(numbered(length), &mut same).unwrap();
        assert_eq!(
            (done.sent, done.received, done.complete, same.left()),
            (length, length, true, 0)
        );
        (begin.elapsed(), peak())
    };
    if env::var_os(PARENT_HUB).is_some() {
        let sequence = Uploaded::sample(&host, "echo");
        let (_, little) = transform(&sequence, 1 << 20);
        let (time, much) = transform(&sequence, 64 << 20);
        println!(
            "64 MiB both ways in {time:?}; the peak of memory was {} kB, after 1 MiB it was {} kB",
            much >> 10,
            little >> 10
        );
        assert!(much - little < 16 << 20, "{little} bytes, and then {much}");
        return;
    }
    in_child(&[(PARENT_HUB, host.base_url())]);
}

on_each_hub!(transform_bytes_returns_the_output_of_the_sequence);
fn transform_bytes_returns_the_output_of_the_sequence(host: HostClient) {
    let (sequence, instance) = running(&host, "shout");
    assert_eq!(
        instance.transform_bytes("jeden\nżółw\n").unwrap(),
        "JEDEN\nŻÓŁW\n".as_bytes()
    );
    let instance = sequence.listening(&StartOptions::new());
    assert_eq!(instance.transform_bytes("").unwrap(), b"");

    let (_sequence, instance) = running(&host, "types");
    let back = instance
        .transform_bytes(Input::ndjson(b"[1]\nfalse\n".to_vec()))
        .unwrap();
    let lines: Vec<Value> = back
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(
        lines,
        [
            json!({ "t": "object", "v": [1] }),
            json!({ "t": "boolean", "v": false }),
            json!({ "t": "END" })
        ]
    );
}

on_each_hub!(transform_returns_when_the_output_ends_before_the_input);
fn transform_returns_when_the_output_ends_before_the_input(host: HostClient) {
    let (_sequence, instance) = running(&host, "first-line");
    let (input, dropped) = endless();
    let begin = Instant::now();
    let (done, output) = within("a transform whose instance reads one line", move || {
        let mut output = Vec::new();
        (instance.transform(input, &mut output).unwrap(), output)
    });
    println!(
        "a transform whose instance reads one line took {:?} and {} bytes",
        begin.elapsed(),
        done.sent
    );
    assert!(
        !done.complete && done.sent >= 4096 && done.received == 4096,
        "{done:?}"
    );
    let mut line = [0; 4096];
    Numbered::new().read_exact(&mut line).unwrap();
    assert!(output == line);
    assert_reader_dropped(&dropped);
}

/// A reader and writer that fails after this many bytes.
struct FailsAfter(usize);

impl FailsAfter {
    fn pass(&mut self, length: usize) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(length)
            .ok_or_else(|| io::Error::new(io::ErrorKind::StorageFull, "the tape is torn"))?;
        Ok(length)
    }
}

impl Read for FailsAfter {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(b'.');
        self.pass(buffer.len())
    }
}

impl Write for FailsAfter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass(1).map(drop)
    }
}

fn is_storage_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull && error.to_string() == "the tape is torn"
}

on_each_hub!(transform_fails_if_its_reader_or_writer_fails);
fn transform_fails_if_its_reader_or_writer_fails(host: HostClient) {
    for left in [0, 1 << 20] {
        let (_sequence, instance) = running(&host, "echo");
        let error = within("a reader that fails", move || {
            instance
                .transform(text(FailsAfter(left)), &mut io::sink())
                .unwrap_err()
        });
        assert!(
            matches!(error.kind(), ErrorKind::Upload(error) if is_storage_full(error)),
            "{error:?}"
        );

        let (_sequence, instance) = running(&host, "echo");
        let (input, dropped) = endless();
        let error = within("a writer that fails", move || {
            instance
                .transform(input, &mut FailsAfter(left))
                .unwrap_err()
        });
        assert!(
            matches!(error.kind(), ErrorKind::Write(error) if is_storage_full(error)),
            "{error:?}"
        );
        assert_reader_dropped(&dropped);
    }

    // The writer accepts all the output, but its flush fails.
    let (_sequence, instance) = running(&host, "first-line");
    let (input, dropped) = endless();
    let error = within("a flush that fails", move || {
        instance
            .transform(input, &mut FailsAfter(4096))
            .unwrap_err()
    });
    assert!(
        matches!(error.kind(), ErrorKind::Write(error) if is_storage_full(error)),
        "{error:?}"
    );
    assert_reader_dropped(&dropped);
}

on_each_hub!(transform_of_an_unknown_instance_is_not_found);
fn transform_of_an_unknown_instance_is_not_found(host: HostClient) {
    let instance = unknown_instance(&host);
    let (input, dropped) = endless();
    let error = instance.transform(input, &mut io::sink()).unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert_reader_dropped(&dropped);
}

/// Cancels its token on each read and write.
struct CancelsOnUse(CancelToken);

impl Read for CancelsOnUse {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.cancel();
        Ok(0)
    }
}

impl Write for CancelsOnUse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.cancel();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs an endless transform, and returns its error. Checks that the input is dropped and the
/// instance still works.
fn transform_error(
    host: &HostClient,
    what: &str,
    sample: &str,
    input: (Input, Receiver<()>),
    run: impl FnOnce(InstanceClient, Input) -> Error + Send + 'static,
) -> Error {
    let (_sequence, instance) = running(host, sample);
    let (input, dropped) = input;
    let error = within(what, {
        let instance = instance.clone();
        move || run(instance, input)
    });
    assert_reader_dropped(&dropped);
    assert!(instance.health().unwrap().healthy, "{what}");
    error
}

on_each_hub!(transform_ends_on_cancel_and_at_its_deadline);
fn transform_ends_on_cancel_and_at_its_deadline(host: HostClient) {
    let token = CancelToken::new();
    let error = transform_error(&host, "cancelled while data flows", "echo", endless(), {
        move |instance, input| {
            instance
                .with_cancel(&token)
                .transform(input, &mut CancelsOnUse(token))
                .unwrap_err()
        }
    });
    assert!(error.is_cancelled(), "{error:?}");

    let token = CancelToken::new();
    let input = input_with_signal(
        Numbered::new()
            .take(1 << 20)
            .chain(CancelsOnUse(token.clone()))
            .chain(Numbered::new()),
    );
    let error = transform_error(
        &host,
        "cancelled without output",
        "stays",
        input,
        move |instance, input| {
            instance
                .with_cancel(&token)
                .transform(input, &mut io::sink())
                .unwrap_err()
        },
    );
    assert!(error.is_cancelled(), "{error:?}");

    for sample in ["echo", "stays"] {
        let error = transform_error(
            &host,
            "the deadline passes",
            sample,
            endless(),
            |instance, input| {
                instance
                    .with_deadline(Duration::from_millis(300))
                    .transform(input, &mut io::sink())
                    .unwrap_err()
            },
        );
        assert!(error.is_timeout(), "{error:?}");
    }
}

on_each_hub!(transform_returns_the_refusal_of_its_input);
fn transform_returns_the_refusal_of_its_input(host: HostClient) {
    let (_sequence, instance) = running(&host, "topic-input");
    instance.last_event("ready").unwrap();
    for input in [endless().0, Input::text("a little")] {
        let instance = instance.clone();
        let error = within("a refused input", move || {
            instance.transform(input, &mut io::sink()).unwrap_err()
        });
        let refusal = error.api().unwrap_or_else(|| panic!("{error:?}"));
        // 1.x sends 405, 0.18 sends 500.
        assert!([405, 500].contains(&refusal.status.as_u16()), "{error:?}");
    }
    if host.dialect().unwrap().supports_topic_management() {
        host.delete_topic("input-of-topic-input").unwrap();
    }
}

/// The server refuses the input while it still receives data, after it has sent some output.
#[test]
fn transform_returns_a_refusal_that_arrives_during_the_upload() {
    let read = Mailbox::new();
    let server = ScriptedServer::start({
        let read = Arc::clone(&read);
        move |connection| {
            let Ok(request) = connection.read_head() else {
                return;
            };
            if request.method == "GET" {
                let _ = connection
                    .send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
                // Sends nothing more until the client disconnects.
                let _ = connection.read_head();
            } else {
                while connection
                    .read_chunk()
                    .is_ok_and(|chunk| chunk.len() < 1000)
                {}
                read.put(());
                let _ = connection.send(response(
                    "507 Insufficient Storage",
                    &[],
                    br#"{"error":"no more of this"}"#,
                ));
                let _ = connection.close_after_client();
            }
        }
    });
    let instance = HostClient::new(server.url())
        .unwrap()
        .instance("the-instance")
        .unwrap();
    let (input, dropped) = endless();
    let error = within("a refusal", move || {
        instance.transform(input, &mut io::sink()).unwrap_err()
    });
    read.take();
    let refusal = error.api().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(
        (refusal.status.as_u16(), refusal.message.as_str()),
        (507, "no more of this")
    );
    assert_reader_dropped(&dropped);
}

/// On 1.0.1, this route sends no response head before the first output, and its response does not
/// end.
#[test]
fn inout_sends_all_input_and_then_reads_the_output() {
    let server = ScriptedServer::start(|connection| {
        let request = connection.read_request().unwrap();
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/api/v1/instance/the-instance/inout")
        );
        assert_eq!(
            (
                request.header("content-type"),
                request.header("x-end-stream")
            ),
            (Some("text/plain"), None)
        );
        assert_eq!(request.body, b"data");
        let _ =
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nDATA\r\n");
        let _ = connection.read_head();
    });
    let host = client_1x(&server);
    let instance = host
        .with_idle_timeout(Duration::from_millis(100))
        .instance("the-instance")
        .unwrap();
    within("inout", move || {
        let (mut stream, mut output) = (instance.inout("data").unwrap(), Vec::new());
        let error = stream.read_to_end(&mut output).unwrap_err();
        assert_eq!(
            (error.kind(), output.as_slice()),
            (io::ErrorKind::TimedOut, &b"DATA"[..])
        );
        let old = HostClient::builder(server.url())
            .hub_version("0.28.2")
            .build()
            .unwrap();
        assert!(
            old.instance("the-instance")
                .unwrap()
                .inout("data")
                .unwrap_err()
                .is_unsupported()
        );
        assert_eq!(server.connections(), 1);
    });
}
