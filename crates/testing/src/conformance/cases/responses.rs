//! Cases about responses.

use std::io::{self, Read};

use http::Method;
use scramjet_client_blocking::transport::{ReasonPhrase, RequestBody};

use crate::conformance::fixture::{BodyResponse, SharedReceiver, Target, body_of, header, text};
use crate::conformance::{CheckResult, check, check_eq};
use crate::script::Answer;

pub(super) fn every_status_is_ok(target: &Target) -> CheckResult {
    let statuses = [
        200, 201, 202, 206, 299, 400, 401, 403, 404, 405, 409, 418, 419, 422, 429, 431, 499, 500,
        501, 502, 503, 504, 599,
    ];
    let exchanges = statuses.iter().map(|status| {
        let answer = Answer::status(*status, format!("the body of {status}"))
            .header("x-status", &status.to_string());
        (
            Method::GET,
            format!("/{status}"),
            answer.reason("Some Words"),
        )
    });
    let fixture = target.answer_in_order(exchanges.chain([(
        Method::GET,
        "/204".into(),
        Answer::status(204, ""),
    )]))?;
    for status in statuses {
        let response = fixture.get(&format!("/{status}"))?;
        check_eq("the status", response.status().as_u16(), status)?;
        check_eq(
            "the header",
            header(&response, "x-status"),
            Some(status.to_string().as_bytes()),
        )?;
        check_eq("the body", text(response)?, format!("the body of {status}"))?;
    }
    let response = fixture.get("/204")?;
    check_eq(
        "the response without content",
        (response.status().as_u16(), text(response)?),
        (204, String::new()),
    )
}

pub(super) fn redirects_are_not_followed(target: &Target) -> CheckResult {
    let statuses = [301, 302, 303, 307, 308];
    let requests = || {
        statuses
            .into_iter()
            .flat_map(|status| [(Method::GET, status), (Method::POST, status)])
    };
    let fixture = target.answer_in_order(requests().map(|(method, status)| {
        let answer = Answer::status(status, "over there").header("location", "/elsewhere");
        (method, format!("/{status}"), answer)
    }))?;
    for (method, status) in requests() {
        let what = format!("{method} answered with {status}");
        let body = body_of(&method);
        let response = fixture.send(method, &format!("/{status}"), body)?;
        check_eq(&what, response.status().as_u16(), status)?;
        check_eq(
            &what,
            header(&response, "location"),
            Some(&b"/elsewhere"[..]),
        )?;
        check_eq(&what, text(response)?.as_str(), "over there")?;
    }
    Ok(())
}

pub(super) fn response_bodies_are_not_decoded(target: &Target) -> CheckResult {
    // The gzip form of a text.
    let compressed =
        b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\x2b\x49\xad\x28\x01\0\xc7\xa7\x8b\x3b\x04\0\0\0";
    let answer = Answer::ok(compressed).header("content-encoding", "gzip");
    let fixture = target.answer_in_order([(Method::GET, "/compressed".into(), answer)])?;
    let response = fixture.get("/compressed")?;
    check_eq(
        "the header",
        header(&response, "content-encoding"),
        Some(&b"gzip"[..]),
    )?;
    let mut bytes = Vec::new();
    response.into_body().read_to_end(&mut bytes)?;
    check_eq("the bytes", bytes.as_slice(), compressed)
}

pub(super) fn malformed_heads_are_errors(target: &Target) -> CheckResult {
    for head in [
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        "SSH-2.0-x\r\n\r\n",
    ] {
        let fixture = target.serve_bytes(move |connection| {
            connection.read_request()?;
            connection.send(head)
        })?;
        check(
            fixture.get("/x").is_err(),
            format_args!("{head:?} was accepted as a head"),
        )?;
    }
    Ok(())
}

const INTERIM: [&str; 3] = [
    "",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 102 Processing\r\nX-A: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
];

