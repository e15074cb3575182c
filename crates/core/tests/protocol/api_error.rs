//! The forms of refusals, and the messages of all errors.

use std::{collections::BTreeSet, error::Error};

use scramjet_client_core::flow::DeleteByForce;
use scramjet_client_core::http::{HeaderName, HeaderValue, StatusCode, header};
use scramjet_client_core::{
    ApiError, Decode, Endpoint, ErrorCode, GetSequence, GetVersion, InstanceId, OverwriteSequence,
    ReplyError, RequestError, SendStdin, SequenceId, StartOptions, TextLines,
};

use crate::helpers::{Head, every_split, hub, old_hub, read, refusal};
use crate::sans_io::sources;

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Returns the names of the predicates that return `true`.
fn predicates(error: &ApiError) -> Vec<&'static str> {
    let all = [
        ("not_found", error.is_not_found()),
        ("conflict", error.is_conflict()),
        ("overloaded", error.is_overloaded()),
        ("unprocessable", error.is_unprocessable()),
        ("unauthorized", error.is_unauthorized()),
    ];
    all.into_iter()
        .filter(|(_, holds)| *holds)
        .map(|(name, _)| name)
        .collect()
}

/// Form, status, reason, body → actual status, code, message, predicates.
type Refusal<'a> = (
    &'a str,
    u16,
    &'a str,
    &'a str,
    u16,
    &'a str,
    &'a str,
    &'a [&'a str],
);

