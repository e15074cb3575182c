//! Headers of requests and responses.

use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::RequestError;

/// Sets the content type `application/json`.
///
/// Hubs require exactly this spelling for each request with a JSON body, and for each `DELETE`.
pub(crate) fn json(headers: &mut HeaderMap) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
}

/// Sets the content type `application/octet-stream`.
pub(crate) fn octet_stream(headers: &mut HeaderMap) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
}

/// Sets `X-End-Stream`: `true` means that the target of an upload ends with it. `None` sends no
/// header.
pub(crate) fn end_stream(headers: &mut HeaderMap, end: Option<bool>) {
    if let Some(end) = end {
        let value = HeaderValue::from_static(if end { "true" } else { "false" });
        headers.insert(HeaderName::from_static("x-end-stream"), value);
    }
}

/// A content or transfer encoding that this crate cannot decode. Requests do not ask for one.
#[derive(Debug)]
pub(crate) struct Encoding {
    /// The name of the header.
    pub(crate) header: &'static str,
    /// The value of the header.
    pub(crate) value: String,
}

impl Encoding {
    /// Returns `None` if the body has no encoding other than `identity` and `chunked`.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let of = |header, plain: &[&str]| {
            let values = headers.get_all(header).iter();
            let values: Vec<_> = values
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            let is_plain = |coding: &str| {
                let coding = coding.trim();
                coding.is_empty() || plain.iter().any(|plain| coding.eq_ignore_ascii_case(plain))
            };
            let value = values.join(", ");
            (!value.split(',').all(is_plain)).then_some(Self { header, value })
        };
        of("Content-Encoding", &["identity"])
            .or_else(|| of("Transfer-Encoding", &["identity", "chunked"]))
    }
}

/// Checks that a header value arrives unchanged.
///
/// # Errors
/// The value begins or ends with whitespace, which HTTP removes. Or it is not ASCII, which hubs and
/// proxies decode in different ways.
pub(crate) fn check_value(name: &HeaderName, value: &HeaderValue) -> Result<(), RequestError> {
    let value = value.as_bytes();
    let problem = if value != value.trim_ascii() {
        "its value begins or ends with white space, which HTTP does not transmit; \
         is a part of the value missing?"
    } else if !value.is_ascii() {
        "its value contains a non-ASCII character, which hubs and proxies misread"
    } else {
        return Ok(());
    };
    Err(RequestError::header(name.as_str(), problem))
}
