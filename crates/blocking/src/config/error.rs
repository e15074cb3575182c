use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use crate::support::chain::fmt_chain;

/// Why no client could be made of the environment, or of a profile of `si`. Says which variable or file it is about, and never what a secret is.
#[non_exhaustive]
pub enum ConfigError {
    /// A variable that is needed is not set, or is empty.
    #[non_exhaustive]
    Unset {
        /// The variable.
        variable: &'static str,
    },
    /// The value of a variable cannot be used.
    #[non_exhaustive]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value, which is not told where it is a secret.
        problem: String,
        /// What the operating system says, where it names a file.
        source: Option<io::Error>,
    },
    /// A file or folder cannot be read.
    #[non_exhaustive]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file of `si` is not what it should be, or does not say what was asked for.
    #[non_exhaustive]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// There is no profile of this name.
    #[non_exhaustive]
    NoProfile {
        /// The name.
        name: String,
        /// What has it: `SI_CONFIG`, or a file. None where the caller has.
        named_by: Option<String>,
        /// Where profiles are kept.
        folder: PathBuf,
        /// The names of those that there are.
        there: Vec<String>,
    },
    /// The home folder of the user is not known.
    NoHome,
}

impl ConfigError {
    /// A variable that is needed is not set, or is empty: nothing is wrong, and nothing is configured.
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
                there,
            } => {
                let folder = folder.display();
                match named_by {
                    Some(named_by) => write!(
                        f,
                        "{named_by} selects the profile {name:?}, which does not exist in {folder}"
                    )?,
                    None => write!(f, "no profile {name:?} in {folder}")?,
                }
                match there.join(", ") {
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

/// The sentence and its causes.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_chain(self, f)
    }
}
