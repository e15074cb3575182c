//! Bodies without end, and bodies that are not what was asked for.

use scramjet_client_blocking::ErrorKind;
use scramjet_client_blocking::error::ReplyError;

use crate::cases::{Ask, Case, encoded, no_text, refused, too_large, useless};
use crate::server::{Act, Fault, ok, status};

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
    let nginx = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n\
                  <hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n";
    let escapes = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31mAll is well\r\u{8}\u{8}";
    let compressed_chunks = ["Content-Encoding: gzip", "Transfer-Encoding: chunked"];
    let much = (4 << 20) - (64 << 10);
    vec![
        Case::fails(
            "a list without end",
            Fault::endless(ok(&[], "["), [b' '; 64 << 10]),
            too_large,
            "longer than 4194304 bytes",
        ),
        Case::fails(
            "a list without end, in chunks",
            endless_chunks("200 OK", &[b' '; 4096]),
            too_large,
            "longer than 4194304 bytes",
        ),
        Case::fails(
            "a list of more than the limit",
            Fault::reply(ok(&["Content-Length: 4194305"], ""))
                .and(Act::Times(65, vec![b' '; 65 << 10])),
            too_large,
            "longer than 4194304 bytes",
        ),
        Case::fails(
            "a text of many megabytes for a list",
            Fault::reply(ok(&[&format!("Content-Length: {}", much + 2)], "\""))
                .and(Act::Times(much >> 16, vec![b'x'; 64 << 10]))
                .and(Act::Send(b"\"".to_vec())),
            useless,
            "invalid type: string",
        ),
        Case::fails(
            "a deletion without end",
            endless_chunks("200 OK", &[b' '; 4096]),
            too_large,
            "1048576",
        )
        .asking(Ask::Deletion),
        Case::fails(
            "a line without end",
            endless_chunks("200 OK", &[b'a'; 4096]),
            too_large,
            "1048576",
        )
        .asking(Ask::Lines),
        Case::fails(
            "an explanation without end",
            endless_chunks("500 Oh", b"Alas! :("),
            refused::<500>,
            "500 SERVER_ERROR: Alas! :(Alas! :(",
        ),
        Case::fails(
            "an explanation without end or framing",
            Fault::endless(status("404 Not Found", &[], b""), [b' '; 64 << 10]),
            refused::<404>,
            "404 NOT_FOUND",
        ),
        Case::fails(
            "arrays 100,000 deep",
            Fault::reply(sized(&nested("[", "]"))),
            useless,
            "recursion limit",
        )
        .asking(Ask::Event),
        Case::fails(
            "objects in arrays 100,000 deep",
            Fault::reply(sized(&nested("[{\"\":", "}]"))),
            useless,
            "recursion limit",
        )
        .asking(Ask::Event),
        Case::fails(
            "objects 100,000 deep",
            Fault::reply(sized(&nested("[{\"id\":", "}]"))),
            useless,
            "begins with",
        ),
        Case::fails(
            "an explanation 100,000 deep",
            refusal("400 Bad Request", &[], &nested("{\"error\":", "}")),
            refused::<400>,
            "400",
        ),
        Case::fails(
            "JSON that breaks off",
            Fault::reply(sized(b"[{\"id\":")),
            useless,
            "EOF while parsing",
        ),
        Case::fails(
            "JSON with something behind it",
            Fault::reply(sized(b"[]]")),
            useless,
            "trailing characters",
        ),
        Case::fails(
            "other JSON",
            Fault::reply(sized(br#"{"status":"fine"}"#)),
            useless,
            r#"begins with "{\"status\":\"fine\"}""#,
        ),
        Case::fails(
            "a list of other things",
            Fault::reply(sized(b"[1,2,3]")),
            useless,
            "[1,2,3]",
        ),
        Case::fails(
            "a number that is too long",
            Fault::reply(sized(&[b"[".as_slice(), &[b'9'; 100_000], b"]"].concat())),
            useless,
            "number",
        ),
        Case::fails(
            "nothing",
            Fault::reply(sized(b"")),
            useless,
            r#"begins with """#,
        ),
        Case::fails("a zero", Fault::reply(sized(b"\0")), useless, "begins with"),
        Case::fails(
            "zeros in the list",
            Fault::reply(sized(b"[\0\0]")),
            useless,
            "begins with",
        ),
        Case::fails(
            "JSON that is not UTF-8",
            Fault::reply(sized(b"[{\"id\":\"\xff\xfe\"}]")),
            no_text,
            "invalid utf-8",
        ),
        Case::fails(
            "JSON in UTF-16",
            Fault::reply(sized(b"\xff\xfe[\0]\0")),
            no_text,
            "begins with",
        ),
        Case::fails(
            "JSON with a mark before it",
            Fault::reply(sized(b"\xef\xbb\xbf[]")),
            useless,
            "begins with",
        ),
        Case::gives(
            "JSON with white space around it",
            Fault::reply(sized(b" \r\n\t[]\n ")),
            EMPTY,
        ),
        Case::fails(
            "a line that is not UTF-8",
            Fault::reply(sized(b"a\n\xff\xfe\n")),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::Text { .. })),
            "not the UTF-8 text",
        )
        .asking(Ask::Lines),
        Case::gives(
            "zeros in lines",
            Fault::reply(sized(b"a\0b\n\0\n")),
            r#"["a\0b", "\0"]"#,
        )
        .asking(Ask::Lines),
        Case::fails(
            "JSON that is compressed",
            compressed("gzip", gzip),
            encoded,
            "Content-Encoding: gzip",
        ),
        Case::fails(
            "JSON in an old compression",
            compressed("br", b"\x0b\x00\x80[]\x03"),
            encoded,
            "Content-Encoding: br",
        ),
        Case::fails(
            "JSON in a compression that nobody asked for",
            compressed("zstd", zstd),
            encoded,
            "turn off compression in the proxy",
        ),
        Case::fails(
            "JSON that is only said to be compressed",
            compressed("gzip", b"[]"),
            encoded,
            "Content-Encoding: gzip",
        ),
        Case::fails(
            "a stream that is compressed",
            compressed("gzip", gzip),
            encoded,
            "Content-Encoding: gzip",
        )
        .asking(Ask::Stream),
        Case::fails(
            "a compressed stream that never begins",
            Fault::reply(status("200 OK", &compressed_chunks, b"")).and(Act::Wait),
            encoded,
            "Content-Encoding: gzip",
        )
        .asking(Ask::Stream),
        Case::fails(
            "lines that are compressed",
            compressed("deflate", b"x\x9cK\xe4\x02\0\0l\0l"),
            encoded,
            "Content-Encoding: deflate",
        )
        .asking(Ask::Lines),
        Case::fails(
            "an encoding that forges a line",
            compressed("gzip\t\u{202e}", gzip),
            encoded,
            r"Content-Encoding: gzip\t\u{202e}, which",
        ),
        Case::gives(
            "JSON that is said not to be compressed",
            compressed("identity", b"[]"),
            EMPTY,
        ),
        Case::gives("an encoding without a name", compressed("", b"[]"), EMPTY),
        Case::fails(
            "an explanation that is compressed",
            refusal("404 Not Found", &["Content-Encoding: gzip"], gzip),
            refused::<404>,
            "404",
        ),
        Case::fails(
            "a page for a list",
            Fault::reply(sized(b"<!DOCTYPE html>\n<html>Welcome to nginx!</html>")),
            useless,
            "<!DOCTYPE html>",
        ),
        Case::fails(
            "a page of a proxy",
            refusal("502 Bad Gateway", &html, nginx),
            refused::<502>,
            "HTML page (502 Bad Gateway) from a proxy",
        ),
        Case::fails(
            "a page of a proxy that asks for patience",
            refusal(
                "503 Service Unavailable",
                &["Content-Type: text/html", "Retry-After: 120"],
                b"<html><title>Later</title>",
            ),
            |kind| matches!(kind, ErrorKind::Reply(ReplyError::Api(refusal)) if refusal.retry_after == Some(120) && refusal.is_transient()),
            "HTML page (Later)",
        ),
        Case::fails(
            "a proxy without words",
            refusal("504 Gateway Timeout", &[], b""),
            refused::<504>,
            "504 SERVER_ERROR: Gateway Timeout",
        ),
        Case::fails(
            "a pause that is no number",
            refusal("503 Oh", &["Retry-After: -5"], b""),
            refused::<503>,
            "503 SERVER_ERROR: Oh",
        ),
        Case::fails(
            "an explanation that is not UTF-8",
            refusal("500 Oh", &[], b"\xff\xfe\xfd"),
            refused::<500>,
            "\u{fffd}",
        ),
        Case::fails(
            "an explanation that moves the cursor",
            refusal("500 Oh", &[], escapes.as_bytes()),
            refused::<500>,
            r"]0;title\u{7}\u{1b}[2J\u{9b}31mAll is well\r\u{8}\u{8}",
        ),
        Case::fails(
            "an explanation that forges a line and turns it around",
            refusal("500 Oh", &[], "a\n2026-01-01 INFO fine\u{202e}".as_bytes()),
            refused::<500>,
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
            "an explanation that is cut off",
            Fault::cut(status(
                "404 Not Found",
                &["Content-Length: 100"],
                b"{\"error\":\"Not fo",
            )),
            refused::<404>,
            r#"404 NOT_FOUND: {"error":"Not fo"#,
        ),
        Case::fails(
            "an explanation that is damaged",
            Fault::cut(status(
                "404 Not Found",
                &["Transfer-Encoding: chunked"],
                b"zz\r\n",
            )),
            refused::<404>,
            "404 NOT_FOUND: Not Found",
        ),
        Case::fails(
            "an explanation that breaks off in a chunk",
            Fault::cut(status(
                "409 Conflict",
                &["Transfer-Encoding: chunked"],
                b"10\r\nStill in",
            )),
            refused::<409>,
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
