//! The file in which is kept what was deployed.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use scramjet_client_core::{SequenceId, SequenceInfo};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::DeployError;
use crate::pack::write::write_atomically;
use crate::support::small_file;

/// A deployment has some hundred bytes.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    deployments: Vec<DeployState>,
}

/// What was deployed under a name to a hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DeployState {
    pub(super) hub: String,
    pub(super) name: String,
    pub(super) sequence: SequenceId,
    /// Of its package. None where it was being replaced, and it is not known whether it was.
    pub(super) digest: Option<String>,
    /// What the hub tells of it; none where it was not asked yet.
    pub(super) seen: Option<Seen>,
    /// Older ones that are still there.
    #[serde(default)]
    pub(super) left: Vec<SequenceId>,
}

/// What a hub tells of a package, by which it is seen that it is not ours any more. Not all that it tells is always the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    name: String,
    version: String,
    main: Option<String>,
    size: Option<Value>,
}

impl Seen {
    pub(super) fn of(info: &SequenceInfo) -> Self {
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
    /// What is not such a file is not taken for an empty one, and never written over.
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
        let write = || {
            let text = serde_json::to_vec_pretty(self)
                .map_err(|error| io::Error::other(error.to_string()))?;
            write_atomically(path, |file| file.write_all(&text))
        };
        write().map_err(DeployError::state(path))
    }

    pub(super) fn find(&self, hub: &str, name: &str) -> Option<&DeployState> {
        self.deployments
            .iter()
            .find(|deployment| deployment.hub == hub && deployment.name == name)
    }

    pub(super) fn put(&mut self, deployment: &DeployState) {
        self.deployments
            .retain(|other| other.hub != deployment.hub || other.name != deployment.name);
        self.deployments.push(deployment.clone());
    }
}
