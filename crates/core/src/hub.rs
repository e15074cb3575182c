//! Operations on the hub itself.

mod audit_record;
mod config;
mod entities;
mod load;
mod log_line;
mod logs;
mod status;
mod version;

crate::operation::operations! {
    pub use config::GetConfig;
    pub use entities::ListEntities;
    pub use load::GetLoad;
    pub use load::GetLoadCheck;
    pub use logs::ReadAudit;
    pub use logs::ReadLog;
    pub use status::GetStatus;
    pub use version::GetVersion;
}

/// Exported by [`crate::types`].
pub(crate) mod types {
    pub use super::audit_record::{AuditRecord, AuditState};
    pub use super::config::{ConfiguredHost, HubConfig};
    pub use super::entities::Entities;
    pub use super::load::{Disk, LoadCheck};
    pub use super::log_line::{LogLevel, LogLine};
    pub use super::status::{HubStatus, ManagerLink};
    pub use super::version::HubVersion;
}
