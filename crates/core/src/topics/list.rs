use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::operation::get;
use crate::{Extra, Json};

get! {
    /// `GET /topics`: returns all topics of the hub.
    ///
    /// Response: a list of [`TopicInfo`] as JSON. Quirk (0.18.7): the list is always empty.
    pub struct ListTopics;
    NAME = "list topics";
    PATH = "topics";
    Decoder = Json<Vec<TopicInfo>>;
}

/// The hub's description of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopicInfo {
    /// The name of the topic.
    #[serde(rename = "topicName", default)]
    pub name: String,
    /// The content type of the data. Parse it with `topic.content_type.parse()?` to read or write
    /// the topic, see [`ContentType`](crate::ContentType).
    #[serde(default)]
    pub content_type: String,
    /// All other members: `localProvider`, and `topic`, which repeats the name.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip};

    #[test]
    fn list_topics_has_no_body() {
        assert_request(&ListTopics, "GET /topics");
    }

    #[test]
    fn topic_info_keeps_unknown_members() {
        assert_round_trip::<TopicInfo>(json!({
            "topicName": "t", "contentType": "text/plain", "later": 1,
        }));
    }
}
