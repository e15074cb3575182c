use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use crate::support::chain::fmt_chain;

/// An error of environment variables, or of a profile of the command-line tool `si`.
///
/// Names the variable or the file. Contains no secrets.
#[non_exhaustive]
pub enum ConfigError {
    /// A required variable is not set or empty.
    #[non_exhaustive]
    Unset {
        /// The variable.
        variable: &'static str,
    },
    /// The value of a variable is invalid.
    #[non_exhaustive]
    Variable {
        /// The variable.
        variable: &'static str,
        /// The problem with its value. It does not quote a value that may be a secret.
        problem: String,
        /// The error of reading the file that the variable names.
        source: Option<io::Error>,
    },
    /// A file or folder cannot be read.
    #[non_exhaustive]
    Read {
        /// Path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file of `si` is invalid, or lacks a required setting.
    #[non_exhaustive]
    Profile {
        /// The file.
        path: PathBuf,
        /// The problem, and the correct form.
        problem: String,
    },
    /// There is no profile with this name.
    #[non_exhaustive]
    NoProfile {
        /// The name.
        name: String,
        /// The source of the name: `SI_CONFIG` or a file. `None` if the program passed it.
        named_by: Option<String>,
        /// Folder of the profiles.
        folder: PathBuf,
        /// Names of the existing profiles.
        existing: Vec<String>,
    },
    /// The home folder of the user is unknown.
    NoHome,
}

impl ConfigError {
    /// Returns `true` if a required variable is not set or empty.
    ///
    /// The user has then configured nothing, which a program may treat differently from a mistake.
    #[must_use]
    pub fn is_unset(&self) -> bool {
        matches!(self, Self::Unset { .. })
    }

    pub(super) fn variable(variable: &'static str, problem: impl fmt::Display) -> Self {
        Self::Variable {
            variable,
            problem: problem.to_string(),
            source: None,
        }
    }

    pub(super) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Read { path, source }
    }

    pub(super) fn profile(path: impl Into<PathBuf>, problem: impl fmt::Display) -> Self {
        Self::Profile {
            path: path.into(),
            problem: problem.to_string(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset { variable } => {
                write!(
                    f,
                    "{variable} is not set; set it to the address of a hub's API, \
                     for example http://localhost:8000/api/v1"
                )
            }
            Self::Variable {
                variable, problem, ..
            } => write!(f, "invalid {variable}: {problem}"),
            Self::Read { path, .. } => write!(f, "cannot read {}", path.display()),
            Self::Profile { path, problem } => {
                write!(f, "cannot use {}: {problem}", path.display())
            }
            Self::NoProfile {
                name,
                named_by,
                folder,
                existing,
            } => {
                let folder = folder.display();
                match named_by {
                    Some(named_by) => write!(
                        f,
                        "{named_by} selects the profile {name:?}, which does not exist in {folder}"
                    )?,
                    None => write!(f, "no profile {name:?} in {folder}")?,
                }
                match existing.join(", ") {
                    none if none.is_empty() => {
                        f.write_str("; there are no profiles, `si config print` creates the first")
                    }
                    names => write!(f, "; available: {names}"),
                }
            }
            Self::NoHome => f.write_str(
                "cannot find the profiles of si, because the home folder is not known; \
                 set HOME (on Windows USERPROFILE), or set SI_CONFIG_PATH to a profile",
            ),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Variable { source, .. } => source
                .as_ref()
                .map(|source| -> &(dyn Error + 'static) { source }),
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Writes the message and its causes.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_chain(self, f)
    }
}
