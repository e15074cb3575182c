use std::fs::File;
use std::path::{Path, PathBuf};

use scramjet_client_core::ContentType;

use crate::body::upload::Upload;

/// A stream that goes into an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InputStream {
    /// The sequence's input.
    Input,
    /// The standard input of its process.
    Stdin,
}

/// Data for the input of an instance: what it is, where it comes from, and whether the input ends after it.
///
/// Text (`&str`, `String`) goes as `text/plain`, bytes as `application/octet-stream`; the constructors say it in so many words.
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
    /// UTF-8 text. The sequence gets a string for each piece that arrives, not for each line.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            upload: Upload::bytes(text.into()),
            content_type: ContentType::Text,
            end: None,
        }
    }

    /// Bytes. Hubs of 0.18 damage what is not UTF-8.
    #[must_use]
    pub fn bytes(bytes: impl Into<Upload>) -> Self {
        Self {
            upload: bytes.into(),
            content_type: ContentType::Bytes,
            end: None,
        }
    }

    /// Lines of JSON. A line `null`, by which hubs end an input without a word, is refused: before anything is sent where the data is
    /// in memory, and otherwise when it is come upon.
    #[must_use]
    pub fn ndjson(lines: impl Into<Upload>) -> Self {
        Self {
            upload: lines.into(),
            content_type: ContentType::Ndjson,
            end: None,
        }
    }

    /// What the data is, for data from a reader or a file. An input keeps the content type of the first data sent to it.
    #[must_use]
    pub fn content_type(self, content_type: ContentType) -> Self {
        Self {
            content_type,
            ..self
        }
    }

    /// Asks the hub whether it will take the data, see [`Upload::expect_continue`].
    #[must_use]
    pub fn expect_continue(self) -> Self {
        Self {
            upload: self.upload.expect_continue(),
            ..self
        }
    }

    /// The data, checked for what would be lost.
    pub(crate) fn into_upload(self) -> Upload {
        if self.content_type.is_ndjson() {
            self.upload.guarded()
        } else {
            self.upload
        }
    }

    /// Whether the input ends after this data. Where it is not said, it does.
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

impl From<Upload> for Input {
    fn from(upload: Upload) -> Self {
        Self::bytes(upload)
    }
}

impl From<File> for Input {
    fn from(file: File) -> Self {
        Self::bytes(file)
    }
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        Self::bytes(path)
    }
}

impl From<&PathBuf> for Input {
    fn from(path: &PathBuf) -> Self {
        Self::bytes(path)
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        Self::bytes(path)
    }
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Self {
        Self::bytes(bytes)
    }
}

impl From<&[u8]> for Input {
    fn from(bytes: &[u8]) -> Self {
        Self::bytes(bytes)
    }
}

/// What was sent to an instance, and taken by the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// How many bytes.
    pub bytes: u64,
}
