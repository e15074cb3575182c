//! Instances: sequences that run.

mod events;
mod get;
mod health;
mod info;
mod kill;
mod list;
mod read;
mod send;
mod stop;

pub use events::{Event, EventBody, LastEvent, NextEvent};
pub use get::GetInstance;
pub use health::{GetInstanceHealth, InstanceHealth};
pub use info::{Acknowledged, InstanceInfo, InstanceStatus, SequenceOf, Terminated, Timestamp};
pub use kill::{KillInstance, KillOptions};
pub use list::ListInstances;
pub use read::{OutputStream, ReadStream};
pub use send::{ContentType, SendInput, SendStdin};
pub use stop::{StopInstance, StopOptions};

use crate::ids::check_instance_id;
use crate::{InstanceId, Path};

fn instance_path(id: &InstanceId) -> Path {
    Path::new("instance").checked(InstanceId::WHAT, id.as_str(), check_instance_id)
}
