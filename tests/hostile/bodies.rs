//! Endless bodies, and bodies of the wrong type.

use scramjet_client_blocking::ErrorKind;
use scramjet_client_blocking::error::ReplyError;

use crate::cases::{Call, Case, is_compressed, is_not_json, is_not_utf_8, is_status, is_too_large};
use crate::server::{Fault, Step, ok, status};

const EMPTY: &str = "0 sequences";

fn sized(body: &[u8]) -> Vec<u8> {
    status(
        "200 OK",
        &[&format!("Content-Length: {}", body.len())],
        body,
    )
}

fn refusal(code: &str, headers: &[&str], body: &[u8]) -> Fault {
    let length = format!("Content-Length: {}", body.len());
    let headers: Vec<&str> = headers.iter().copied().chain([length.as_str()]).collect();
    Fault::reply(status(code, &headers, body))
}

pub(crate) fn bodies() -> Vec<Case> {
    let endless_chunks = |code: &str, piece: &[u8]| {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        Fault::endless(status(code, &["Transfer-Encoding: chunked"], b""), chunk)
    };
    let nested = |open: &str, close: &str| {
        [open.repeat(100_000), close.repeat(100_000)]
            .concat()
            .into_bytes()
    };
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x8b\x8e\x05\0)\xbbL\x0d\x02\0\0\0";
    let zstd = b"\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00\x5b\x5d";
    let html = ["Content-Type: text/html"];
    let nginx = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
         <center><h1>502 Bad Gateway</h1></center>\r\n\
                  <hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n";
    let escapes = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31mAll is well\r\u{8}\u{8}";
    let compressed_chunks = ["Content-Encoding: gzip", "Transfer-Encoding: chunked"];
    let much = (4 << 20) - (64 << 10);
    vec![
        Case::fails(
            "a list without end",
            Fault::endless(ok(&[], "["), [b' '; 64 << 10]),
            is_too_large,
            "longer than 4194304 bytes",
        ),
        Case::fails(
            "a list without end, in chunks",
            endless_chunks("200 OK", &[b' '; 4096]),
            is_too_large,
            "longer than 4194304 bytes",
        ),
        Case::fails(
            "a list of more than the limit",
            Fault::reply(ok(&["Content-Length: 4194305"], ""))
                .and(Step::Times(65, vec![b' '; 65 << 10])),
            is_too_large,
            "longer than 4194304 bytes",
        ),
        Case::fails(
            "a text of many megabytes for a list",
            Fault::reply(ok(&[&format!("Content-Length: {}", much + 2)], "\""))
                .and(Step::Times(much >> 16, vec![b'x'; 64 << 10]))
                .and(Step::Send(b"\"".to_vec())),
            is_not_json,
            "invalid type: string",
        ),
        Case::fails(
            "a deletion without end",
            endless_chunks("200 OK", &[b' '; 4096]),
            is_too_large,
            "1048576",
        )
        .calling(Call::Deletion),
        Case::fails(
            "a line without end",
            endless_chunks("200 OK", &[b'a'; 4096]),
            is_too_large,
            "1048576",
        )
        .calling(Call::Lines),
        Case::fails(
            "an error body without end",
            endless_chunks("500 Oh", b"Alas! :("),
            is_status::<500>,
            "500 SERVER_ERROR: Alas! :(Alas! :(",
        ),
        Case::fails(
            "an error body without end or framing",
            Fault::endless(status("404 Not Found", &[], b""), [b' '; 64 << 10]),
            is_status::<404>,
            "404 NOT_FOUND",
        ),
        Case::fails(
            "arrays 100,000 deep",
            Fault::reply(sized(&nested("[", "]"))),
            is_not_json,
            "recursion limit",
        )
        .calling(Call::Event),
        Case::fails(
            "objects in arrays 100,000 deep",
            Fault::reply(sized(&nested("[{\"\":", "}]"))),
            is_not_json,
            "recursion limit",
        )
        .calling(Call::Event),
        Case::fails(
            "objects 100,000 deep",
            Fault::reply(sized(&nested("[{\"id\":", "}]"))),
            is_not_json,
            "begins with",
        ),
        Case::fails(
            "an error body 100,000 deep",
            refusal("400 Bad Request", &[], &nested("{\"error\":", "}")),
            is_status::<400>,
            "400",
        ),
        Case::fails(
            "JSON that breaks off",
            Fault::reply(sized(b"[{\"id\":")),
            is_not_json,
            "EOF while parsing",
        ),
        Case::fails(
            "JSON with something behind it",
            Fault::reply(sized(b"[]]")),
            is_not_json,
            "trailing characters",
        ),
        Case::fails(
            "other JSON",
            Fault::reply(sized(br#"{"status":"fine"}"#)),
            is_not_json,
            r#"begins with "{\"status\":\"fine\"}""#,
        ),
        Case::fails(
            "a list of other values",
            Fault::reply(sized(b"[1,2,3]")),
            is_not_json,
            "[1,2,3]",
        ),
        Case::fails(
            "a number that is too long",
            Fault::reply(sized(&[b"[".as_slice(), &[b'9'; 100_000], b"]"].concat())),
            is_not_json,
            "number",
        ),
        Case::fails(
            "nothing",
            Fault::reply(sized(b"")),
            is_not_json,
            r#"begins with """#,
        ),
        Case::fails(
            "a zero",
            Fault::reply(sized(b"\0")),
            is_not_json,
            "begins with",
        ),
        Case::fails(
            "zeros in the list",
            Fault::reply(sized(b"[\0\0]")),
            is_not_json,
            "begins with",
        ),
        Case::fails(
            "JSON that is not UTF-8",
            Fault::reply(sized(b"[{\"id\":\"\xff\xfe\"}]")),
            is_not_utf_8,
            "invalid utf-8",
        ),
        Case::fails(
            "JSON in UTF-16",
            Fault::reply(sized(b"\xff\xfe[\0]\0")),
            is_not_utf_8,
            "begins with",
        ),
        Case::fails(
            "JSON with a mark before it",
            Fault::reply(sized(b"\xef\xbb\xbf[]")),
            is_not_json,
            "begins with",
        ),
        Case::returns(
            "JSON with white space around it",
            Fault::reply(sized(b" \r\n\t[]\n ")),
            EMPTY,
        ),
        Case::fails(
            "a line that is not UTF-8",
            Fault::reply(sized(b"a\n\xff\xfe\n")),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::Text { .. })),
            "not UTF-8 text",
        )
        .calling(Call::Lines),
        Case::returns(
            "zeros in lines",
            Fault::reply(sized(b"a\0b\n\0\n")),
            r#"["a\0b", "\0"]"#,
        )
        .calling(Call::Lines),
        Case::fails(
            "JSON that is compressed",
            compressed("gzip", gzip),
            is_compressed,
            "Content-Encoding: gzip",
        ),
        Case::fails(
            "JSON in an old compression",
            compressed("br", b"\x0b\x00\x80[]\x03"),
            is_compressed,
            "Content-Encoding: br",
        ),
        Case::fails(
            "JSON in zstd, which the client did not request",
            compressed("zstd", zstd),
            is_compressed,
            "turn off compression in the proxy",
        ),
        Case::fails(
            "plain JSON with Content-Encoding: gzip",
            compressed("gzip", b"[]"),
            is_compressed,
            "Content-Encoding: gzip",
        ),
        Case::fails(
            "a stream that is compressed",
            compressed("gzip", gzip),
            is_compressed,
            "Content-Encoding: gzip",
        )
        .calling(Call::Stream),
        Case::fails(
            "a compressed stream that never begins",
            Fault::reply(status("200 OK", &compressed_chunks, b"")).and(Step::Wait),
            is_compressed,
            "Content-Encoding: gzip",
        )
        .calling(Call::Stream),
        Case::fails(
            "lines that are compressed",
            compressed("deflate", b"x\x9cK\xe4\x02\0\0l\0l"),
            is_compressed,
            "Content-Encoding: deflate",
        )
        .calling(Call::Lines),
        Case::fails(
            "an encoding that forges a line",
            compressed("gzip\t\u{202e}", gzip),
            is_compressed,
            r"Content-Encoding: gzip\t\u{202e}), which",
        ),
        Case::returns(
            "JSON with Content-Encoding: identity",
            compressed("identity", b"[]"),
            EMPTY,
        ),
        Case::returns("an encoding without a name", compressed("", b"[]"), EMPTY),
        Case::fails(
            "an error body that is compressed",
            refusal("404 Not Found", &["Content-Encoding: gzip"], gzip),
            is_status::<404>,
            "404",
        ),
        Case::fails(
            "a page for a list",
            Fault::reply(sized(b"<!DOCTYPE html>\n<html>Welcome to nginx!</html>")),
            is_not_json,
            "<!DOCTYPE html>",
        ),
        Case::fails(
            "a page of a proxy",
            refusal("502 Bad Gateway", &html, nginx),
            is_status::<502>,
            "HTML page (502 Bad Gateway) from a proxy",
        ),
        Case::fails(
            "a page of a proxy that asks for patience",
            refusal(
                "503 Service Unavailable",
                &["Content-Type: text/html", "Retry-After: 120"],
                b"<html><title>Later</title>",
            ),
            |kind| {
                matches!(kind, ErrorKind::Reply(ReplyError::Api(refusal))
                if refusal.retry_after == Some(120) && refusal.is_transient())
            },
            "HTML page (Later)",
        ),
        Case::fails(
            "a 504 without a body",
            refusal("504 Gateway Timeout", &[], b""),
            is_status::<504>,
            "504 SERVER_ERROR: Gateway Timeout",
        ),
        Case::fails(
            "a pause that is no number",
            refusal("503 Oh", &["Retry-After: -5"], b""),
            is_status::<503>,
            "503 SERVER_ERROR: Oh",
        ),
        Case::fails(
            "an error body that is not UTF-8",
            refusal("500 Oh", &[], b"\xff\xfe\xfd"),
            is_status::<500>,
            "\u{fffd}",
        ),
        Case::fails(
            "an error body that moves the cursor",
            refusal("500 Oh", &[], escapes.as_bytes()),
            is_status::<500>,
            r"]0;title\u{7}\u{1b}[2J\u{9b}31mAll is well\r\u{8}\u{8}",
        ),
        Case::fails(
            "an error body that forges a line and turns it around",
            refusal("500 Oh", &[], "a\n2026-01-01 INFO fine\u{202e}".as_bytes()),
            is_status::<500>,
            r"a\n2026-01-01 INFO fine\u{202e}",
        ),
        Case::fails(
            "a pause until a day",
            refusal(
                "503 Oh",
                &[
                    "Date: Fri, 31 Dec 2027 23:59:29 GMT",
                    "Retry-After: Fri, 31 Dec 2027 23:59:59 GMT",
                ],
                b"",
            ),
            |kind| {
                matches!(kind, ErrorKind::Reply(ReplyError::Api(refusal))
                    if refusal.retry_after == Some(30))
            },
            "503 SERVER_ERROR: Oh",
        ),
        Case::fails(
            "an error body that is cut off",
            Fault::cut(status(
                "404 Not Found",
                &["Content-Length: 100"],
                b"{\"error\":\"Not fo",
            )),
            is_status::<404>,
            r#"404 NOT_FOUND: {"error":"Not fo"#,
        ),
        Case::fails(
            "an error body that is damaged",
            Fault::cut(status(
                "404 Not Found",
                &["Transfer-Encoding: chunked"],
                b"zz\r\n",
            )),
            is_status::<404>,
            "404 NOT_FOUND: Not Found",
        ),
        Case::fails(
            "an error body that breaks off in a chunk",
            Fault::cut(status(
                "409 Conflict",
                &["Transfer-Encoding: chunked"],
                b"10\r\nStill in",
            )),
            is_status::<409>,
            "409 CONFLICT: Still in",
        ),
    ]
}

fn compressed(encoding: &str, body: &[u8]) -> Fault {
    let lines = [
        format!("Content-Encoding: {encoding}"),
        format!("Content-Length: {}", body.len()),
    ];
    Fault::reply(status("200 OK", &[&lines[0], &lines[1]], body))
}
