//! What a package contains.

use std::collections::BTreeMap;
use std::fs::{FileType, Metadata};
use std::path::PathBuf;
use std::time::SystemTime;

/// Something in a package.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackEntry {
    /// Where it is in the package: `lib/index.js`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// A warning: its name is one of files with passwords or private keys (`.env`, `.env.*`, `id_*`
    /// without an extension, `*.pem`, `*.key`).
    ///
    /// Such a file is packed unless it is left out. A rule that keeps it, for example `!cert.pem`
    /// in `.siignore`, says that it is wanted and takes the warning away.
    pub may_be_secret: bool,
}

/// What an entry of a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A file.
    #[non_exhaustive]
    File {
        /// How many bytes it has.
        size: u64,
        /// Whether it can be executed. Never on Windows.
        executable: bool,
    },
    /// A symbolic link.
    #[non_exhaustive]
    Link {
        /// What it points to, seen from where it is.
        target: String,
    },
    /// A folder with nothing in it. Others are there by what they contain.
    EmptyFolder,
}

impl PackEntry {
    /// How many bytes its content has, before compression.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        }
    }
}

/// What is packed, by its path.
pub(crate) type Found = BTreeMap<String, Source>;

/// An entry, where it is on the disk, and how to see that its file is still the same.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) entry: PackEntry,
    pub(crate) disk: PathBuf,
    pub(crate) modified: Option<SystemTime>,
}

/// The only one of a file's permissions that is kept. Windows does not know it.
pub(crate) fn is_executable(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = metadata.is_dir();
    executable
}

pub(super) fn special(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;

        if kind.is_fifo() {
            return "named pipe";
        }
        if kind.is_socket() {
            return "socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "device";
        }
    }
    let _ = kind;
    "special file"
}
