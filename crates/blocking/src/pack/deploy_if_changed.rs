//! A package is on a hub, and is sent only where it is not.

pub(crate) mod error;
mod lock;
mod state;

use std::path::PathBuf;

use scramjet_client_core::{SequenceId, SequenceInfo};

use crate::handles::host::HostClient;
use crate::handles::sequence::SequenceClient;
use crate::pack::Package;
use crate::pack::digest::Digest;
use crate::pack::write::target;
use error::DeployError;
use lock::Lock;
use state::{DeployState, Seen, State};

/// Under what a package is deployed, so that the next run finds it again: a name, and the file in which is kept what became of it.
///
/// One file serves any number of names and hubs. Beside it is a file of the same name with `.lock`, by which runs wait for each other.
///
/// ```
/// # use scramjet_client_blocking::DeployKey;
/// let key = DeployKey::new("shout", "target/deployed.json").remove_old();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DeployKey {
    name: String,
    state_file: PathBuf,
    removes_old: bool,
    in_place: bool,
}

impl DeployKey {
    /// This name, in this file, which need not exist.
    pub fn new(name: impl Into<String>, state_file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            state_file: state_file.into(),
            removes_old: false,
            in_place: true,
        }
    }

    /// Deletes what was deployed before under this key, where it is not replaced itself, and is not in use. What is in use is tried again the
    /// next time. Otherwise it stays where it is.
    pub fn remove_old(self) -> Self {
        Self {
            removes_old: true,
            ..self
        }
    }

    /// Never replaces a sequence in place, but makes a new one. A hub does not clear away the files of the package that is replaced: those
    /// that the new one does not have may stay.
    pub fn anew(self) -> Self {
        Self {
            in_place: false,
            ..self
        }
    }
}

/// What came of [`HostClient::deploy_if_changed`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deployed {
    /// The sequence, which has the package's content.
    pub sequence: SequenceClient,
    /// What had to be done for it.
    pub change: DeployChange,
    /// What was deployed under the key before, and was not deleted: it is in use, the hub refuses it, or nobody has asked for it ([`DeployKey::remove_old`]).
    pub left: Vec<SequenceId>,
}

/// What had to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeployChange {
    /// Nothing: the content is what was deployed. The package was not sent.
    Unchanged,
    /// There was none. The package was sent.
    Created,
    /// There was one with other content. The package was sent, and replaces it: under the same id, or under a new one.
    Updated,
}

impl HostClient {
    /// Sees to it that the package is on the hub, and sends it only where it is not there, or is another one. For programs that run again
    /// and again, and for build scripts.
    ///
    /// What tells packages apart is their content, by its [`digest`](Package::digest). What was deployed is kept in the key's file, and compared with
    /// what the hub has by `GET /sequence/:id`: a sequence that is gone, or was replaced by somebody else with a package that differs in name, version,
    /// `main` or size, is deployed again. (Hubs keep no digest: a replacement that is alike in all of these is not noticed.)
    ///
    /// Where the content has changed, a hub since 0.38.0 gets it in place (`PUT /sequence/:id`): the id stays. While instances of it are listed, which a hub
    /// of 1.x does for some minutes after their end, and on an older hub, the package becomes a new sequence (`POST /sequence`).
    /// The old one then stays, or is deleted where [`DeployKey::remove_old`] asks for it and it is not in use. Where a package is replaced in place, files that the
    /// new one does not have stay in the sequence's folder on the hub: see [`DeployKey::anew`].
    ///
    /// Runs with the same file wait for each other, so that of several at once only one sends. One that crashes holds up no other. A
    /// deadline is for all that waits: for them, and for the hub. The file itself, and what is beside it while it is written, is no part of the package,
    /// also where it lies in its folder. If the file is a symbolic link, the file that it leads to
    /// is used. If the file is lost, the package is sent anew, and what was deployed before stays
    /// on the hub.
    ///
    /// If a run is killed after the hub has received a new package and before the file is written,
    /// the next run sends the package again, and the first sequence stays on the hub. The client
    /// cannot tell it from a sequence that somebody else has deployed, because hubs keep no digest.
    /// To delete it, look for the name in `package.json` in
    /// [`list_sequences`](Self::list_sequences).
    ///
    /// # Errors
    /// See [`DeployError`]. What fails leaves the file in a state from which the next run goes on.
    ///
    /// ```no_run
    /// use scramjet_client_blocking::{DeployKey, HostClient, Package};
    /// use scramjet_client_blocking::pack::DeployChange;
    ///
    /// let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let package = Package::from_dir("sequence")?;
    /// let deployed = host.deploy_if_changed(&package, &DeployKey::new("shout", "target/deployed.json").remove_old())?;
    /// match deployed.change {
    ///     DeployChange::Unchanged => println!("{} is there already", deployed.sequence.id()),
    ///     _ => println!("{} was sent", deployed.sequence.id()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deploy_if_changed(
        &self,
        package: &Package,
        key: &DeployKey,
    ) -> Result<Deployed, DeployError> {
        let begun = Self::with(self.client.fix_deadline());
        let unusable = || DeployError::state(&key.state_file);
        let state_file = target(&key.state_file).map_err(unusable())?;
        let lock = Lock::take(&state_file, &begun.client)?;
        // Neither the file nor a link to it is packed.
        let package = package
            .without(&key.state_file)
            .and_then(|package| package.without(&state_file))
            .map_err(unusable())?;
        let digest = package.digest()?;
        let mut run = Run {
            host: &begun,
            package: &package,
            key,
            digest,
            state: State::read(&state_file)?,
            state_file,
        };
        let (change, mut deployment) = run.deploy()?;
        if key.removes_old {
            run.remove_old(&mut deployment)?;
        }
        drop(lock);
        // With the limits of this handle, and not of this call.
        Ok(Deployed {
            sequence: SequenceClient::new(deployment.sequence, self)?,
            change,
            left: deployment.left,
        })
    }
}

