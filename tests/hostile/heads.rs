//! Heads without end, and heads that are none.

use scramjet_client_blocking::transport::Phase;

use crate::cases::{Ask, Case, refused, unread};
use crate::server::{Act, Fault, ok, status};

const EMPTY: &str = "0 sequences";

pub(crate) fn heads() -> Vec<Case> {
    let none = |name, reply: &[u8]| Case::fails(name, Fault::cut(reply), unread, "got no answer");
    let line = |name, line: &str| none(name, &ok(&[line, "Content-Length: 2"], "[]"));
    let begin = "HTTP/1.1 200 OK\r\n";
    let many: Vec<String> = (0..200).map(|number| format!("X-{number}: x")).collect();
    let many: Vec<&str> = many
        .iter()
        .map(String::as_str)
        .chain(["Content-Length: 2"])
        .collect();
    let unread_endless = |name, begin: &str, then: &[u8]| {
        Case::fails(name, Fault::endless(begin, then), unread, "got no answer")
    };
    vec![
        unread_endless("headers without end", begin, &b"X-A: b\r\n".repeat(512)),
        unread_endless("a header without end", "HTTP/1.1 200 OK\r\nX-A: ", &[b'b'; 4096]),
        unread_endless("the name of a header without end", begin, &[b'b'; 4096]),
        unread_endless("a reason without end", "HTTP/1.1 200 ", &[b'b'; 4096]),
        unread_endless("a version without end", "HTTP/1.", &[b'1'; 4096]),
        unread_endless("empty lines without end", "", &b"\r\n".repeat(2048)),
        unread_endless("zeros without end", "", &[0; 4096]),
        unread_endless("words without end", "", &[b'w'; 4096]),
        none("too many headers", &ok(&many, "[]")),
        line("a header without a colon", "X-A b"),
        line("a header without a name", ": b"),
        line("a header with a space in its name", "X A: b"),
        line("a header with a space before its colon", "X-A : b"),
        line("a header with a zero in its value", "X-A: b\0c"),
        line("a header with a zero in its name", "X\0A: b"),
        line("a header with a return in its value", "X-A: b\rc"),
        line("a header with a letter outside ASCII in its name", "X-Ż: b"),
        line("a line that continues the one before", "X-A: b\r\n c"),
        Case::gives("a header that is not UTF-8", Fault::reply(b"HTTP/1.1 200 OK\r\nX-A: \xff\xfe\r\nContent-Length: 2\r\n\r\n[]"), EMPTY),
        Case::gives("a reason that is not UTF-8", Fault::reply(b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 2\r\n\r\n[]"), EMPTY),
        Case::gives("line ends without a return", Fault::reply("HTTP/1.1 200 OK\nContent-Length: 2\n\n[]"), EMPTY),
        Case::gives("a head without headers", Fault::close("HTTP/1.1 200 OK\r\n\r\n[]"), EMPTY),
        Case::gives("a status line without a reason", Fault::reply("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n[]"), EMPTY),
        Case::gives("HTTP/1.0", Fault::close("HTTP/1.0 200 OK\r\n\r\n[]"), EMPTY),
        none("HTTP/0.9", b"<html>\r\n\r\nHello</html>\r\n"),
        none("HTTP/0.9 with JSON", b"[]"),
        none("HTTP/2", b"HTTP/2 200 OK\r\ncontent-length: 2\r\n\r\n[]"),
        none("HTTP/2 in frames", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\x10\0\0\0\x06\0\0\x40\0\0\0\0\x04\x01\0\0\0\0"),
        none("HTTP/2's own greeting", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        none("a version that is none", b"HTTP/1.x 200 OK\r\nContent-Length: 2\r\n\r\n[]"),
        none("another protocol's status line", b"ICY 200 OK\r\nContent-Length: 2\r\n\r\n[]"),
        none("a request for an answer", b"GET /api/v1/sequences HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        none("a greeting of SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
        none("a greeting of SMTP", b"220 mail.example ESMTP\r\n"),
        none("an alert of TLS", b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n"),
        none("nothing but line ends", b"\r\n\r\n\r\n\r\n"),
    ]
}

pub(crate) fn slow() -> Vec<Case> {
    let reply = ok(&["Content-Length: 2"], "[]");
    let line = [&b"X-A: "[..], &[b'b'; 2000]].concat();
    vec![
        Case::never_ends("says nothing", Fault::default().and(Act::Wait), Phase::Wait),
        Case::never_ends("says nothing, and reads nothing", Fault::at_once(Act::Wait), Phase::Wait),
        Case::never_ends("half a status line", Fault::reply("HTTP/1.1 2"), Phase::Wait),
        Case::never_ends("half a head", Fault::reply("HTTP/1.1 200 OK\r\nX-A: b\r\n"), Phase::Wait),
        Case::never_ends(
            "a head, a byte at a time, that never ends",
            Fault::reply("HTTP/1.1 200 OK\r\n").and(Act::Slowly(line)),
            Phase::Wait,
        ),
        Case::never_ends(
            "a body, a byte at a time, that never ends",
            Fault::reply(ok(&["Content-Length: 9999"], "")).and(Act::Slowly(vec![b' '; 2000])),
            Phase::Read,
        ),
        // A refusal is one, however little of its explanation came in time.
        Case::fails(
            "an explanation, a byte at a time, that never ends",
            Fault::reply(status("500 Oh", &["Content-Length: 9999"], b"")).and(Act::Slowly(vec![b' '; 2000])),
            refused::<500>,
            "500 SERVER_ERROR: Oh",
        )
        .within_short(),
        Case::gives("an answer, a byte at a time", Fault::default().and(Act::Slowly(reply)), EMPTY),
        Case::gives(
            "a stream, a byte at a time",
            {
                Fault::default()
                    .and(Act::Slowly(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n".to_vec()))
            },
            "\"abc\"",
        )
        .asking(Ask::Stream),
    ]
}

/// Answers to nothing, and more than was asked for. None of it is the answer to the next request.
pub(crate) fn out_of_turn() -> Vec<Case> {
    let reply = ok(&["Content-Length: 2"], "[]");
    let other = ok(&["Content-Length: 19"], r#"{"version":"6.6.6"}"#);
    let both = [reply.clone(), other.clone()].concat();
    // As long as a record of TLS can be.
    let record = ok(
        &[
            "Content-Length: 16000",
            &format!("X-Padding: {}", "x".repeat((16 << 10) - 16_055)),
        ],
        &format!("[]{}", " ".repeat(15_998)),
    );
    assert_eq!(record.len(), 16 << 10);
    let long = ok(
        &["Content-Length: 16019"],
        &format!("{}{}", r#"{"version":"6.6.6"}"#, " ".repeat(16_000)),
    );
    let chunks = ok(&["Transfer-Encoding: chunked"], "2\r\n[]\r\n0\r\n\r\n");
    let cases = vec![
        Case::gives(
            "an answer before the request",
            Fault::at_once(Act::Send(reply.clone())),
            EMPTY,
        ),
        Case::gives(
            "a second answer behind the first",
            Fault::reply(&both),
            EMPTY,
        ),
        // Encrypted, each is a record of its own: both have arrived when the first is read, and the second is not decrypted yet.
        Case::gives(
            "a long answer behind a long one",
            Fault::reply([record, long].concat()),
            EMPTY,
        ),
        Case::gives(
            "a second answer behind chunks",
            Fault::reply([chunks.clone(), other.clone()].concat()),
            EMPTY,
        ),
        Case::gives(
            "half of a second answer",
            Fault::reply(&both[..both.len() - 5]),
            EMPTY,
        ),
        Case::gives(
            "an answer behind one without a body",
            Fault::reply([ok(&["Content-Length: 0"], ""), other.clone()].concat()),
            "deleted",
        )
        .asking(Ask::Deletion),
        Case::gives(
            "an answer behind a 204",
            Fault::reply([status("204 No Content", &[], b""), other].concat()),
            "deleted",
        )
        .asking(Ask::Deletion),
        Case::gives(
            "a line end behind the answer",
            Fault::reply([reply, b"\r\n".to_vec()].concat()),
            EMPTY,
        ),
    ];
    cases
        .into_iter()
        .map(|case| Case {
            settles: true,
            ..case
        })
        .collect()
}
