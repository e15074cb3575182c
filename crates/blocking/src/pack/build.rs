//! For build scripts: a sequence folder becomes a package, and a sequence on a hub, while a crate is built.
//!
//! ```no_run
//! // build.rs, with scramjet-client-blocking and its feature `pack` among the build-dependencies
//! use std::time::Duration;
//!
//! use scramjet_client_blocking::HostClient;
//! use scramjet_client_blocking::build::{self, BuildError};
//!
//! fn main() -> Result<(), BuildError> {
//!     let host = HostClient::new("http://localhost:8000/api/v1")?;
//!     // A build should not wait for a hub that hangs.
//!     let host = host.with_deadline(Duration::from_secs(60));
//!     // Packs alone if the hub cannot be reached. `deploy` fails then, and `pack` needs no hub.
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
//! with these constants: `PACKAGE`, the path of the package (for `include_bytes!`, the same in
//! `OUT_DIR`: `sequence.tar.gz`); `DIGEST`; `HUB` and `ID`, which are `Some(…)` if it was deployed; and
//! `NOT_DEPLOYED`, the reason as `Some(…)` if the hub could not be reached. `ID` is also in the variable
//! `SEQUENCE_ID`, for `option_env!`. With another [`name`](Sequence::name) than `sequence`, that takes
//! its place.
//!
//! Cargo runs the script again when something in the folder has changed, be it something that is left out. It does not when the hub has lost the
//! sequence; [`every_build`](Sequence::every_build) sees to that. What has not changed is not sent again, see
//! [`HostClient::deploy_if_changed`]; what was deployed is kept in `OUT_DIR`, or in a [`state_file`](Sequence::state_file): where that is lost, as by
//! `cargo clean`, the package is sent anew, and the sequence of before stays on the hub. Where `OUT_DIR` lies in the folder, what of it is at the top of that
//! (usually `target`) is left out.
//!
//! Cargo shows a warning for each file that is packed and may be a secret, see
//! [`PackEntry::may_be_secret`](crate::pack::PackEntry::may_be_secret).

#![allow(
    clippy::print_stdout,
    reason = "it is how a build script speaks to cargo"
)]

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::config::error::ConfigError;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::pack::deploy_if_changed::error::DeployError;
use crate::pack::deploy_if_changed::{DeployKey, Deployed};
use crate::pack::digest::Digest;
use crate::pack::error::PackError;
use crate::pack::{PackOptions, Package};
use crate::support::chain::fmt_chain;

/// A sequence folder, relative to the crate's own.
pub fn sequence(dir: impl Into<PathBuf>) -> Sequence {
    Sequence {
        dir: dir.into(),
        name: "sequence".into(),
        options: PackOptions::new(),
        state_file: None,
        removes_old: false,
        every_build: false,
    }
}

/// A sequence folder to be packed or deployed by a build script. Made by [`sequence`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Sequence {
    dir: PathBuf,
    name: String,
    options: PackOptions,
    state_file: Option<PathBuf>,
    removes_old: bool,
    every_build: bool,
}

/// The result of a build script.
#[derive(Debug)]
#[non_exhaustive]
pub struct Built {
    /// The package, in `OUT_DIR`.
    pub package: PathBuf,
    /// What tells its content from any other.
    pub digest: Digest,
    /// The sequence, if it was deployed.
    pub deployed: Option<Deployed>,
    /// Why [`Sequence::deploy_or_pack`] has not deployed it.
    pub not_deployed: Option<BuildError>,
}

