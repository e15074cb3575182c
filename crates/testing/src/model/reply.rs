//! Responses, and the formats of errors.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Generation, javascript};

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// No part yet.
    Pending,
    /// An interim response: `100 Continue`.
    Continue,
    /// Status and headers.
    Head(ResponseHead),
    /// Bytes of the body, without framing.
    Body(Vec<u8>),
    /// The end of the body and of the exchange.
    End,
    /// The hub closes the connection. The response is truncated, or does not come at all.
    Cut,
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase. In some errors, it is the only message.
    pub reason: String,
    /// The headers. They have no `content-length` if the body is sent in chunks.
    pub headers: HeaderMap,
}

/// A whole response.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    reason: Option<&'static str>,
    content_type: Option<&'static str>,
    headers: &'static [(&'static str, &'static str)],
    /// Includes the header of CORS.
    cors: bool,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// A body in chunks.
    Chunked(Vec<u8>),
    /// A body with a `Content-Length`.
    Sized(Vec<u8>),
    /// No body, and no headers about one.
    None,
}

pub(super) const JSON: &str = "application/json";
pub(super) const BYTES: &str = "application/octet-stream";

impl Reply {
    /// Returns a JSON response.
    pub(super) fn json(status: u16, value: &Value) -> Self {
        let body = Body::Chunked(javascript::write(value).into_bytes());
        Self {
            content_type: Some(JSON),
            body,
            ..Self::empty(status)
        }
    }

    /// Returns the error of a request whose response on a real hub is not modeled.
    pub(super) fn not_modeled(error: &str) -> Self {
        Self::json(501, &json!({ "error": error }))
    }

    /// Returns a response with an empty chunked body, like the routes of the hub.
    pub(super) fn empty(status: u16) -> Self {
        let body = Body::Chunked(Vec::new());
        Self {
            status,
            reason: None,
            content_type: None,
            headers: &[],
            cors: true,
            body,
        }
    }

    /// Returns a response with a `Content-Length`, like the routes of instances.
    pub(super) fn sized(status: u16, text: &str) -> Self {
        Self {
            body: Body::Sized(text.as_bytes().to_vec()),
            ..Self::empty(status)
        }
    }

    /// Returns a response with this reason phrase and an empty body.
    pub(super) fn reason(status: u16, reason: &'static str) -> Self {
        Self {
            reason: Some(reason),
            ..Self::empty(status)
        }
    }

    /// Returns `204 No content`. The hub sends it with a content type.
    pub(super) fn no_content() -> Self {
        let body = Body::None;
        let (reason, content_type) = (Some("No content"), Some(JSON));
        Self {
            reason,
            content_type,
            body,
            ..Self::empty(204)
        }
    }

    /// Removes the content type, as 1.x does for unknown instances.
    pub(super) fn untyped(mut self) -> Self {
        self.content_type = None;
        self
    }

    /// Sets the content type of JSON.
    pub(super) fn typed_json(mut self) -> Self {
        self.content_type = Some(JSON);
        self
    }

    /// Removes the header of CORS. Node.js sends such responses itself, before the hub sets
    /// headers.
    pub(super) fn without_cors(mut self) -> Self {
        self.cors = false;
        self
    }

    pub(super) fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    pub(super) fn with_headers(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }

    /// Returns an error: `{"error": …}` on 1.x, and `{"opStatus": <reason phrase>, "error"?: …}` on
    /// 0.18.
    pub(super) fn refusal(
        generation: Generation,
        status: u16,
        v0_18: Option<&str>,
        v1: &str,
    ) -> Self {
        let value = match generation {
            Generation::V1 => json!({ "error": v1 }),
            Generation::V0_18 => {
                let mut value = json!({ "opStatus": phrase(status) });
                if let Some(error) = v0_18 {
                    javascript::set(&mut value, "error", error);
                }
                value
            }
        };
        let reply = Self::json(status, &value);
        match status {
            419 => reply.with_reason(phrase(419)),
            _ => reply,
        }
    }

    pub(super) fn into_pieces(self) -> Vec<Piece> {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = self.content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for (name, value) in self.headers {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let body = match self.body {
            Body::Chunked(body) => body,
            Body::Sized(body) => {
                headers.insert(header::CONTENT_LENGTH, body.len().into());
                body
            }
            Body::None => Vec::new(),
        };
        let mut head = head(self.status, self.reason, headers);
        if !self.cors {
            head.headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        }
        let mut pieces = vec![Piece::Head(head)];
        if !body.is_empty() {
            pieces.push(Piece::Body(body));
        }
        pieces.push(Piece::End);
        pieces
    }
}

/// Returns the head of a streamed response.
pub(super) fn stream_head(status: u16, content_type: Option<&'static str>) -> Piece {
    let content_type = content_type.map(HeaderValue::from_static);
    let headers = content_type
        .into_iter()
        .map(|value| (header::CONTENT_TYPE, value))
        .collect();
    Piece::Head(head(status, None, headers))
}

fn head(status: u16, reason: Option<&'static str>, mut headers: HeaderMap) -> ResponseHead {
    const EVERYWHERE: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CONNECTION, "keep-alive"),
        (HeaderName::from_static("keep-alive"), "timeout=5"),
    ];
    for (name, value) in EVERYWHERE {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = reason.unwrap_or_else(|| phrase(status.as_u16())).to_owned();
    ResponseHead {
        status,
        reason,
        headers,
    }
}

/// Returns the reason phrase of Node.js for a status.
fn phrase(status: u16) -> &'static str {
    match status {
        419 => "Insufficient Space on Resource",
        _ => StatusCode::from_u16(status)
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or(""),
    }
}
