use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::known_text::known_text;

/// The runtime adapter of a hub, which runs its instances.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Adapter {
    /// Runs instances as processes on the hub's machine.
    Process,
    /// Runs instances in Docker containers.
    Docker,
    /// Runs instances in Kubernetes pods.
    Kubernetes,
    /// Any other adapter, as the hub wrote it.
    Other(String),
}

known_text! {
    Adapter, "the adapter":
    Process = "process",
    Docker = "docker",
    Kubernetes = "kubernetes",
}
