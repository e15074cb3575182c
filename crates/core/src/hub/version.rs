use alloc::string::String;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::operation::Inline;
use crate::{Dialect, Extra, Json, Operation, Path};

/// `GET /version`: which version the hub has. Managers and their like answer it as well.
#[derive(Clone, Copy, Debug)]
pub struct GetVersion;

impl Operation for GetVersion {
    const NAME: &'static str = "get version";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<HubVersion>;

    fn path(&self) -> Path {
        Path::new("version")
    }
}

/// What a hub reports about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubVersion {
    /// The version, for example `1.0.1`.
    pub version: String,
    /// The service, `@scramjet/host`. Since 0.20.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The version of the API, `v1`. Since 0.20.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The build, a commit hash or `source`. Since 0.20.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl HubVersion {
    /// How a hub of this version speaks; [`Dialect::LATEST`] where the version cannot be read.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        let version = self.version.parse();
        version.map_or(Dialect::LATEST, Dialect::of)
    }
}
