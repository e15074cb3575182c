use alloc::string::String;
use alloc::vec::Vec;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::operation::Inline;
use crate::{Extra, Json, Operation, Path};

/// `GET /load-check`: how much room the hub has. The first call on a hub of 0.18 takes half a second.
#[derive(Clone, Copy, Debug)]
pub struct GetLoadCheck;

impl Operation for GetLoadCheck {
    const NAME: &'static str = "check load";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<LoadCheck>;

    fn path(&self) -> Path {
        Path::new("load-check")
    }
}

/// `GET /load`: how much room a Manager's or MultiManager's machine has.
#[derive(Clone, Copy, Debug)]
pub struct GetLoad;

impl Operation for GetLoad {
    const NAME: &'static str = "get load";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<LoadCheck>;

    fn path(&self) -> Path {
        Path::new("load")
    }
}

/// How much room a machine has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LoadCheck {
    /// The load average, over all processors.
    pub avg_load: f64,
    /// The load now: in percent on 0.18, the load average of the last minute on 1.x.
    pub current_load: f64,
    /// Free memory, in bytes.
    pub mem_free: f64,
    /// Used memory, in bytes.
    pub mem_used: f64,
    /// The file systems. The same one may be named more than once.
    #[serde(default)]
    pub fs_size: Vec<Disk>,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How much room a file system has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Disk {
    /// The file system: a device on 0.18, a path on 1.x.
    pub fs: String,
    /// Its size, in bytes.
    pub size: f64,
    /// What is used, in bytes.
    pub used: f64,
    /// What is available, in bytes; on 1.x already less a margin for safety.
    pub available: f64,
    /// What is used, as a part of the whole: in percent on 0.18, a fraction on 1.x.
    #[serde(rename = "use")]
    pub usage: f64,
    /// All further members: `type`, `mount`, `rw`.
    #[serde(flatten)]
    pub extra: Extra,
}
