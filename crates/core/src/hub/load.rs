use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::operation::{get, shared_decoder};
use crate::{Extra, Json};

get! {
    /// `GET /load-check`: returns the processor, memory and disk usage of the hub's machine.
    ///
    /// Response: [`LoadCheck`] as JSON. The first call on a hub of 0.18 takes half a second.
    pub struct GetLoadCheck;
    NAME = "check load";
    PATH = "load-check";
    Decoder = Json<LoadCheck>;
    shared_decoder! {}
}

get! {
    /// `GET /load`: returns the processor, memory and disk usage of a Manager's or MultiManager's
    /// machine.
    ///
    /// Response: [`LoadCheck`] as JSON.
    pub struct GetLoad;
    NAME = "get load";
    PATH = "load";
    Decoder = Json<LoadCheck>;
}

/// The processor, memory and disk usage of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
#[non_exhaustive]
pub struct LoadCheck {
    /// The load average over all processors.
    pub avg_load: f64,
    /// The current processor usage in percent. Only hubs of 0.18 report it.
    pub cpu_percent: Option<f64>,
    /// The load average of the last minute. Hubs of 1.x and Managers report it.
    pub load_average: Option<f64>,
    /// Free memory in bytes.
    pub mem_free: f64,
    /// Used memory in bytes.
    pub mem_used: f64,
    /// The file systems. The list may contain the same one more than once.
    pub fs_size: Vec<Disk>,
    /// Members that this library does not know.
    pub extra: Extra,
}

/// A [`LoadCheck`] as hubs write it.
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
        // In `currentLoad`, hubs that send mount points (0.18) write the usage in percent. Others
        // write the load average.
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

/// The usage of a file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Disk {
    /// The file system: a device on 0.18, a path on 1.x.
    pub fs: String,
    /// The size in bytes.
    pub size: f64,
    /// The used space in bytes.
    pub used: f64,
    /// The available space in bytes. 1.x subtracts a safety margin before it sends the value.
    pub available: f64,
    /// The used share of the size: percent on 0.18, a fraction of 1 on 1.x.
    #[serde(rename = "use")]
    pub usage: f64,
    /// All other members: `type`, `mount`, `rw`.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip};

    #[test]
    fn get_load_check_has_no_body() {
        assert_request(&GetLoadCheck, "GET /load-check");
    }

    #[test]
    fn get_load_has_no_body() {
        assert_request(&GetLoad, "GET /load");
    }

    #[test]
    fn load_check_keeps_unknown_members() {
        let disk = json!({
            "fs": "/", "size": 1.5, "used": 2.5, "available": 3.5, "use": 0.5, "later": 1,
        });
        assert_round_trip::<LoadCheck>(json!({
            "avgLoad": 1.5, "currentLoad": 2.5, "memFree": 3.5, "memUsed": 4.5, "fsSize": [disk],
            "later": 1,
        }));
    }

    #[test]
    fn load_check_keeps_the_usage_in_percent() {
        let mount = json!({
            "fs": "/dev/sda1", "size": 1.5, "used": 2.5, "available": 3.5, "use": 50.0,
            "mount": "/",
        });
        assert_round_trip::<LoadCheck>(json!({
            "avgLoad": 1.5, "currentLoad": 99.5, "memFree": 3.5, "memUsed": 4.5, "fsSize": [mount],
        }));
    }
}
