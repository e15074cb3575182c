//! Entries of a package.

/// A file, link or empty folder in a package.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackEntry {
    /// Path in the package, with `/` as the separator: `lib/index.js`.
    pub path: String,
    /// Kind of the entry.
    pub kind: EntryKind,
    /// `true` if files of this name usually contain passwords or private keys: `.env`, `.env.*`
    /// except `.env.example`, `id_*` without an extension, `*.pem`, `*.key`.
    ///
    /// Such a file is packed unless a rule excludes it. If a rule includes it, for example
    /// `!cert.pem` in `.siignore`, this is `false`.
    pub may_be_secret: bool,
}

/// The kind of an entry in a package.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A file.
    #[non_exhaustive]
    File {
        /// Size in bytes.
        size: u64,
        /// `true` if the file is executable. Always `false` on Windows.
        executable: bool,
    },
    /// A symbolic link.
    #[non_exhaustive]
    Link {
        /// Target, relative to the folder of the link.
        target: String,
    },
    /// An empty folder. Other folders have no entry of their own.
    EmptyFolder,
}

impl PackEntry {
    /// Returns the size of a file in bytes, before compression. 0 for other entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        }
    }
}