/// Why a build script failed. A `main` that returns it prints the sentence and its causes.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Cargo does not run this.
    #[error("{variable} is not set; Cargo sets it for build scripts, so call this from one")]
    #[non_exhaustive]
    NoCargo {
        /// What cargo would have set.
        variable: &'static str,
    },

    /// The name cannot become that of a file and of a variable.
    #[error("invalid name {name:?} for a sequence in a build script; use letters, digits, - and _")]
    #[non_exhaustive]
    Name {
        /// The name.
        name: String,
    },

    /// The folder cannot be packed.
    #[error("cannot pack the sequence")]
    Pack(#[from] PackError),

    /// The hub cannot be used.
    #[error("cannot use the hub")]
    Hub(#[from] Error),

    /// The environment does not say which hub it is, see [`HostClient::from_env`].
    #[error("cannot find out which hub to use")]
    Config(#[from] ConfigError),

    /// The package was not deployed.
    #[error(
        "cannot deploy {} to {hub}; \
         start a hub there, or let the build script only pack the sequence",
        dir.display()
    )]
    #[non_exhaustive]
    Deploy {
        /// The folder.
        dir: PathBuf,
        /// The hub.
        hub: String,
        /// Why not.
        source: DeployError,
    },

    /// What was made cannot be written down.
    #[error("cannot write {}", path.display())]
    #[non_exhaustive]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// The sentence and its causes.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_chain(self, f)
    }
}

impl BuildError {
    /// The hub could not be reached, or something in front of it could not reach it.
    fn is_of_hub_away(&self) -> bool {
        match self {
            Self::Hub(error)
            | Self::Deploy {
                source: DeployError::Hub(error),
                ..
            } => error.may_pass() && !error.is_cancelled(),
            _ => false,
        }
    }

    /// The sentence and its causes. A line break would begin another instruction for cargo.
    fn in_one_line(&self) -> String {
        let text = format!("{self:?}").replace("\n  caused by: ", ": ");
        text.replace(['\n', '\r'], " ")
    }
}

impl Sequence {
    /// Another name than `sequence` for the files in `OUT_DIR` and for the variable: with `shout`, they are `shout.rs`, `shout.tar.gz` and
    /// `SHOUT_ID`. For a script with several.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// How it is packed.
    pub fn options(self, options: PackOptions) -> Self {
        Self { options, ..self }
    }

    /// Keeps what was deployed in this file, and not in `OUT_DIR`, of which there is one for each profile. Relative to the crate's folder.
    pub fn state_file(self, path: impl Into<PathBuf>) -> Self {
        Self {
            state_file: Some(path.into()),
            ..self
        }
    }

    /// Deletes what was deployed before, see [`DeployKey::remove_old`].
    pub fn remove_old(self) -> Self {
        Self {
            removes_old: true,
            ..self
        }
    }

    /// Runs with every build, also where nothing has changed here: it costs a request, and a sequence that the hub has lost is deployed
    /// again. (The crate is compiled again each time.)
    pub fn every_build(self) -> Self {
        Self {
            every_build: true,
            ..self
        }
    }

