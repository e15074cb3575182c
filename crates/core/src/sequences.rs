//! Operations on sequences, which are uploaded packages that the hub can start as instances.

mod delete;
mod get;
mod info;
mod list;
mod list_instances;
mod overwrite;
mod send;
mod start;

use crate::{Path, SequenceId};

crate::operation::operations! {
    pub use delete::DeleteSequence;
    pub use get::GetSequence;
    pub use list::ListSequences;
    pub use list_instances::ListSequenceInstances;
    pub use overwrite::OverwriteSequence;
    pub use send::SendSequence;
    pub use start::StartSequence;
}

/// Exported by [`crate::types`].
pub(crate) mod types {
    pub use super::info::{SequenceConfig, SequenceInfo};
    pub use super::send::SentSequence;
    pub use super::start::{InstanceLimits, StartOptions, Started};
}

/// The path of a sequence: `sequence/:id`.
fn sequence_path(id: &SequenceId) -> Path {
    Path::new("sequence").value(SequenceId::WHAT, id.as_str())
}
