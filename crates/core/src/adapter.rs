use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::known_text::known_text;

/// What runs the instances of a hub.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Adapter {
    /// Processes of the hub's machine.
    Process,
    /// Docker containers.
    Docker,
    /// Kubernetes pods.
    Kubernetes,
    /// Any other, as the hub wrote it.
    Other(String),
}

known_text! {
    Adapter, "The adapter":
    Process = "process",
    Docker = "docker",
    Kubernetes = "kubernetes",
}