    /// Writes the package to `OUT_DIR`, and needs no hub.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn pack(&self) -> Result<Built, BuildError> {
        self.build(None, false)
    }

    /// Writes the package to `OUT_DIR`, and deploys it where it has changed. The hub's handle may carry a deadline, so that a build does not
    /// wait for a hub for ever.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn deploy(&self, host: &HostClient) -> Result<Built, BuildError> {
        self.build(Some(host), false)
    }

    /// Writes the package to `OUT_DIR`, and deploys it as [`deploy`](Self::deploy) does if the hub can
    /// be reached. Otherwise cargo shows a warning with the reason, which is also in
    /// [`Built::not_deployed`] and in the file that the program includes, and the build goes on.
    ///
    /// A hub cannot be reached if no connection can be made, if it does not answer within the limits of
    /// the handle, or if a gateway in front of it answers in its place. A hub that refuses the package
    /// or the credentials is an error.
    ///
    /// Cargo does not run the script again when the hub is back, unless
    /// [`every_build`](Self::every_build) asks for it.
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

    fn build(&self, host: Option<&HostClient>, may_be_away: bool) -> Result<Built, BuildError> {
        let out = folder("OUT_DIR")?;
        let base = folder("CARGO_MANIFEST_DIR")?;
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        if self.name.is_empty() || !self.name.chars().all(is_plain) {
            return Err(BuildError::Name {
                name: self.name.clone(),
            });
        }
        let dir = base.join(&self.dir);
        // Before anything can fail. Of a folder, cargo looks at everything in it, new files included.
        println!("cargo:rerun-if-changed={}", dir.display());
        if self.every_build {
            // What is not there has always changed.
            println!("cargo:rerun-if-changed={}", out.join("never").display());
        }
        let package = Package::from_dir_with(&dir, &self.options_beside(&dir, &out))?;
        warn(&package);
        let path = out.join(format!("{}.tar.gz", self.name));
        package.write_to(&path)?;
        let digest = package.digest()?;
        let deployed = host.map(|host| self.deploy_to(host, &package, &base, &out));
        let (deployed, not_deployed) = match deployed.transpose() {
            Ok(deployed) => (deployed, None),
            Err(error) if may_be_away && error.is_of_hub_away() => {
                println!("cargo::warning={}", error.in_one_line());
                (None, Some(error))
            }
            Err(error) => return Err(error),
        };
        let built = Built {
            package: path,
            digest,
            deployed,
            not_deployed,
        };
        self.write_down(&built, &out)?;
        Ok(built)
    }

    /// Without what cargo builds into, where that lies in the folder.
    fn options_beside(&self, dir: &Path, out: &Path) -> PackOptions {
        let options = self.options.clone();
        let within = fs::canonicalize(dir)
            .ok()
            .zip(fs::canonicalize(out).ok())
            .and_then(|(dir, out)| Some(out.strip_prefix(dir).ok()?.to_owned()));
        match within
            .as_ref()
            .and_then(|within| within.iter().next()?.to_str())
        {
            Some(top) => options.ignore(format!("/{top}/")),
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
        let beside = || out.join(format!("{}.deployed.json", self.name));
        let state_file = self
            .state_file
            .as_ref()
            .map_or_else(beside, |path| base.join(path));
        let key = DeployKey::new(&self.name, state_file);
        let key = if self.removes_old {
            key.remove_old()
        } else {
            key
        };
        let failed = |source| BuildError::Deploy {
            dir: package.dir().into(),
            hub: host.base_url().into(),
            source,
        };
        host.deploy_if_changed(package, &key).map_err(failed)
    }

    fn write_down(&self, built: &Built, out: &Path) -> Result<(), BuildError> {
        let id = built
            .deployed
            .as_ref()
            .map(|deployed| deployed.sequence.id().as_str());
        let hub = built
            .deployed
            .as_ref()
            .map(|deployed| deployed.sequence.host().base_url());
        let mut text = String::new();
        let not_deployed = built.not_deployed.as_ref().map(BuildError::in_one_line);
        let constants: [(&str, &str, &str, &dyn fmt::Debug); 5] = [
            (
                "The package: a gzip-compressed tar.",
                "PACKAGE",
                "&str",
                &built.package,
            ),
            (
                "What tells its content from any other.",
                "DIGEST",
                "&str",
                &built.digest.to_string(),
            ),
            (
                "The hub that it was deployed to.",
                "HUB",
                "Option<&str>",
                &hub,
            ),
            ("The sequence's id on the hub.", "ID", "Option<&str>", &id),
            (
                "The reason for which it was not deployed.",
                "NOT_DEPLOYED",
                "Option<&str>",
                &not_deployed,
            ),
        ];
        for (what, name, of, value) in constants {
            // Not every program needs all of them. Writing to a string does not fail.
            let _ = writeln!(
                text,
                "/// {what}\n#[allow(dead_code)]\npub const {name}: {of} = {value:?};"
            );
        }
        let path = out.join(format!("{}.rs", self.name));
        fs::write(&path, text).map_err(|source| BuildError::Write { path, source })?;
        if let Some(id) = id {
            println!(
                "cargo:rustc-env={}_ID={id}",
                self.name.to_ascii_uppercase().replace('-', "_")
            );
        }
        Ok(())
    }
}

/// Has cargo show which files may be secrets.
fn warn(package: &Package) {
    for entry in package.entries().filter(|entry| entry.may_be_secret) {
        // Quoted: a line break in a name would begin another instruction for cargo.
        println!(
            "cargo::warning={:?} is packed and may contain a secret; exclude it in {:?}, or keep it \
             with !/{}",
            entry.path,
            package.dir().join(".siignore"),
            entry.path.escape_debug(),
        );
    }
}

fn folder(variable: &'static str) -> Result<PathBuf, BuildError> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or(BuildError::NoCargo { variable })
}
