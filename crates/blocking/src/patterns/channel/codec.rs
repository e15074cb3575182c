//! Encodes requests as lines, and decodes responses from lines.

use scramjet_client_core::{BodyLength, ContentType, Decode, ReplyError, RequestError, Step};
use serde::Serialize;

/// The format of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    pub(crate) fn content_type(self) -> ContentType {
        match self {
            Self::Text => ContentType::Text,
            Self::Json => ContentType::Ndjson,
        }
    }
}

/// Encodes a request as a line of JSON, including the line end.
pub(crate) fn encode_json<T: Serialize + ?Sized>(request: &T) -> Result<Vec<u8>, RequestError> {
    let mut line = serde_json::to_vec(request)
        .map_err(|error| RequestError::option("request", &error.to_string()))?;
    // A raw JSON value may contain line breaks as whitespace. Inside strings, they are escaped.
    for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    if line.trim_ascii() == b"null" {
        let problem = "it is null, which ends the input of an instance; \
                       wrap it in an array or an object";
        return Err(RequestError::option("request", problem));
    }
    line.push(b'\n');
    Ok(line)
}

/// Encodes a request as a line of text, including the line end.
pub(crate) fn encode_line(request: &str) -> Result<Vec<u8>, RequestError> {
    if request.contains(['\n', '\r']) {
        let problem = "it contains a line break, so it would be more than one request";
        return Err(RequestError::option("request", problem));
    }
    Ok([request.as_bytes(), b"\n"].concat())
}

/// Decodes a response from a line without its line end.
pub(crate) fn decode<D: Decode + Default>(line: &[u8]) -> Result<D::Item, ReplyError> {
    let mut decoder = D::default();
    decoder.feed(line);
    // Without a line end, an empty line would not be an item.
    decoder.feed(b"\n");
    decoder.end();
    match decoder.next_item()? {
        Step::Item(response) => Ok(response),
        // Unreachable for decoders that keep the contract.
        Step::NeedData | Step::End => Err(BodyLength::default().cut_off()),
    }
}
