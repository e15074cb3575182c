//! Section 2: headers, bodies and timeouts of requests.

use super::{BOTH, NDJSON, RunningInstance, V0_18, V1, line, pick, seconds, staying};
use crate::driver::{Driver, JSON, SEQUENCE, TEXT};

/// Returns the errors of a route of the hub and of a route of an instance.
fn refusals(hub: &mut RunningInstance, headers: &[(&str, &str)], body: &[u8]) -> [String; 2] {
    let host = hub.driver.call("DELETE", "sequence/nosuch", headers, body);
    let path = hub.path("_kill");
    let instance = hub.driver.call("POST", &path, headers, body);
    [line(&host), line(&instance)]
}

#[test]
fn json_operations_need_an_exact_content_type() {
    let refused: [&[(&str, &str)]; 7] = [
        &[],
        &[("content-type", "")],
        &[TEXT],
        &[("content-type", "Application/json")],
        &[("content-type", "application/json ;charset=utf-8")],
        &[("content-type", "text/plain, application/json")],
        &[TEXT, JSON],
    ];
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        for headers in refused {
            let text = pick(
                generation,
                "Invalid content-type",
                "Could not parse content",
            );
            let [host, instance] = refusals(&mut hub, headers, b"");
            assert_eq!(host, format!("400 {text}"), "{headers:?}");
            let expected = format!("500 Internal Server Error; length; 400: {text}");
            assert_eq!(instance, expected, "{headers:?}");
        }
        for given in [
            "application/json; charset=UTF-8",
            "text/json;charset=latin1",
        ] {
            let text = "Invalid encoding in content-type";
            let text = pick(generation, text, "Could not parse content");
            let [host, instance] = refusals(&mut hub, &[("content-type", given)], b"");
            assert_eq!(host, format!("400 {text}"));
            let expected = format!("500 Internal Server Error; length; 400: {text}");
            assert_eq!(instance, expected);
        }
        for given in [
            "application/json",
            "text/json",
            "application/json; charset=utf-8",
            "application/json;charset=\"utf-8\"",
            "text/plain,application/json",
            "*/*",
        ] {
            let headers = [("content-type", given)];
            let answer = hub.driver.call("DELETE", "sequence/nosuch", &headers, b"");
            assert_eq!(answer.status(), 404, "{given}");
        }
    }
}

#[test]
fn bodies_that_are_not_json_are_refused() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let [host, instance] = refusals(&mut hub, &[JSON], b"{");
        assert_eq!(host, "400 Could not parse content");
        let expected = "500 Internal Server Error; length; 400: Could not parse content";
        assert_eq!(instance, expected);
    }
}

#[test]
fn an_empty_body_is_no_payload() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        assert_eq!(hub.operation("_kill", "").status(), 202);
        let mut driver = Driver::with_steps(generation, staying());
        let mut open = driver.send("POST", &format!("sequence/{SEQUENCE}/start"), &[JSON], b"");
        driver.until_ended(&mut open, seconds(5.0)).unwrap();
        assert_eq!(open.response.status(), 200);
    }
}

#[test]
fn accept_is_compared_without_trimming_or_quality() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let refused = pick(
            generation,
            "400 Invalid content-type",
            "415 Invalid content-type",
        );
        let status = &refused[..3];
        let inner = format!("500 Internal Server Error; length; {status}: Invalid content-type");
        let id = hub.id.clone();
        for (accept, value, stream) in [
            ("", true, true),
            ("*/*", true, true),
            ("*", true, true),
            ("application/*", true, true),
            ("application/json", true, false),
            ("text/json", true, false),
            ("text/html,application/json", true, false),
            ("application/json;q=0", true, false),
            ("application/octet-stream", false, true),
            ("text/html, application/json", false, false),
            ("text/html, */*", false, false),
            ("Application/json", false, false),
            ("application/x-ndjson", false, false),
            ("text/plain", false, false),
        ] {
            let headers = [("accept", accept)];
            for (path, accepted, refused) in [
                ("version".to_owned(), value, refused),
                (format!("instance/{id}"), value, inner.as_str()),
                ("log".to_owned(), stream, refused),
                (format!("instance/{id}/output"), stream, inner.as_str()),
            ] {
                let open = hub.driver.send("GET", &path, &headers, b"");
                if accepted {
                    assert_eq!(open.response.status(), 200, "{path} {accept}");
                } else {
                    assert_eq!(line(&open.response), refused, "{path} {accept}");
                }
            }
        }
    }
}

