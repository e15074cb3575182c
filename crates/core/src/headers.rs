//! The content types of requests. A hub demands them on every request with a JSON body, and on `DELETE` even without one, spelled just so.

use http::{HeaderMap, HeaderValue, header};

pub(crate) fn json(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

pub(crate) fn octet_stream(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
}
