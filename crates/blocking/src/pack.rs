//! Packs sequence folders and deploys them.
//!
//! - [`Package`] makes an archive of a folder, and checks the folder before anything is sent.
//! - [`HostClient::deploy_if_changed`](crate::HostClient::deploy_if_changed) uploads a package only
//!   if it differs from the deployed one.
//! - [`build`] packs and deploys in a build script.
//!
//! ```no_run
//! use scramjet_client_blocking::{DeployKey, HostClient, Package, StartOptions};
//!
//! let host = HostClient::new("http://localhost:8000/api/v1")?;
//! let package = Package::from_dir("sequence")?;
//! let deployed = host.deploy_if_changed(&package, &DeployKey::new("shout", "deployed.json"))?;
//! let instance = deployed.sequence.start(&StartOptions::new())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
pub mod build;
pub(crate) mod deploy_if_changed;
pub(crate) mod digest;
pub(crate) mod entry;
pub(crate) mod error;
mod glob;
mod ignore;
mod links;
mod manifest;
pub(crate) mod options;
pub(crate) mod package;
mod source;
mod walk;
pub(crate) mod write;

pub use deploy_if_changed::deployed::{DeployChange, Deployed};
pub use deploy_if_changed::error::DeployError;
pub use deploy_if_changed::key::DeployKey;
pub use digest::Digest;
pub use entry::{EntryKind, PackEntry};
pub use error::PackError;
pub use options::PackOptions;
pub use package::Package;
