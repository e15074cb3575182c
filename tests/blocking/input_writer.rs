//! Stream writers: flushed data is sent at once, and `finish` reports errors.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use scramjet_client_blocking::core::NullLine;
use scramjet_client_blocking::stream::{Sent, WriteOptions};
use scramjet_client_blocking::{
    CancelToken, ContentType, Error, ErrorKind as Failure, HostClient, InstanceClient,
    StartOptions, StreamWriter,
};
use scramjet_client_tests::hub::{Hub, shared};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::scripted::ScriptedServer;
use serde_json::{Value, json};

use crate::helpers::{Mailbox, Numbered, within};
use crate::inputs::Topic;
use crate::samples::{running, unknown_instance};

/// Writes lines, and waits for the echo of each. Prints the latencies, and returns the number of
/// bytes.
fn exchange_lines(what: &str, writer: &mut StreamWriter, answers: &mut impl BufRead) -> u64 {
    let mut times = Vec::new();
    let mut bytes = 0;
    for n in 0..50 {
        let line = format!("linia {n}: żółw\n");
        let begin = Instant::now();
        writer.write_all(line.as_bytes()).unwrap();
        writer.flush().unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        times.push(begin.elapsed());
        assert_eq!(answer, line);
        bytes += u64::try_from(line.len()).unwrap();
    }
    times.sort();
    println!(
        "{what}: an answer after {:?}, at least {:?}, at most {:?}",
        times[25], times[0], times[49]
    );
    bytes
}

on_each_hub!(input_writer_and_topic_writer_exchange_line_by_line);
fn input_writer_and_topic_writer_exchange_line_by_line(host: HostClient) {
    type Open = fn(&InstanceClient) -> Result<StreamWriter, Error>;
    let rows: [(&str, &str, Open); 2] = [
        ("input", "echo", |instance| {
            instance.input_writer(ContentType::Text)
        }),
        ("stdin", "stdin-to-output", |instance| {
            instance.stdin_writer(ContentType::Text)
        }),
    ];
    for (what, sample, open) in rows {
        let (_sequence, instance) = running(&host, sample);
        let mut output = BufReader::new(instance.output().unwrap());
        let mut writer = open(&instance).unwrap();
        let bytes = exchange_lines(what, &mut writer, &mut output);
        assert_eq!(writer.finish().unwrap().bytes, bytes, "{what}");
        assert_eq!(
            output.read(&mut [0]).unwrap(),
            0,
            "{what}: the output has not ended"
        );
    }

    let topic = Topic::new(&host, "line-by-line");
    let mut reader = BufReader::new(host.topic(topic.name.as_str(), ContentType::Text).unwrap());
    let mut writer = host
        .topic_writer(topic.name.as_str(), ContentType::Text)
        .unwrap();
    let bytes = exchange_lines("topic", &mut writer, &mut reader);
    assert_eq!(writer.finish().unwrap().bytes, bytes);
    // `finish` does not end the topic.
    let mut writer = host
        .topic_writer(topic.name.as_str(), ContentType::Text)
        .unwrap();
    exchange_lines("the same topic", &mut writer, &mut reader);
    writer.finish().unwrap();
}

on_each_hub!(dropping_an_input_writer_sends_its_buffer_and_ends_the_input);
fn dropping_an_input_writer_sends_its_buffer_and_ends_the_input(host: HostClient) {
    let (_sequence, instance) = running(&host, "echo");
    let output = instance.output().unwrap();
    let mut writer = instance.input_writer(ContentType::Text).unwrap();
    let reading = thread::spawn(move || std::io::read_to_string(output));
    write!(writer, "not even flushed").unwrap();
    drop(writer);
    assert_eq!(
        within("the output", || reading.join().unwrap()).unwrap(),
        "not even flushed"
    );
}

on_each_hub!(input_writer_with_end_false_allows_another_writer);
fn input_writer_with_end_false_allows_another_writer(host: HostClient) {
    let (_sequence, instance) = running(&host, "echo");
    let mut output = BufReader::new(instance.output().unwrap());
    for (text, end) in [
        ("one\n", false),
        ("", false),
        ("two\n", false),
        ("three\n", true),
    ] {
        let mut writer = instance
            .input_writer(WriteOptions::new(ContentType::Text).end(end))
            .unwrap();
        write!(writer, "{text}").unwrap();
        assert_eq!(
            writer.finish().unwrap().bytes,
            u64::try_from(text.len()).unwrap()
        );
        if !text.is_empty() {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            assert_eq!(line, text);
        }
    }
    assert_eq!(output.read(&mut [0]).unwrap(), 0);
}