/// One run, with the lock.
struct Run<'a> {
    host: &'a HostClient,
    package: &'a Package,
    key: &'a DeployKey,
    digest: Digest,
    /// Where links to it lead.
    state_file: PathBuf,
    state: State,
}

impl Run<'_> {
    fn deploy(&mut self) -> Result<(DeployChange, DeployState), DeployError> {
        let before = self
            .state
            .find(self.host.base_url(), &self.key.name)
            .cloned();
        let Some(mut before) = before else {
            return self.send(DeployChange::Created, Vec::new());
        };
        let info = match self.host.sequence_info(&before.sequence) {
            Err(error) if error.is_hubs_not_found() => {
                return self.send(DeployChange::Created, before.left);
            }
            info => info?,
        };
        let is_ours = before
            .seen
            .as_ref()
            .is_none_or(|seen| *seen == Seen::of(&info));
        if before.digest == Some(self.digest.to_string()) && is_ours {
            if before.seen.is_none() {
                self.done(&info, &mut before)?;
            }
            return Ok((DeployChange::Unchanged, before));
        }
        if self.key.in_place && self.host.dialect()?.supports_overwrite() {
            if let Some(info) = self.overwrite(&mut before)? {
                self.done(&info, &mut before)?;
                return Ok((DeployChange::Updated, before));
            }
        }
        let mut left = before.left;
        left.push(before.sequence);
        self.send(DeployChange::Updated, left)
    }

    /// Replaces the package of the sequence. `None` where the hub cannot now.
    fn overwrite(&mut self, before: &mut DeployState) -> Result<Option<SequenceInfo>, DeployError> {
        // What it has from now on is known again when this has succeeded.
        before.digest = None;
        self.keep(before)?;
        let sequence = self.host.sequence(&before.sequence)?;
        match sequence.overwrite(self.package.upload_of(self.digest)) {
            Err(error) if error.is_hubs_conflict() || error.is_hubs_not_found() => Ok(None),
            result => Ok(Some(result?.info()?)),
        }
    }

    fn send(
        &mut self,
        change: DeployChange,
        left: Vec<SequenceId>,
    ) -> Result<(DeployChange, DeployState), DeployError> {
        let sequence = self
            .host
            .send_sequence(self.package.upload_of(self.digest))?;
        let mut deployment = DeployState {
            hub: self.host.base_url().into(),
            name: self.key.name.clone(),
            sequence: sequence.id().clone(),
            digest: Some(self.digest.to_string()),
            seen: None,
            left,
        };
        // It is there, also where it cannot be looked at.
        self.keep(&deployment)?;
        self.done(&sequence.info()?, &mut deployment)?;
        Ok((change, deployment))
    }

    fn done(
        &mut self,
        info: &SequenceInfo,
        deployment: &mut DeployState,
    ) -> Result<(), DeployError> {
        deployment.digest = Some(self.digest.to_string());
        deployment.seen = Some(Seen::of(info));
        self.keep(deployment)
    }

    /// Deletes what is free.
    fn remove_old(&mut self, deployment: &mut DeployState) -> Result<(), DeployError> {
        for id in deployment.left.clone() {
            match self.host.delete_sequence(&id) {
                Err(error) if !error.is_hubs_not_found() => match error.api() {
                    // In use, not ours to delete, or a gateway's word: the package is deployed all
                    // the same.
                    Some(_) => continue,
                    None => return Err(error.into()),
                },
                _ => deployment.left.retain(|left| *left != id),
            }
            self.keep(deployment)?;
        }
        Ok(())
    }

    fn keep(&mut self, deployment: &DeployState) -> Result<(), DeployError> {
        self.state.put(deployment);
        self.state.write(&self.state_file)
    }
}
