//! The archive of a package, generated while it is read.

mod header;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::entry::EntryKind;
use super::error::PackError;
use super::manifest::Manifest;
use super::source::SourceFile;
use header::header;

/// The value for "unknown" in the field "operating system" of a gzip header.
const UNKNOWN_SYSTEM: u8 = 255;

/// The compression level, gzip's default. It is fixed, so that equal packages have equal bytes.
const LEVEL: u32 = 6;

/// Content in a tar archive is padded to a multiple of this.
const BLOCK_SIZE: u64 = 512;

/// The end of a tar archive: two empty blocks.
const END: [u8; 1024] = [0; 1024];

/// Returns a reader that compresses an archive.
pub(crate) fn gzip<R: Read>(tar: R) -> GzEncoder<R> {
    GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM)
        .read(tar, Compression::new(LEVEL))
}

/// The content of a package: a checked `package.json`, and files to read later.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    pub(super) root: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) sources: Vec<SourceFile>,
}

/// Generates a tar archive. Opens one file at a time, and buffers no content.
#[derive(Debug)]
pub(crate) struct TarReader {
    contents: Arc<Contents>,
    /// The index of the next entry.
    next: usize,
    /// The header, the padding or the end that is read next.
    blocks: io::Cursor<Vec<u8>>,
    /// The file that is read after `blocks`.
    file: Option<OpenFile>,
    has_ended: bool,
}

impl TarReader {
    pub(crate) fn new(contents: Arc<Contents>) -> Self {
        Self {
            contents,
            next: 0,
            blocks: io::Cursor::default(),
            file: None,
            has_ended: false,
        }
    }

    /// Prepares the next bytes: padding for a file that was read, the next entry, or the end.
    ///
    /// After an error, the next call repeats the step that failed, so that no entry is skipped.
    fn advance(&mut self) -> Result<(), PackError> {
        let blocks = if let Some(file) = &self.file {
            let padding = file.finish()?;
            self.file = None;
            padding
        } else if let Some(source) = self.contents.sources.get(self.next) {
            let header = header(&source.entry).map_err(PackError::read(&source.disk_path))?;
            if matches!(source.entry.kind, EntryKind::File { .. }) {
                self.file = Some(OpenFile::new(source)?);
            }
            self.next += 1;
            header
        } else {
            self.has_ended = true;
            END.into()
        };
        self.blocks = io::Cursor::new(blocks);
        Ok(())
    }
}

impl Read for TarReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let read = match (self.blocks.read(buf)?, &mut self.file) {
                (0, Some(file)) => file.read(buf)?,
                (read, _) => read,
            };
            if read > 0 || self.has_ended {
                return Ok(read);
            }
            self.advance()?;
        }
    }
}

/// A file of the package that is being read.
#[derive(Debug)]
struct OpenFile {
    source: SourceFile,
    /// Limited to the size in the header.
    file: io::Take<File>,
}

impl OpenFile {
    fn new(source: &SourceFile) -> Result<Self, PackError> {
        Ok(Self {
            source: source.clone(),
            file: source.open()?.take(source.entry.size()),
        })
    }

    /// Reads from the file. Returns 0 at its end, and an error if it is shorter than when it was
    /// listed.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, PackError> {
        let path = &self.source.disk_path;
        loop {
            return match self.file.read(buf) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(0) if self.file.limit() > 0 => Err(PackError::Changed { path: path.clone() }),
                result => result.map_err(PackError::read(path)),
            };
        }
    }

    /// Checks that the file has not changed, and returns the padding after it.
    fn finish(&self) -> Result<Vec<u8>, PackError> {
        let metadata = self.file.get_ref().metadata();
        let metadata = metadata.map_err(PackError::read(&self.source.disk_path))?;
        self.source.check_unchanged(&metadata)?;
        let size = self.source.entry.size();
        let padding = size.next_multiple_of(BLOCK_SIZE) - size;
        Ok(vec![0; usize::try_from(padding).unwrap_or_default()])
    }
}
