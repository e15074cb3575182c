//! Packs and deploys a sequence in a build script.
//!
//! ```no_run
//! // build.rs. This crate is a build dependency, with the feature `pack`.
//! use std::time::Duration;
//!
//! use scramjet_client_blocking::HostClient;
//! use scramjet_client_blocking::build::{self, BuildError};
//!
//! fn main() -> Result<(), BuildError> {
//!     let host = HostClient::new("http://localhost:8000/api/v1")?;
//!     // Without a deadline, an unresponsive hub would block the build.
//!     let host = host.with_deadline(Duration::from_secs(60));
//!     // If the hub is unreachable, only packs. `deploy` would fail then. `pack` needs no hub.
//!     build::sequence("sequence").deploy_or_pack(&host)?;
//!     Ok(())
//! }
//! ```
//!
//! The program includes the result:
//!
//! ```text
//! mod sequence {
//!     include!(concat!(env!("OUT_DIR"), "/sequence.rs"));
//! }
//! ```
//!
//! This file contains constants:
//!
//! - `PACKAGE: &str`: the path of the archive. For `include_bytes!`, which does not accept a
//!   constant, use `concat!(env!("OUT_DIR"), "/sequence.tar.gz")`.
//! - `DIGEST: &str`: the [`Digest`](crate::pack::Digest) of the package.
//! - `HUB: Option<&str>`: the base URL of the hub, if the sequence was deployed.
//! - `ID: Option<&str>`: the id of the sequence, if it was deployed. The environment variable
//!   `SEQUENCE_ID` has the same value, for `option_env!`.
//! - `NOT_DEPLOYED: Option<&str>`: the reason, if the hub was unreachable.
//!
//! [`Sequence::name`] sets another name than `sequence` for the files and the variable.
//!
//! # When the script runs
//!
//! Cargo runs the script again if a file in the folder has changed, even if the file is excluded
//! from the package. Cargo does not know if the hub still has the sequence. With
//! [`Sequence::every_build`], the script asks the hub in each build.
//!
//! A package that has not changed is not uploaded again, see [`HostClient::deploy_if_changed`]. The
//! state file is in `OUT_DIR`, unless [`Sequence::state_file`] sets another path. If it is lost,
//! for example by `cargo clean`, the package is uploaded again, and the earlier sequence stays on
//! the hub.
//!
//! If `OUT_DIR` is in the sequence folder, the folder at the top level that contains it (usually
//! `target`) is not packed. Cargo shows a warning for each packed file that may be a secret, see
//! [`PackEntry::may_be_secret`](crate::pack::PackEntry::may_be_secret).

mod built;
mod cargo;
mod error;

pub use built::Built;
pub use error::BuildError;

use std::fs;
use std::path::{Path, PathBuf};

use super::deploy_if_changed::deployed::Deployed;
use super::deploy_if_changed::key::DeployKey;
use super::options::PackOptions;
use super::package::Package;
use crate::handles::host::HostClient;

/// Returns a [`Sequence`] to pack or deploy. The path `dir` is relative to the folder of the crate.
pub fn sequence(dir: impl Into<PathBuf>) -> Sequence {
    Sequence {
        dir: dir.into(),
        name: "sequence".into(),
        options: PackOptions::new(),
        state_file: None,
        remove_old: false,
        every_build: false,
    }
}

/// A sequence that a build script packs or deploys. Made by [`sequence`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Sequence {
    dir: PathBuf,
    name: String,
    options: PackOptions,
    state_file: Option<PathBuf>,
    remove_old: bool,
    every_build: bool,
}

impl Sequence {
    /// Sets the name of the files in `OUT_DIR` and of the environment variable. `sequence` by
    /// default.
    ///
    /// For the name `shout`, they are `shout.rs`, `shout.tar.gz` and `SHOUT_ID`. If a script has
    /// several sequences, each needs a name of its own.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the options for packing.
    pub fn options(mut self, options: PackOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the path of the state file, relative to the folder of the crate. By default, the file
    /// is in `OUT_DIR`, so each build profile has one of its own.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Deletes earlier sequences, see [`DeployKey::remove_old`].
    pub fn remove_old(mut self) -> Self {
        self.remove_old = true;
        self
    }

    /// Runs the script in every build, even if no file has changed.
    ///
    /// Each build asks the hub for the sequence, and deploys it again if the hub no longer has it.
    /// Cargo then also compiles the crate in each build.
    pub fn every_build(mut self) -> Self {
        self.every_build = true;
        self
    }

    /// Writes the package to `OUT_DIR`. Needs no hub.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn pack(&self) -> Result<Built, BuildError> {
        self.build(None, false)
    }

