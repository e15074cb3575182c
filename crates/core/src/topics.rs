//! Topics: streams with a name, between instances and the outside.

mod create;
mod data;
mod delete;
mod list;

pub use create::{CreateTopic, CreatedTopic};
pub use data::{ReadTopic, SendTopic};
pub use delete::DeleteTopic;
pub use list::{ListTopics, TopicInfo};
