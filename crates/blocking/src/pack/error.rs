//! Errors of packing.

use std::path::PathBuf;
use std::{fmt, io};

use crate::support::chain::fmt_chain;

/// An error of packing a folder.
///
/// Only [`Changed`](Self::Changed) and [`Read`](Self::Read) can also occur during an upload. The
/// hub then receives an incomplete archive, and rejects it. All other errors occur before anything
/// is sent.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file or folder is not readable.
    #[error("cannot read {}", path.display())]
    #[non_exhaustive]
    Read {
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },

    /// The archive cannot be written to a file.
    #[error("cannot write {}", path.display())]
    #[non_exhaustive]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },

    /// The path is not a folder.
    #[error("{} is not a folder; pack the folder that contains package.json", path.display())]
    #[non_exhaustive]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },

    /// There is no `package.json`, or a hub cannot use it.
    #[error("cannot use {}: {problem}", path.display())]
    #[non_exhaustive]
    Manifest {
        /// Path of the file.
        path: PathBuf,
        /// Description of the problem, with a remedy.
        problem: String,
    },

    /// A line of `.siignore`, or a rule of
    /// [`PackOptions::ignore`](crate::pack::PackOptions::ignore), is invalid.
    #[error("invalid rule {rule:?} in {origin}: {problem}")]
    #[non_exhaustive]
    Rule {
        /// The file and line, or the options.
        origin: String,
        /// The rule.
        rule: String,
        /// Description of the problem.
        problem: &'static str,
    },

    /// A socket, named pipe or device cannot be packed.
    #[error(
        "{} is a {what}, which cannot be packed; remove it, or exclude it in .siignore",
        path.display()
    )]
    #[non_exhaustive]
    Special {
        /// Path of the file.
        path: PathBuf,
        /// Kind of the file: `socket`, `named pipe`, `device` or `special file`.
        what: &'static str,
    },

    /// A symbolic link does not lead to something in the package.
    #[error(
        "cannot pack the link {} -> {target}: {problem}; fix it, or exclude it in .siignore",
        path.display()
    )]
    #[non_exhaustive]
    Link {
        /// Path of the link.
        path: PathBuf,
        /// Target of the link.
        target: String,
        /// Description of the problem.
        problem: &'static str,
    },

    /// A file name or the target of a link is not UTF-8. Some hubs do not find such a file.
    #[error(
        "the name or the link target of {} is not UTF-8; rename it, or exclude it in .siignore",
        path.display()
    )]
    #[non_exhaustive]
    Name {
        /// Path of the file or link.
        path: PathBuf,
    },

    /// The folder exceeds a limit of the options.
    #[error(
        "{} contains more than {limit} {unit}, most of them in {largest:?}; \
         exclude something in .siignore, or raise the limit in PackOptions",
        path.display()
    )]
    #[non_exhaustive]
    LimitExceeded {
        /// Path of the folder.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// Unit of the limit: `bytes`, `files` or `folders`.
        unit: &'static str,
        /// The file or folder at the top level with the largest share.
        largest: String,
    },

    /// A file has changed since the folder was listed.
    #[error(
        "{} changed while it was being packed; pack it again when nothing writes to it",
        path.display()
    )]
    #[non_exhaustive]
    Changed {
        /// Path of the file, or of the whole folder if the file is unknown.
        path: PathBuf,
    },
}

impl PackError {
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Read { path, source }
    }

    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| match source.downcast() {
            // The archive is read while it is written, and reading it has failed.
            Ok(error) => error,
            Err(source) => Self::Write { path, source },
        }
    }
}

/// Shows the message and its causes.
impl fmt::Debug for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_chain(self, f)
    }
}

impl From<PackError> for io::Error {
    fn from(error: PackError) -> Self {
        let kind = match &error {
            PackError::Read { source, .. } | PackError::Write { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
