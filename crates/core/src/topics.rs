//! Operations on topics, which are named streams between instances and clients.

mod create;
mod data;
mod delete;
mod list;

crate::operation::operations! {
    pub use create::CreateTopic;
    pub use data::ReadTopic;
    pub use data::SendTopic;
    pub use delete::DeleteTopic;
    pub use list::ListTopics;
}

/// Exported by [`crate::types`].
pub(crate) mod types {
    pub use super::create::CreatedTopic;
    pub use super::list::TopicInfo;
}
