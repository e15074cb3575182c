//! Operations on topics, which are named streams between instances and clients.

mod create;
mod data;
mod delete;
mod list;

pub use create::{CreateTopic, CreatedTopic};
pub use data::{ReadTopic, SendTopic};
pub use delete::DeleteTopic;
pub use list::{ListTopics, TopicInfo};
