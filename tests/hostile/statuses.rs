//! Invalid statuses, error statuses, interim responses, and redirects.

use scramjet_client_blocking::ErrorKind;
use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::transport::Phase;

use crate::cases::{Call, Case, is_not_json, is_status, is_unreadable};
use crate::server::{Fault, ok, status};
use crate::table::SECRET;

const EMPTY: &str = "0 sequences";
const TWO: &[&str] = &["Content-Length: 2"];

pub(crate) fn statuses() -> Vec<Case> {
    let none = |name, code: &str| {
        Case::fails(
            name,
            Fault::cut(status(code, TWO, b"[]")),
            is_unreadable,
            "no valid response received",
        )
    };
    let answer = ok(TWO, "[]");
    let after = |interim: &[u8], times: usize| {
        Fault::reply([interim.repeat(times), answer.clone()].concat())
    };
    let interim = |code: &str| status(code, &[], b"");
    vec![
        none("a status of zeros", "000 Zero"),
        none("a status below all others", "099 Less"),
        none("a status of two digits", "99 Less"),
        none("a status of four digits", "1000 More"),
        none("a status that is a word", "abc OK"),
        none("a status with a sign", "+20 OK"),
        none("no status at all", ""),
        Case::fails(
            "an unknown status",
            Fault::reply(status("999 Who knows", TWO, b"[]")),
            is_status::<999>,
            "Who knows",
        ),
        Case::fails(
            "a status of the sixth hundred",
            Fault::reply(status("600 Beyond", TWO, b"[]")),
            is_status::<600>,
            "Beyond",
        ),
        Case::returns(
            "an unknown 2xx status",
            Fault::reply(status("299 Fine", TWO, b"[]")),
            EMPTY,
        ),
        Case::fails(
            "a 204 where something is expected",
            Fault::reply(status("204 No Content", &[], b"")),
            is_not_json,
            "begins with \"\"",
        ),
        Case::fails(
            "a 304",
            Fault::reply(status("304 Not Modified", &[], b"")),
            is_status::<304>,
            "refused with status 304",
        ),
        Case::fails(
            "a 304 with a length",
            Fault::reply(status("304 Not Modified", &["Content-Length: 500"], b"")),
            is_status::<304>,
            "304",
        ),
        Case::returns(
            "a 204 with a length",
            Fault::reply(status("204 No Content", &["Content-Length: 500"], b"")),
            "deleted",
        )
        .calling(Call::Deletion),
        Case::returns(
            "a 204 in chunks that never come",
            Fault::reply(status(
                "204 No Content",
                &["Transfer-Encoding: chunked"],
                b"",
            )),
            "deleted",
        )
        .calling(Call::Deletion),
        Case::fails(
            "a 204 with a length where something is expected",
            Fault::reply(status("204 No Content", &["Content-Length: 500"], b"")),
            is_not_json,
            "begins with \"\"",
        ),
        Case::fails(
            "a 300",
            Fault::reply(status("300 Multiple Choices", TWO, b"[]")),
            is_status::<300>,
            "refused with status 300",
        ),
        Case::fails(
            "a 407 of a proxy",
            Fault::reply(status("407 Proxy Authentication Required", TWO, b"[]")),
            is_status::<407>,
            "407",
        ),
        Case::returns(
            "an interim response",
            after(&interim("100 Continue"), 1),
            EMPTY,
        ),
        Case::returns(
            "an interim response with headers",
            after(&status("103 Early Hints", &["Link: </x>"], b""), 3),
            EMPTY,
        ),
        Case::returns(
            "a hundred interim responses",
            after(&interim("102 Processing"), 100),
            EMPTY,
        ),
        Case::ends_with_deadline(
            "interim responses, and no response",
            Fault::reply(interim("100 Continue").repeat(3)),
            Phase::Wait,
        ),
        Case::fails(
            "interim responses without end",
            Fault::endless("", interim("100 Continue").repeat(100)),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "hints without end",
            Fault::endless(
                "",
                status("103 Early Hints", &["Link: </x>"], b"").repeat(100),
            ),
            is_unreadable,
            "no valid response received",
        ),
        Case::fails(
            "another protocol from here on",
            Fault::cut(status(
                "101 Switching Protocols",
                &["Connection: upgrade", "Upgrade: h2c"],
                b"\0\0\x12\x04\0\0\0\0\0",
            )),
            is_status::<101>,
            "refused with status 101",
        ),
        Case::returns(
            "a 205 with a body",
            Fault::reply(status("205 Reset Content", TWO, b"{}")),
            "deleted",
        )
        .calling(Call::Deletion),
    ]
}