/// The forms of hubs, and of other servers that may respond instead of a hub.
#[test]
fn api_error_reads_every_form_of_refusal() {
    let not_found = format!("Instance {UNKNOWN} not found");
    let not_found_body = format!(r#"{{"error":"{not_found}"}}"#);
    let long = "ż".repeat(501);
    let shortened = "ż".repeat(500) + "…";
    let html =
        "HTML page (Log in) from a proxy or another web server, which responded instead of the hub";
    let untitled = "HTML page (without a title) from a proxy or another web server, which \
                    responded instead of the hub";
    let enoent =
        r#"{"error":{"errno":-2,"code":"ENOENT","syscall":"open","path":"/srv/package.json"}}"#;
    let all = r#"{"error":{"reason":"r","data":"d","message":"m"}}"#;
    #[rustfmt::skip] // one row, one line
    let rows: &[Refusal<'_>] = &[
        ("E1", 404, "Not Found", &not_found_body, 404, "NOT_FOUND", &not_found, &["not_found"]),
        ("E1", 400, "Bad Request", r#"{"error":"Instance not running"}"#, 400, "BAD_PARAMETERS",
            "Instance not running", &[]),
        ("E1", 409, "Conflict", r#"{"error":"in use"}"#, 409, "CONFLICT", "in use", &["conflict"]),
        ("E1", 419, "x", r#"{"error":"Insufficient Space on Resource"}"#, 419,
            "INSUFFICIENT_RESOURCES", "Insufficient Space on Resource", &["overloaded"]),
        ("E1", 406, "Not Acceptable", r#"{"error":"Content-Type must be defined"}"#, 406,
            "REQUEST_ERROR", "Content-Type must be defined", &[]),
        ("E1", 422, "Unprocessable Entity", r#"{"error":" spaced \n"}"#, 422,
            "UNPROCESSABLE_ENTITY", "spaced", &["unprocessable"]),
        ("E1, a start that cannot be", 400, "Bad Request",
            r#"{"error":"Incorrect config passed to SequenceConfig"}"#, 400, "INVALID_CONFIG",
            "Incorrect config passed to SequenceConfig", &[]),
        ("E1, a start that cannot be", 400, "Bad Request",
            r#"{"error":"Runner was started with invalid configuration. This is probably a bug in STH."}"#, 400, "INVALID_CONFIG", "Runner was started with invalid configuration. This is probably a bug in STH.", &[]),
        ("E2", 422, "Unprocessable Entity",
            r#"{"error":{"code":"PRERUNNER_ERROR","data":"Invalid pkg tar.gz archive"}}"#, 422,
            "PRERUNNER_ERROR", "Invalid pkg tar.gz archive", &["unprocessable"]),
        ("E2 without data", 422, "Unprocessable Entity", r#"{"error":{"code":"PRERUNNER_ERROR"}}"#,
            422, "PRERUNNER_ERROR", "PRERUNNER_ERROR", &["unprocessable"]),
        ("E2 with a message", 400, "Bad Request",
            r#"{"error":{"message":"cannot start","exitcode":21,"status":"errored"}}"#, 400,
            "BAD_PARAMETERS", "cannot start", &[]),
        ("E2 with every text", 400, "Bad Request", all, 400, "BAD_PARAMETERS", "m", &[]),
        ("E2 with an empty text", 400, "Bad Request", r#"{"error":{"message":" ","reason":"why"}}"#,
            400, "BAD_PARAMETERS", "why", &[]),
        ("E3", 422, "Unprocessable Entity", enoent, 422, "ENOENT", "ENOENT: open /srv/package.json",
            &["unprocessable"]),
        ("E3 without a path", 500, "x", r#"{"error":{"code":"EMFILE","syscall":"open"}}"#, 500,
            "EMFILE", "EMFILE: open", &[]),
        ("E4", 422, "Unprocessable Entity", r#"{"error":{}}"#, 422, "UNPROCESSABLE_ENTITY",
            "Unprocessable Entity", &["unprocessable"]),
        ("E5", 404, "Not Found", r#"{"opStatus":"Not Found"}"#, 404, "NOT_FOUND", "Not Found",
            &["not_found"]),
        ("E5", 419, "x", r#"{"opStatus":"Insufficient Space on Resource"}"#, 419,
            "INSUFFICIENT_RESOURCES", "Insufficient Space on Resource", &["overloaded"]),
        ("E5 with a text", 409, "Conflict",
            r#"{"opStatus":"Conflict","error":"Can't remove sequence in use."}"#, 409, "CONFLICT",
            "Can't remove sequence in use.", &["conflict"]),
        ("E5 with an empty object", 500, "x", r#"{"opStatus":"Internal Server Error","error":{}}"#,
            500, "SERVER_ERROR", "Internal Server Error", &[]),
        ("E5 with no text", 409, "x", r#"{"opStatus":"Conflict","error":null}"#, 409, "CONFLICT",
            "Conflict", &["conflict"]),
        ("E6", 404, "Not Found", "{}", 404, "NOT_FOUND", "Not Found", &["not_found"]),
        ("E7", 400, "Invalid content-type", "", 400, "BAD_PARAMETERS", "Invalid content-type", &[]),
        ("E7", 400, "Could not parse content", "", 400, "BAD_PARAMETERS", "Could not parse content",
            &[]),
        ("E7", 415, "Invalid content-type", "", 415, "REQUEST_ERROR", "Invalid content-type", &[]),
        ("E7", 500, "Internal Server Error", "", 500, "SERVER_ERROR", "Internal Server Error", &[]),
        ("E7", 404, "Not Found", "", 404, "NOT_FOUND", "Not Found", &["not_found"]),
        ("E7 over a transport without reasons", 404, "", "", 404, "NOT_FOUND", "Not Found",
            &["not_found"]),
        ("E7 over a transport without reasons", 419, " ", " \r\n", 419, "INSUFFICIENT_RESOURCES",
            "Insufficient Space on Resource", &["overloaded"]),
        ("E7 with an unknown status", 499, "", "", 499, "REQUEST_ERROR", "no reason given", &[]),
        ("E8", 500, "Internal Server Error", "415: Invalid content-type", 415, "REQUEST_ERROR",
            "Invalid content-type", &[]),
        ("E8", 500, "Internal Server Error", "400: Could not parse content", 400, "BAD_PARAMETERS",
            "Could not parse content", &[]),
        ("E8", 500, "Internal Server Error", "500: Internal error occurred", 500, "SERVER_ERROR",
            "Internal error occurred", &[]),
        ("E8, JavaScript", 500, "Internal Server Error", "Spread syntax requires ...iterable", 500,
            "SERVER_ERROR", "Spread syntax requires ...iterable", &[]),
        ("E8, JavaScript", 500, "Internal Server Error", "TypeError: x is not a function", 500,
            "SERVER_ERROR", "TypeError: x is not a function", &[]),
        ("E8 with more digits", 500, "x", "4001: Bad message", 500, "SERVER_ERROR",
            "4001: Bad message", &[]),
        // Other servers, or unknown hubs.
        ("a text", 500, "x", "something broke\n", 500, "SERVER_ERROR", "something broke", &[]),
        ("a JSON text", 403, "Forbidden", r#""no""#, 403, "NOT_AUTHORIZED", "no",
            &["unauthorized"]),
        ("a message", 401, "Unauthorized", r#"{"message":"Unauthorized: token expired"}"#, 401,
            "NEED_AUTHENTICATION", "Unauthorized: token expired", &["unauthorized"]),
        ("JSON without a message", 503, "Service Unavailable", "[1,2]", 503, "SERVER_ERROR",
            "Service Unavailable", &[]),
        ("JSON without a message", 503, "Service Unavailable", "5", 503, "SERVER_ERROR",
            "Service Unavailable", &[]),
        ("JSON without a message", 503, "Service Unavailable", r#"{"error":[1]}"#, 503,
            "SERVER_ERROR", "Service Unavailable", &[]),
        ("an HTML page", 502, "Bad Gateway", "\n<!DOCTYPE HTML>\n<TITLE> Log in </TITLE><p>", 502,
            "SERVER_ERROR", html, &[]),
        ("an HTML page", 401, "Unauthorized", "<html><head></head>", 401, "NEED_AUTHENTICATION",
            untitled, &["unauthorized"]),
        ("a long text", 400, "x", &long, 400, "BAD_PARAMETERS", &shortened, &[]),
        ("broken JSON", 400, "x", r#"{"error":"#, 400, "BAD_PARAMETERS", r#"{"error":"#, &[]),
    ];
    for &(shape, status, reason, body, meant, code, message, holds) in rows {
        let error = refusal(&Head::new(status, reason), body.as_bytes());
        let seen = (
            error.status.as_u16(),
            error.received_status.as_u16(),
            error.code.as_str(),
            error.message.as_str(),
        );
        assert_eq!(
            seen,
            (meant, status, code, message),
            "{shape}: {status} {reason} {body}"
        );
        assert_eq!(
            predicates(&error),
            holds,
            "{shape}: {status} {reason} {body}"
        );
        assert_eq!(error.body, body.as_bytes(), "{shape}");
        assert_eq!(error.json(), serde_json::from_str(body).ok(), "{shape}");
        assert_eq!(error.retry_after, None, "{shape}");
    }
}

/// Codes for errors without a response belong to the client, not to core.
#[test]
fn api_error_code_follows_from_the_status_as_in_the_typescript_client() {
    for (status, code) in [
        (400, "BAD_PARAMETERS"),
        (401, "NEED_AUTHENTICATION"),
        (403, "NOT_AUTHORIZED"),
        (404, "NOT_FOUND"),
        (410, "GONE"),
        (419, "INSUFFICIENT_RESOURCES"),
        (422, "UNPROCESSABLE_ENTITY"),
        (500, "SERVER_ERROR"),
        (501, "SERVER_ERROR"),
        (503, "SERVER_ERROR"),
        (599, "SERVER_ERROR"),
        (402, "REQUEST_ERROR"),
        (405, "REQUEST_ERROR"),
        (406, "REQUEST_ERROR"),
        (415, "REQUEST_ERROR"),
        (429, "REQUEST_ERROR"),
        (431, "REQUEST_ERROR"),
        (499, "REQUEST_ERROR"),
        (300, "UNKNOWN_ERROR"),
        (302, "UNKNOWN_ERROR"),
        (304, "UNKNOWN_ERROR"),
        (399, "UNKNOWN_ERROR"),
        // The TypeScript client has REQUEST_ERROR here, which is less precise.
        (409, "CONFLICT"),
    ] {
        let error = refusal(&Head::new(status, "x"), b"");
        assert_eq!((error.code.as_str(), error.status.as_u16()), (code, status));
    }
}

#[test]
fn api_error_prefers_the_code_in_the_body() {
    use ErrorCode::{
        BadParameters, Conflict, Gone, InsufficientResources, InvalidConfig, NeedAuthentication,
        NotAuthorized, NotFound, Other, PrerunnerError, RequestError, ServerError, UnknownError,
        UnprocessableEntity,
    };
    for (code, expected) in [
        ("1001", NotAuthorized),
        ("1002", InsufficientResources),
        ("1003", UnprocessableEntity),
        ("1004", Other("1004".into())),
        ("-2", Other("-2".into())),
        ("1.5", Other("1.5".into())),
        (r#""1001""#, Other("1001".into())),
        (r#""not_found""#, Other("not_found".into())),
        (r#""ENOSPC""#, Other("ENOSPC".into())),
        (r#""BAD_PARAMETERS""#, BadParameters),
        (r#""NEED_AUTHENTICATION""#, NeedAuthentication),
        (r#""NOT_AUTHORIZED""#, NotAuthorized),
        (r#""NOT_FOUND""#, NotFound),
        (r#""CONFLICT""#, Conflict),
        (r#""GONE""#, Gone),
        (r#""INSUFFICIENT_RESOURCES""#, InsufficientResources),
        (r#""UNPROCESSABLE_ENTITY""#, UnprocessableEntity),
        (r#""INVALID_CONFIG""#, InvalidConfig),
        (r#""PRERUNNER_ERROR""#, PrerunnerError),
        (r#""SERVER_ERROR""#, ServerError),
        (r#""REQUEST_ERROR""#, RequestError),
        (r#""UNKNOWN_ERROR""#, UnknownError),
        // Without a code, the status decides.
        ("null", Gone),
        ("{}", Gone),
        ("true", Gone),
    ] {
        let body = format!(r#"{{"error":{{"code":{code},"message":"why"}}}}"#);
        let error = refusal(&Head::new(410, "Gone"), body.as_bytes());
        assert_eq!(
            (&error.code, error.message.as_str(), error.status),
            (&expected, "why", StatusCode::GONE),
            "{code}"
        );
        let text = code.trim_matches('"');
        if code.starts_with('"') {
            assert_eq!(
                (error.code.as_str(), error.code.to_string()),
                (text, text.to_owned())
            );
        }
    }
}

#[test]
fn api_error_message_names_the_target_of_a_redirect() {
    let head =
        Head::new(307, "Temporary Redirect").header("location", "https://hub.example/api/v1");
    let error = refusal(&head, b"<html><title>307</title>");
    assert_eq!(error.code, ErrorCode::UnknownError);
    let message = "redirect to https://hub.example/api/v1, which the client does not follow; \
         if the hub is there, use that address as the base URL";
    assert_eq!(error.message, message);
    let error = refusal(&Head::new(302, "Found"), b"");
    assert_eq!(error.message, "Found", "without a target");
    let error = refusal(&Head::new(404, "Not Found").header("location", "x"), b"");
    assert_eq!(error.message, "Not Found", "a refusal does not redirect");
}

/// Foreign text must not flood a log or control a terminal.
#[test]
fn api_error_messages_are_short_and_escaped() {
    let long = "x".repeat(60_000);
    let escapes = "a\u{1b}[2J\u{9b}31m\r\n\tb\u{8}\u{7}\u{202e}";
    let plain = r"a\u{1b}[2J\u{9b}31m\r\n\tb\u{8}\u{7}\u{202e}";
    for (wild, tame) in [
        (long.as_str(), format!("{}…", &long[..500])),
        (escapes, plain.to_owned()),
    ] {
        let text = format!("{wild}.");
        let tame = if wild == long {
            tame
        } else {
            format!("{tame}.")
        };
        assert_eq!(
            refusal_of(&Head::new(500, "Oh"), text.as_bytes()).message,
            tame,
            "a text"
        );
        let json = serde_json::json!({ "error": text }).to_string();
        assert_eq!(
            refusal_of(&Head::new(500, "Oh"), json.as_bytes()).message,
            tame,
            "JSON"
        );
        assert_eq!(
            refusal_of(&Head::new(500, &text), b"").message,
            tame,
            "a reason"
        );
        let page = format!("<html><title>{text}</title>");
        assert!(
            refusal_of(&Head::new(500, "Oh"), page.as_bytes())
                .message
                .starts_with(&format!("HTML page ({tame})")),
            "a title"
        );
        let code = serde_json::json!({ "error": { "code": text, "message": "m" } }).to_string();
        let error = refusal_of(&Head::new(500, "Oh"), code.as_bytes());
        assert_eq!(
            (error.to_string().as_str(), error.code),
            ("500 SERVER_ERROR: m", ErrorCode::ServerError),
            "no code"
        );
    }
    let error = refusal_of(
        &Head::new(302, "Found").header("location", &format!("http://x/{long}")),
        b"",
    );
    assert!(
        error.message.len() < 700 && error.message.starts_with("redirect to http://x/xxx"),
        "{}",
        error.message.len()
    );
}

fn refusal_of(head: &Head, body: &[u8]) -> ApiError {
    let error = read(head.reply(&hub(), &GetVersion), [body]).expect_err("a refusal");
    error.api().unwrap_or_else(|| panic!("{error:?}")).clone()
}

/// The parser quotes unexpected text of any length.
#[test]
fn reply_error_source_is_short_and_escaped() {
    let source = |body: &str| {
        let error = read(
            Head::new(200, "OK").reply(&hub(), &GetVersion),
            [body.as_bytes()],
        )
        .expect_err("no version");
        error.source().expect("the parser's error").to_string()
    };
    assert_eq!(
        source(r#""xy""#),
        r#"invalid type: string "xy", expected struct HubVersion at line 1 column 4"#
    );
    let long = source(&format!("\n{:?}", "x".repeat(1_000_000)));
    assert!(
        long.starts_with(r#"invalid type: string "xxx"#)
            && long.ends_with("x… at line 2 column 1000002"),
        "{long}"
    );
    assert!(long.len() < 600, "{} bytes", long.len());
}

#[test]
fn api_error_is_transient_if_the_hub_is_busy_or_unreachable() {
    let passes = |status: &u16| refusal(&Head::new(*status, "x"), b"").is_transient();
    let expected: Vec<u16> = [408, 425, 429]
        .into_iter()
        .chain(502..=504)
        .chain(520..=530)
        .collect();
    assert_eq!((400..600).filter(passes).collect::<Vec<_>>(), expected);
}

#[test]
fn api_error_reads_retry_after() {
    for (value, seconds) in [
        ("120", Some(120)),
        (" 7 ", Some(7)),
        ("0", Some(0)),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("Fri, 31 Dec 2027 23:59:59", None),
        ("99999999999999999999999", None),
    ] {
        for status in [419, 429, 503] {
            let error = refusal(&Head::new(status, "x").header("retry-after", value), b"");
            assert_eq!(error.retry_after, seconds, "{status} {value:?}");
            assert_eq!(error.retry_at, None, "{status} {value:?}");
        }
    }
}

#[test]
fn retry_after_with_a_date_counts_from_the_date_of_the_response() {
    let now = "Fri, 31 Dec 2027 23:58:29 GMT";
    for (value, seconds) in [
        ("Fri, 31 Dec 2027 23:59:59 GMT", 90),
        ("Friday, 31-Dec-27 23:59:59 GMT", 90),
        ("Fri Dec 31 23:59:59 2027", 90),
        ("Sat, 01 Jan 2028 00:00:00 GMT", 91),
        ("Fri, 31 Dec 2027 23:58:29 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
    ] {
        let head = Head::new(503, "x").header("retry-after", value);
        let error = refusal(&head.clone().header("date", now), b"");
        assert_eq!(error.retry_after, Some(seconds), "{value:?}");
        let without = refusal(&head, b"");
        assert_eq!(without.retry_after, None, "there is no clock");
        assert!(without.retry_at.is_some() && without.retry_at == error.retry_at);
    }
}

#[test]
fn api_error_meaning_replaces_status_code_and_message() {
    let error = refusal(
        &Head::new(500, "x").header("retry-after", "1"),
        b"{\"error\":{\"code\":\"ENOENT\"}}",
    );
    let other = error
        .clone()
        .with_meaning(StatusCode::NOT_FOUND, "there is none");
    assert_eq!(
        (other.status, &other.code, other.message.as_str()),
        (StatusCode::NOT_FOUND, &ErrorCode::NotFound, "there is none")
    );
    assert_eq!(
        (other.received_status, other.retry_after, &other.body),
        (error.received_status, Some(1), &error.body)
    );
    assert_eq!(
        other.to_string(),
        "404 NOT_FOUND: there is none (received with status 500)"
    );
}

/// Other numbers at the beginning of a text are not statuses.
#[test]
fn api_error_takes_only_an_error_status_from_the_text() {
    for text in [
        "200: OK",
        "204: No content",
        "100: x",
        "302: Found",
        "999: x",
    ] {
        let error = refusal(&Head::new(500, "Internal Server Error"), text.as_bytes());
        assert_eq!(
            (error.status, error.code.as_str()),
            (StatusCode::INTERNAL_SERVER_ERROR, "SERVER_ERROR"),
            "{text}: {error}"
        );
        let id = InstanceId::new("i").expect("an id");
        let sent = every_split(
            &Head::new(200, "OK"),
            &hub(),
            &SendStdin { id: &id, end: None },
            text.as_bytes(),
            |items| items,
        );
        let refused = sent.as_ref().err().and_then(ReplyError::api);
        assert!(
            refused.is_none_or(|error| !error.status.is_success()),
            "an upload refused with a success: {sent:?}"
        );
    }
}

/// A number that is not used as the status stays in the message.
#[test]
fn api_error_message_keeps_a_number_that_is_not_an_error_status() {
    let error = refusal(
        &Head::new(404, "Not Found"),
        b"500: Internal error occurred",
    );
    assert_eq!(error.status, StatusCode::NOT_FOUND);
    assert_eq!(error.message, "500: Internal error occurred");
}

#[test]
fn api_error_received_status_is_that_of_the_status_line() {
    let id = InstanceId::new("i").expect("an id");
    let operation = SendStdin { id: &id, end: None };
    let error = read(
        Head::new(200, "OK").reply(&hub(), &operation),
        [&b"500: Internal error occurred"[..]],
    )
    .expect_err("a refusal");
    let error = error.api().expect("a refusal");
    assert_eq!(
        (error.status.as_u16(), error.code.as_str()),
        (500, "SERVER_ERROR")
    );
    assert_eq!(error.received_status.as_u16(), 200);
}

/// Returns an error of every variant, with its message and the messages of its causes.
fn request_errors() -> Vec<(RequestError, &'static str, &'static [&'static str])> {
    let mut endpoint = hub();
    let id = SequenceId::new("s").expect("an id");
    let too_long = SequenceId::new("s".repeat(70_000)).expect("an id, but for its length");
    let host = endpoint.set_header(header::HOST, HeaderValue::from_static("other"));
    let long = endpoint.set_header(
        HeaderName::from_static("x-long"),
        HeaderValue::try_from("x".repeat(16 << 10)).expect("a value"),
    );
    let option = StartOptions::new().app_config("text").to_body();
    let unsupported = old_hub().request(&OverwriteSequence { id: &id });
    let http = hub().request(&GetSequence { id: &too_long });
    let unknown = DeleteByForce::new(hub(), id.clone());
    vec![
        (
            Endpoint::new("ftp://hub.example/").expect_err("a scheme"),
            "invalid base URL \"ftp://hub.example/\": its scheme is neither http nor https; \
             a hub's address looks like http://localhost:8000/api/v1",
            &[],
        ),
        (
            SequenceId::new("a/b").expect_err("a slash"),
            "invalid sequence id \"a/b\": it contains a character that ends a path segment (one \
             of / \\ ? #)",
            &[],
        ),
        (
            host.expect_err("the connection's"),
            "invalid header \"host\": it describes the connection or the body; the client sets it",
            &[],
        ),
        (
            long.expect_err("long"),
            "invalid header \"x-long\": with it, the headers are longer than the 16 kB that hubs \
             accept",
            &[],
        ),
        (
            option.expect_err("not an object"),
            "invalid option \"appConfig\": a sequence's configuration must be a JSON object",
            &[],
        ),
        (
            RequestError::setting("ca_certificates", "there is no certificate in it"),
            "invalid setting \"ca_certificates\": there is no certificate in it",
            &[],
        ),
        (
            unsupported.expect_err("old"),
            "the hub is too old (version 0.18.7); overwrite sequence requires version 0.38.0 or \
             later",
            &[],
        ),
        (
            unknown.map(drop).expect_err("no version is set"),
            "delete sequence depends on the version of the hub, which is not known yet; \
             request it from the hub, or set it",
            &[],
        ),
        (
            http.expect_err("long"),
            "cannot build the request",
            &["uri too long"],
        ),
    ]
}

fn reply_errors() -> Vec<(ReplyError, &'static str, &'static [&'static str])> {
    let reply = |status, reason| Head::new(status, reason).reply(&hub(), &GetVersion);
    let refused = |status, reason, body: &str| {
        read(reply(status, reason), [body.as_bytes()]).expect_err("a refusal")
    };
    let large = vec![b' '; (4 << 20) + 1];
    let page = "<!DOCTYPE html>\n".to_owned() + &"é".repeat(200);
    let mut not_text = TextLines::default();
    not_text.feed(b"caf\xe9 au lait\n");
    let encoded = Head::new(200, "OK").header("content-encoding", "gzip");
    let five = Head::new(200, "OK").header("content-length", "5");
    let cut_off = read(five.reply(&hub(), &GetVersion), [&b"abc"[..]]).expect_err("cut off");
    vec![
        (
            refused(419, "x", r#"{"opStatus":"Insufficient Space on Resource"}"#),
            "419 INSUFFICIENT_RESOURCES: Insufficient Space on Resource",
            &[],
        ),
        (
            refused(500, "x", "415: Invalid content-type"),
            "415 REQUEST_ERROR: Invalid content-type (received with status 500)",
            &[],
        ),
        (
            refused(503, "Service Unavailable", ""),
            "503 SERVER_ERROR: Service Unavailable",
            &[],
        ),
        (
            refused(200, "OK", &page),
            "the response is not the expected JSON; it begins with \"<!DOCTYPE \
             html>\\nééééééééééééééééééééééééééééééééé\
             ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…\"",
            &["expected value at line 1 column 1"],
        ),
        (
            refused(200, "OK", "{}"),
            "the response is not the expected JSON; it begins with \"{}\"",
            &["missing field `version` at line 1 column 2"],
        ),
        (
            not_text.next_item().expect_err("not UTF-8"),
            "the response is not UTF-8 text; it begins with \"caf\u{fffd} au lait\"",
            &["invalid utf-8 sequence of 1 bytes from index 3"],
        ),
        (
            read(reply(200, "OK"), [large.as_slice()]).expect_err("large"),
            "the response or a line of it is longer than 4194304 bytes, more than a hub sends \
                 here; the rest was not read",
            &[],
        ),
        (
            read(encoded.reply(&hub(), &GetVersion), []).expect_err("compressed"),
            "the response is encoded (Content-Encoding: gzip), which the client did not request \
             and cannot decode; turn off compression in the proxy in front of the hub",
            &[],
        ),
        (
            cut_off,
            "connection lost while reading the response (got 3 of 5 bytes)",
            &[],
        ),
        (
            reply(200, "OK").cut_off(),
            "connection lost while reading the response (got 0 bytes)",
            &[],
        ),
    ]
}

#[test]
fn error_display_and_sources_match_the_snapshots() {
    fn check<E: Error>(errors: &[(E, &str, &[&str])]) {
        for (error, says, causes) in errors {
            assert_eq!(error.to_string(), *says);
            let mut texts = vec![error.to_string()];
            let mut source = error.source();
            while let Some(cause) = source {
                texts.push(cause.to_string());
                source = cause.source();
            }
            assert_eq!(&texts[1..], *causes, "{says}");
            for (at, text) in texts.iter().enumerate() {
                let others = texts.iter().enumerate().filter(|(other, _)| *other != at);
                assert!(
                    others
                        .into_iter()
                        .all(|(_, other)| !other.contains(text.as_str())),
                    "a message repeats another: {texts:?}"
                );
            }
        }
    }
    check(&request_errors());
    check(&reply_errors());
}

#[test]
fn snapshots_have_every_variant_of_the_errors() {
    let variants = |errors: Vec<String>| -> BTreeSet<String> {
        errors
            .iter()
            .map(|debug| {
                debug
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect()
            })
            .collect()
    };
    let sources = sources();
    let (_, source) = sources
        .iter()
        .find(|(name, _)| name == "error.rs")
        .expect("error.rs");
    let declared = |name: &str| -> BTreeSet<String> {
        let (_, body) = source
            .split_once(&format!("pub enum {name} {{\n"))
            .expect("the declaration");
        let (body, _) = body.split_once("\n}\n").expect("its end");
        let lines = body
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
        lines
            .map(|line| {
                line.chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect()
            })
            .collect()
    };
    let request = request_errors()
        .iter()
        .map(|(error, ..)| format!("{error:?}"))
        .collect();
    assert_eq!(declared("RequestError"), variants(request));
    let reply = reply_errors()
        .iter()
        .map(|(error, ..)| format!("{error:?}"))
        .collect();
    assert_eq!(declared("ReplyError"), variants(reply));
}
