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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapter_keeps_unknown_values_as_text() {
        for (text, known) in [
            ("process", Adapter::Process),
            ("docker", Adapter::Docker),
            ("kubernetes", Adapter::Kubernetes),
        ] {
            let adapter = Adapter::from(String::from(text));
            assert_eq!((adapter.as_str(), &adapter), (text, &known));
        }
        assert_eq!(Adapter::from(String::from("wasm")).as_str(), "wasm");
    }
}