/// Error responses of hubs and proxies.
pub(crate) fn refusals() -> Vec<Case> {
    let refusal = |code: &str, headers: &[&str], body: &str| {
        let length = format!("Content-Length: {}", body.len());
        let headers: Vec<&str> = headers.iter().copied().chain([length.as_str()]).collect();
        Fault::reply(status(code, &headers, body.as_bytes()))
    };
    let unauthorized = |kind: &ErrorKind| {
        matches!(kind, ErrorKind::Reply(ReplyError::Api(refusal))
        if refusal.is_unauthorized())
    };
    vec![
        Case::fails(
            "a text",
            refusal(
                "500 Internal Server Error",
                &["Content-Type: text/plain"],
                "Something went wrong\n",
            ),
            is_status::<500>,
            "500 SERVER_ERROR: Something went wrong",
        ),
        Case::fails(
            "a reason phrase",
            refusal("400 Could not parse content", &[], ""),
            is_status::<400>,
            "400 BAD_PARAMETERS: Could not parse content",
        ),
        Case::fails(
            "a message in JSON",
            refusal("409 Conflict", &[], r#"{"error":"in use"}"#),
            is_status::<409>,
            "409 CONFLICT: in use",
        ),
        Case::fails(
            "no credentials",
            refusal("401 Unauthorized", &[], r#"{"error":"Token missing"}"#),
            unauthorized,
            "401 NEED_AUTHENTICATION: Token missing",
        ),
        Case::fails(
            "wrong credentials",
            refusal(
                "403 Forbidden",
                &[],
                r#"{"error":{"code":"NOT_AUTHORIZED","message":"Not yours"}}"#,
            ),
            unauthorized,
            "403 NOT_AUTHORIZED: Not yours",
        ),
        Case::fails(
            "an invalid code",
            refusal(
                "500 Oh",
                &[],
                r#"{"error":{"code":"\u001b[2J","message":"x"}}"#,
            ),
            is_status::<500>,
            "500 SERVER_ERROR: x",
        ),
    ]
}

/// Redirects to another server, which must not receive a request.
pub(crate) fn redirects(elsewhere: &str) -> Vec<Case> {
    let to = |code: &str, target: &str| {
        Fault::reply(status(
            code,
            &[
                &format!("Location: {target}"),
                "Content-Length: 0",
                "Set-Cookie: a=b; Path=/",
            ],
            b"",
        ))
    };
    let says = "redirect to";
    let target = &format!("{elsewhere}/sequences");
    let same_port = target
        .trim_start_matches("https:")
        .trim_start_matches("http:");
    vec![
        Case::fails(
            "a 301 to another server",
            to("301 Moved Permanently", target),
            is_status::<301>,
            says,
        ),
        Case::fails(
            "a 302 to another server",
            to("302 Found", target),
            is_status::<302>,
            says,
        ),
        Case::fails(
            "a 303 to another server",
            to("303 See Other", target),
            is_status::<303>,
            says,
        ),
        Case::fails(
            "a 307 to another server",
            to("307 Temporary Redirect", target),
            is_status::<307>,
            says,
        ),
        Case::fails(
            "a 308 to another server",
            to("308 Permanent Redirect", target),
            is_status::<308>,
            says,
        ),
        Case::fails(
            "a deletion that is redirected",
            to("307 Temporary Redirect", target),
            is_status::<307>,
            says,
        )
        .calling(Call::Deletion),
        Case::fails(
            "a stream that is redirected",
            to("302 Found", target),
            is_status::<302>,
            says,
        )
        .calling(Call::Stream),
        Case::fails(
            "a redirect without a scheme",
            to("302 Found", same_port),
            is_status::<302>,
            says,
        ),
        Case::fails(
            "a redirect to itself",
            to("302 Found", "/api/v1/sequences"),
            is_status::<302>,
            says,
        ),
        Case::fails(
            "a redirect to a file",
            to("302 Found", "file:///etc/passwd"),
            is_status::<302>,
            says,
        ),
        Case::fails(
            "a redirect with a secret",
            to(
                "302 Found",
                &format!("https://u:{SECRET}@h/a?{SECRET}#{SECRET}"),
            ),
            is_status::<302>,
            "redirect to …@h/a, which",
        ),
        Case::fails(
            "a redirect to nowhere",
            to("302 Found", ""),
            is_status::<302>,
            "302 UNKNOWN_ERROR",
        ),
        Case::fails(
            "a redirect that is no address",
            to("302 Found", "http://[::1"),
            is_status::<302>,
            says,
        ),
        Case::fails(
            "a redirect without a target",
            Fault::reply(status("302 Found", TWO, b"[]")),
            is_status::<302>,
            "302 UNKNOWN_ERROR",
        ),
        Case::fails(
            "a page that refreshes itself",
            Fault::reply(status(
                "200 OK",
                &[&format!("Refresh: 0; url={target}"), "Content-Length: 6"],
                b"<html>",
            )),
            is_not_json,
            "<html>",
        ),
        Case::returns(
            "a place that is elsewhere",
            Fault::reply(status(
                "200 OK",
                &[&format!("Content-Location: {target}"), TWO[0]],
                b"[]",
            )),
            EMPTY,
        ),
    ]
}
