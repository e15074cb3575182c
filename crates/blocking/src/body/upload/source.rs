//! The data of an upload before it is sent.

use std::fs::{File, Metadata};
use std::io::{self, Cursor, ErrorKind, Read, Seek};
use std::mem::replace;
use std::path::{Path, PathBuf};

use crate::body::user_reader::{UserReader, read_retrying};
use crate::limits::call_limits::CallLimits;

type BoxRead = Box<dyn Read + Send>;

/// The source of the data. The length of a reader is `None` if it is unknown.
pub(super) enum UploadSource {
    Bytes(Vec<u8>),
    Path(PathBuf),
    Reader(UserReader, Option<u64>),
}

impl UploadSource {
    /// Returns `true` if there is no data. Opens a file, and reads the first chunk if the length is
    /// unknown.
    pub(super) fn is_empty(&mut self, limits: &CallLimits) -> io::Result<bool> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.is_empty()),
            Self::Path(path) => {
                let (reader, length) = open_file(path)?;
                *self = Self::Reader(reader, length);
                self.is_empty(limits)
            }
            Self::Reader(_, Some(length)) => Ok(*length == 0),
            Self::Reader(reader, None) => {
                let rest = replace(reader, UserReader::new(Box::new(io::empty())));
                let (first, whole) = peek(Box::new(rest), None, 1, limits)?;
                *reader = UserReader::new(whole);
                Ok(first.is_empty())
            }
        }
    }

    /// Returns a reader of the data, and its length if it is known.
    pub(super) fn open(self) -> io::Result<(BoxRead, Option<u64>)> {
        Ok(match self {
            Self::Bytes(bytes) => {
                let length = u64::try_from(bytes.len()).ok();
                (Box::new(Cursor::new(bytes)), length)
            }
            Self::Path(path) => {
                let (reader, length) = open_file(&path)?;
                (Box::new(reader), length)
            }
            Self::Reader(reader, length) => (Box::new(reader), length),
        })
    }
}

/// Opens a file. Returns its content and length. Errors contain the path.
fn open_file(path: &Path) -> io::Result<(UserReader, Option<u64>)> {
    let with_path =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(with_path)?;
    if file.metadata().map_err(with_path)?.is_dir() {
        return Err(with_path(ErrorKind::IsADirectory.into()));
    }
    let length = bytes_left(&mut file);
    Ok((UserReader::new(Box::new(file)), length))
}

/// Returns the number of bytes after the position of a regular file. `None` for other files.
pub(super) fn bytes_left(file: &mut File) -> Option<u64> {
    let data = file.metadata().ok().filter(Metadata::is_file)?;
    data.len().checked_sub(file.stream_position().ok()?)
}

/// Fails if the data does not begin like a gzip file. Returns a reader of all data.
pub(super) fn check_gzip(
    reader: BoxRead,
    length: Option<u64>,
    limits: &CallLimits,
) -> io::Result<BoxRead> {
    const MAGIC: [u8; 2] = [0x1f, 0x8b];
    let (first, reader) = peek(reader, length, MAGIC.len(), limits)?;
    if first.starts_with(&MAGIC) {
        return Ok(reader);
    }
    let begins = match first.as_slice() {
        [] => "it is empty".to_owned(),
        [byte] => format!("it begins with {byte:02x}"),
        [first, second, ..] => format!("it begins with {first:02x} {second:02x}"),
    };
    let text = format!(
        "the package is not gzip-compressed: {begins}, but a gzip file begins with 1f 8b; \
         send a .tar.gz, for example from `tar -czf`"
    );
    Err(io::Error::new(ErrorKind::InvalidData, text))
}

/// Reads at least `wanted` bytes, or fewer at the end of the data. Returns them, and a reader that
/// returns them again.
fn peek(
    mut reader: BoxRead,
    length: Option<u64>,
    wanted: usize,
    limits: &CallLimits,
) -> io::Result<(Vec<u8>, BoxRead)> {
    let length = length.and_then(|length| usize::try_from(length).ok());
    let mut first = vec![0; length.map_or(8 << 10, |length| length.min(8 << 10))];
    let mut count = 0;
    while count < wanted {
        let space = first.get_mut(count..).unwrap_or_default();
        match read_retrying(&mut reader, space, limits)? {
            0 => break,
            read => count += read,
        }
    }
    first.truncate(count);
    let whole = Cursor::new(first.clone()).chain(reader);
    Ok((first, Box::new(whole)))
}
