//! Operations on the hub itself.

mod audit_record;
mod config;
mod entities;
mod load;
mod log_line;
mod logs;
mod status;
mod version;

pub use audit_record::{AuditRecord, AuditState};
pub use config::{ConfiguredHost, GetConfig, HubConfig};
pub use entities::{Entities, ListEntities};
pub use load::{Disk, GetLoad, GetLoadCheck, LoadCheck};
pub use log_line::{LogLevel, LogLine};
pub use logs::{ReadAudit, ReadLog};
pub use status::{GetStatus, HubStatus, ManagerLink};
pub use version::{GetVersion, HubVersion};
