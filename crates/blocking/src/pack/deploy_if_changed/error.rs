//! Errors of deployments.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::error::Error;
use crate::pack::error::PackError;
use crate::support::chain::fmt_chain;

/// An error of [`HostClient::deploy_if_changed`](crate::HostClient::deploy_if_changed).
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The folder cannot be packed. Nothing was sent.
    #[error(transparent)]
    Pack(#[from] PackError),

    /// A request failed, or a limit of the handle was reached.
    ///
    /// If a file changed or was not readable during an upload, a [`PackError`] is among the causes
    /// of this error.
    #[error(transparent)]
    Hub(#[from] Error),

    /// The state file or its lock file cannot be used.
    #[error("cannot use the state file {}", path.display())]
    #[non_exhaustive]
    State {
        /// Path of the state file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl DeployError {
    pub(super) fn state(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::State { path, source }
    }
}

/// Shows the message and its causes.
impl fmt::Debug for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_chain(self, f)
    }
}