    /// Writes the package to `OUT_DIR`, and deploys it with [`HostClient::deploy_if_changed`]. Set
    /// a deadline on the handle, so that an unresponsive hub does not block the build.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn deploy(&self, host: &HostClient) -> Result<Built, BuildError> {
        self.build(Some(host), false)
    }

    /// Writes the package to `OUT_DIR`, and deploys it like [`deploy`](Self::deploy) if the hub is
    /// reachable. Otherwise, Cargo shows a warning with the reason, and the build continues.
    ///
    /// The reason is also in [`Built::not_deployed`] and in the constant `NOT_DEPLOYED`. When the
    /// hub is reachable again, Cargo does not run the script, unless
    /// [`every_build`](Self::every_build) is set.
    ///
    /// A hub is unreachable if no connection can be established, the connection is lost, the hub
    /// does not respond within the limits of the handle, or a gateway responds in its place. If the
    /// hub refuses the package or the credentials, the call fails.
    ///
    /// # Errors
    /// See [`BuildError`].
    ///
    /// ```no_run
    /// use scramjet_client_blocking::HostClient;
    /// use scramjet_client_blocking::build::{self, BuildError};
    ///
    /// fn main() -> Result<(), BuildError> {
    ///     println!("cargo:rerun-if-env-changed=SCRAMJET_HUB_URL");
    ///     let host = HostClient::from_env()?;
    ///     build::sequence("sequence").deploy_or_pack(&host)?;
    ///     Ok(())
    /// }
    /// ```
    pub fn deploy_or_pack(&self, host: &HostClient) -> Result<Built, BuildError> {
        self.build(Some(host), true)
    }

    fn build(
        &self,
        host: Option<&HostClient>,
        may_be_unreachable: bool,
    ) -> Result<Built, BuildError> {
        let out = cargo::env_dir("OUT_DIR")?;
        let base = cargo::env_dir("CARGO_MANIFEST_DIR")?;
        let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.name.is_empty() || !self.name.chars().all(is_valid) {
            let name = self.name.clone();
            return Err(BuildError::Name { name });
        }
        let dir = base.join(&self.dir);
        // Printed before anything fails, so that Cargo runs the script again after a correction.
        // Cargo checks all files in the folder, including new ones.
        cargo::rerun_if_changed(&dir);
        if self.every_build {
            // Cargo considers a missing file changed.
            cargo::rerun_if_changed(&out.join("never"));
        }
        let package = Package::from_dir_with(&dir, &self.pack_options(&dir, &out))?;
        warn_of_secrets(&package);
        let path = out.join(format!("{}.tar.gz", self.name));
        package.write_to(&path)?;
        let mut built = Built {
            package: path,
            digest: package.digest()?,
            deployed: None,
            not_deployed: None,
        };
        if let Some(host) = host {
            match self.deploy_to(host, &package, &base, &out) {
                Ok(deployed) => built.deployed = Some(deployed),
                Err(error) if may_be_unreachable && error.is_hub_unreachable() => {
                    cargo::warn(&error.in_one_line());
                    built.not_deployed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        self.write_constants(&built, &out)?;
        Ok(built)
    }

    /// Writes the file that the program includes, and sets the environment variable.
    fn write_constants(&self, built: &Built, out: &Path) -> Result<(), BuildError> {
        let path = out.join(format!("{}.rs", self.name));
        fs::write(&path, built.constants()).map_err(|source| BuildError::Write { path, source })?;
        if let Some(deployed) = &built.deployed {
            let name = self.name.to_ascii_uppercase().replace('-', "_");
            cargo::set_env(&format!("{name}_ID"), deployed.sequence.id().as_str());
        }
        Ok(())
    }

    /// Returns the options, with a rule that excludes Cargo's output if it is in the sequence
    /// folder.
    fn pack_options(&self, dir: &Path, out: &Path) -> PackOptions {
        let options = self.options.clone();
        let output_folder = || {
            let (dir, out) = (fs::canonicalize(dir).ok()?, fs::canonicalize(out).ok()?);
            let top = out.strip_prefix(dir).ok()?.iter().next()?;
            Some(format!("/{}/", top.to_str()?))
        };
        match output_folder() {
            Some(rule) => options.ignore(rule),
            None => options,
        }
    }

    fn deploy_to(
        &self,
        host: &HostClient,
        package: &Package,
        base: &Path,
        out: &Path,
    ) -> Result<Deployed, BuildError> {
        let state_file = match &self.state_file {
            Some(path) => base.join(path),
            None => out.join(format!("{}.deployed.json", self.name)),
        };
        let mut key = DeployKey::new(&self.name, state_file);
        key.remove_old = self.remove_old;
        host.deploy_if_changed(package, &key)
            .map_err(|source| BuildError::Deploy {
                dir: package.dir().into(),
                hub: host.base_url().into(),
                source,
            })
    }
}

/// Prints a warning for each file that may be a secret.
fn warn_of_secrets(package: &Package) {
    for entry in package.entries().filter(|entry| entry.may_be_secret) {
        // Escaped, because a line break in a name would begin another instruction for Cargo.
        cargo::warn(&format!(
            "{:?} is packed and may contain a secret; exclude it in {:?}, or keep it with !/{}",
            entry.path,
            package.dir().join(".siignore"),
            entry.path.escape_debug(),
        ));
    }
}
