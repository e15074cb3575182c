//! The hub itself.

mod config;
mod entities;
mod load;
mod logs;
mod status;
mod version;

pub use config::{ConfiguredHost, GetConfig, HubConfig};
pub use entities::{Entities, ListEntities};
pub use load::{Disk, GetLoad, GetLoadCheck, LoadCheck};
pub use logs::{ReadAudit, ReadLog};
pub use status::{GetStatus, HubStatus, ManagerLink};
pub use version::{GetVersion, HubVersion};
