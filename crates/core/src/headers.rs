//! The content types of requests. A hub demands them on every request with a JSON body, and on `DELETE` even without one, spelled just so.

use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::RequestError;

pub(crate) fn json(headers: &mut HeaderMap) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
}

pub(crate) fn octet_stream(headers: &mut HeaderMap) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
}

/// Whether the target of an upload ends after it; what is not said is not sent.
pub(crate) fn end_stream(headers: &mut HeaderMap, end: Option<bool>) {
    if let Some(end) = end {
        let value = HeaderValue::from_static(if end { "true" } else { "false" });
        headers.insert(HeaderName::from_static("x-end-stream"), value);
    }
}

/// The encoding of a response's body, which no request asks for.
#[derive(Debug)]
pub(crate) struct Encoding {
    /// The header that says so.
    pub(crate) header: &'static str,
    /// Its value.
    pub(crate) value: String,
}

impl Encoding {
    /// `None` if the body can be read as it is, apart from its chunks.
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

/// Refuses a value that would arrive as another one: white space around it belongs to the line, and not to the value; and what is not ASCII
/// is read as other letters.
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
