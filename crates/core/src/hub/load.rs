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
#[serde(from = "Wire", into = "Wire")]
#[non_exhaustive]
pub struct LoadCheck {
    /// The load average, over all processors.
    pub avg_load: f64,
    /// The use of the processors now, in percent. Hubs of 0.18 tell it.
    pub cpu_percent: Option<f64>,
    /// The load average of the last minute. Hubs of 1.x tell it, and Managers.
    pub load_average: Option<f64>,
    /// Free memory, in bytes.
    pub mem_free: f64,
    /// Used memory, in bytes.
    pub mem_used: f64,
    /// The file systems. The same one may be named more than once.
    pub fs_size: Vec<Disk>,
    /// Members that this library does not know.
    pub extra: Extra,
}

/// The same as hubs write it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    avg_load: f64,
    current_load: f64,
    mem_free: f64,
    mem_used: f64,
    #[serde(default)]
    fs_size: Vec<Disk>,
    #[serde(flatten)]
    extra: Extra,
}

impl From<Wire> for LoadCheck {
    fn from(wire: Wire) -> Self {
        // The hubs that write a percentage are those that write the mount points.
        let percent = wire
            .fs_size
            .iter()
            .any(|disk| disk.extra.contains_key("mount"));
        Self {
            avg_load: wire.avg_load,
            cpu_percent: percent.then_some(wire.current_load),
            load_average: (!percent).then_some(wire.current_load),
            mem_free: wire.mem_free,
            mem_used: wire.mem_used,
            fs_size: wire.fs_size,
            extra: wire.extra,
        }
    }
}

impl From<LoadCheck> for Wire {
    fn from(load: LoadCheck) -> Self {
        Self {
            avg_load: load.avg_load,
            current_load: load.cpu_percent.or(load.load_average).unwrap_or_default(),
            mem_free: load.mem_free,
            mem_used: load.mem_used,
            fs_size: load.fs_size,
            extra: load.extra,
        }
    }
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
