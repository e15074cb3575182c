//! Input from memory, files and readers: either all of it arrives, or the call fails.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::Instant;
use std::{env, io, process, thread};

use scramjet_client_blocking::core::{NullLine, SendSequence};
use scramjet_client_blocking::{
    ByteStream, ContentType, Error, ErrorKind, HostClient, Input, InputStream, InstanceClient,
    OutputStream, StartOptions, Upload, Version,
};
use scramjet_client_tests::hub::PARENT_HUB;
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::ScriptedServer;
use serde_json::{Value, json};

use crate::helpers::{
    Folder, Mailbox, Numbered, SameNumbered, client_1x, in_child_that_exits, recording, within,
};
use crate::samples::{Uploaded, has, running, unknown_instance};

/// A topic for one test, deleted on drop if the hub supports it.
pub(crate) struct Topic<'a> {
    host: &'a HostClient,
    pub(crate) name: String,
}

impl<'a> Topic<'a> {
    pub(crate) fn new(host: &'a HostClient, test: &str) -> Self {
        Self {
            host,
            name: format!("test-{test}-{}", process::id()),
        }
    }
}

impl Drop for Topic<'_> {
    fn drop(&mut self) {
        if self
            .host
            .dialect()
            .is_ok_and(|dialect| dialect.supports_topic_management())
        {
            match self.host.delete_topic(self.name.as_str()) {
                Err(error) if !error.is_not_found() && !thread::panicking() => panic!("{error:?}"),
                _ => {}
            }
        }
    }
}

/// Each stream, with a sequence that echoes it.
const ECHOES: [(InputStream, &str); 2] = [
    (InputStream::Input, "echo"),
    (InputStream::Stdin, "stdin-to-output"),
];