/// Sends each of [`INTERIM`] before a response, at once and byte by byte.
fn after_interim(
    target: &Target,
    response: &'static str,
    view: impl Fn(BodyResponse) -> CheckResult,
) -> CheckResult {
    for interim in INTERIM {
        for bytewise in [false, true] {
            let fixture = target.serve_bytes(move |connection| {
                loop {
                    connection.read_request()?;
                    let whole = [interim, response].concat();
                    for piece in whole
                        .as_bytes()
                        .chunks(if bytewise { 1 } else { whole.len() })
                    {
                        connection.send(piece)?;
                    }
                }
            })?;
            let describe = |error| {
                format!(
                    "after {interim:?}{}: {error}",
                    if bytewise { ", byte by byte" } else { "" }
                )
            };
            view(fixture.get("/x")?).map_err(describe)?;
            view(fixture.send(Method::POST, "/x", RequestBody::Bytes(b"{}"))?).map_err(describe)?;
        }
    }
    Ok(())
}

pub(super) fn interim_responses_are_skipped(target: &Target) -> CheckResult {
    after_interim(
        target,
        "HTTP/1.1 404 Other words: here\r\nX-B: c\r\nContent-Length: 4\r\n\r\nbody",
        |response| {
            check_eq("the status", response.status().as_u16(), 404)?;
            check(
                response.headers().contains_key("x-b") && !response.headers().contains_key("x-a"),
                "the headers are those of another head",
            )?;
            check_eq("the body", text(response)?.as_str(), "body")
        },
    )
}

fn reason(response: &BodyResponse) -> Option<&str> {
    response
        .extensions()
        .get::<ReasonPhrase>()
        .map(|reason| reason.0.as_str())
}

pub(super) fn reason_phrases_are_reported(target: &Target) -> CheckResult {
    let phrases = [
        (400, "Could not parse content"),
        (404, "Other words: here"),
        (200, "OK"),
        (500, "two  blanks"),
    ];
    let exchanges = phrases.map(|(status, phrase)| {
        (
            Method::GET,
            format!("/{status}"),
            Answer::status(status, "").reason(phrase),
        )
    });
    let fixture = target.answer_in_order(exchanges)?;
    for (status, phrase) in phrases {
        let response = fixture.get(&format!("/{status}"))?;
        check_eq("the reason", reason(&response), Some(phrase))?;
        text(response)?;
    }
    let fixture =
        target.answer_in_order([(Method::GET, "/x".into(), Answer::ok("").reason(""))])?;
    check_eq(
        "no reason",
        reason(&fixture.get("/x")?).unwrap_or_default(),
        "",
    )
}

pub(super) fn split_reason_phrases_are_reported(target: &Target) -> CheckResult {
    after_interim(
        target,
        "HTTP/1.1 404 Other words: here\r\nContent-Length: 0\r\n\r\n",
        |response| {
            check_eq("the reason", reason(&response), Some("Other words: here"))?;
            text(response).map(drop)
        },
    )
}

