use alloc::string::String;
use alloc::vec::Vec;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::operation::Inline;
use crate::{Extra, Json, Operation, Path};

/// `GET /topics`: all topics of the hub. quirk (0.18.7): always none.
#[derive(Clone, Copy, Debug)]
pub struct ListTopics;

impl Operation for ListTopics {
    const NAME: &'static str = "list topics";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<TopicInfo>>;

    fn path(&self) -> Path {
        Path::new("topics")
    }
}

/// A topic as the hub describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopicInfo {
    /// The topic's name.
    #[serde(rename = "topicName", default)]
    pub name: String,
    /// The content type of its data; parse it to read or write the topic:
    /// `topic.content_type.parse()?`, see [`ContentType`](crate::ContentType).
    #[serde(default)]
    pub content_type: String,
    /// All further members: `localProvider`, and `topic`, which is the name again.
    #[serde(flatten)]
    pub extra: Extra,
}