fn read(stream: &mut impl Read, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

on_each_hub!(send_stream_and_send_topic_accept_every_kind_of_input);
fn send_stream_and_send_topic_accept_every_kind_of_input(host: HostClient) {
    let folder = Folder::new("inputs");
    let path = folder.file("data", "z pliku\n".as_bytes());
    let inputs = || -> [(Input, &str); 8] {
        [
            ("text\n".into(), "text\n"),
            (String::from("żółw\n").into(), "żółw\n"),
            (b"bytes\n"[..].into(), "bytes\n"),
            (b"more bytes\n".to_vec().into(), "more bytes\n"),
            (File::open(&path).unwrap().into(), "z pliku\n"),
            (path.as_path().into(), "z pliku\n"),
            (
                Upload::reader(io::Cursor::new("from a reader\n")).into(),
                "from a reader\n",
            ),
            (
                Upload::sized_reader(io::Cursor::new("12345678"), 6).into(),
                "123456",
            ),
        ]
    };
    for (stream, sample) in ECHOES {
        let (_sequence, instance) = running(&host, sample);
        let mut output = instance.output().unwrap();
        for (input, text) in inputs() {
            // Waits for each echo, because hubs of 0.18 put standard input before data that is
            // still unread.
            assert_eq!(
                instance
                    .send_stream(stream, input.end(false))
                    .unwrap()
                    .bytes,
                u64::try_from(text.len()).unwrap()
            );
            assert_eq!(
                String::from_utf8(read(&mut output, text.len())).unwrap(),
                text
            );
        }
        instance.send_stream(stream, "").unwrap();
        assert_eq!(
            output.read(&mut [0]).unwrap(),
            0,
            "{stream:?} has not ended"
        );
    }

    let topic = Topic::new(&host, "anywhere");
    let mut reader = host.topic(topic.name.as_str(), ContentType::Text).unwrap();
    for (input, text) in inputs() {
        let sent = host
            .send_topic(topic.name.as_str(), input.content_type(ContentType::Text))
            .unwrap();
        assert_eq!(sent.bytes, u64::try_from(text.len()).unwrap());
        assert_eq!(
            String::from_utf8(read(&mut reader, text.len())).unwrap(),
            text
        );
    }
}

/// Exit code of a child process that has sent everything.
const SENT: i32 = 42;
const INSTANCE: &str = "TEST_EXIT_INSTANCE";
const STREAM: &str = "TEST_EXIT_STREAM";
const LENGTH: &str = "TEST_EXIT_LENGTH";

/// Sends data, and exits at once.
fn send_and_exit(host: &HostClient) -> ! {
    let instance = host.instance(env::var(INSTANCE).unwrap()).unwrap();
    let length = env::var(LENGTH).unwrap().parse().unwrap();
    let mut data = Numbered::new().take(length);
    let sent = match env::var(STREAM).unwrap().as_str() {
        "input" => {
            instance.send_input(Input::bytes(Upload::reader(data)).content_type(ContentType::Text))
        }
        "stdin" => instance.send_stdin(Upload::reader(data)),
        "writer" => {
            let mut writer = instance.input_writer(ContentType::Text).unwrap();
            io::copy(&mut data, &mut writer).unwrap();
            writer.finish()
        }
        "stdin writer" => {
            let mut writer = instance.stdin_writer(ContentType::Text).unwrap();
            io::copy(&mut data, &mut writer).unwrap();
            writer.finish()
        }
        stream => panic!("{stream}"),
    };
    process::exit(if sent.unwrap().bytes == length {
        SENT
    } else {
        1
    });
}

fn is_complete(mut output: ByteStream, length: u64) -> bool {
    let mut same = SameNumbered::new(length);
    io::copy(&mut output, &mut same).unwrap();
    same.left() == 0
}

on_each_hub!(send_input_and_finish_lose_no_data_if_the_program_exits_at_once);
fn send_input_and_finish_lose_no_data_if_the_program_exits_at_once(host: HostClient) {
    if env::var_os(PARENT_HUB).is_some() {
        send_and_exit(&host);
    }
    for (stream, sample) in [
        ("input", "echo"),
        ("stdin", "stdin-to-output"),
        ("writer", "echo"),
        ("stdin writer", "stdin-to-output"),
    ] {
        // 4 KiB fit into buffers. 8 MiB have to be read while the child process sends.
        for length in [4 << 10, 8 << 20] {
            let much = length > 1 << 20;
            // Quirk of 0.18: standard input in several chunks can arrive in any order.
            if much
                && stream.starts_with("stdin")
                && !has(&host, "8 MiB on a standard input", Version::new(0, 19, 0))
            {
                continue;
            }
            let (_sequence, instance) = running(&host, sample);
            let reading = much
                .then(|| instance.output().unwrap())
                .map(|output| thread::spawn(move || is_complete(output, length)));
            in_child_that_exits(
                &[
                    (PARENT_HUB, host.base_url()),
                    (INSTANCE, instance.id().as_str()),
                    (STREAM, stream),
                    (LENGTH, &length.to_string()),
                ],
                SENT,
            );
            let all = match reading {
                Some(reading) => reading.join().unwrap(),
                None => is_complete(instance.output().unwrap(), length),
            };
            assert!(all, "{stream}, {length} bytes");
        }
    }
}

/// Sends bytes that are not UTF-8, and returns the echo.
fn echo_bytes(
    instance: &InstanceClient,
    stream: InputStream,
    output: OutputStream,
    bytes: &[u8],
) -> Vec<u8> {
    let mut output = instance.stream(output).unwrap();
    // Quirk of 1.0.1: the hub decodes the first chunk of an input as text.
    instance
        .send_stream(stream, Input::bytes(b"first\n".to_vec()).end(false))
        .unwrap();
    assert_eq!(read(&mut output, 6), b"first\n");
    instance
        .send_stream(stream, Input::bytes(bytes.to_vec()))
        .unwrap();
    let mut back = Vec::new();
    output.read_to_end(&mut back).unwrap();
    back
}

on_each_hub!(send_stream_keeps_non_utf_8_bytes_if_the_hub_supports_them);
fn send_stream_keeps_non_utf_8_bytes_if_the_hub_supports_them(host: HostClient) {
    let bytes: Vec<u8> = (0..=u8::MAX).rev().chain([0, b'\n', 0xc3, 0x28]).collect();
    let keeps = host.dialect().unwrap().supports_binary_data();

    let (_sequence, instance) = running(&host, "echo");
    let back = echo_bytes(&instance, InputStream::Input, OutputStream::Output, &bytes);
    assert_eq!(back == bytes, keeps, "{back:?}");

    let (_sequence, instance) = running(&host, "stdin-to-output");
    let back = echo_bytes(&instance, InputStream::Stdin, OutputStream::Output, &bytes);
    assert!(
        back != bytes,
        "standard input kept bytes that are not UTF-8"
    );

    let topic = Topic::new(&host, "binary");
    let mut reader = host.topic(topic.name.as_str(), ContentType::Bytes).unwrap();
    let sent = Input::bytes([&bytes[..], b"the end"].concat());
    host.send_topic(topic.name.as_str(), sent).unwrap();
    let mut back = Vec::new();
    while !back.ends_with(b"the end") {
        back.extend(read(&mut reader, 1));
    }
    assert_eq!(
        back.strip_suffix(b"the end") == Some(&bytes),
        keeps,
        "{back:?}"
    );
}

/// Returns the number of the null line that the error reports.
fn null_line(error: &Error) -> u64 {
    let ErrorKind::Upload(cause) = error.kind() else {
        panic!("{error:?}")
    };
    cause
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<NullLine>())
        .unwrap_or_else(|| panic!("{error:?}"))
        .line
}

