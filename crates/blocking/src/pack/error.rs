use std::path::PathBuf;
use std::{fmt, io};

use crate::support::chain::fmt_chain;

/// Why a folder cannot be packed. Found before anything is sent, but for [`Changed`](Self::Changed) and [`Read`](Self::Read), which may come
/// in the midst of an upload and end it: what arrived is no package then, and the hub does not take it for one.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    #[non_exhaustive]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// The package cannot be written to a file.
    #[error("cannot write {}", path.display())]
    #[non_exhaustive]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// What should be packed is no folder.
    #[error("{} is not a folder; pack the folder that contains package.json", path.display())]
    #[non_exhaustive]
    NotAFolder {
        /// What it is.
        path: PathBuf,
    },

    /// `package.json` is missing, or is not what a hub needs.
    #[error("cannot use {}: {problem}", path.display())]
    #[non_exhaustive]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        problem: String,
    },

    /// A line of `.siignore`, or a rule of [`PackOptions::ignore`](crate::pack::PackOptions::ignore), is not one.
    #[error("invalid rule {rule:?} in {origin}: {problem}")]
    #[non_exhaustive]
    Rule {
        /// The file and the line, or that it is an option.
        origin: String,
        /// The rule.
        rule: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// Something that is neither a file, a folder nor a link, and cannot be packed.
    #[error(
        "{} is a {what}, which cannot be packed; remove it, or exclude it in .siignore",
        path.display()
    )]
    #[non_exhaustive]
    Special {
        /// Where it is.
        path: PathBuf,
        /// What it is: `socket`, `named pipe`, `device`.
        what: &'static str,
    },

    /// A symbolic link that does not lead to something in the package.
    #[error(
        "cannot pack the link {} -> {target}: {problem}; fix it, or exclude it in .siignore",
        path.display()
    )]
    #[non_exhaustive]
    Link {
        /// The link.
        path: PathBuf,
        /// What it points to.
        target: String,
        /// Why it cannot be packed.
        problem: &'static str,
    },

    /// A name that is not UTF-8, which not every hub finds again.
    #[error(
        "the name of {} is not UTF-8; rename it, or exclude it in .siignore",
        path.display()
    )]
    #[non_exhaustive]
    Name {
        /// What has the name.
        path: PathBuf,
    },

    /// There is more in the folder than the options allow.
    #[error(
        "{} contains more than {limit} {unit}, most of them in {most:?}; \
         exclude something in .siignore, or raise the limit in PackOptions",
        path.display()
    )]
    #[non_exhaustive]
    TooMuch {
        /// The folder.
        path: PathBuf,
        /// How many are allowed.
        limit: u64,
        /// Of what: `bytes` or `files`.
        unit: &'static str,
        /// The file or folder at its root that has most of what was found.
        most: String,
    },

    /// A file that is not what it was when the folder was listed.
    #[error(
        "{} changed while it was being packed; pack it again when nothing writes to it",
        path.display()
    )]
    #[non_exhaustive]
    Changed {
        /// The file, or the folder where it cannot be told which.
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
            // What is written is read first.
            Ok(error) => error,
            Err(source) => Self::Write { path, source },
        }
    }
}

/// The sentence and its causes.
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
