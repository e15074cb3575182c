//! The state file, which stores what was deployed.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use scramjet_client_core::{SequenceId, SequenceInfo};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::DeployError;
use crate::pack::write::write_atomically;
use crate::support::small_file;

/// Upper bound for the size of the file. A deployment takes some hundred bytes.
const MAX_BYTES: u64 = 16 << 20;

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    deployments: Vec<DeployRecord>,
}

/// The last deployment to a hub under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DeployRecord {
    /// The base URL of the hub.
    pub(super) hub: String,
    pub(super) name: String,
    pub(super) sequence: SequenceId,
    /// The digest of the package. `None` if it is unknown, because replacing the package in place
    /// has not succeeded.
    pub(super) digest: Option<String>,
    /// `None` if the hub has not responded since the upload.
    pub(super) seen: Option<SeenInfo>,
    /// Earlier sequences that still exist.
    #[serde(default)]
    pub(super) left: Vec<SequenceId>,
}

/// The parts of a sequence's info that show if somebody else has replaced the package. The other
/// parts may change without a new package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SeenInfo {
    name: String,
    version: String,
    main: Option<String>,
    size: Option<Value>,
}

impl SeenInfo {
    pub(super) fn new(info: &SequenceInfo) -> Self {
        let config = &info.config;
        Self {
            name: config.name.clone(),
            version: config.version.clone(),
            main: config.main.clone(),
            size: config.extra.get("packageSize").cloned(),
        }
    }
}

impl State {
    /// Reads the file. A file that is not a state file is an error, so that it is not overwritten.
    pub(super) fn read(path: &Path) -> Result<Self, DeployError> {
        match small_file::read(path, MAX_BYTES) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(DeployError::state(path)(error)),
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                let problem = format!(
                    "it is not a state file: {error}; \
                     choose another path, or delete the file to deploy everything again"
                );
                DeployError::state(path)(io::Error::new(ErrorKind::InvalidData, problem))
            }),
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), DeployError> {
        serde_json::to_vec_pretty(self)
            .map_err(|error| io::Error::other(error.to_string()))
            .and_then(|text| write_atomically(path, |file| file.write_all(&text)))
            .map_err(DeployError::state(path))
    }

    /// Returns the deployment to the hub with this base URL, under this name.
    pub(super) fn find(&self, hub: &str, name: &str) -> Option<&DeployRecord> {
        let mut deployments = self.deployments.iter();
        deployments.find(|record| record.hub == hub && record.name == name)
    }

    /// Adds a deployment, or replaces the one to the same hub under the same name.
    pub(super) fn put(&mut self, record: &DeployRecord) {
        self.deployments
            .retain(|other| other.hub != record.hub || other.name != record.name);
        self.deployments.push(record.clone());
    }
}