#[test]
fn uploads_of_bytes_check_their_content_type() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let status = pick(generation, 400, 415);
        for (given, accepted) in [
            ("application/octet-stream", true),
            ("application/octet-stream; x=y", true),
            ("*/*", true),
            ("application/gzip", false),
            ("application/json", false),
            ("Application/Octet-Stream", false),
        ] {
            let headers = [("content-type", given)];
            let answer = hub.driver.call("POST", "sequence", &headers, b"");
            let stdin = hub
                .post("stdin", &[headers[0], super::KEEP_OPEN], b"")
                .response;
            if accepted {
                assert_eq!((answer.status(), stdin.status()), (422, 202), "{given}");
            } else {
                assert_eq!(
                    line(&answer),
                    format!("{status} Invalid content-type"),
                    "{given}"
                );
                let text = format!("{status}: Invalid content-type");
                let expected = format!("500 Internal Server Error; length; {text}");
                assert_eq!(line(&stdin), expected, "{given}");
            }
        }
    }
}

#[test]
fn expect_continue_is_answered_by_one_or_two_interim_responses() {
    let expect = ("expect", "100-continue");
    let wrong = ("content-type", "text/css");
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let (input, stdin) = (hub.path("input"), hub.path("stdin"));
        let mut continues = |method: &str, path: &str, headers: &[(&str, &str)]| {
            let headers = [headers, &[expect]].concat();
            let open = hub.driver.begin(method, path, &headers);
            open.response.continues
        };
        assert_eq!(continues("POST", "sequence", &[]), pick(generation, 2, 1));
        assert_eq!(continues("POST", &input, &[TEXT]), pick(generation, 2, 1));
        assert_eq!(continues("POST", &stdin, &[]), pick(generation, 2, 1));
        assert_eq!(
            continues("POST", "topic/t", &[NDJSON]),
            pick(generation, 2, 1)
        );
        assert_eq!(continues("DELETE", "sequence/x", &[JSON]), 1);
        // Node.js sends one before 0.18 looks at the request.
        assert_eq!(
            continues("POST", "sequence", &[wrong]),
            pick(generation, 1, 0)
        );
        assert_eq!(continues("POST", "nosuch", &[]), pick(generation, 1, 0));
        // A later writer of a topic of 1.x gets it when the earlier writers have finished.
        assert_eq!(
            continues("POST", "topic/t", &[NDJSON]),
            pick(generation, 2, 0)
        );
    }
}

#[test]
fn other_expectations_are_417() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let answer = driver.call("POST", "sequence", &[("expect", "x")], b"");
        assert_eq!(line(&answer), "417 Expectation Failed");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[test]
fn a_refusal_comes_before_the_body_and_the_body_is_discarded() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        for (method, path, headers) in [
            ("POST", "nosuch", [TEXT]),
            ("POST", "instance/nosuch/input", [TEXT]),
            ("POST", "sequence", [TEXT]),
            ("DELETE", "sequence/x", [TEXT]),
        ] {
            let open = driver.begin(method, path, &headers);
            assert!(open.response.is_whole(), "{path}");
            assert_eq!(driver.upload(&open, &[b'x'; 1 << 20]), 1 << 20);
            driver.end_upload(&open);
        }
        assert!(driver.hub.sequences().is_empty());
    }
}

#[test]
fn a_truncated_upload_registers_no_sequence() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let open = driver.begin("POST", "sequence", &[]);
        driver.upload(&open, b"half");
        driver.disconnect(&open);
        assert!(driver.hub.sequences().is_empty());
    }
}

#[test]
fn an_upload_of_more_than_five_minutes_is_closed_on_0_18() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let (input, topic) = (hub.path("input"), "topic/t".to_owned());
        for path in ["sequence".to_owned(), input, topic] {
            let headers = if path == "sequence" {
                vec![]
            } else {
                vec![NDJSON]
            };
            let mut open = hub.driver.begin("POST", &path, &headers);
            hub.driver.wait(seconds(319.0));
            assert_eq!(hub.driver.upload(&open, b"x"), 1);
            hub.driver.read(&mut open);
            assert!(!open.response.cut, "{path}");
            hub.driver.wait(seconds(2.0));
            hub.driver.read(&mut open);
            assert_eq!(open.response.cut, generation == V0_18, "{path}");
            hub.driver.disconnect(&open);
        }
    }
}

#[test]
fn a_response_may_take_any_time() {
    let mut driver = Driver::new(V0_18);
    let mut open = driver.send("GET", "log", &[], b"");
    driver.wait(seconds(1000.0));
    driver.read(&mut open);
    assert!(!open.response.cut && !open.response.ended);
}

#[test]
fn the_first_of_two_content_types_counts() {
    let mut driver = Driver::new(V1);
    let answer = driver.call("DELETE", "sequence/x", &[JSON, TEXT], b"");
    assert_eq!(answer.status(), 404);
}
