//! `ErrorCode`: from the body of a refusal, or from its status.

use scramjet_client_core::ErrorCode;
use scramjet_client_core::http::StatusCode;

use crate::helpers::{Head, refusal};

/// Codes for errors without a response belong to the client, not to core.
#[test]
fn error_code_follows_from_the_status_as_in_the_typescript_client() {
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
fn error_code_in_the_body_takes_precedence() {
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