/// Reads a line, with as few reads as possible.
fn line(body: &mut dyn Read) -> CheckResult<String> {
    // The buffer is larger than a piece. A read must not wait until it is full.
    let (mut buffer, mut line) = ([0; 4096], Vec::new());
    while !line.ends_with(b"\n") {
        let read = body.read(&mut buffer)?;
        check(read > 0, "the body ends early")?;
        line.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

pub(super) fn responses_are_streamed(target: &Target) -> CheckResult {
    let (sender, answers) = SharedReceiver::new();
    let fixture = target.answer(move |_| match answers.wait() {
        Ok(answer) => answer,
        Err(error) => Answer::error(error),
    })?;
    let (answer, handle) = Answer::live();
    sender.send(answer)?;
    handle.head();
    let mut body = fixture.get("/stream")?.into_body();
    for number in 0..5 {
        // The next piece is sent when the one before it has been read.
        handle.piece(format!("piece {number}\n"));
        check_eq("the piece", line(&mut body)?, format!("piece {number}\n"))?;
    }
    handle.end();
    check_eq("the read at the end", body.read(&mut [0; 8])?, 0)
}

pub(super) fn framed_responses_are_streamed(target: &Target) -> CheckResult {
    type Framed = fn(&str) -> String;
    let framings: [(&str, Framed); 3] = [
        ("Transfer-Encoding: chunked", |piece| {
            if piece.is_empty() {
                "0\r\n\r\n".into()
            } else {
                format!("7\r\n{piece}\r\n")
            }
        }),
        ("Content-Length: 35", str::to_owned),
        ("Connection: close", str::to_owned),
    ];
    for (header, framed) in framings {
        let (read, was_read) = SharedReceiver::new();
        let fixture = target.serve_bytes(move |connection| {
            connection.read_request()?;
            connection.send(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n"))?;
            for _ in 0..5 {
                was_read.wait()?;
                connection.send(framed("piece!\n"))?;
            }
            was_read.wait()?;
            connection.send(framed(""))
        })?;
        let mut body = fixture.get("/stream")?.into_body();
        for _ in 0..5 {
            read.send(())?;
            check_eq(header, line(&mut body)?.as_str(), "piece!\n")?;
        }
        read.send(())?;
        check_eq(header, body.read(&mut [0; 8])?, 0)?;
    }
    Ok(())
}

pub(super) fn long_responses_are_read_completely(target: &Target) -> CheckResult {
    // All pieces differ.
    let pieces: Vec<String> = (0..512)
        .map(|number| format!("{number:065535}\n"))
        .collect();
    let whole = pieces.concat();
    let exchanges = [
        ("/chunked", Answer::pieces(pieces)),
        ("/sized", Answer::ok(whole.clone())),
    ];
    let fixture = target
        .answer_in_order(exchanges.map(|(path, answer)| (Method::GET, path.into(), answer)))?;
    for path in ["/chunked", "/sized"] {
        check(
            text(fixture.get(path)?)? == whole,
            format_args!("{path}: other bytes arrived"),
        )?;
    }
    Ok(())
}

/// Checks that the body is truncated after this text.
fn check_truncated(response: BodyResponse, what: &str, before: &str) -> CheckResult {
    let (mut body, mut content) = (response.into_body(), Vec::new());
    match body.read_to_end(&mut content) {
        Ok(_) => Err(format!("{what}: the body ends as if it were complete").into()),
        Err(error) => check_eq(
            format_args!("{what}: {error}"),
            (error.kind(), String::from_utf8_lossy(&content).as_ref()),
            (io::ErrorKind::UnexpectedEof, before),
        ),
    }
}

pub(super) fn truncated_responses_are_errors(target: &Target) -> CheckResult {
    let answers = || {
        [
            ("in pieces", Answer::pieces(["12", "345"]).lost(), "12345"),
            (
                "in pieces, before the first",
                Answer::pieces::<&str>([]).lost(),
                "",
            ),
            (
                "of known length",
                Answer::ok("12345").header("content-length", "10"),
                "12345",
            ),
            (
                "of known length, lost",
                Answer::ok("12345").header("content-length", "10").lost(),
                "12345",
            ),
            (
                "of known length, before the first byte",
                Answer::ok("").header("content-length", "10"),
                "",
            ),
        ]
    };
    for (index, (what, answer, before)) in answers().into_iter().enumerate() {
        let path = format!("/{index}");
        // Each answer needs its own server, because it closes the connection.
        let fixture = target.answer_in_order([(Method::GET, path.clone(), answer)])?;
        check_truncated(fixture.get(&path)?, what, before)?;
    }
    Ok(())
}

pub(super) fn truncated_framing_is_an_error(target: &Target) -> CheckResult {
    let responses = [
        ("a\r\n12345", "12345"),
        ("5\r\n12345\r\na", "12345"),
        ("a\r", ""),
        ("5\r\n12345\r", "12345"),
        ("5\r\n12345\r\n0", "12345"),
    ];
    for (response, before) in responses {
        let fixture = target.serve_bytes(move |connection| {
            connection.read_request()?;
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{response}"
            ))
        })?;
        check_truncated(fixture.get("/cut")?, &format!("{response:?}"), before)?;
    }
    Ok(())
}

pub(super) fn no_response_is_an_error(target: &Target) -> CheckResult {
    let exchanges = [
        (Method::GET, "/x".into(), Answer::error("no response")),
        (Method::POST, "/x".into(), Answer::error("no response")),
    ];
    let fixture = target.answer_in_order(exchanges)?;
    check(fixture.get("/x").is_err(), "there was a response")?;
    check(
        fixture
            .send(Method::POST, "/x", RequestBody::Bytes(b"{}"))
            .is_err(),
        "there was a response",
    )
}
