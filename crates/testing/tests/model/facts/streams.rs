//! Section 5.4: the streams of an instance.

use scramjet_client_testing::model::{Exit, Output, Step};

use super::{BOTH, RunningInstance, V0_18, line, pick, seconds, staying};

#[test]
fn the_head_of_a_stream_comes_at_once() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        for stream in ["output", "stdout", "stderr", "log"] {
            let open = hub.open(stream);
            let answer = &open.response;
            assert_eq!(answer.status(), 200, "{stream}");
            assert_eq!(answer.header("content-type"), "application/octet-stream");
            assert!(!answer.ended);
        }
    }
}

#[test]
fn a_chunk_comes_for_each_write() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        let mut output = hub.open("output");
        for chunk in ["a\n", "b", "c\nd\n"] {
            hub.act(|process| assert!(process.write(Output::Output, chunk.as_bytes())));
        }
        hub.driver.read(&mut output);
        assert_eq!(
            output.response.chunks,
            ["a\n", "b", "c\nd\n"].map(Vec::from)
        );
    }
}

#[test]
fn the_first_reader_gets_the_backlog_and_later_ones_get_new_data() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        let write = |hub: &mut RunningInstance, text: &str| {
            hub.act(|process| assert!(process.write(Output::Stdout, text.as_bytes())));
        };
        write(&mut hub, "1");
        write(&mut hub, "2");
        let [mut first, mut second] = [hub.open("stdout"), hub.open("stdout")];
        write(&mut hub, "3");
        hub.driver.read(&mut first);
        hub.driver.read(&mut second);
        assert_eq!(second.response.text(), "3");
        // 0.18 sets an encoding, which joins the backlog.
        let (v0_18, v1): (&[&str], &[&str]) = (&["12", "3"], &["1", "2", "3"]);
        let chunks = first
            .response
            .chunks
            .iter()
            .map(|chunk| String::from_utf8_lossy(chunk));
        let chunks: Vec<_> = chunks.collect();
        assert_eq!(chunks, pick(generation, v0_18, v1));
        // Data without a reader is kept for the next one.
        hub.driver.disconnect(&first);
        hub.driver.disconnect(&second);
        write(&mut hub, "4");
        assert_eq!(hub.open("stdout").response.text(), "4");
    }
}

#[test]
fn the_log_of_an_instance_shows_when_it_is_loaded_and_completed() {
    let order = [
        "Handshake sent",
        "Sequence loaded, functions count",
        "Function called",
        "Sequence completed. Waiting 10000ms with exit.",
    ];
    let told = |hub: &mut RunningInstance| {
        let log = hub.open("log").response.text();
        let found = order.map(|message| log.find(message));
        assert!(found.iter().flatten().is_sorted(), "{log}");
        found.map(|at| at.is_some())
    };
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        hub.act(|process| process.exit(Exit::Completed));
        assert_eq!(told(&mut hub), [true; 4]);
    }
    // 1.x refuses the start of such a sequence.
    let mut hub = RunningInstance::new(V0_18, vec![Step::Exit(Exit::FailedToLoad)]);
    assert_eq!(told(&mut hub), [true, false, false, false]);
}

#[test]
fn the_backlog_of_an_instance_log_is_sent_once() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        hub.act(|process| process.log("INFO", "first"));
        let log = hub.open("log");
        assert!(log.response.text().contains("Sequence loaded"));
        assert!(log.response.text().contains("first"));
        let mut later = hub.open("log");
        assert_eq!(later.response.text(), "");
        hub.driver.disconnect(&log);
        hub.act(|process| process.log("INFO", "second"));
        hub.driver.read(&mut later);
        assert!(later.response.text().contains("second"));
        hub.driver.disconnect(&later);
        assert_eq!(hub.open("log").response.text(), "");
    }
}

#[test]
fn a_process_cannot_write_more_while_nobody_reads() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        let kilobyte = [b'x'; 1000];
        let write = |hub: &mut RunningInstance| {
            let write = |process: &mut super::ProcessContext<'_>| {
                (0..1000)
                    .take_while(|_| process.write(Output::Output, &kilobyte))
                    .count()
            };
            hub.act(write)
        };
        let taken = write(&mut hub);
        assert!((16..200).contains(&taken), "{taken}");
        let output = hub.open("output");
        assert_eq!(output.response.body().len(), taken * 1000);
        assert!(write(&mut hub) > 0);
    }
}

#[test]
fn a_slow_reader_stalls_the_others() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        let slow = hub.open("output");
        let mut quick = hub.open("output");
        let chunk = [b'x'; 1 << 16];
        let mut read = 0;
        // Only one of them reads.
        while hub.act(|process| process.write(Output::Output, &chunk)) {
            hub.driver.read(&mut quick);
            read = quick.response.body().len();
            assert!(read < 1 << 20, "the quick reader is not stalled");
        }
        assert!(read > 0);
        hub.driver.disconnect(&slow);
        assert!(hub.act(|process| process.write(Output::Output, &chunk)));
    }
}

#[test]
fn an_ended_stream_is_empty_on_1_x_and_404_on_0_18() {
    for generation in BOTH {
        let steps = vec![
            Step::Write(Output::Output, "a"),
            Step::Exit(Exit::Completed),
        ];
        let mut hub = RunningInstance::new(generation, steps);
        assert_eq!(hub.get("output").text(), "a");
        hub.driver.wait(seconds(12.0));
        for stream in ["output", "stdout", "stderr"] {
            let answer = hub.get(stream);
            let v1 = "200 OK; application/octet-stream";
            assert_eq!(line(&answer), pick(generation, "404 Not Found; length", v1));
        }
    }
}

#[test]
fn the_log_ends_with_the_process_on_0_18_and_never_on_1_x() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let mut log = hub.open("log");
        hub.operation("_kill", "{}");
        let ended = hub.driver.until_ended(&mut log, seconds(400.0));
        assert_eq!(ended.is_some(), generation == V0_18);
        hub.driver.wait(seconds(1.0));
        assert_eq!(hub.info()["httpStatus"], 404);
    }
}

#[test]
fn invalid_utf8_in_output_is_replaced_on_0_18() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        for (stream, below) in [
            (Output::Output, "output"),
            (Output::Stdout, "stdout"),
            (Output::Stderr, "stderr"),
        ] {
            let mut open = hub.open(below);
            // A character may be split between two chunks.
            for bytes in [&b"a\xff\xc5"[..], b"\xbc"] {
                hub.act(|process| process.write(stream, bytes));
            }
            hub.driver.read(&mut open);
            let damaged = "a\u{fffd}ż".as_bytes();
            assert_eq!(
                open.response.body(),
                pick(generation, damaged, b"a\xff\xc5\xbc")
            );
        }
    }
}
