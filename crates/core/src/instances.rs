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

pub use events::{EventBody, EventLines};
pub use read::OutputStream;

use crate::ids::check_instance_id;
use crate::{InstanceId, Path};

crate::operation::operations! {
    pub use events::LastEvent;
    pub use events::NextEvent;
    pub use events::ReadEvents;
    pub use get::GetInstance;
    pub use health::GetInstanceHealth;
    pub use inout::InOut;
    pub use kill::KillInstance;
    pub use list::ListInstances;
    pub use monitoring::SetMonitoringRate;
    pub use read::ReadStream;
    pub use send::SendInput;
    pub use send::SendStdin;
    pub use send_event::SendEvent;
    pub use stop::StopInstance;
}

/// Exported by [`crate::types`].
pub(crate) mod types {
    pub use super::ended::Ended;
    pub use super::events::Event;
    pub use super::health::InstanceHealth;
    pub use super::info::{InstanceInfo, SequenceRef, StopReply, Terminated};
    pub use super::kill::KillOptions;
    pub use super::status::{InstanceStatus, RunnerExit};
    pub use super::stop::StopOptions;
}

/// The path of an instance: `instance/:id`.
fn instance_path(id: &InstanceId) -> Path {
    Path::new("instance").checked(InstanceId::WHAT, id.as_str(), check_instance_id)
}
