//! Sections 5.6 and 5.7: the items of the input, and the route `inout`.

use scramjet_client_testing::model::{
    Exit, Generation, Item, Output, Package, ProcessContext, ProgramSpec, Step,
};
use serde_json::json;

use super::{BOTH, KEEP_OPEN, NDJSON, RunningInstance, V0_18, V1, line, pick, seconds};
use crate::driver::{Driver, SEQUENCE, TEXT};

/// Returns a hub with an instance that writes each item of its input as a line.
fn items(generation: Generation) -> RunningInstance {
    let program = |process: &mut ProcessContext<'_>| {
        process.begin();
        loop {
            let line = match process.read_item() {
                Item::Pending => return,
                Item::Ended => return process.exit(Exit::Completed),
                item => format!("{item:?}\n"),
            };
            process.write(Output::Output, line.as_bytes());
        }
    };
    let mut driver = Driver::new(generation);
    driver
        .hub
        .program("items", ProgramSpec::new(move || Box::new(program)));
    driver.hub.add_sequence(SEQUENCE, Package::named("items"));
    let id = driver.start();
    RunningInstance { driver, id }
}

#[test]
fn only_the_first_input_needs_a_content_type() {
    for generation in BOTH {
        let mut hub = items(generation);
        let answer = hub.post("input", &[], b"a").response;
        let v0_18 = "500 Internal Server Error; length; 500: Internal error occurred";
        let error = json!({ "error": "Content-Type must be defined" });
        let v1 = format!("406 Not Acceptable; application/json; {error}");
        assert_eq!(line(&answer), pick(generation, v0_18, &v1));
        assert_eq!(
            hub.post("input", &[NDJSON, KEEP_OPEN], b"1\n")
                .response
                .status(),
            202
        );
        // Later requests do not change the content type.
        assert_eq!(
            hub.post("input", &[TEXT, KEEP_OPEN], b"2\n")
                .response
                .status(),
            202
        );
        assert_eq!(hub.post("input", &[], b"3\n").response.status(), 200);
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
fn input_of_other_types_is_discarded() {
    for content_type in ["text/plain; charset=utf-8", "application/json"] {
        for generation in BOTH {
            let mut hub = items(generation);
            let answer = hub
                .post("input", &[("content-type", content_type)], b"{}")
                .response;
            assert_eq!((answer.status(), answer.ended), (200, true));
            let mut output = hub.open("output");
            // The sequence does not even receive the end.
            assert!(hub.never_answers(&mut output));
            assert_eq!(output.response.text(), "");
        }
    }
}

#[test]
fn a_line_null_ends_the_input_without_an_error() {
    for generation in BOTH {
        let mut hub = items(generation);
        let answer = hub
            .post("input", &[NDJSON, KEEP_OPEN], b"1\nnull\n2\n")
            .response;
        assert_eq!((answer.status(), answer.ended), (202, true));
        let answer = hub.post("input", &[NDJSON], b"3\n").response;
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
            output.response.text(),
            pick(generation, "Json(Number(1))\n", v1)
        );
        assert_eq!(output.response.ended, generation == V0_18);
        hub.driver.wait(seconds(1.0));
        assert_eq!(hub.get("").status(), pick(generation, 404, 200));
    }
}

#[test]
fn inout_answers_with_the_first_output_and_never_ends() {
    let mut hub = items(V1);
    let path = hub.path("inout");
    let mut open = hub.driver.begin("POST", &path, &[NDJSON]);
    assert_eq!(line(&open.response), "nothing");
    hub.driver.upload(&open, b"1\n");
    hub.driver.end_upload(&open);
    hub.driver.read(&mut open);
    assert_eq!(line(&open.response), "200 OK; Json(Number(1))\n");
    // The request has not ended the input. The end of the output does not end the response.
    assert_eq!(hub.post("input", &[NDJSON], b"2\n").response.status(), 200);
    assert!(hub.never_answers(&mut open));
    assert_eq!(open.response.text(), "Json(Number(1))\nJson(Number(2))\n");
}

#[test]
fn inout_without_a_content_type_discards_all_input() {
    let mut hub = items(V1);
    let mut open = hub.post("inout", &[], b"1\n");
    hub.post("input", &[NDJSON], b"2\n");
    assert!(hub.never_answers(&mut open));
    assert_eq!(line(&open.response), "nothing");
}

#[test]
fn inout_is_404_on_0_18() {
    let mut hub = RunningInstance::new(V0_18, vec![Step::KeepAlive]);
    assert_eq!(
        line(&hub.post("inout", &[NDJSON], b"").response),
        "404 Not Found; length"
    );
}
