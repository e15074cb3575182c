//! Digests of packages.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hmac_sha256::Hash as Sha256;

use super::error::PackError;

/// The SHA-256 of a package's uncompressed archive. Displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A reader that computes the digest of the bytes that are read through it.
pub(crate) struct HashingReader<R> {
    reader: R,
    hash: Sha256,
    /// The digest that the bytes must have, and the folder that the error names.
    expected: Option<(Digest, PathBuf)>,
}

impl<R: Read> HashingReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            hash: Sha256::new(),
            expected: None,
        }
    }

    /// Makes the last read fail if the bytes do not have this digest. The error names the folder.
    pub(crate) fn expect_digest(mut self, digest: Digest, folder: &Path) -> Self {
        self.expected = Some((digest, folder.into()));
        self
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest(self.hash.finalize())
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.hash.update(buf.get(..read).unwrap_or_default());
        if let (0, false, Some((expected, folder))) = (read, buf.is_empty(), &self.expected) {
            if self.digest() != *expected {
                let path = folder.clone();
                return Err(PackError::Changed { path }.into());
            }
        }
        Ok(read)
    }
}
