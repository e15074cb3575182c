//! Reading streams as bytes, lines, values and records, and the end of streams.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::time::Instant;
use std::{io, thread};

use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::types::LogLine;
use scramjet_client_blocking::{
    ByteStream, CancelToken, ContentType, ErrorKind, HostClient, Input, InstanceClient,
    KillOptions, OutputStream, StartOptions, Upload,
};
use scramjet_client_tests::on_each_hub;
use serde_json::{Value, json};

use crate::helpers::{Mailbox, Numbered, SameNumbered, within};
use crate::samples::{Uploaded, running, started, until_killable};

on_each_hub!(input_writer_keeps_characters_that_are_split_between_writes);
fn input_writer_keeps_characters_that_are_split_between_writes(host: HostClient) {
    let (_sequence, instance) = running(&host, "echo");
    let text = "zażółć gęślą jaźń, 日本語, 🐢🦀\n";
    let mut output = BufReader::new(instance.output().unwrap());
    let mut input = instance.input_writer(ContentType::Text).unwrap();
    // Quirk of 1.0.1: the hub decodes the first chunk separately.
    input.write_all(b"first\n").unwrap();
    input.flush().unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    for byte in text.as_bytes() {
        input.write_all(&[*byte]).unwrap();
        input.flush().unwrap();
    }
    let sent = input.finish().unwrap();
    assert_eq!(
        sent.bytes,
        u64::try_from("first\n".len() + text.len()).unwrap()
    );
    let mut rest = Vec::new();
    let mut byte = [0];
    while output.read(&mut byte).unwrap() == 1 {
        rest.push(byte[0]);
    }
    assert_eq!(String::from_utf8(rest).unwrap(), text);
}

on_each_hub!(json_lines_returns_values_of_every_json_type);
fn json_lines_returns_values_of_every_json_type(host: HostClient) {
    let (_sequence, instance) = running(&host, "types");
    let values = [
        ("string", json!("")),
        ("string", json!("null\n\"żółw\" 🐢")),
        ("number", json!(0)),
        ("number", json!(-1.5e-7)),
        ("number", json!(9_007_199_254_740_991_u64)),
        ("boolean", json!(false)),
        ("boolean", json!(true)),
        ("object", json!([])),
        ("object", json!([null, [1, "2", { "three": 3 }]])),
        ("object", json!({})),
        ("object", json!({ "a": null, "ż": { "b": [true] } })),
    ];
    let lines: String = values
        .iter()
        .map(|(_, value)| format!("{value}\n"))
        .collect();
    instance
        .send_input(Input::ndjson(lines.into_bytes()))
        .unwrap();
    let mut output = instance.output().unwrap().json_lines::<Value>();
    for (kind, value) in values {
        assert_eq!(
            output.next().unwrap().unwrap(),
            json!({ "t": kind, "v": value })
        );
    }
    assert_eq!(output.next().unwrap().unwrap(), json!({ "t": "END" }));
    assert!(output.next().is_none());
}

on_each_hub!(send_input_and_output_transfer_64_mib);
fn send_input_and_output_transfer_64_mib(host: HostClient) {
    const LENGTH: u64 = 64 << 20;
    let (_sequence, instance) = running(&host, "echo");
    let mut output = instance.output().unwrap();
    let reading = thread::spawn(move || {
        let mut same = SameNumbered::new(LENGTH);
        io::copy(&mut output, &mut same).map(|_| same.left())
    });
    let begin = Instant::now();
    let data =
        Input::bytes(Upload::reader(Numbered::new().take(LENGTH))).content_type(ContentType::Text);
    assert_eq!(instance.send_input(data).unwrap().bytes, LENGTH);
    assert_eq!(reading.join().unwrap().unwrap(), 0);
    println!("64 MiB in and out in {:?}", begin.elapsed());
}

on_each_hub!(output_gives_all_data_to_every_reader);
fn output_gives_all_data_to_every_reader(host: HostClient) {
    const LENGTH: u64 = 1 << 20;
    let (_sequence, instance) = running(&host, "echo");
    let readers = [(); 3].map(|()| {
        let mut output = instance.output().unwrap();
        thread::spawn(move || {
            let mut same = SameNumbered::new(LENGTH);
            io::copy(&mut output, &mut same).map(|_| same.left())
        })
    });
    instance
        .send_input(
            Input::bytes(Upload::reader(Numbered::new().take(LENGTH)))
                .content_type(ContentType::Text),
        )
        .unwrap();
    for reader in readers {
        assert_eq!(reader.join().unwrap().unwrap(), 0);
    }
}

/// Calls `read` with the output of an instance that echoes this text.
fn with_echo(host: &HostClient, text: String, read: impl FnOnce(ByteStream)) {
    let (_sequence, instance) = running(host, "echo");
    let output = instance.output().unwrap();
    let sending = thread::spawn(move || instance.send_input(text));
    read(output);
    sending.join().unwrap().unwrap();
}

