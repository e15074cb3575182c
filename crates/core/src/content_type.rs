use core::str::FromStr;

use http::{HeaderMap, HeaderValue, header};

use crate::RequestError;

/// The content type of data for an input or a topic.
///
/// Hubs accept other types for an input and then lose the data, so there are no others here. To
/// read or write a topic, use the type that it was created with. [`ListTopics`](crate::ListTopics)
/// returns it as text:
///
/// ```
/// use scramjet_client_core::ContentType;
///
/// assert_eq!("text/x-ndjson".parse::<ContentType>()?, ContentType::TextNdjson);
/// # Ok::<(), scramjet_client_core::RequestError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentType {
    /// `text/plain`: UTF-8 text. The sequence gets one string per received chunk, not per line.
    Text,
    /// `application/octet-stream`: bytes. Hubs before 1.0.1 replace bytes that are not UTF-8, see
    /// [`Dialect::supports_binary_data`](crate::Dialect::supports_binary_data).
    Bytes,
    /// `application/x-ndjson`: one JSON value per line. A line `null` ends the input: the hub does
    /// not deliver the lines after it. An [`NdjsonGuard`](crate::NdjsonGuard) refuses such a line.
    Ndjson,
    /// `text/x-ndjson`: the same format under another name. Only topics distinguish the two.
    TextNdjson,
}

impl ContentType {
    /// Returns the value of the `Content-Type` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Bytes => "application/octet-stream",
            Self::Ndjson => "application/x-ndjson",
            Self::TextNdjson => "text/x-ndjson",
        }
    }

    /// Returns `true` for JSON lines, under either name.
    #[must_use]
    pub const fn is_ndjson(self) -> bool {
        matches!(self, Self::Ndjson | Self::TextNdjson)
    }

    /// Sets the `Content-Type` header.
    pub(crate) fn insert_into(self, headers: &mut HeaderMap) {
        let value = HeaderValue::from_static(self.as_str());
        headers.insert(header::CONTENT_TYPE, value);
    }
}

/// Parses the text of [`as_str`](ContentType::as_str), which hubs use in their lists of topics.
impl FromStr for ContentType {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let all = [Self::Text, Self::Bytes, Self::Ndjson, Self::TextNdjson];
        all.into_iter()
            .find(|content_type| content_type.as_str() == text)
            .ok_or_else(|| RequestError::option("content-type", "hubs have no topics of this type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_str_parses_the_content_types_of_hubs() {
        for text in [
            "text/plain",
            "application/octet-stream",
            "application/x-ndjson",
            "text/x-ndjson",
        ] {
            let read = text.parse::<ContentType>();
            assert_eq!(read.ok().map(ContentType::as_str), Some(text));
            let is_ndjson = text.parse().is_ok_and(ContentType::is_ndjson);
            assert_eq!(is_ndjson, text.contains("ndjson"), "{text}");
        }
        for text in ["", "x-ndjson", "text/plain; charset=utf-8", "TEXT/PLAIN"] {
            assert!(text.parse::<ContentType>().is_err(), "{text}");
        }
    }
}
