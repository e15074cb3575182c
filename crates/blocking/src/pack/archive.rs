//! The archive, made while it is read.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzEncoder;
use flate2::{Compression, GzBuilder};
use hmac_sha256::Hash;
use tar::{EntryType, Header};

use super::digest::Digest;
use super::entry::{EntryKind, Source, is_executable};
use super::error::PackError;
use super::manifest::Manifest;

/// The operating system in the head of a gzip file: not known.
const NO_SYSTEM: u8 = 255;

const BLOCK: usize = 512;

/// What a hub is sent. The level is a part of what makes the bytes the same everywhere; this one is gzip's own.
pub(crate) fn compressed<R: Read>(tar: R) -> GzEncoder<R> {
    GzBuilder::new()
        .mtime(0)
        .operating_system(NO_SYSTEM)
        .read(tar, Compression::new(6))
}

/// What a package is made of.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(super) root: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) sources: Vec<Source>,
}

/// The tar of a package. Holds one file open and nothing of it in memory.
#[derive(Debug)]
pub(crate) struct Tar {
    contents: Arc<Contents>,
    /// The number of the next entry.
    next: usize,
    /// Heads and what fills blocks, on their way.
    blocks: io::Cursor<Vec<u8>>,
    file: Option<Reading>,
    ended: bool,
}

/// A file in the archive.
#[derive(Debug)]
struct Reading {
    file: File,
    /// Its number among the entries.
    at: usize,
    left: u64,
}

impl Tar {
    pub(crate) fn new(contents: Arc<Contents>) -> Self {
        Self {
            contents,
            next: 0,
            blocks: io::Cursor::default(),
            file: None,
            ended: false,
        }
    }

    /// Goes on to the next entry, or to the end of the archive.
    fn advance(&mut self) -> Result<(), PackError> {
        let Some(source) = self.contents.sources.get(self.next) else {
            self.ended = true;
            self.blocks = io::Cursor::new(vec![0; 2 * BLOCK]);
            return Ok(());
        };
        let path = source.disk.clone();
        if let EntryKind::File { size, .. } = source.entry.kind {
            self.file = Some(Reading {
                file: open(&path, source)?,
                at: self.next,
                left: size,
            });
        }
        self.next += 1;
        let head = head(&source.entry.path, &source.entry.kind).map_err(PackError::read(path))?;
        self.blocks = io::Cursor::new(head);
        Ok(())
    }

    /// Reads on in the open file, and leaves it with its end.
    fn content(&mut self, buf: &mut [u8]) -> Result<usize, PackError> {
        let Some(reading) = &mut self.file else {
            return Ok(0);
        };
        let Some(source) = self.contents.sources.get(reading.at) else {
            return Ok(0);
        };
        let path = source.disk.clone();
        if reading.left == 0 {
            unchanged(
                &path,
                source,
                &reading.file.metadata().map_err(PackError::read(&path))?,
            )?;
            let over = source.entry.size() % 512;
            let filling = usize::try_from(over)
                .ok()
                .filter(|over| *over > 0)
                .map_or(0, |over| BLOCK - over);
            self.blocks = io::Cursor::new(vec![0; filling]);
            self.file = None;
            return Ok(0);
        }
        let most = usize::try_from(reading.left)
            .unwrap_or(buf.len())
            .min(buf.len());
        let read = read_on(&mut reading.file, buf.get_mut(..most).unwrap_or_default())
            .map_err(PackError::read(&path))?;
        if read == 0 {
            return Err(PackError::Changed { path });
        }
        reading.left -= u64::try_from(read).unwrap_or(reading.left);
        Ok(read)
    }
}

impl Read for Tar {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let read = self.blocks.read(buf)?;
            if read > 0 {
                return Ok(read);
            }
            let read = self.content(buf)?;
            if read > 0 {
                return Ok(read);
            }
            if !self.blocks.fill_buf()?.is_empty() {
                continue;
            }
            if self.ended {
                return Ok(0);
            }
            self.advance()?;
        }
    }
}

fn read_on(file: &mut File, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn open(path: &Path, source: &Source) -> Result<File, PackError> {
    // Before it is opened: what has become a pipe would wait for somebody to write into it.
    unchanged(
        path,
        source,
        &fs::symlink_metadata(path).map_err(PackError::read(path))?,
    )?;
    File::open(path).map_err(PackError::read(path))
}

/// The file is what it was when the folder was listed.
fn unchanged(path: &Path, source: &Source, metadata: &fs::Metadata) -> Result<(), PackError> {
    let kind = EntryKind::File {
        size: metadata.len(),
        executable: is_executable(metadata),
    };
    if metadata.is_file()
        && kind == source.entry.kind
        && metadata.modified().ok() == source.modified
    {
        return Ok(());
    }
    Err(PackError::Changed { path: path.into() })
}

/// What comes before the content: without times, owners, and what the umask of this machine makes of permissions.
fn head(path: &str, kind: &EntryKind) -> io::Result<Vec<u8>> {
    let (entry_type, mode, size) = match kind {
        EntryKind::File {
            size,
            executable: true,
        } => (EntryType::Regular, 0o755, *size),
        EntryKind::File {
            size,
            executable: false,
        } => (EntryType::Regular, 0o644, *size),
        EntryKind::Link { .. } => (EntryType::Symlink, 0o777, 0),
        EntryKind::EmptyFolder => (EntryType::Directory, 0o755, 0),
    };
    let mut header = Header::new_gnu();
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    // Makes one more entry of a path that is too long for the header.
    let mut tar = tar::Builder::new(Vec::new());
    match kind {
        EntryKind::Link { target } => tar.append_link(&mut header, path, target)?,
        EntryKind::EmptyFolder => tar.append_data(&mut header, format!("{path}/"), io::empty())?,
        EntryKind::File { .. } => tar.append_data(&mut header, path, io::empty())?,
    }
    let head = std::mem::take(tar.get_mut());
    Ok(head)
}

/// Takes the digest of what goes through.
pub(crate) struct Hashing<R> {
    reader: R,
    hash: Hash,
    /// What it must come to, and the folder to name where it does not.
    expected: Option<(Digest, Arc<Contents>)>,
}

impl Hashing<Tar> {
    pub(crate) fn new(tar: Tar) -> Self {
        Self {
            reader: tar,
            hash: Hash::new(),
            expected: None,
        }
    }

    /// Fails instead of ending where the content is not what it was when this digest was taken.
    pub(crate) fn expecting(self, digest: Digest) -> Self {
        Self {
            expected: Some((digest, Arc::clone(&self.reader.contents))),
            ..self
        }
    }

    pub(crate) fn digest(self) -> Digest {
        Digest(self.hash.finalize())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.hash.update(buf.get(..read).unwrap_or_default());
        if read == 0 && !buf.is_empty() {
            if let Some((expected, contents)) = self.expected.take() {
                if Digest(self.hash.finalize()) != expected {
                    return Err(PackError::Changed {
                        path: contents.root.clone(),
                    }
                    .into());
                }
            }
        }
        Ok(read)
    }
}
