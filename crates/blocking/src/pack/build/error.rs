//! Errors of build scripts.

use std::path::PathBuf;
use std::{fmt, io};

use crate::config::error::ConfigError;
use crate::error::Error;
use crate::pack::deploy_if_changed::error::DeployError;
use crate::pack::error::PackError;
use crate::support::chain::fmt_chain;

/// An error of a build script. A `main` that returns it prints the message and its causes.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The program is not a build script, because a variable of Cargo is not set.
    #[error("{variable} is not set; Cargo sets it for build scripts, so call this from one")]
    #[non_exhaustive]
    NoCargo {
        /// Name of the variable.
        variable: &'static str,
    },

    /// The name is not usable for files and a variable.
    #[error("invalid name {name:?} for a sequence in a build script; use letters, digits, - and _")]
    #[non_exhaustive]
    Name {
        /// The name.
        name: String,
    },

    /// The folder cannot be packed.
    #[error("cannot pack the sequence")]
    Pack(#[from] PackError),

    /// A request of the script failed, or its handle cannot be created.
    #[error("cannot use the hub")]
    Hub(#[from] Error),

    /// The settings in the environment are incomplete or invalid, see
    /// [`HostClient::from_env`](crate::HostClient::from_env).
    #[error("cannot find out which hub to use")]
    Config(#[from] ConfigError),

    /// The package could not be deployed.
    #[error(
        "cannot deploy {} to {hub}; \
         start a hub there, or let the build script only pack the sequence",
        dir.display()
    )]
    #[non_exhaustive]
    Deploy {
        /// Path of the sequence folder.
        dir: PathBuf,
        /// Base URL of the hub.
        hub: String,
        /// The cause.
        source: DeployError,
    },

    /// The file with the constants cannot be written.
    #[error("cannot write {}", path.display())]
    #[non_exhaustive]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// Shows the message and its causes.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_chain(self, f)
    }
}

impl BuildError {
    /// Returns `true` if the hub, or a proxy in front of it, did not respond or could not process
    /// the request.
    pub(super) fn is_hub_unreachable(&self) -> bool {
        match self {
            Self::Hub(error)
            | Self::Deploy {
                source: DeployError::Hub(error),
                ..
            } => error.may_be_transient() && !error.is_cancelled(),
            _ => false,
        }
    }

    /// Returns the message and its causes without line breaks, because Cargo reads instructions
    /// line by line.
    pub(super) fn in_one_line(&self) -> String {
        let text = format!("{self:?}").replace("\n  caused by: ", ": ");
        text.replace(['\n', '\r'], " ")
    }
}