/// A thread that returns the error of the failed write, and the result of `finish`.
type Writing = JoinHandle<(std::io::Error, Result<Sent, Error>)>;

/// Writes chunks until a write fails. Reports each chunk before it is written.
fn write_until_error(mut writer: StreamWriter) -> (Receiver<usize>, Writing) {
    let (sender, receiver) = channel();
    let writing = thread::spawn(move || {
        let (mut data, mut piece) = (Numbered::new(), vec![0; 64 << 10]);
        loop {
            data.read_exact(&mut piece).unwrap();
            // The receiver may be gone.
            let _ = sender.send(piece.len());
            if let Err(error) = writer.write_all(&piece).and_then(|()| writer.flush()) {
                return (error, writer.finish());
            }
        }
    });
    (receiver, writing)
}

fn writer_error(writing: Writing) -> Error {
    let (error, result) = within("a writer", move || writing.join().unwrap());
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(
        error.to_string().contains("finish() returns the reason"),
        "{error}"
    );
    result.unwrap_err()
}

on_each_hub!(input_writer_to_an_unknown_instance_is_not_found);
fn input_writer_to_an_unknown_instance_is_not_found(host: HostClient) {
    let instance = unknown_instance(&host);
    for open in [InstanceClient::input_writer, InstanceClient::stdin_writer] {
        let error = writer_error(write_until_error(open(&instance, ContentType::Text).unwrap()).1);
        assert!(error.is_not_found(), "{error:?}");
        let error = open(&instance, ContentType::Text)
            .unwrap()
            .finish()
            .unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
    }
}

/// Waits until the writer blocks, and returns the number of bytes that were written.
fn read_until_blocked(receiver: &Receiver<usize>) -> usize {
    let mut written = 0;
    loop {
        // Much longer than one write takes.
        match receiver.recv_timeout(Duration::from_millis(800)) {
            Ok(piece) => written += piece,
            Err(RecvTimeoutError::Timeout) => return written,
            Err(RecvTimeoutError::Disconnected) => panic!("the writer ended"),
        }
    }
}

on_each_hub!(input_writer_blocks_until_cancelled_if_the_instance_does_not_read);
fn input_writer_blocks_until_cancelled_if_the_instance_does_not_read(host: HostClient) {
    // More than all buffers together.
    const MOST: usize = 64 << 20;
    let (_sequence, instance) = running(&host, "stays");
    let topic = Topic::new(&host, "unread");
    let token = CancelToken::new();
    let writers = [
        (
            "input",
            instance.with_cancel(&token).input_writer(ContentType::Text),
        ),
        (
            "topic",
            host.with_cancel(&token)
                .topic_writer(topic.name.as_str(), ContentType::Text),
        ),
    ];
    let writers = writers.map(|(what, writer)| (what, write_until_error(writer.unwrap())));
    for (what, (receiver, _)) in &writers {
        let taken = read_until_blocked(receiver);
        println!("{what}: {taken} bytes were written before it blocked");
        assert!(taken < MOST, "{what}");
    }
    token.cancel();
    for (what, (_, writing)) in writers {
        let error = writer_error(writing);
        assert!(error.is_cancelled(), "{what}: {error:?}");
    }
    assert!(instance.health().unwrap().healthy);
}

#[test]
fn input_writer_fails_when_the_hub_ends() {
    if !shared().is_some_and(|hub| hub.is_local()) {
        return;
    }
    let hub = Hub::start().unwrap();
    let host = HostClient::new(hub.url()).unwrap();
    let sequence = host
        .send_sequence(scramjet_client_tests::package::sequence("stays"))
        .unwrap();
    let [blocking, waiting] = [(); 2].map(|()| {
        let instance = sequence.start(&StartOptions::new()).unwrap();
        instance.last_event("ready").unwrap();
        instance.input_writer(ContentType::Text).unwrap()
    });
    let (receiver, writing) = write_until_error(blocking);
    read_until_blocked(&receiver);
    let mut waiting = waiting;
    writeln!(waiting, "a line")
        .and_then(|()| waiting.flush())
        .unwrap();
    hub.stop().unwrap();

    let error = writer_error(writing);
    assert!(
        matches!(error.kind(), Failure::Transport { .. } | Failure::Reply(_))
            && error.api().is_none(),
        "{error:?}"
    );
    // An idle writer reports the error when it is finished.
    let error = within("a writer", move || waiting.finish()).unwrap_err();
    assert!(
        matches!(error.kind(), Failure::Transport { .. } | Failure::Reply(_))
            && error.api().is_none(),
        "{error:?}"
    );
}

