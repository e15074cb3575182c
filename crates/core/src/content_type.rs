use core::str::FromStr;

use crate::RequestError;

/// The content type of data for an input or a topic.
///
/// For an input, hubs take other types without complaint and then lose the data, so there are no
/// others here. A topic is read and written with the type that it was created with, which
/// [`ListTopics`](crate::ListTopics) tells:
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
    /// `text/plain`: UTF-8 text. The sequence gets one string for each piece that arrives, not for
    /// each line.
    Text,
    /// `application/octet-stream`: bytes. Hubs of 0.18 damage what is not UTF-8.
    Bytes,
    /// `application/x-ndjson`: one JSON value on each line. A line `null` cuts the input: nothing
    /// after it is delivered; a [`NdjsonGuard`](crate::NdjsonGuard) does not let it pass.
    Ndjson,
    /// `text/x-ndjson`: the same under another name. Only topics tell the two apart.
    TextNdjson,
}

impl ContentType {
    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Bytes => "application/octet-stream",
            Self::Ndjson => "application/x-ndjson",
            Self::TextNdjson => "text/x-ndjson",
        }
    }

    /// Returns `true` for lines of JSON, under either name.
    #[must_use]
    pub const fn is_ndjson(self) -> bool {
        matches!(self, Self::Ndjson | Self::TextNdjson)
    }
}

/// Reads the text of [`as_str`](ContentType::as_str), which hubs send in their lists of topics.
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
    fn content_types_are_read_as_hubs_write_them() {
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
