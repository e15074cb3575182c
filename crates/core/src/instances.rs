//! Operations on instances, which are running sequences.

mod ended;
mod events;
mod get;
mod health;
mod info;
mod inout;
mod kill;
mod list;
mod monitoring;
mod read;
mod send;
mod send_event;
mod status;
mod stop;

pub use ended::Ended;
pub use events::{Event, EventBody, EventLines, LastEvent, NextEvent, ReadEvents};
pub use get::GetInstance;
pub use health::{GetInstanceHealth, InstanceHealth};
pub use info::{InstanceInfo, SequenceRef, StopReply, Terminated};
pub use inout::InOut;
pub use kill::{KillInstance, KillOptions};
pub use list::ListInstances;
pub use monitoring::SetMonitoringRate;
pub use read::{OutputStream, ReadStream};
pub use send::{SendInput, SendStdin};
pub use send_event::SendEvent;
pub use status::{InstanceStatus, RunnerExit};
pub use stop::{StopInstance, StopOptions};

use crate::ids::check_instance_id;
use crate::{InstanceId, Path};

/// The path of an instance: `instance/:id`.
fn instance_path(id: &InstanceId) -> Path {
    Path::new("instance").checked(InstanceId::WHAT, id.as_str(), check_instance_id)
}
