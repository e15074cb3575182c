//! Entries with their files on the disk.

use std::collections::BTreeMap;
use std::fs::{self, File, FileType, Metadata};
use std::path::PathBuf;
use std::time::SystemTime;

use super::entry::{EntryKind, PackEntry};
use super::error::PackError;

/// The sources of a package by their paths in the package.
pub(crate) type Sources = BTreeMap<String, SourceFile>;

/// An entry and its file on the disk.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    pub(crate) entry: PackEntry,
    pub(crate) disk_path: PathBuf,
    /// The modification time of a file when it was listed.
    pub(crate) modified: Option<SystemTime>,
}

impl SourceFile {
    /// Opens the file if it has not changed.
    pub(crate) fn open(&self) -> Result<File, PackError> {
        let path = &self.disk_path;
        // Checked before the file is opened: if it is a named pipe now, `open` waits for a writer.
        let metadata = fs::symlink_metadata(path).map_err(PackError::read(path))?;
        self.check_unchanged(&metadata)?;
        File::open(path).map_err(PackError::read(path))
    }

    /// Checks that the file is the same as when it was listed.
    pub(crate) fn check_unchanged(&self, metadata: &Metadata) -> Result<(), PackError> {
        let is_unchanged = metadata.is_file()
            && file_kind(metadata) == self.entry.kind
            && metadata.modified().ok() == self.modified;
        if is_unchanged {
            return Ok(());
        }
        let path = self.disk_path.clone();
        Err(PackError::Changed { path })
    }
}

/// Returns the entry kind of a regular file.
pub(crate) fn file_kind(metadata: &Metadata) -> EntryKind {
    EntryKind::File {
        size: metadata.len(),
        executable: is_executable(metadata),
    }
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0
}

/// Windows has no such permission.
#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

/// Returns the name of a kind of file that cannot be packed, for an error.
#[cfg(unix)]
pub(crate) fn special_kind(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;

    if kind.is_fifo() {
        "named pipe"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "device"
    } else {
        "special file"
    }
}

/// Returns the name of a kind of file that cannot be packed, for an error.
#[cfg(not(unix))]
pub(crate) fn special_kind(_: FileType) -> &'static str {
    "special file"
}
