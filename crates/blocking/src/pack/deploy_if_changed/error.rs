use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::error::Error;
use crate::pack::error::PackError;
use crate::support::chain::fmt_chain;

/// Why a package was not deployed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The package cannot be made. Nothing was sent.
    #[error(transparent)]
    Pack(#[from] PackError),

    /// A call to the hub failed.
    #[error(transparent)]
    Hub(#[from] Error),

    /// The file in which is kept what was deployed, or the lock beside it, cannot be used.
    #[error("cannot use the state file {}", path.display())]
    #[non_exhaustive]
    State {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl DeployError {
    pub(super) fn state(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::State { path, source }
    }
}

/// The sentence and its causes.
impl fmt::Debug for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_chain(self, f)
    }
}
