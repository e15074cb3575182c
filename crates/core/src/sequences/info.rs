use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Adapter, Extra, InstanceId, SequenceId};

/// The hub's description of a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SequenceInfo {
    /// The id of the sequence.
    pub id: SequenceId,
    /// The configuration, from the package and from the hub.
    #[serde(default)]
    pub config: SequenceConfig,
    /// The ids of its instances. 1.x includes those that ended in the last minutes.
    #[serde(default)]
    pub instances: Vec<InstanceId>,
    /// The id of the hub that has the sequence, or `STH`. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The configuration of a sequence, from its `package.json` and from the hub's runtime adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SequenceConfig {
    /// The name of the package; empty if it has none.
    #[serde(default)]
    pub name: String,
    /// The version of the package; empty if it has none.
    #[serde(default)]
    pub version: String,
    /// The description of the package. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The file to run: `main` in `package.json`.
    #[serde(
        default,
        rename = "entrypointPath",
        skip_serializing_if = "Option::is_none"
    )]
    pub main: Option<String>,
    /// The required engines, for example `node` → `">=16"`.
    #[serde(default)]
    pub engines: Map<String, Value>,
    /// The adapter that runs its instances.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// The language: `js`, `py`, a file extension, or `unknown`. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// All other members: `author`, `keywords`, `args`, `repository`, `packageSize`, `sequenceDir`,
    /// `container`, ...
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::assert_round_trip;

    #[test]
    fn sequence_info_keeps_unknown_members() {
        let config = json!({
            "name": "n", "version": "1", "engines": { "node": ">=16" }, "type": "wasm",
            "entrypointPath": "x", "later": [1],
        });
        assert_round_trip::<SequenceInfo>(json!({
            "id": "s", "config": config, "instances": ["i"], "location": "STH", "later": {},
        }));
    }
}
