use scramjet_client_core::ContentType;

use crate::body::upload::Upload;

/// A stream into an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InputStream {
    /// The sequence's input.
    Input,
    /// The standard input of the process.
    Stdin,
}

/// Data for the input of an instance, with its content type.
///
/// Text (`&str`, `String`) is sent as `text/plain`, and bytes, files and readers are sent as
/// `application/octet-stream`. [`content_type`](Self::content_type) changes that. An [`Upload`]
/// converts into an input, for example `Upload::reader(…)`.
///
/// ```
/// # use scramjet_client_blocking::Input;
/// let line = Input::text("first line\n").end(false);
/// let rows = Input::ndjson(std::fs::File::open("Cargo.toml")?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Input {
    pub(crate) upload: Upload,
    pub(crate) content_type: ContentType,
    pub(crate) end: Option<bool>,
}

impl Input {
    /// Sends UTF-8 text. The sequence receives a string for each chunk, not for each line.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            upload: Upload::bytes(text.into()),
            content_type: ContentType::Text,
            end: None,
        }
    }

    /// Sends bytes. Hubs of 0.18 replace bytes that are not UTF-8 by U+FFFD.
    #[must_use]
    pub fn bytes(bytes: impl Into<Upload>) -> Self {
        Self {
            upload: bytes.into(),
            content_type: ContentType::Bytes,
            end: None,
        }
    }

    /// Sends JSON lines. A line `null` is an error, because hubs would end the input there and drop
    /// the rest. Data in memory is checked before anything is sent, other data while it is sent.
    #[must_use]
    pub fn ndjson(lines: impl Into<Upload>) -> Self {
        Self {
            upload: lines.into(),
            content_type: ContentType::Ndjson,
            end: None,
        }
    }

    /// Sets the content type of the data. The first data sent to an input determines its content
    /// type.
    #[must_use]
    pub fn content_type(self, content_type: ContentType) -> Self {
        Self {
            content_type,
            ..self
        }
    }

    /// Sends `Expect: 100-continue`, see [`Upload::expect_continue`].
    #[must_use]
    pub fn expect_continue(self) -> Self {
        Self {
            upload: self.upload.expect_continue(),
            ..self
        }
    }

    /// Returns the data, with a check for lines `null` if it is JSON lines.
    pub(crate) fn into_upload(self) -> Upload {
        if self.content_type.is_ndjson() {
            self.upload.without_null_lines()
        } else {
            self.upload
        }
    }

    /// Sets if the input ends after this data. It ends by default.
    #[must_use]
    pub fn end(self, end: bool) -> Self {
        Self {
            end: Some(end),
            ..self
        }
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl<T: Into<Upload>> From<T> for Input {
    fn from(bytes: T) -> Self {
        Self::bytes(bytes)
    }
}

/// Data that the hub has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Number of bytes.
    pub bytes: u64,
}
