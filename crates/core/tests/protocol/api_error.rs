//! `ApiError`: its status, code, message and body, for all forms of refusals.

use scramjet_client_core::http::StatusCode;
use scramjet_client_core::{
    ApiError, ErrorCode, GetVersion, InstanceId, ReplyError, SendStdin, Step,
};

use crate::helpers::{Head, every_split, hub, read, refusal};

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

#[test]
fn with_meaning_replaces_status_code_and_message() {
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

#[test]
fn api_error_keeps_the_body_up_to_its_limit() {
    let head = Head::new(500, "Internal Server Error");
    let mut reply = head.reply(&hub(), &GetVersion);
    reply.feed(&vec![b'x'; ApiError::BODY_LIMIT - 1]);
    assert!(matches!(reply.next_item(), Ok(Step::NeedData)));
    reply.feed(b"yz and no end");
    let error = reply.next_item().expect_err("not waiting for the end");
    let error = error.api().expect("a refusal");
    assert_eq!(error.body.len(), ApiError::BODY_LIMIT);
    assert_eq!(error.body.last(), Some(&b'y'));
    assert!(
        error.message.chars().count() <= 501 && error.message.ends_with('…'),
        "{}",
        error.message.len()
    );
    reply.feed(b"more");
    assert!(matches!(reply.next_item(), Ok(Step::End)));

    // The same with one large piece, and byte by byte.
    let body = vec![b'x'; ApiError::BODY_LIMIT + 1000];
    for size in [1, 4096, body.len()] {
        let error =
            read(head.reply(&hub(), &GetVersion), body.chunks(size)).expect_err("a refusal");
        assert_eq!(
            error.api().map(|error| error.body.len()),
            Some(ApiError::BODY_LIMIT),
            "pieces of {size}"
        );
    }
    // A body of exactly the limit, which may be complete or not.
    let error = read(
        head.reply(&hub(), &GetVersion),
        [&body[..ApiError::BODY_LIMIT]],
    )
    .expect_err("a refusal");
    assert_eq!(
        error.api().map(|error| error.body.len()),
        Some(ApiError::BODY_LIMIT)
    );
}
