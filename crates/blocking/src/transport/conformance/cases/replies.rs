//! What comes back.

use std::io::{self, Read};

use http::Method;

use crate::transport::conformance::stage::{Answered, Hear, Stage, text};
use crate::transport::conformance::{Checked, check, same};
use crate::transport::script::Answer;
use crate::{Outgoing, Reason};

pub(super) fn every_status_is_ok(stage: &Stage) -> Checked {
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
    let scene = stage.exchanges(exchanges.chain([(
        Method::GET,
        "/204".into(),
        Answer::status(204, ""),
    )]))?;
    for status in statuses {
        let answered = scene.get(&format!("/{status}"))?;
        same("the status", answered.status().as_u16(), status)?;
        same(
            "the header",
            answered
                .headers()
                .get("x-status")
                .map(|value| value.as_bytes()),
            Some(status.to_string().as_bytes()),
        )?;
        same("the body", text(answered)?, format!("the body of {status}"))?;
    }
    let answered = scene.get("/204")?;
    same(
        "no content",
        (answered.status().as_u16(), text(answered)?),
        (204, String::new()),
    )
}

pub(super) fn redirects_are_not_followed(stage: &Stage) -> Checked {
    let statuses = [301, 302, 303, 307, 308];
    let asked = || {
        statuses
            .into_iter()
            .flat_map(|status| [(Method::GET, status), (Method::POST, status)])
    };
    let scene = stage.exchanges(asked().map(|(method, status)| {
        let answer = Answer::status(status, "over there").header("location", "/elsewhere");
        (method, format!("/{status}"), answer)
    }))?;
    for (method, status) in asked() {
        let what = format!("{method} answered with {status}");
        let body = if method == Method::GET {
            Outgoing::Empty
        } else {
            Outgoing::Bytes(b"{}")
        };
        let answered = scene.send(method, &format!("/{status}"), body)?;
        same(&what, answered.status().as_u16(), status)?;
        same(
            &what,
            answered
                .headers()
                .get("location")
                .map(|value| value.as_bytes()),
            Some(&b"/elsewhere"[..]),
        )?;
        same(&what, text(answered)?.as_str(), "over there")?;
    }
    Ok(())
}

pub(super) fn replies_are_not_decoded(stage: &Stage) -> Checked {
    // A text, compressed.
    let compressed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\x49\xad\x28\x01\x00\xc7\xa7\x8b\x3b\x04\x00\x00\x00";
    let answer = Answer::ok(compressed).header("content-encoding", "gzip");
    let scene = stage.exchanges([(Method::GET, "/compressed".into(), answer)])?;
    let answered = scene.get("/compressed")?;
    same(
        "the header",
        answered
            .headers()
            .get("content-encoding")
            .map(|value| value.as_bytes()),
        Some(&b"gzip"[..]),
    )?;
    let mut bytes = Vec::new();
    answered.into_body().read_to_end(&mut bytes)?;
    same("the bytes", bytes.as_slice(), compressed)
}

pub(super) fn broken_heads_are_errors(stage: &Stage) -> Checked {
    for head in [
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        "SSH-2.0-x\r\n\r\n",
    ] {
        let scene = stage.wire(move |connection| {
            connection.request()?;
            connection.send(head)
        })?;
        check(
            scene.get("/x").is_err(),
            format_args!("{head:?} was taken for an answer"),
        )?;
    }
    Ok(())
}

const INTERIM: [&str; 3] = [
    "",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 102 Processing\r\nX-A: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
];

/// Each of these before the answer, whole or byte by byte.
fn after_interim(
    stage: &Stage,
    answer: &'static str,
    view: impl Fn(Answered) -> Checked,
) -> Checked {
    for interim in INTERIM {
        for bytewise in [false, true] {
            let scene = stage.wire(move |connection| {
                loop {
                    connection.request()?;
                    let whole = [interim, answer].concat();
                    for piece in whole
                        .as_bytes()
                        .chunks(if bytewise { 1 } else { whole.len() })
                    {
                        connection.send(piece)?;
                    }
                }
            })?;
            let told = |error| {
                format!(
                    "after {interim:?}{}: {error}",
                    if bytewise { ", byte by byte" } else { "" }
                )
            };
            view(scene.get("/x")?).map_err(told)?;
            view(scene.send(Method::POST, "/x", Outgoing::Bytes(b"{}"))?).map_err(told)?;
        }
    }
    Ok(())
}

pub(super) fn interim_answers_are_passed_over(stage: &Stage) -> Checked {
    after_interim(
        stage,
        "HTTP/1.1 404 Other words: here\r\nX-B: c\r\nContent-Length: 4\r\n\r\nbody",
        |answered| {
            same("the status", answered.status().as_u16(), 404)?;
            check(
                answered.headers().contains_key("x-b") && !answered.headers().contains_key("x-a"),
                "headers of another head",
            )?;
            same("the body", text(answered)?.as_str(), "body")
        },
    )
}

fn reason(answered: &Answered) -> Option<&str> {
    answered
        .extensions()
        .get::<Reason>()
        .map(|reason| reason.0.as_str())
}

