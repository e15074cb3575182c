//! Writers to a real hub: what is written is there at once, and what becomes of it is told.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
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
use crate::live::running;

/// Writes lines, each when the answer to the one before is there, and prints how long the answers took. Gives what was written.
fn ask_line_by_line(what: &str, writer: &mut StreamWriter, answers: &mut impl BufRead) -> u64 {
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

on_each_hub!(each_line_is_answered_before_the_next_is_written);
fn each_line_is_answered_before_the_next_is_written(host: HostClient) {
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
        let bytes = ask_line_by_line(what, &mut writer, &mut output);
        assert_eq!(writer.finish().unwrap().bytes, bytes, "{what}");
        assert_eq!(output.read(&mut [0]).unwrap(), 0, "{what}: it goes on");
    }

    let topic = Topic::new(&host, "line-by-line");
    let mut reader = BufReader::new(host.topic(topic.name.as_str(), ContentType::Text).unwrap());
    let mut writer = host
        .topic_writer(topic.name.as_str(), ContentType::Text)
        .unwrap();
    let bytes = ask_line_by_line("topic", &mut writer, &mut reader);
    assert_eq!(writer.finish().unwrap().bytes, bytes);
    // A topic goes on.
    let mut writer = host
        .topic_writer(topic.name.as_str(), ContentType::Text)
        .unwrap();
    ask_line_by_line("the same topic", &mut writer, &mut reader);
    writer.finish().unwrap();
}

on_each_hub!(a_writer_that_is_dropped_ends_the_input_after_what_was_written);
fn a_writer_that_is_dropped_ends_the_input_after_what_was_written(host: HostClient) {
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

on_each_hub!(an_input_that_is_kept_open_takes_another_writer);
fn an_input_that_is_kept_open_takes_another_writer(host: HostClient) {
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

/// Gives the error of the write that failed, and what the writer says to it.
type Writing = JoinHandle<(std::io::Error, Result<Sent, Error>)>;

/// Writes lines until that fails, and tells of each before.
fn write_on(mut writer: StreamWriter) -> (Receiver<usize>, Writing) {
    let (tell, told) = channel();
    let writing = thread::spawn(move || {
        let (mut data, mut piece) = (Numbered::new(), vec![0; 64 << 10]);
        loop {
            data.read_exact(&mut piece).unwrap();
            // Nobody listens after the end.
            let _ = tell.send(piece.len());
            if let Err(error) = writer.write_all(&piece).and_then(|()| writer.flush()) {
                return (error, writer.finish());
            }
        }
    });
    (told, writing)
}

fn ended(writing: Writing) -> Error {
    let (error, result) = within("a writer", move || writing.join().unwrap());
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(error.to_string().contains("finish() tells why"), "{error}");
    result.unwrap_err()
}

on_each_hub!(a_writer_to_nobody_is_told_so);
fn a_writer_to_nobody_is_told_so(host: HostClient) {
    let instance = host
        .instance("00000000-0000-4000-8000-000000000000")
        .unwrap();
    for open in [InstanceClient::input_writer, InstanceClient::stdin_writer] {
        let error = ended(write_on(open(&instance, ContentType::Text).unwrap()).1);
        assert!(error.is_not_found(), "{error:?}");
        let error = open(&instance, ContentType::Text)
            .unwrap()
            .finish()
            .unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
    }
}

/// Waits until nothing more is taken, and gives how much was.
fn blocked(told: &Receiver<usize>) -> usize {
    let mut taken = 0;
    loop {
        // Much longer than a piece takes.
        match told.recv_timeout(Duration::from_millis(800)) {
            Ok(piece) => taken += piece,
            Err(RecvTimeoutError::Timeout) => return taken,
            Err(RecvTimeoutError::Disconnected) => panic!("it ended"),
        }
    }
}
on_each_hub!(a_writer_to_what_does_not_read_waits_until_it_is_cancelled);
fn a_writer_to_what_does_not_read_waits_until_it_is_cancelled(host: HostClient) {
    // More than all buffers on the way.
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
    let writers = writers.map(|(what, writer)| (what, write_on(writer.unwrap())));
    for (what, (told, _)) in &writers {
        let taken = blocked(told);
        println!("{what}: {taken} bytes were taken by nobody");
        assert!(taken < MOST, "{what}");
    }
    token.cancel();
    for (what, (_, writing)) in writers {
        let error = ended(writing);
        assert!(error.is_cancelled(), "{what}: {error:?}");
    }
    assert!(instance.health().unwrap().healthy);
}

#[test]
fn a_writer_is_told_of_the_end_of_the_hub() {
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
    let (told, writing) = write_on(blocking);
    blocked(&told);
    let mut waiting = waiting;
    writeln!(waiting, "a line")
        .and_then(|()| waiting.flush())
        .unwrap();
    hub.stop().unwrap();

    let error = ended(writing);
    assert!(
        matches!(error.kind(), Failure::Transport { .. } | Failure::Reply(_))
            && error.api().is_none(),
        "{error:?}"
    );
    // The one in the midst of a pause hears of it when it goes on, or ends.
    let error = within("a writer", move || waiting.finish()).unwrap_err();
    assert!(
        matches!(error.kind(), Failure::Transport { .. } | Failure::Reply(_))
            && error.api().is_none(),
        "{error:?}"
    );
}

on_each_hub!(values_are_written_line_by_line_and_null_is_refused_and_harmless);
fn values_are_written_line_by_line_and_null_is_refused_and_harmless(host: HostClient) {
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
    // Keys of JSON are text.
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

on_each_hub!(a_line_of_null_that_is_written_ends_the_writer_and_not_the_input);
fn a_line_of_null_that_is_written_ends_the_writer_and_not_the_input(host: HostClient) {
    let (_sequence, instance) = running(&host, "types");
    let mut output = instance.output().unwrap().json_lines::<Value>();
    let mut writer = instance.input_writer(ContentType::Ndjson).unwrap();
    // A flush waits for no line end, and a part of a `null` is held back.
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
fn what_is_flushed_is_sent_as_one_piece() {
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
    // A hub that is not asked for the state of the instance afterwards.
    let builder = HostClient::builder(server.url()).hub_version("0.18.7");
    let host = builder.build().unwrap();
    let instance = host.instance("the-instance").unwrap();
    let mut writer = instance.input_writer(ContentType::Text).unwrap();
    for line in ["one\n", "dwa: żółw\n", "three"] {
        write!(writer, "{line}")
            .and_then(|()| writer.flush())
            .unwrap();
        assert_eq!(pieces.take(), line);
    }
    assert_eq!(writer.finish().unwrap().bytes, 22);
    assert_eq!(pieces.take(), "");
}
