//! Sections 5.5 and 5.6: uploads to an instance.

use scramjet_client_testing::model::{Input, ReadResult};

use super::{BOTH, KEEP_OPEN, RunningInstance, V0_18, line, pick, seconds};
use crate::driver::{Driver, SEQUENCE, TEXT};

/// Returns the chunks that a process has received.
fn received(hub: &mut RunningInstance, from: Input) -> Vec<Vec<u8>> {
    hub.act(|process| {
        let mut pieces = Vec::new();
        while let ReadResult::Chunk(piece) = process.read(from) {
            pieces.push(piece);
        }
        pieces
    })
}

fn has_ended(hub: &mut RunningInstance, from: Input) -> bool {
    received(hub, from);
    hub.act(|process| process.read(from)) == ReadResult::Ended
}

#[test]
fn an_upload_is_answered_before_its_body_and_ends_with_it() {
    for generation in BOTH {
        for below in ["input", "stdin"] {
            let headers = [
                if below == "input" { TEXT } else { ("x-a", "b") },
                KEEP_OPEN,
            ];
            let mut hub = RunningInstance::new(generation, vec![]);
            let path = hub.path(below);
            let mut open = hub.driver.begin("POST", &path, &headers);
            assert_eq!(line(&open.response), "202 Accepted");
            assert!(!open.response.ended);
            hub.driver.upload(&open, b"a");
            hub.driver.read(&mut open);
            assert!(!open.response.ended);
            hub.driver.end_upload(&open);
            hub.driver.read(&mut open);
            assert!(open.response.ended);
        }
    }
}

#[test]
fn an_upload_ends_its_stream_unless_the_header_is_set() {
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
                let mut hub = RunningInstance::new(generation, vec![]);
                let answer = hub.post(below, &headers, b"a").response;
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
            let mut hub = RunningInstance::new(generation, vec![]);
            assert!(hub.post(below, &headers, b"a").response.ended);
            hub.driver.wait_millis(10);
            let kept_open = [headers.as_slice(), &[KEEP_OPEN]].concat();
            for (headers, status) in [(&headers, 200), (&kept_open, 202)] {
                let mut open = hub.post(below, headers, b"b");
                assert_eq!(open.response.status(), status);
                assert!(hub.never_answers(&mut open), "{below}");
            }
        }
    }
}

#[test]
fn input_right_after_the_end_gets_an_error_with_status_200_on_0_18() {
    let mut hub = RunningInstance::new(V0_18, vec![]);
    hub.post("input", &[TEXT], b"a");
    let answer = hub.post("input", &[TEXT], b"b").response;
    assert_eq!(line(&answer), "200 OK; 500: Internal error occurred");
    let mut open = hub.post("input", &[TEXT], b"c");
    assert!(hub.never_answers(&mut open));
}

#[test]
fn a_truncated_upload_does_not_end_the_stream() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        for (below, headers, stream) in [
            ("input", vec![TEXT], Input::Input),
            ("stdin", vec![], Input::Stdin),
        ] {
            let path = hub.path(below);
            let open = hub.driver.begin("POST", &path, &headers);
            hub.driver.upload(&open, b"half");
            hub.driver.disconnect(&open);
            assert_eq!(received(&mut hub, stream), [b"half".to_vec()]);
            let answer = hub.post(below, &headers, b"whole").response;
            assert!(answer.ended, "{below}");
            assert_eq!(received(&mut hub, stream), [b"whole".to_vec()]);
        }
    }
}

#[test]
fn concurrent_uploads_interleave_and_only_the_first_is_answered() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
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
        assert!(first.response.ended);
        hub.driver.upload(&second, b"lost");
        hub.driver.end_upload(&second);
        assert!(hub.never_answers(&mut second));
        assert!(received(&mut hub, Input::Input).is_empty());
        let mut third = hub.post("input", &[TEXT], b"x");
        assert!(hub.never_answers(&mut third));
    }
}

#[test]
fn early_input_is_delivered_twice_on_0_18() {
    for generation in BOTH {
        let mut driver = Driver::with_steps(generation, vec![]);
        let path = format!("sequence/{SEQUENCE}/start");
        let start = driver.send("POST", &path, &[crate::driver::JSON], b"{}");
        driver.wait_millis(100);
        let id = driver.started_ids()[0].clone();
        let mut hub = RunningInstance { driver, id };
        for text in ["a", "b"] {
            assert_eq!(
                hub.post("input", &[TEXT, KEEP_OPEN], text.as_bytes())
                    .response
                    .status(),
                202
            );
        }
        hub.driver.wait(seconds(1.0));
        hub.post("input", &[TEXT, KEEP_OPEN], b"c");
        let (v0_18, v1): (&[&[u8]], &[&[u8]]) = (&[b"abab", b"c"], &[b"a", b"b", b"c"]);
        let pieces = received(&mut hub, Input::Input);
        assert_eq!(pieces, pick(generation, v0_18, v1));
        hub.driver.disconnect(&start);
    }
}

#[test]
fn invalid_utf8_is_replaced_except_on_the_input_of_1_x() {
    let (sent, damaged) = (b"a\xff", "a\u{fffd}".as_bytes());
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
        for _ in 0..2 {
            hub.post("input", &[TEXT, KEEP_OPEN], sent);
            hub.post("stdin", &[KEEP_OPEN], sent);
        }
        // A runner of 1.x decodes the first chunk as text, because the content type precedes it.
        let second: &[u8] = pick(generation, damaged, sent);
        assert_eq!(received(&mut hub, Input::Input), [damaged, second]);
        assert_eq!(received(&mut hub, Input::Stdin), [damaged, damaged]);
    }
}

#[test]
fn a_character_may_come_in_two_chunks_but_not_in_two_requests() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, vec![]);
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
        let mut hub = RunningInstance::new(generation, vec![]);
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
        assert!(open.response.ended);
    }
}