pub(super) fn reason_phrases_are_told(stage: &Stage) -> Checked {
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
    let scene = stage.exchanges(exchanges)?;
    for (status, phrase) in phrases {
        let answered = scene.get(&format!("/{status}"))?;
        same("the reason", reason(&answered), Some(phrase))?;
        text(answered)?;
    }
    let scene = stage.exchanges([(Method::GET, "/x".into(), Answer::ok("").reason(""))])?;
    same(
        "no reason",
        reason(&scene.get("/x")?).unwrap_or_default(),
        "",
    )
}

pub(super) fn cut_reason_phrases_are_told(stage: &Stage) -> Checked {
    after_interim(
        stage,
        "HTTP/1.1 404 Other words: here\r\nContent-Length: 0\r\n\r\n",
        |answered| {
            same("the reason", reason(&answered), Some("Other words: here"))?;
            text(answered).map(drop)
        },
    )
}

/// Reads a line, and no more of the body than it takes.
fn line(body: &mut dyn Read) -> Checked<String> {
    // Larger than a piece: a read must not wait until it is full.
    let (mut buffer, mut line) = ([0; 4096], Vec::new());
    while !line.ends_with(b"\n") {
        let read = body.read(&mut buffer)?;
        check(read > 0, "it ends early")?;
        line.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

pub(super) fn replies_are_streamed(stage: &Stage) -> Checked {
    let (give, given) = Hear::new();
    let scene = stage.play(move |_| match given.hear() {
        Ok(answer) => answer,
        Err(error) => Answer::error(error),
    })?;
    let (answer, live) = Answer::live();
    give.send(answer)?;
    live.head();
    let mut body = scene.get("/stream")?.into_body();
    for number in 0..5 {
        // The next piece is not there before the one before it was read.
        live.piece(format!("piece {number}\n"));
        same("the piece", line(&mut body)?, format!("piece {number}\n"))?;
    }
    live.end();
    same("after the end", body.read(&mut [0; 8])?, 0)
}

pub(super) fn framed_replies_are_streamed(stage: &Stage) -> Checked {
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
        let (read, was_read) = Hear::new();
        let scene = stage.wire(move |connection| {
            connection.request()?;
            connection.send(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n"))?;
            for _ in 0..5 {
                was_read.hear()?;
                connection.send(framed("piece!\n"))?;
            }
            was_read.hear()?;
            connection.send(framed(""))
        })?;
        let mut body = scene.get("/stream")?.into_body();
        for _ in 0..5 {
            read.send(())?;
            same(header, line(&mut body)?.as_str(), "piece!\n")?;
        }
        read.send(())?;
        same(header, body.read(&mut [0; 8])?, 0)?;
    }
    Ok(())
}

pub(super) fn long_replies_are_read_whole(stage: &Stage) -> Checked {
    // No two pieces are the same.
    let pieces: Vec<String> = (0..512)
        .map(|number| format!("{number:065535}\n"))
        .collect();
    let whole = pieces.concat();
    let exchanges = [
        ("/chunked", Answer::pieces(pieces)),
        ("/sized", Answer::ok(whole.clone())),
    ];
    let scene =
        stage.exchanges(exchanges.map(|(path, answer)| (Method::GET, path.into(), answer)))?;
    for path in ["/chunked", "/sized"] {
        check(
            text(scene.get(path)?)? == whole,
            format_args!("{path}: other bytes came"),
        )?;
    }
    Ok(())
}

/// The body gives this, and is then cut off.
fn cut(answered: Answered, what: &str, before: &str) -> Checked {
    let (mut body, mut content) = (answered.into_body(), Vec::new());
    match body.read_to_end(&mut content) {
        Ok(_) => Err(format!("{what}: it ends as if it were whole").into()),
        Err(error) => same(
            format_args!("{what}: {error}"),
            (error.kind(), String::from_utf8_lossy(&content).as_ref()),
            (io::ErrorKind::UnexpectedEof, before),
        ),
    }
}

pub(super) fn cut_replies_are_errors(stage: &Stage) -> Checked {
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
        // Each closes its connection after it, where there is one: it is a server of its own.
        let scene = stage.exchanges([(Method::GET, path.clone(), answer)])?;
        cut(scene.get(&path)?, what, before)?;
    }
    Ok(())
}

pub(super) fn cut_framing_is_an_error(stage: &Stage) -> Checked {
    let replies = [
        ("a\r\n12345", "12345"),
        ("5\r\n12345\r\na", "12345"),
        ("a\r", ""),
        ("5\r\n12345\r", "12345"),
        ("5\r\n12345\r\n0", "12345"),
    ];
    for (reply, before) in replies {
        let scene = stage.wire(move |connection| {
            connection.request()?;
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{reply}"
            ))
        })?;
        cut(scene.get("/cut")?, &format!("{reply:?}"), before)?;
    }
    Ok(())
}

pub(super) fn no_answer_is_an_error(stage: &Stage) -> Checked {
    let exchanges = [
        (Method::GET, "/x".into(), Answer::error("no answer")),
        (Method::POST, "/x".into(), Answer::error("no answer")),
    ];
    let scene = stage.exchanges(exchanges)?;
    check(scene.get("/x").is_err(), "there was an answer")?;
    check(
        scene
            .send(Method::POST, "/x", Outgoing::Bytes(b"{}"))
            .is_err(),
        "there was an answer",
    )
}