#[test]
fn send_input_rejects_a_null_line_in_memory_before_sending() {
    let server = ScriptedServer::start(|_| {});
    // The version is set, so the client sends no request for it.
    let host = client_1x(&server);
    let instance = host.instance("the-instance").unwrap();
    for (lines, line) in [
        ("null", 1),
        ("1\nnull\n2\n", 2),
        ("1\n2\r\n\n \tnull \r\n", 4),
    ] {
        let data = || Input::ndjson(lines.as_bytes());
        for error in [
            instance.send_input(data()).unwrap_err(),
            instance
                .send_input(Input::text(lines).content_type(ContentType::Ndjson))
                .unwrap_err(),
            host.send_topic("topic", data()).unwrap_err(),
            instance.inout(data()).map(drop).unwrap_err(),
        ] {
            assert_eq!(null_line(&error), line, "{lines:?}");
        }
    }
    assert_eq!(server.connections(), 0);
}

/// A reader that returns each chunk only after a permit.
struct GatedReader {
    pieces: Vec<&'static str>,
    permits: Arc<Mailbox<()>>,
    next: usize,
}

impl Read for GatedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.pieces.get(self.next) else {
            return Ok(0);
        };
        if self.next > 0 {
            self.permits.take();
        }
        self.next += 1;
        piece.as_bytes().read(buffer)
    }
}

on_each_hub!(send_input_delivers_the_lines_before_a_null_line_and_none_after_it);
fn send_input_delivers_the_lines_before_a_null_line_and_none_after_it(host: HostClient) {
    let (_sequence, instance) = running(&host, "types");
    let mut output = instance.output().unwrap().json_lines::<Value>();
    let permits = Mailbox::new();
    let pieces = GatedReader {
        pieces: vec!["1\n\"two\"\n", "nul", "l\n4\n", "5\n"],
        permits: Arc::clone(&permits),
        next: 0,
    };
    let (error, values) = within("a null line in an upload", move || {
        let sending = thread::spawn({
            let instance = instance.clone();
            move || {
                instance
                    .send_input(Input::ndjson(Upload::reader(pieces)))
                    .unwrap_err()
            }
        });
        let mut values: Vec<Value> = output.by_ref().take(2).map(Result::unwrap).collect();
        (0..3).for_each(|_| permits.put(()));
        let error = sending.join().unwrap();
        // The rejected upload did not end the input.
        instance.send_input(Input::ndjson(b"6\n".to_vec())).unwrap();
        values.extend(output.map(Result::unwrap));
        (error, values)
    });
    assert_eq!(null_line(&error), 3);
    assert!(
        error.to_string().contains("cannot upload the data"),
        "{error}"
    );
    let number = |n: u8| json!({ "t": "number", "v": n });
    assert_eq!(
        values,
        [
            number(1),
            json!({ "t": "string", "v": "two" }),
            number(6),
            json!({ "t": "END" })
        ]
    );
}

/// This holds for every kind of upload and for every target.
#[test]
fn send_input_send_topic_and_inout_stop_at_a_null_line() {
    let (server, bodies) = truncated_body_server();
    let host = client_1x(&server);
    let instance = host.instance("the-instance").unwrap();
    let folder = Folder::new("null");
    let path = folder.file("lines", b"1\n2\nnull\n3\n");
    let uploads = || {
        [
            Upload::path(&path),
            Upload::file(File::open(&path).unwrap()),
            Upload::reader(File::open(&path).unwrap()),
        ]
    };
    for upload in uploads() {
        assert_eq!(
            null_line(&instance.send_input(Input::ndjson(upload)).unwrap_err()),
            3
        );
        assert_eq!(bodies.take(), "1\n2\n");
    }
    for upload in uploads() {
        assert_eq!(
            null_line(&host.send_topic("topic", Input::ndjson(upload)).unwrap_err()),
            3
        );
        assert_eq!(bodies.take(), "1\n2\n");
    }
    for upload in uploads() {
        assert_eq!(
            null_line(&instance.inout(Input::ndjson(upload)).map(drop).unwrap_err()),
            3
        );
        assert_eq!(bodies.take(), "1\n2\n");
    }
    let mut writer = host.topic_writer("topic", ContentType::Ndjson).unwrap();
    // The writer may find the null line before everything is written.
    let _ = io::copy(&mut File::open(&path).unwrap(), &mut writer);
    assert_eq!(null_line(&writer.finish().unwrap_err()), 3);
    assert_eq!(bodies.take(), "1\n2\n");
}

