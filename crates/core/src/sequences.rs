//! Operations on sequences, which are uploaded packages that the hub can start as instances.

mod delete;
mod get;
mod info;
mod list;
mod list_instances;
mod overwrite;
mod send;
mod start;

pub use delete::DeleteSequence;
pub use get::GetSequence;
pub use info::{SequenceConfig, SequenceInfo};
pub use list::ListSequences;
pub use list_instances::ListSequenceInstances;
pub use overwrite::OverwriteSequence;
pub use send::{SendSequence, SentSequence};
pub use start::{InstanceLimits, StartOptions, StartSequence, Started};

use crate::{Path, SequenceId};

/// The path of a sequence: `sequence/:id`.
fn sequence_path(id: &SequenceId) -> Path {
    Path::new("sequence").value(SequenceId::WHAT, id.as_str())
}
