//! The steps of a deployment.

use std::path::PathBuf;

use scramjet_client_core::{SequenceId, SequenceInfo};

use super::deployed::DeployChange;
use super::error::DeployError;
use super::key::DeployKey;
use super::state::{DeployRecord, SeenInfo, State};
use crate::handles::host::HostClient;
use crate::pack::digest::Digest;
use crate::pack::package::Package;

/// A deployment that holds the lock of its state file.
pub(super) struct DeployRun<'a> {
    pub(super) host: &'a HostClient,
    pub(super) package: &'a Package,
    pub(super) key: &'a DeployKey,
    pub(super) digest: Digest,
    /// The path of the state file, without links.
    pub(super) state_file: PathBuf,
    pub(super) state: State,
}

impl DeployRun<'_> {
    /// Uploads the package if necessary. Returns the new content of the state file for the key.
    pub(super) fn deploy(&mut self) -> Result<(DeployChange, DeployRecord), DeployError> {
        let before = self.state.find(self.host.base_url(), &self.key.name);
        let Some(mut before) = before.cloned() else {
            return self.create(DeployChange::Created, Vec::new());
        };
        let info = match self.host.sequence_info(&before.sequence) {
            Err(error) if error.is_not_found_by_hub() => {
                return self.create(DeployChange::Created, before.left);
            }
            info => info?,
        };
        // If somebody else has replaced the package, the hub reports other values.
        let seen = before.seen.as_ref();
        let is_ours = seen.is_none_or(|seen| *seen == SeenInfo::new(&info));
        if is_ours && before.digest == Some(self.digest.to_string()) {
            if seen.is_none() {
                self.complete(&info, &mut before)?;
            }
            return Ok((DeployChange::Unchanged, before));
        }
        if self.key.in_place && self.host.dialect()?.supports_overwrite() {
            if let Some(info) = self.overwrite(&mut before)? {
                self.complete(&info, &mut before)?;
                return Ok((DeployChange::Updated, before));
            }
        }
        before.left.push(before.sequence);
        self.create(DeployChange::Updated, before.left)
    }

    /// Replaces the package of the sequence. Returns `None` if the sequence is in use or gone.
    fn overwrite(
        &mut self,
        record: &mut DeployRecord,
    ) -> Result<Option<SequenceInfo>, DeployError> {
        // Until the upload has succeeded, the content on the hub is unknown.
        record.digest = None;
        self.save(record)?;
        let sequence = self.host.sequence(&record.sequence)?;
        match sequence.overwrite(self.package.verified_upload(self.digest)) {
            Err(error) if error.is_conflict_by_hub() || error.is_not_found_by_hub() => Ok(None),
            result => Ok(Some(result?.info()?)),
        }
    }

    /// Uploads the package as a new sequence.
    fn create(
        &mut self,
        change: DeployChange,
        left: Vec<SequenceId>,
    ) -> Result<(DeployChange, DeployRecord), DeployError> {
        let upload = self.package.verified_upload(self.digest);
        let sequence = self.host.send_sequence(upload)?;
        let mut record = DeployRecord {
            hub: self.host.base_url().into(),
            name: self.key.name.clone(),
            sequence: sequence.id().clone(),
            digest: Some(self.digest.to_string()),
            seen: None,
            left,
        };
        // Saved first, because the sequence exists even if the next request fails.
        self.save(&record)?;
        self.complete(&sequence.info()?, &mut record)?;
        Ok((change, record))
    }

    /// Records in the state file that the sequence has the content of the package.
    fn complete(
        &mut self,
        info: &SequenceInfo,
        record: &mut DeployRecord,
    ) -> Result<(), DeployError> {
        record.digest = Some(self.digest.to_string());
        record.seen = Some(SeenInfo::new(info));
        self.save(record)
    }

    /// Deletes earlier sequences that are not in use.
    pub(super) fn remove_old(&mut self, record: &mut DeployRecord) -> Result<(), DeployError> {
        for id in record.left.clone() {
            match self.host.delete_sequence(&id) {
                Err(error) if error.is_not_found_by_hub() => {}
                // The hub or a proxy refuses, for example because the sequence is in use. The
                // package is deployed nevertheless, so this is not an error.
                Err(error) if error.api().is_some() => continue,
                result => result?,
            }
            record.left.retain(|left| *left != id);
            self.save(record)?;
        }
        Ok(())
    }

    fn save(&mut self, record: &DeployRecord) -> Result<(), DeployError> {
        self.state.put(record);
        self.state.write(&self.state_file)
    }
}
