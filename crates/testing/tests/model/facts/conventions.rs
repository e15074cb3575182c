//! Section 2: routes, and the formats of responses.

use super::{BOTH, RunningInstance, UNKNOWN, line, pick, seconds, staying};
use crate::driver::{Driver, JSON};

#[test]
fn literals_match_in_any_case_and_ids_do_not() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let mut status = |path: &str| {
            let open = hub.driver.begin_at("GET", path, &[]);
            open.response.status()
        };
        assert_eq!(status("/api/v1/Version"), 200);
        assert_eq!(status("/API/V1/version"), 200);
        let id = hub.id.clone();
        let mut status = |path: String| {
            let open = hub.driver.begin_at("GET", &path, &[]);
            open.response.status()
        };
        assert_eq!(status(format!("/api/v1/INSTANCE/{id}/Output")), 200);
        assert_eq!(
            status(format!("/api/v1/instance/{}", id.to_uppercase())),
            404
        );
    }
}

#[test]
fn one_trailing_slash_is_ignored_and_a_doubled_slash_is_404() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let id = hub.id.clone();
        for (path, status) in [
            ("/api/v1/version/".to_owned(), 200),
            (format!("/api/v1/instance/{id}/"), 200),
            ("/api/v1/version//".to_owned(), 404),
            ("/api/v1//version".to_owned(), 404),
            ("//api/v1/version".to_owned(), 404),
            (format!("/api/v1/instance/{id}//health"), 404),
            ("/api/v1".to_owned(), 404),
            ("/".to_owned(), 404),
        ] {
            let mut open = hub.driver.begin_at("GET", &path, &[]);
            hub.driver.end_upload(&open);
            hub.driver.read(&mut open);
            assert_eq!(open.response.status(), status, "{path}");
        }
        // The empty segment is not an instance id.
        let answer = hub.driver.get(&format!("instance//{id}"));
        assert_eq!(line(&answer), "404 Not Found");
    }
}

#[test]
fn percent_encoding_is_not_decoded() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        assert_eq!(hub.driver.get("%76ersion").status(), 404);
        let encoded = hub.open("event/a%2Bb");
        hub.act(|process| process.emit("a+b", Some("x".into())));
        assert!(encoded.response.head.is_none());
        assert_eq!(hub.get("event/a+b").status(), 200);
        hub.act(|process| process.emit("a%2Bb", Some("y".into())));
        assert_eq!(hub.get("event/a%2Bb").status(), 200);
    }
}

#[test]
fn the_query_is_ignored() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        assert_eq!(driver.get("version?a=/b").status(), 200);
    }
}

#[test]
fn ids_of_javascript_object_members_are_never_answered() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        for id in [
            "toString",
            "constructor",
            "__proto__",
            "__defineGetter__",
            "valueOf",
        ] {
            for path in [format!("instance/{id}"), format!("instance/{id}/health")] {
                let mut open = driver.send("GET", &path, &[], b"");
                assert_eq!(
                    driver.until_ended(&mut open, seconds(400.0)),
                    None,
                    "{path}"
                );
                assert_eq!(line(&open.response), "nothing");
            }
        }
        assert_eq!(driver.get("sequence/toString").status(), 404);
    }
}

#[test]
fn head_answers_as_get_without_a_body() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let answer = hub.driver.call("HEAD", "version", &[], b"");
        assert_eq!(line(&answer), "200 OK; application/json");
        assert_eq!(
            line(&hub.driver.call("HEAD", "nosuch", &[], b"")),
            "404 Not Found"
        );
        // The head of a stream comes at once. The response ends with the stream.
        let path = hub.path("output");
        let mut open = hub.driver.send("HEAD", &path, &[], b"");
        assert_eq!(line(&open.response), "200 OK; application/octet-stream");
        assert!(!open.response.ended);
        hub.operation("_kill", "{}");
        assert!(hub.driver.until_ended(&mut open, seconds(1.0)).is_some());
    }
}

#[test]
fn options_are_answered_everywhere() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        for path in ["version", "nosuch", "instance/nosuch/health"] {
            let answer = driver.call("OPTIONS", path, &[], b"");
            assert_eq!(line(&answer), "200 OK; length", "{path}");
            assert_eq!(answer.header("access-control-allow-headers"), "*");
            let methods = answer.header("access-control-allow-methods");
            assert_eq!(methods, "DELETE, POST, GET, OPTIONS");
        }
    }
}

#[test]
fn unknown_paths_and_wrong_methods_are_404() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        for (method, path) in [
            ("GET", "nosuch"),
            ("POST", "version"),
            ("PATCH", "version"),
            ("GET", "sequence"),
            ("PUT", "sequence"),
            ("GET", "instance"),
            ("GET", "monitoring"),
        ] {
            let answer = driver.call(method, path, &[JSON], b"");
            assert_eq!(line(&answer), "404 Not Found", "{method} {path}");
        }
        let answer = driver.get("cpm/api/v1/version");
        assert_eq!(
            line(&answer),
            pick(generation, "404 Not Found", "404 Not Found; length")
        );
    }
}

#[test]
fn every_answer_has_the_headers_of_the_hub() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        for path in ["version", "nosuch", "instance/nosuch", "sequence/nosuch"] {
            let answer = driver.get(path);
            assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
            assert_eq!(answer.header("keep-alive"), "timeout=5", "{path}");
        }
    }
}

#[test]
fn json_is_sent_in_one_chunk_and_errors_of_instances_with_their_length() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let answer = hub.get("");
        assert_eq!(answer.header("content-length"), "");
        assert_eq!(answer.chunks.len(), 1);
        let answer = hub.operation("_monitoring_rate", "[4003,{\"monitoringRate\":\"x\"}]");
        assert_eq!(answer.header("content-length"), "24");
        assert_eq!(line(&hub.get("nosuch")), "404 Not Found; length");
        assert_eq!(line(&hub.get("monitoring")), "404 Not Found; length");
    }
}

#[test]
fn unknown_instances_are_404_for_any_method_and_path() {
    for generation in BOTH {
        let mut driver = Driver::new(generation);
        let error = format!("404 Not Found; {{\"error\":\"Instance {UNKNOWN} not found\"}}");
        let expected = pick(generation, "404 Not Found; length", &error);
        for (method, below) in [
            ("GET", ""),
            ("GET", "/nosuch"),
            ("POST", "/_kill"),
            ("PUT", ""),
        ] {
            let answer = driver.call(method, &format!("instance/{UNKNOWN}{below}"), &[], b"");
            assert_eq!(line(&answer), expected, "{method} {below}");
        }
    }
}

#[test]
fn large_numbers_are_rounded_as_in_javascript() {
    for generation in BOTH {
        let mut hub = RunningInstance::new(generation, staying());
        let body = b"{\"args\":[9007199254740993,1.0,0.1]}";
        let path = format!("sequence/{}/start", crate::driver::SEQUENCE);
        let mut open = hub.driver.send("POST", &path, &[JSON], body);
        hub.driver.until_ended(&mut open, seconds(5.0)).unwrap();
        let id = open.response.json()["id"].as_str().unwrap().to_owned();
        let info = hub.driver.get(&format!("instance/{id}")).text();
        assert!(info.contains("[9007199254740992,1,0.1]"), "{info}");
    }
}