/// Starts a server that reports the bodies of aborted uploads.
fn truncated_body_server() -> (ScriptedServer, Arc<Mailbox<String>>) {
    let bodies = Mailbox::new();
    let server = ScriptedServer::start({
        let bodies = Arc::clone(&bodies);
        move |connection| {
            let mut request = connection.read_head().unwrap();
            assert!(
                connection.read_body(&mut request).is_err(),
                "the upload looks complete"
            );
            let body = String::from_utf8(request.body).unwrap();
            bodies.put(body);
        }
    });
    (server, bodies)
}

on_each_hub!(send_input_and_send_topic_with_expect_continue_deliver_all_data);
/// The client accepts any number of `100 Continue` responses, also while others write to the topic.
fn send_input_and_send_topic_with_expect_continue_deliver_all_data(host: HostClient) {
    const LENGTH: u64 = 1 << 20;
    let data = || {
        Input::bytes(Upload::reader(Numbered::new().take(LENGTH)))
            .content_type(ContentType::Text)
            .expect_continue()
    };
    let begin = Instant::now();
    let (_sequence, instance) = running(&host, "echo");
    let reading = thread::spawn({
        let output = instance.output().unwrap();
        move || is_complete(output, LENGTH)
    });
    assert_eq!(instance.send_input(data()).unwrap().bytes, LENGTH);
    assert!(reading.join().unwrap());
    println!("an input with expect_continue: {:?}", begin.elapsed());

    let begin = Instant::now();
    let topic = Topic::new(&host, "expect");
    let mut reader = host.topic(topic.name.as_str(), ContentType::Text).unwrap();
    thread::scope(|scope| {
        let writers = [(); 2]
            .map(|()| scope.spawn(|| host.send_topic(topic.name.as_str(), data()).unwrap().bytes));
        let read = io::copy(&mut reader.by_ref().take(2 * LENGTH), &mut io::sink()).unwrap();
        assert_eq!(read, 2 * LENGTH);
        writers
            .into_iter()
            .for_each(|writer| assert_eq!(writer.join().unwrap(), LENGTH));
    });
    println!(
        "two writers to a topic with expect_continue: {:?}",
        begin.elapsed()
    );

    // The hub refuses these requests before the data is sent.
    let unknown = unknown_instance(&host);
    assert!(unknown.send_input(data()).unwrap_err().is_not_found());
    let error = host
        .send(&SendSequence, Upload::bytes("no package").expect_continue())
        .unwrap_err();
    assert_eq!(
        error.api().map(|api| api.status.as_u16()),
        Some(422),
        "{error:?}"
    );
}

on_each_hub!(send_stdin_accepts_a_null_line);
/// Standard input is bytes, whatever its content type is.
fn send_stdin_accepts_a_null_line(host: HostClient) {
    let (_sequence, instance) = running(&host, "stdin-to-output");
    let output = BufReader::new(instance.output().unwrap());
    instance
        .send_stdin(Input::ndjson(b"1\nnull\n2\n".to_vec()))
        .unwrap();
    assert_eq!(
        output.lines().map(Result::unwrap).collect::<Vec<_>>(),
        ["1", "null", "2"]
    );
}

#[test]
fn send_topic_rejects_empty_data_before_connecting() {
    let server = ScriptedServer::start(|_| {});
    let host = HostClient::new(server.url()).unwrap();
    for upload in [
        Upload::reader(io::empty()),
        Upload::sized_reader(io::empty(), 0),
        Upload::path("/dev/null"),
        Upload::bytes(""),
    ] {
        let what = format!("{upload:?}");
        let error = host.send_topic("topic", upload).unwrap_err();
        assert!(
            error.to_string().contains("never respond"),
            "{what}: {error}"
        );
    }
    let writer = host.topic_writer("topic", ContentType::Text).unwrap();
    assert_eq!(writer.finish().unwrap().bytes, 0);
    assert_eq!(server.connections(), 0);
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

#[test]
fn send_input_sends_text_unchanged() {
    let (server, requests) = recording(b"");
    let instance = HostClient::new(server.url())
        .unwrap()
        .instance("i")
        .unwrap();
    instance.send_input(Input::text("hey")).unwrap();
    let request = requests.take();
    assert_eq!(
        (request.target.as_str(), request.body.as_slice()),
        ("/api/v1/instance/i/input", &b"hey"[..])
    );
    assert_eq!(request.header("content-type"), Some("text/plain"));
}