on_each_hub!(json_lines_send_writes_values_and_rejects_null);
fn json_lines_send_writes_values_and_rejects_null(host: HostClient) {
    let (_sequence, instance) = running(&host, "types");
    let mut output = instance.output().unwrap().json_lines::<Value>();
    let mut writer = instance
        .input_writer(ContentType::Ndjson)
        .unwrap()
        .json_lines();
    #[derive(serde::Serialize)]
    struct Row<'a> {
        name: &'a str,
        size: Option<u8>,
    }
    let mut answer = |value: Value| assert_eq!(output.next().unwrap().unwrap()["v"], value);
    writer
        .send(&Row {
            name: "żółw",
            size: None,
        })
        .unwrap();
    answer(json!({ "name": "żółw", "size": null }));
    for null in [json!(null), json!(None::<u8>), json!(())] {
        assert_eq!(
            writer.send(&null).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
    // JSON keys must be strings.
    assert_eq!(
        writer
            .send(&std::collections::BTreeMap::from([((1, 2), 3)]))
            .unwrap_err()
            .kind(),
        ErrorKind::InvalidInput
    );
    writer.send("two\nlines").unwrap();
    answer(json!("two\nlines"));
    writer.send(&[0.5]).unwrap();
    answer(json!([0.5]));
    let written = "{\"name\":\"żółw\",\"size\":null}\n\"two\\nlines\"\n[0.5]\n";
    assert_eq!(
        writer.finish().unwrap().bytes,
        u64::try_from(written.len()).unwrap()
    );
    assert_eq!(output.next().unwrap().unwrap(), json!({ "t": "END" }));
    assert!(output.next().is_none());
}

on_each_hub!(input_writer_fails_at_a_null_line_without_ending_the_input);
fn input_writer_fails_at_a_null_line_without_ending_the_input(host: HostClient) {
    let (_sequence, instance) = running(&host, "types");
    let mut output = instance.output().unwrap().json_lines::<Value>();
    let mut writer = instance.input_writer(ContentType::Ndjson).unwrap();
    // A flush does not wait for a line end, but the writer keeps a possible `null` in its buffer.
    for piece in ["1\n", "nu"] {
        write!(writer, "{piece}")
            .and_then(|()| writer.flush())
            .unwrap();
    }
    assert_eq!(output.next().unwrap().unwrap()["v"], 1);
    let (error, end) = within("a writer of null", move || {
        let error = write!(writer, "ll\n2\n")
            .and_then(|()| writer.flush())
            .unwrap_err();
        (error, writer.finish().unwrap_err())
    });
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let Failure::Upload(cause) = end.kind() else {
        panic!("{end:?}")
    };
    assert_eq!(
        cause
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<NullLine>())
            .map(|null| null.line),
        Some(2)
    );

    instance
        .input_writer(ContentType::Ndjson)
        .unwrap()
        .json_lines()
        .send(&3)
        .unwrap();
    let rest: Vec<_> = output.map(Result::unwrap).collect();
    assert_eq!(
        rest,
        [json!({ "t": "number", "v": 3 }), json!({ "t": "END" })]
    );
}

#[test]
fn input_writer_flush_sends_one_chunk() {
    let pieces = Mailbox::new();
    let server = ScriptedServer::start({
        let pieces = Arc::clone(&pieces);
        move |connection| {
            let request = connection.read_head().unwrap();
            assert_eq!(request.header("transfer-encoding"), Some("chunked"));
            while let Ok(piece) = connection.read_chunk() {
                pieces.put(String::from_utf8(piece.clone()).unwrap());
                if piece.is_empty() {
                    let _ = connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                    return;
                }
            }
        }
    });
    // On 0.18, the client does not request the state of the instance afterwards.
    let builder = HostClient::builder(server.url()).hub_version("0.18.7");
    let host = builder.build().unwrap();
    let instance = host.instance("the-instance").unwrap();
    let mut writer = instance.input_writer(ContentType::Text).unwrap();
    for (line, end) in [("one", "\n"), ("dwa: żółw", "\n"), ("three", "")] {
        // `write!` has several arguments, but writes once.
        write!(writer, "{line}{end}")
            .and_then(|()| writer.flush())
            .unwrap();
        assert_eq!(pieces.take(), format!("{line}{end}"));
    }
    assert_eq!(writer.finish().unwrap().bytes, 22);
    assert_eq!(pieces.take(), "");
}
