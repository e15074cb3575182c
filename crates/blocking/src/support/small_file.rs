//! Reads small files, such as settings and state.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Reads a whole file into memory. Fails if it has more than `limit` bytes. Also fails for pipes
/// and devices, because they may block or never end.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        let text = "it is a pipe, a socket or a device, not a regular file";
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    let text = format!("it is longer than {} MiB", limit >> 20);
    Err(io::Error::new(ErrorKind::InvalidData, text))
}
