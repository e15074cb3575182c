//! Closed connections, and invalid lengths and chunks.

use scramjet_client_blocking::transport::Phase;

use crate::cases::{Call, Case, Outcome, cut, is_bad_framing, is_connection_lost, is_unreadable};
use crate::server::{Fault, Step, chunked, ok};

const EMPTY: &str = "0 sequences";

/// The outcome if the connection is lost instead of closed, for a body that ends with it.
const LOST: Outcome = Outcome::Fails(cut, "connection lost while reading the response");

pub(crate) fn ends() -> Vec<Case> {
    let length = |length: usize, body: &str| ok(&[&format!("Content-Length: {length}")], body);
    vec![
        Case::fails(
            "closes before the request",
            Fault::at_once(Step::Cut),
            is_connection_lost,
            "(3 attempts in ",
        ),
        Case::fails(
            "resets before the request",
            Fault::at_once(Step::Reset),
            is_connection_lost,
            "(3 attempts in ",
        ),
        Case::fails(
            "closes after the request",
            Fault::cut(""),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "closes after the request with a word",
            Fault::close(""),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "closes in the version",
            Fault::cut("HT"),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "closes in the status line",
            Fault::cut("HTTP/1.1 20"),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "closes after the status line",
            Fault::cut("HTTP/1.1 200 OK\r\n"),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "closes in a header",
            Fault::cut("HTTP/1.1 200 OK\r\nContent-Le"),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "closes before the empty line",
            Fault::cut("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "closes after the head",
            Fault::cut(length(2, "")),
            cut,
            "(got 0 of 2 bytes)",
        ),
        Case::fails(
            "closes in the body",
            Fault::cut(length(100, "[{\"id\":")),
            cut,
            "(got 7 of 100 bytes)",
        ),
        // Without its length, this would be a valid list.
        Case::fails(
            "closes one byte before the end",
            Fault::close(length(3, "[]")),
            cut,
            "(got 2 of 3 bytes)",
        ),
        Case::fails(
            "closes in a chunk's size",
            Fault::cut(chunked("2\r\n[]\r\n1")),
            cut,
            "(got 2 bytes)",
        ),
        Case::fails(
            "closes in a chunk",
            Fault::cut(chunked("9\r\n[{}")),
            cut,
            "(got 3 bytes)",
        ),
        Case::fails(
            "closes after a chunk",
            Fault::close(chunked("2\r\n[]\r\n")),
            cut,
            "(got 2 bytes)",
        ),
        // The last chunk is complete; only the final line end is missing.
        Case::returns(
            "closes before the last line end",
            Fault::cut(chunked("2\r\n[]\r\n0\r\n")),
            EMPTY,
        )
        .encrypted(LOST),
        Case::returns(
            "a body that ends with the connection",
            Fault::close(ok(&[], "[]")),
            EMPTY,
        ),
        Case::returns(
            "a body that ends with the cut of it",
            Fault::cut(ok(&[], "[]")),
            EMPTY,
        )
        .encrypted(LOST),
        Case::returns(
            "a stream that ends with the connection",
            Fault::close(ok(&[], "abc")),
            "\"abc\"",
        )
        .calling(Call::Stream),
        Case::returns(
            "a stream that ends with the cut of it",
            Fault::cut(ok(&[], "abc")),
            "\"abc\"",
        )
        .calling(Call::Stream)
        .encrypted(LOST),
        Case::fails(
            "a stream that is cut off",
            Fault::cut(length(9, "abc")),
            cut,
            "(got 3 of 9 bytes)",
        )
        .calling(Call::Stream),
        Case::fails(
            "a deletion that is cut off",
            Fault::cut(length(9, "{")),
            cut,
            "(got 1 of 9 bytes)",
        )
        .calling(Call::Deletion),
    ]
}

pub(crate) fn lengths() -> Vec<Case> {
    let with = |lengths: &[&str]| {
        let lines: Vec<String> = lengths
            .iter()
            .map(|length| format!("Content-Length: {length}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        ok(&lines, "[]")
    };
    let no_number = |name, length: &str| {
        Case::fails(
            name,
            Fault::cut(with(&[length])),
            is_unreadable,
            "no valid response received",
        )
    };
    vec![
        Case::ends_with_deadline(
            "a length that is too long",
            Fault::reply(with(&["3"])),
            Phase::Read,
        ),
        Case::returns(
            "a length that is too short",
            Fault::reply(ok(&["Content-Length: 2"], "[]garbage")),
            EMPTY,
        ),
        Case::ends_with_deadline(
            "no length, and no end",
            Fault::reply(ok(&[], "[]")),
            Phase::Read,
        ),
        Case::returns(
            "the same length twice",
            Fault::reply(with(&["2", "2"])),
            EMPTY,
        ),
        Case::returns(
            "the same length twice in a line",
            Fault::reply(with(&["2, 2"])),
            EMPTY,
        ),
        Case::fails(
            "two lengths",
            Fault::reply(with(&["2", "9"])),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "two lengths in a line",
            Fault::reply(with(&["2, 9"])),
            is_unreadable,
            "no valid response received",
        ),
        no_number("a negative length", "-2"),
        no_number("a length with a sign", "+2"),
        no_number("a length in hexadecimal", "0x2"),
        no_number("a length of two numbers", "2 2"),
        no_number("a length that is a word", "many"),
        no_number("a length that is a fraction", "2.0"),
        no_number("an empty length", ""),
        no_number(
            "a length longer than any number",
            "99999999999999999999999999",
        ),
        Case::fails(
            "the longest length",
            Fault::cut(with(&["18446744073709551615"])),
            cut,
            "2 of 18446744073709551615 bytes",
        ),
        Case::ends_with_deadline(
            "the longest length, and no end",
            Fault::reply(with(&["18446744073709551615"])),
            Phase::Read,
        ),
        Case::returns(
            "a length with chunks",
            Fault::reply(ok(
                &["Content-Length: 100", "Transfer-Encoding: chunked"],
                "2\r\n[]\r\n0\r\n\r\n",
            )),
            EMPTY,
        ),
        Case::fails(
            "an invalid length with chunks",
            Fault::reply(ok(
                &["Content-Length: -1", "Transfer-Encoding: chunked"],
                "2\r\n[]\r\n0\r\n\r\n",
            )),
            is_unreadable,
            "no valid response received",
        ),
    ]
}

pub(crate) fn chunks() -> Vec<Case> {
    let bad = |name, chunks: &str| {
        Case::fails(
            name,
            Fault::cut(chunked(chunks)),
            is_bad_framing,
            "reading the response failed",
        )
    };
    let good = |name, chunks: &str| Case::returns(name, Fault::reply(chunked(chunks)), EMPTY);
    let as_chunks = |encoding: &str| {
        ok(
            &[&format!("Transfer-Encoding: {encoding}")],
            "2\r\n[]\r\n0\r\n\r\n",
        )
    };
    vec![
        bad("an invalid chunk size", "2\r\n[]\r\nzz\r\n"),
        bad("a negative chunk size", "-2\r\n[]\r\n0\r\n\r\n"),
        // No server should send this, but the meaning is clear.
        good("a chunk size with a sign", "+2\r\n[]\r\n0\r\n\r\n"),
        bad("a chunk size with a prefix", "0x2\r\n[]\r\n0\r\n\r\n"),
        bad("an empty chunk size", "\r\n[]\r\n0\r\n\r\n"),
        bad(
            "a chunk size longer than any number",
            "fffffffffffffffff\r\n[]\r\n0\r\n\r\n",
        ),
        Case::fails(
            "the longest chunk size",
            Fault::cut(chunked("ffffffffffffffff\r\n[]")),
            cut,
            "(got 2 bytes)",
        ),
        bad("a chunk longer than its size", "1\r\n[]\r\n0\r\n\r\n"),
        bad("a chunk without its line end", "2\r\n[]0\r\n\r\n"),
        good(
            "a chunk size with zeros before it",
            "00000002\r\n[]\r\n00000\r\n\r\n",
        ),
        good("a chunk size in capitals", "A\r\n[        ]\r\n0\r\n\r\n"),
        good(
            "a chunk with an extension",
            "2;a=b;c=\"d\"\r\n[]\r\n0;e\r\n\r\n",
        ),
        good(
            "chunks with a trailer",
            "2\r\n[]\r\n0\r\nContent-Length: 9\r\nX-A: b\r\n\r\n",
        ),
        good("chunks of a byte", "1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"),
        Case::fails(
            "an extension without end",
            Fault::endless(chunked("2;"), [b'a'; 4096]),
            cut,
            "(got 0 bytes)",
        ),
        Case::fails(
            "a chunk size without end",
            Fault::endless(chunked(""), [b'0'; 4096]),
            cut,
            "(got 0 bytes)",
        ),
        Case::ends_with_deadline(
            "a trailer without end",
            Fault::endless(chunked("2\r\n[]\r\n0\r\n"), b"X-A: b\r\n".repeat(512)),
            Phase::Read,
        ),
        Case::ends_with_deadline(
            "chunks without an end",
            Fault::reply(chunked("2\r\n[]\r\n")),
            Phase::Read,
        ),
        Case::returns(
            "Transfer-Encoding twice",
            Fault::reply(as_chunks("chunked, chunked")),
            EMPTY,
        ),
        Case::returns(
            "chunks in capitals",
            Fault::reply(as_chunks("CHUNKED")),
            EMPTY,
        ),
        Case::fails(
            "an unknown encoding",
            Fault::close(as_chunks("xchunked")),
            crate::cases::is_compressed,
            "Transfer-Encoding: xchunked",
        ),
        Case::fails(
            "an invalid encoding",
            Fault::close(as_chunks("identity")),
            crate::cases::is_not_json,
            "begins with \"2",
        ),
    ]
}