on_each_hub!(lines_continues_after_a_line_that_is_too_long_unless_until_error);
fn lines_continues_after_a_line_that_is_too_long_unless_until_error(host: HostClient) {
    let text = format!("one\r\n\nżółw\n{}\nlast", "x".repeat((1 << 20) + 1));
    with_echo(&host, text.clone(), |output| {
        let lines: Vec<_> = output
            .lines()
            .map(|line| line.map_err(|error| assert_too_long(error.kind())))
            .collect();
        assert_eq!(
            lines,
            ["one", "", "żółw"]
                .map(|line| Ok(line.to_owned()))
                .into_iter()
                .chain([Err(()), Ok("last".into())])
                .collect::<Vec<_>>()
        );
    });
    with_echo(&host, text, |output| {
        let lines: Vec<_> = output
            .byte_lines()
            .until_error()
            .map(|line| line.map_err(|error| assert_too_long(error.kind())))
            .collect();
        assert_eq!(
            lines,
            [
                Ok(b"one".to_vec()),
                Ok(vec![]),
                Ok("żółw".as_bytes().to_vec()),
                Err(())
            ]
        );
    });
}

fn assert_too_long(kind: &ErrorKind) {
    assert!(
        matches!(kind, ErrorKind::Reply(ReplyError::TooLarge { .. })),
        "{kind:?}"
    );
}

on_each_hub!(json_lines_continues_after_a_bad_line_unless_until_error);
fn json_lines_continues_after_a_bad_line_unless_until_error(host: HostClient) {
    let text = "{\"a\":1}\nnot json\n\n{\"b\":2}\n{\"a\":3}\n";
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct A {
        a: u8,
    }
    with_echo(&host, text.into(), |output| {
        let lines: Vec<_> = output.json_lines::<A>().map(Result::ok).collect();
        assert_eq!(lines, [Some(A { a: 1 }), None, None, Some(A { a: 3 })]);
    });
    with_echo(&host, text.into(), |output| {
        let lines: Vec<_> = output
            .json_lines::<A>()
            .until_error()
            .map(Result::ok)
            .collect();
        assert_eq!(lines, [Some(A { a: 1 }), None]);
    });
}

on_each_hub!(log_lines_and_log_stream_return_records);
fn log_lines_and_log_stream_return_records(host: HostClient) {
    let (_sequence, instance) = started(&host, "events");
    instance.last_event("ready").unwrap();
    let lines: Vec<LogLine> = instance
        .log_lines()
        .unwrap()
        .take(3)
        .map(Result::unwrap)
        .collect();
    assert!(
        lines
            .iter()
            .all(|line| !line.msg.is_empty() && line.level.is_some()),
        "{lines:?}"
    );
    let lines: Vec<LogLine> = host
        .log_stream()
        .unwrap()
        .json_lines()
        .take(3)
        .map(Result::unwrap)
        .collect();
    assert!(
        lines
            .iter()
            .all(|line| !line.msg.is_empty() && line.level.is_some()),
        "{lines:?}"
    );
}

on_each_hub!(output_stdout_and_stderr_end_when_the_instance_is_killed);
/// The streams end cleanly or with an error.
fn output_stdout_and_stderr_end_when_the_instance_is_killed(host: HostClient) {
    let (_sequence, instance) = running(&host, "echo");
    instance.send_input(Input::text("x\n").end(false)).unwrap();
    let mut output = instance.output().unwrap();
    // The instance runs, and its output is being read.
    output.read_exact(&mut [0; 2]).unwrap();
    let mut streams = vec![output];
    streams.extend(
        [OutputStream::Stdout, OutputStream::Stderr].map(|stream| instance.stream(stream).unwrap()),
    );
    let (reading, readers) = (Mailbox::new(), streams.into_iter());
    let readers: Vec<_> = readers
        .map(|mut stream| {
            let reading = Arc::clone(&reading);
            thread::spawn(move || {
                reading.put(());
                io::copy(&mut stream, &mut io::sink())
            })
        })
        .collect();
    readers.iter().for_each(|_| reading.take());
    until_killable(&instance);
    instance.kill(&KillOptions::new()).unwrap();
    within("readers of a killed instance", move || {
        for reader in readers {
            println!("after a kill: {:?}", reader.join().unwrap());
        }
    });
}

/// Runs a wait on another thread and cancels it. Checks that other calls to the instance still
/// work.
fn cancel_while_waiting<T: Send + 'static>(
    instance: &InstanceClient,
    wait: impl FnOnce(InstanceClient, &Mailbox<()>) -> T + Send + 'static,
) -> T {
    let token = CancelToken::new();
    let (waiting, ready) = (instance.with_cancel(&token), Mailbox::new());
    let waiter = thread::spawn({
        let ready = Arc::clone(&ready);
        move || wait(waiting, &ready)
    });
    ready.take();
    token.cancel();
    let result = within("a cancelled wait", move || waiter.join().unwrap());
    assert!(instance.health().unwrap().healthy);
    result
}

on_each_hub!(with_cancel_ends_stdout_and_next_event_and_no_other_calls);
fn with_cancel_ends_stdout_and_next_event_and_no_other_calls(host: HostClient) {
    let (_sequence, instance) = running(&host, "tees");
    instance
        .send_input(Input::text("1\n2\n3\n").end(false))
        .unwrap();
    let (lines, error) = cancel_while_waiting(&instance, |instance, ready| {
        let mut stdout = instance.stdout().unwrap().lines();
        let lines: Vec<_> = stdout.by_ref().take(3).map(Result::unwrap).collect();
        // The input and standard output are still open.
        ready.put(());
        (lines, stdout.next().unwrap().unwrap_err())
    });
    assert_eq!(lines, ["1", "2", "3"]);
    assert!(error.is_cancelled(), "{error:?}");

    let error = cancel_while_waiting(&instance, |instance, ready| {
        ready.put(());
        instance.next_event("never").unwrap_err()
    });
    assert!(error.is_cancelled(), "{error:?}");
    assert!(instance.stdout().is_ok());
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
