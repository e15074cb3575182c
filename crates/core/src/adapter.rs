use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

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

impl Adapter {
    /// The adapter as the hub writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::Kubernetes => "kubernetes",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for Adapter {
    fn from(text: String) -> Self {
        match text.as_str() {
            "process" => Self::Process,
            "docker" => Self::Docker,
            "kubernetes" => Self::Kubernetes,
            _ => Self::Other(text),
        }
    }
}

impl From<Adapter> for String {
    fn from(adapter: Adapter) -> Self {
        adapter.as_str().into()
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
