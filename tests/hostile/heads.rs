//! Endless heads, and invalid ones.

use scramjet_client_blocking::transport::Phase;

use crate::cases::{Call, Case, is_status, is_unreadable};
use crate::server::{Fault, Step, ok, status};

const EMPTY: &str = "0 sequences";

pub(crate) fn heads() -> Vec<Case> {
    let none = |name, reply: &[u8]| {
        Case::fails(
            name,
            Fault::cut(reply),
            is_unreadable,
            "no valid response received",
        )
    };
    let line = |name, line: &str| none(name, &ok(&[line, "Content-Length: 2"], "[]"));
    let begin = "HTTP/1.1 200 OK\r\n";
    let many: Vec<String> = (0..200).map(|number| format!("X-{number}: x")).collect();
    let many: Vec<&str> = many
        .iter()
        .map(String::as_str)
        .chain(["Content-Length: 2"])
        .collect();
    let unread_endless = |name, begin: &str, then: &[u8]| {
        Case::fails(
            name,
            Fault::endless(begin, then),
            is_unreadable,
            "no valid response received",
        )
    };
    vec![
        unread_endless("headers without end", begin, &b"X-A: b\r\n".repeat(512)),
        unread_endless("a header without end", "HTTP/1.1 200 OK\r\nX-A: ", &[b'b'; 4096]),
        unread_endless("the name of a header without end", begin, &[b'b'; 4096]),
        unread_endless("a reason without end", "HTTP/1.1 200 ", &[b'b'; 4096]),
        unread_endless("a version without end", "HTTP/1.", &[b'1'; 4096]),
        unread_endless("empty lines without end", "", &b"\r\n".repeat(2048)),
        unread_endless("zeros without end", "", &[0; 4096]),
        unread_endless("letters without end", "", &[b'w'; 4096]),
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
        Case::returns("a header that is not UTF-8",
            Fault::reply(b"HTTP/1.1 200 OK\r\nX-A: \xff\xfe\r\nContent-Length: 2\r\n\r\n[]"),
                EMPTY),
        Case::returns("a reason that is not UTF-8",
            Fault::reply(b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 2\r\n\r\n[]"), EMPTY),
        Case::returns("line ends without a return",
            Fault::reply("HTTP/1.1 200 OK\nContent-Length: 2\n\n[]"), EMPTY),
        Case::returns("a head without headers", Fault::close("HTTP/1.1 200 OK\r\n\r\n[]"), EMPTY),
        Case::returns("a status line without a reason",
            Fault::reply("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n[]"), EMPTY),
        Case::returns("HTTP/1.0", Fault::close("HTTP/1.0 200 OK\r\n\r\n[]"), EMPTY),
        none("HTTP/0.9", b"<html>\r\n\r\nHello</html>\r\n"),
        none("HTTP/0.9 with JSON", b"[]"),
        none("HTTP/2", b"HTTP/2 200 OK\r\ncontent-length: 2\r\n\r\n[]"),
        none("HTTP/2 in frames", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\x10\0\0\0\x06\0\0\x40\0\0\0\0\x04\x01\0\0\0\0"),
        none("HTTP/2's own greeting", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        none("an invalid version", b"HTTP/1.x 200 OK\r\nContent-Length: 2\r\n\r\n[]"),
        none("another protocol's status line", b"ICY 200 OK\r\nContent-Length: 2\r\n\r\n[]"),
        none("a request instead of a response",
            b"GET /api/v1/sequences HTTP/1.1\r\nHost: localhost\r\n\r\n"),
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
        Case::ends_with_deadline(
            "sends nothing",
            Fault::default().and(Step::Wait),
            Phase::Wait,
        ),
        Case::ends_with_deadline(
            "sends nothing and reads nothing",
            Fault::at_once(Step::Wait),
            Phase::Wait,
        ),
        Case::ends_with_deadline(
            "half a status line",
            Fault::reply("HTTP/1.1 2"),
            Phase::Wait,
        ),
        Case::ends_with_deadline(
            "half a head",
            Fault::reply("HTTP/1.1 200 OK\r\nX-A: b\r\n"),
            Phase::Wait,
        ),
        Case::ends_with_deadline(
            "a head, a byte at a time, that never ends",
            Fault::reply("HTTP/1.1 200 OK\r\n").and(Step::Slowly(line)),
            Phase::Wait,
        ),
        Case::ends_with_deadline(
            "a body, a byte at a time, that never ends",
            Fault::reply(ok(&["Content-Length: 9999"], "")).and(Step::Slowly(vec![b' '; 2000])),
            Phase::Read,
        ),
        // An error response is an API error even if only a part of its body arrives in time.
        Case::fails(
            "an error body, a byte at a time, that never ends",
            Fault::reply(status("500 Oh", &["Content-Length: 9999"], b""))
                .and(Step::Slowly(vec![b' '; 2000])),
            is_status::<500>,
            "500 SERVER_ERROR: Oh",
        )
        .with_short_deadline(),
        Case::returns(
            "a response, a byte at a time",
            Fault::default().and(Step::Slowly(reply)),
            EMPTY,
        ),
        Case::returns(
            "a stream, a byte at a time",
            {
                Fault::default().and(Step::Slowly(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                         2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
                        .to_vec(),
                ))
            },
            "\"abc\"",
        )
        .calling(Call::Stream),
    ]
}

/// Responses without a request, and more bytes than one response. None of them may become the
/// response to the next request.
pub(crate) fn unsolicited() -> Vec<Case> {
    let reply = ok(&["Content-Length: 2"], "[]");
    let other = ok(&["Content-Length: 19"], r#"{"version":"6.6.6"}"#);
    let both = [reply.clone(), other.clone()].concat();
    // The maximum length of a TLS record.
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
        Case::returns(
            "a response before the request",
            Fault::at_once(Step::Send(reply.clone())),
            EMPTY,
        ),
        Case::returns(
            "a second response after the first",
            Fault::reply(&both),
            EMPTY,
        ),
        // Over TLS, each is a record of its own. When the client reads the first, the second has
        // arrived but is not decrypted yet.
        Case::returns(
            "a long response after a long one",
            Fault::reply([record, long].concat()),
            EMPTY,
        ),
        Case::returns(
            "a second response after chunks",
            Fault::reply([chunks.clone(), other.clone()].concat()),
            EMPTY,
        ),
        Case::returns(
            "half of a second response",
            Fault::reply(&both[..both.len() - 5]),
            EMPTY,
        ),
        Case::returns(
            "a response after one without a body",
            Fault::reply([ok(&["Content-Length: 0"], ""), other.clone()].concat()),
            "deleted",
        )
        .calling(Call::Deletion),
        Case::returns(
            "a response after a 204",
            Fault::reply([status("204 No Content", &[], b""), other].concat()),
            "deleted",
        )
        .calling(Call::Deletion),
        Case::returns(
            "a line end after the response",
            Fault::reply([reply, b"\r\n".to_vec()].concat()),
            EMPTY,
        ),
    ];
    cases
        .into_iter()
        .map(|case| Case {
            waits_for_server: true,
            ..case
        })
        .collect()
}
