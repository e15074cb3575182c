//! Responses, and the shapes in which a hub refuses.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Generation, javascript};

/// The next part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Nothing yet.
    Pending,
    /// An interim response: `100 Continue`.
    Continue,
    /// Status and headers.
    Head(ResponseHead),
    /// Bytes of the body, without any framing.
    Body(Vec<u8>),
    /// The body is complete, and with it the exchange.
    End,
    /// The hub closes the connection here, whether or not the response is complete.
    Cut,
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase, which is the only text of some refusals.
    pub reason: String,
    /// The headers. `content-length` is among them unless the body is sent in chunks.
    pub headers: HeaderMap,
}

/// A whole response.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    reason: Option<&'static str>,
    content_type: Option<&'static str>,
    headers: &'static [(&'static str, &'static str)],
    /// Pages of other origins may read it.
    cors: bool,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// Sent in chunks.
    Chunked(Vec<u8>),
    /// Sent with its length.
    Sized(Vec<u8>),
    /// A head alone, without a word about a body.
    None,
}

pub(super) const JSON: &str = "application/json";
pub(super) const BYTES: &str = "application/octet-stream";

impl Reply {
    /// JSON of an operation.
    pub(super) fn json(status: u16, value: &Value) -> Self {
        let body = Body::Chunked(javascript::write(value).into_bytes());
        Self {
            content_type: Some(JSON),
            body,
            ..Self::empty(status)
        }
    }

    /// Refuses a request that a real hub would answer in a way that the model does not know.
    pub(super) fn not_modeled(error: &str) -> Self {
        Self::json(501, &json!({ "error": error }))
    }

    /// No body, framed as chunks: the shape of host routes.
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

    /// A body whose length is announced: the shape of instance routes.
    pub(super) fn sized(status: u16, text: &str) -> Self {
        Self {
            body: Body::Sized(text.as_bytes().to_vec()),
            ..Self::empty(status)
        }
    }

    /// A reason phrase of the hub's own, and no body.
    pub(super) fn reason(status: u16, reason: &'static str) -> Self {
        Self {
            reason: Some(reason),
            ..Self::empty(status)
        }
    }

    /// `204 No content`, which claims a content type.
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

    /// JSON in a response that names no content type, as 1.x answers for unknown instances.
    pub(super) fn untyped(mut self) -> Self {
        self.content_type = None;
        self
    }

    /// A response that claims to be JSON, whatever its body.
    pub(super) fn typed_json(mut self) -> Self {
        self.content_type = Some(JSON);
        self
    }

    /// Answers as Node.js does by itself, before the hub has set any header.
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

    /// `{"error": …}` on 1.x; on 0.18 `{"opStatus": <reason phrase>, "error"?: …}`.
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

/// The head of a response whose body comes bit by bit.
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

/// The reason phrase that Node.js has for a status.
fn phrase(status: u16) -> &'static str {
    match status {
        419 => "Insufficient Space on Resource",
        _ => StatusCode::from_u16(status)
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or(""),
    }
}
