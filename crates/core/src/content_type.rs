/// What data for an input or a topic is. For an input, hubs take others without complaint and then lose the data; so there
/// are no others here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentType {
    /// `text/plain`: UTF-8 text. The sequence gets one string for each piece that arrives, not for each line.
    Text,
    /// `application/octet-stream`: bytes. Hubs of 0.18 damage what is not UTF-8.
    Bytes,
    /// `application/x-ndjson`: one JSON value on each line. A line `null` cuts the input: nothing after it is delivered; a
    /// [`NdjsonGuard`](crate::NdjsonGuard) does not let it pass.
    Ndjson,
}

impl ContentType {
    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Bytes => "application/octet-stream",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}
