use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::headers;
use crate::operation::{Inline, inline_json};
use crate::{Dialect, Extra, Json, ManagerId, Operation, Path, RequestError};

/// `GET /list`: the Managers of a MultiManager.
#[derive(Clone, Copy, Debug)]
pub struct ListManagers;

impl Operation for ListManagers {
    const NAME: &'static str = "list managers";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<ManagerInfo>>;

    fn path(&self) -> Path {
        Path::new("list")
    }
}

/// A Manager, as its MultiManager names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagerInfo {
    /// Its id.
    pub id: ManagerId,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `GET /info`: what a MultiManager says about itself.
#[derive(Clone, Copy, Debug)]
pub struct GetMultiManagerInfo;

impl Operation for GetMultiManagerInfo {
    const NAME: &'static str = "get multi manager info";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<MultiManagerInfo>;

    fn path(&self) -> Path {
        Path::new("info")
    }
}

/// What a MultiManager says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MultiManagerInfo {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The base path of its API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// How many Managers it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managers_count: Option<u64>,
    /// All further members, for example `apiPort`.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `POST /start`: starts a Manager.
#[derive(Clone, Copy)]
pub struct StartManager<'a> {
    /// Its configuration, or a part of it: a JSON object.
    pub config: &'a Value,
}

/// Without the configuration, which may hold secrets.
impl fmt::Debug for StartManager<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartManager").finish_non_exhaustive()
    }
}

impl Operation for StartManager<'_> {
    const NAME: &'static str = "start manager";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<ManagerInfo>;

    fn path(&self) -> Path {
        Path::new("start")
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::json(headers);
        Ok(())
    }

    fn payload(&self, _: Dialect) -> Result<Inline, RequestError> {
        if !self.config.is_object() {
            return Err(RequestError::option(
                "manager",
                "a Manager's configuration must be a JSON object",
            ));
        }
        inline_json("manager", &json!({ "manager": self.config }))
    }
}
