//! Sections 5.5 to 5.7: what is sent to an instance.

use scramjet_client_testing::model::{
    Exit, Generation, Input, Item, Output, Package, Process, ProgramSpec, Read, Step,
};
use serde_json::json;

use super::{BOTH, KEEP_OPEN, NDJSON, Running, V0_18, V1, line, pick, seconds};
use crate::driver::{Driver, Open, SEQUENCE, TEXT};

/// A hub with an instance that writes each item of its input as a line.
fn items(generation: Generation) -> Running {
    with_program(generation, |process| {
        process.begin();
        loop {
            let line = match process.read_item() {
                Item::Pending => return,
                Item::Ended => return process.exit(Exit::Completed),
                item => format!("{item:?}\n"),
            };
            process.write(Output::Output, line.as_bytes());
        }
    })
}

fn with_program(generation: Generation, program: fn(&mut Process<'_>)) -> Running {
    let mut driver = Driver::new(generation);
    driver
        .hub
        .program("program", ProgramSpec::new(move || Box::new(program)));
    driver.hub.add_sequence(SEQUENCE, Package::named("program"));
    let id = driver.start();
    Running { driver, id }
}

/// Reads what a process has received, piece by piece.
fn received(hub: &mut Running, from: Input) -> Vec<Vec<u8>> {
    hub.act(|process| {
        let mut pieces = Vec::new();
        while let Read::Chunk(piece) = process.read(from) {
            pieces.push(piece);
        }
        pieces
    })
}

fn has_ended(hub: &mut Running, from: Input) -> bool {
    received(hub, from);
    hub.act(|process| process.read(from)) == Read::Ended
}

fn is_never_answered(hub: &mut Running, open: &mut Open) -> bool {
    hub.driver.until_ended(open, seconds(60.0)).is_none()
}

#[test]
fn an_upload_is_answered_before_its_body_and_ends_with_it() {
    for generation in BOTH {
        for below in ["input", "stdin"] {
            let headers = [
                if below == "input" { TEXT } else { ("x-a", "b") },
                KEEP_OPEN,
            ];
            let mut hub = Running::new(generation, vec![]);
            let path = hub.path(below);
            let mut open = hub.driver.begin("POST", &path, &headers);
            assert_eq!(line(&open.answer), "202 Accepted");
            assert!(!open.answer.ended);
            hub.driver.upload(&open, b"a");
            hub.driver.read(&mut open);
            assert!(!open.answer.ended);
            hub.driver.end_upload(&open);
            hub.driver.read(&mut open);
            assert!(open.answer.ended);
        }
    }
}

#[test]
fn an_upload_ends_its_stream_unless_a_header_says_otherwise() {
    for generation in BOTH {
        for (value, status) in [
            (None, 200),
            (Some("true"), 200),
            (Some("x"), 200),
            (Some("False"), 200),
            (Some("false"), 202),
            (Some("success"), 202),
        ] {
            for (below, stream) in [("input", Input::Input), ("stdin", Input::Stdin)] {
                let mut headers = vec![];
                if below == "input" {
                    headers.push(TEXT);
                }
                headers.extend(value.map(|value| ("x-end-stream", value)));
                let mut hub = Running::new(generation, vec![]);
                let answer = hub.post(below, &headers, b"a").answer;
                assert_eq!((answer.status(), answer.ended), (status, true), "{value:?}");
                assert_eq!(has_ended(&mut hub, stream), status == 200, "{value:?}");
            }
        }
    }
}

#[test]
fn input_after_the_end_gets_a_head_and_no_end() {
    for generation in BOTH {
        for (below, headers) in [("input", vec![TEXT]), ("stdin", vec![])] {
            let mut hub = Running::new(generation, vec![]);
            assert!(hub.post(below, &headers, b"a").answer.ended);
            hub.driver.wait_millis(10);
            let kept_open = [headers.as_slice(), &[KEEP_OPEN]].concat();
            for (headers, status) in [(&headers, 200), (&kept_open, 202)] {
                let mut open = hub.post(below, headers, b"b");
                assert_eq!(open.answer.status(), status);
                assert!(is_never_answered(&mut hub, &mut open), "{below}");
            }
        }
    }
}

#[test]
fn input_right_after_the_end_is_an_error_within_a_success_on_0_18() {
    let mut hub = Running::new(V0_18, vec![]);
    hub.post("input", &[TEXT], b"a");
    let answer = hub.post("input", &[TEXT], b"b").answer;
    assert_eq!(line(&answer), "200 OK; 500: Internal error occurred");
    let mut open = hub.post("input", &[TEXT], b"c");
    assert!(is_never_answered(&mut hub, &mut open));
}

#[test]
fn an_upload_that_is_cut_does_not_end_the_stream() {
    for generation in BOTH {
        let mut hub = Running::new(generation, vec![]);
        for (below, headers, stream) in [
            ("input", vec![TEXT], Input::Input),
            ("stdin", vec![], Input::Stdin),
        ] {
            let path = hub.path(below);
            let open = hub.driver.begin("POST", &path, &headers);
            hub.driver.upload(&open, b"half");
            hub.driver.abandon(&open);
            assert_eq!(received(&mut hub, stream), [b"half".to_vec()]);
            let answer = hub.post(below, &headers, b"whole").answer;
            assert!(answer.ended, "{below}");
            assert_eq!(received(&mut hub, stream), [b"whole".to_vec()]);
        }
    }
}

#[test]
fn concurrent_uploads_interleave_and_the_second_is_not_answered_after_the_first_ended() {
    for generation in BOTH {
        let mut hub = Running::new(generation, vec![]);
        let path = hub.path("input");
        let mut first = hub.driver.begin("POST", &path, &[TEXT]);
        let mut second = hub.driver.begin("POST", &path, &[TEXT]);
        for (open, text) in [(&first, "a1"), (&second, "b1"), (&first, "a2")] {
            hub.driver.upload(open, text.as_bytes());
        }
        let pieces = ["a1", "b1", "a2"].map(|text| text.as_bytes().to_vec());
        assert_eq!(received(&mut hub, Input::Input), pieces);
        hub.driver.end_upload(&first);
        hub.driver.read(&mut first);
        assert!(first.answer.ended);
        hub.driver.upload(&second, b"lost");
        hub.driver.end_upload(&second);
        assert!(is_never_answered(&mut hub, &mut second));
        assert!(received(&mut hub, Input::Input).is_empty());
        let mut third = hub.post("input", &[TEXT], b"x");
        assert!(is_never_answered(&mut hub, &mut third));
    }
}

#[test]
fn the_first_input_needs_a_content_type_and_later_ones_are_not_asked() {
    for generation in BOTH {
        let mut hub = items(generation);
        let answer = hub.post("input", &[], b"a").answer;
        let v0_18 = "500 Internal Server Error; length; 500: Internal error occurred";
        let error = json!({ "error": "Content-Type must be defined" });
        let v1 = format!("406 Not Acceptable; application/json; {error}");
        assert_eq!(line(&answer), pick(generation, v0_18, &v1));
        assert_eq!(
            hub.post("input", &[NDJSON, KEEP_OPEN], b"1\n")
                .answer
                .status(),
            202
        );
        // Only the type of the first request counts.
        assert_eq!(
            hub.post("input", &[TEXT, KEEP_OPEN], b"2\n")
                .answer
                .status(),
            202
        );
        assert_eq!(hub.post("input", &[], b"3\n").answer.status(), 200);
        assert_eq!(hub.get("output").text().lines().count(), 3);
    }
}

#[test]
fn items_follow_the_content_type_of_the_first_request() {
    let json = "Json(Object {\"a\": Number(1)})\nJson(Bool(false))\n";
    for (content_type, pieces, expected) in [
        ("application/x-ndjson", ["{\"a\"", ":1}\r\n\nfalse"], json),
        ("text/x-ndjson", ["{\"a\":1}\n", "false\n"], json),
        (
            "text/plain",
            ["a\nb", "c\n"],
            "Text(\"a\\nb\")\nText(\"c\\n\")\n",
        ),
        (
            "application/octet-stream",
            ["a", "b"],
            "Bytes([97])\nBytes([98])\n",
        ),
    ] {
        for generation in BOTH {
            let mut hub = items(generation);
            let path = hub.path("input");
            let headers = [("content-type", content_type)];
            let open = hub.driver.begin("POST", &path, &headers);
            for piece in pieces {
                hub.driver.upload(&open, piece.as_bytes());
            }
            hub.driver.end_upload(&open);
            assert_eq!(hub.get("output").text(), expected, "{content_type}");
        }
    }
}

#[test]
fn input_of_other_types_is_taken_and_lost() {
    for content_type in ["text/plain; charset=utf-8", "application/json"] {
        for generation in BOTH {
            let mut hub = items(generation);
            let answer = hub
                .post("input", &[("content-type", content_type)], b"{}")
                .answer;
            assert_eq!((answer.status(), answer.ended), (200, true));
            let mut output = hub.open("output");
            // The sequence does not even see an end.
            assert!(is_never_answered(&mut hub, &mut output));
            assert_eq!(output.answer.text(), "");
        }
    }
}

#[test]
fn a_line_null_cuts_the_input_silently() {
    for generation in BOTH {
        let mut hub = items(generation);
        let answer = hub
            .post("input", &[NDJSON, KEEP_OPEN], b"1\nnull\n2\n")
            .answer;
        assert_eq!((answer.status(), answer.ended), (202, true));
        let answer = hub.post("input", &[NDJSON], b"3\n").answer;
        assert_eq!((answer.status(), answer.ended), (200, true));
        assert_eq!(hub.get("output").text(), "Json(Number(1))\n");
    }
}

#[test]
fn a_line_that_is_not_json_ends_the_output_on_0_18_and_is_skipped_on_1_x() {
    for generation in BOTH {
        let mut hub = items(generation);
        let mut output = hub.open("output");
        hub.post("input", &[NDJSON, KEEP_OPEN], b"1\nbad\n2\n");
        hub.driver.read(&mut output);
        let v1 = "Json(Number(1))\nJson(Number(2))\n";
        assert_eq!(
            output.answer.text(),
            pick(generation, "Json(Number(1))\n", v1)
        );
        assert_eq!(output.answer.ended, generation == V0_18);
        hub.driver.wait(seconds(1.0));
        assert_eq!(hub.get("").status(), pick(generation, 404, 200));
    }
}

#[test]
fn early_input_is_handed_out_twice_on_0_18() {
    for generation in BOTH {
        let mut driver = Driver::with(generation, vec![]);
        let path = format!("sequence/{SEQUENCE}/start");
        let start = driver.send("POST", &path, &[crate::driver::JSON], b"{}");
        driver.wait_millis(100);
        let id = driver.hub.runs()[0].clone();
        let mut hub = Running { driver, id };
        for text in ["a", "b"] {
            assert_eq!(
                hub.post("input", &[TEXT, KEEP_OPEN], text.as_bytes())
                    .answer
                    .status(),
                202
            );
        }
        hub.driver.wait(seconds(1.0));
        hub.post("input", &[TEXT, KEEP_OPEN], b"c");
        let (v0_18, v1): (&[&[u8]], &[&[u8]]) = (&[b"abab", b"c"], &[b"a", b"b", b"c"]);
        let pieces = received(&mut hub, Input::Input);
        assert_eq!(pieces, pick(generation, v0_18, v1));
        hub.driver.abandon(&start);
    }
}

#[test]
fn bytes_are_damaged_except_on_the_input_of_1_x() {
    let (sent, damaged) = (b"a\xff", "a\u{fffd}".as_bytes());
    for generation in BOTH {
        let mut hub = Running::new(generation, vec![]);
        for _ in 0..2 {
            hub.post("input", &[TEXT, KEEP_OPEN], sent);
            hub.post("stdin", &[KEEP_OPEN], sent);
        }
        // A runner of 1.x reads the first chunk as text, with the content type before it.
        let second: &[u8] = pick(generation, damaged, sent);
        assert_eq!(received(&mut hub, Input::Input), [damaged, second]);
        assert_eq!(received(&mut hub, Input::Stdin), [damaged, damaged]);
    }
}

#[test]
fn a_character_may_come_in_two_chunks_but_not_in_two_requests() {
    for generation in BOTH {
        let mut hub = Running::new(generation, vec![]);
        let path = hub.path("stdin");
        let open = hub.driver.begin("POST", &path, &[KEEP_OPEN]);
        hub.driver.upload(&open, b"\xc5");
        hub.driver.upload(&open, b"\xbc");
        hub.driver.end_upload(&open);
        assert_eq!(received(&mut hub, Input::Stdin).concat(), "ż".as_bytes());
        for half in [b"\xc5", b"\xbc"] {
            hub.post("stdin", &[KEEP_OPEN], half);
        }
        let damaged = "\u{fffd}\u{fffd}".as_bytes();
        assert_eq!(received(&mut hub, Input::Stdin).concat(), damaged);
    }
}

#[test]
fn input_stalls_if_the_process_does_not_read() {
    for generation in BOTH {
        let mut hub = Running::new(generation, vec![]);
        let path = hub.path("input");
        let mut open = hub.driver.begin("POST", &path, &[TEXT]);
        let chunk = [b'x'; 1 << 14];
        let chunks = (0..1000)
            .take_while(|_| hub.driver.upload(&open, &chunk) > 0)
            .count();
        assert!((1..100).contains(&chunks), "{chunks}");
        received(&mut hub, Input::Input);
        assert!(hub.driver.upload(&open, &chunk) > 0);
        hub.driver.end_upload(&open);
        hub.driver.read(&mut open);
        assert!(open.answer.ended);
    }
}

#[test]
fn inout_answers_with_the_first_output_and_never_ends() {
    let mut hub = items(V1);
    let path = hub.path("inout");
    let mut open = hub.driver.begin("POST", &path, &[NDJSON]);
    assert_eq!(line(&open.answer), "nothing");
    hub.driver.upload(&open, b"1\n");
    hub.driver.end_upload(&open);
    hub.driver.read(&mut open);
    assert_eq!(line(&open.answer), "200 OK; Json(Number(1))\n");
    // It has not ended the input; even the end of the output does not end it.
    assert_eq!(hub.post("input", &[NDJSON], b"2\n").answer.status(), 200);
    assert!(is_never_answered(&mut hub, &mut open));
    assert_eq!(open.answer.text(), "Json(Number(1))\nJson(Number(2))\n");
}

#[test]
fn inout_without_a_content_type_loses_all_input() {
    let mut hub = items(V1);
    let mut open = hub.post("inout", &[], b"1\n");
    hub.post("input", &[NDJSON], b"2\n");
    assert!(is_never_answered(&mut hub, &mut open));
    assert_eq!(line(&open.answer), "nothing");
}

#[test]
fn inout_is_404_on_0_18() {
    let mut hub = Running::new(V0_18, vec![Step::Stay]);
    assert_eq!(
        line(&hub.post("inout", &[NDJSON], b"").answer),
        "404 Not Found; length"
    );
}
