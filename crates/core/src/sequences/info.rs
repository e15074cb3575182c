use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Adapter, Extra, InstanceId, SequenceId};

/// A sequence as the hub describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SequenceInfo {
    /// The id that the hub gave it.
    pub id: SequenceId,
    /// What its package says, and what the hub found out about it.
    #[serde(default)]
    pub config: SequenceConfig,
    /// The instances of it that the hub lists. On 1.x also those that ended a short while ago.
    #[serde(default)]
    pub instances: Vec<InstanceId>,
    /// The hub that has it, or `STH`. Since 1.0.
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
    /// The package's name, empty where it has none.
    #[serde(default)]
    pub name: String,
    /// The package's version, empty where it has none.
    #[serde(default)]
    pub version: String,
    /// The package's description. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The program's file: `main` in `package.json`.
    #[serde(
        default,
        rename = "entrypointPath",
        skip_serializing_if = "Option::is_none"
    )]
    pub main: Option<String>,
    /// The engines that the package asks for, for example `node` → `">=16"`.
    #[serde(default)]
    pub engines: BTreeMap<String, Value>,
    /// What runs its instances.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// The language: `js`, `py`, a file extension, or `unknown`. Since 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// All further members: `author`, `keywords`, `args`, `repository`, `packageSize`, `sequenceDir`, `container`, ...
    #[serde(flatten)]
    pub extra: Extra,
}
