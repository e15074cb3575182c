use alloc::string::String;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::operation::{Inline, inline_json};
use crate::{ContentType, Dialect, Extra, Json, Operation, Path, RequestError, TopicName, Version};

/// `POST /topics`: creates a topic.
///
/// Request: name and content type as JSON. Response: [`CreatedTopic`] as JSON; 400 if the topic
/// exists. Since hub 0.35.0. Older hubs create a topic when it is first read or written.
#[derive(Clone, Copy, Debug)]
pub struct CreateTopic<'a> {
    /// The name: letters, digits, `_`, `+` and `-`.
    pub name: &'a TopicName,
    /// The content type of the data.
    pub content_type: ContentType,
}

impl Operation for CreateTopic<'_> {
    const NAME: &'static str = "create topic";
    const METHOD: Method = Method::POST;
    const SINCE: Version = Dialect::TOPIC_MANAGEMENT;
    type Payload = Inline;
    type Decoder = Json<CreatedTopic>;

    fn path(&self) -> Path {
        Path::new("topics")
    }

    fn payload(&self, _: Dialect) -> Result<Inline, RequestError> {
        let body = Body {
            id: self.name.as_str(),
            content_type: self.content_type.as_str(),
        };
        inline_json("payload", &body)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Body<'a> {
    id: &'a str,
    content_type: &'a str,
}

/// The response to the creation of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreatedTopic {
    /// The name of the topic.
    pub id: TopicName,
    /// The content type of the data.
    #[serde(default)]
    pub content_type: String,
    /// The state of its stream: `flowing`, `pause`, `drain` or `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// All other members, for example `origin`.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_round_trip, id};

    #[test]
    fn create_topic_sends_name_and_content_type() {
        let name = &id("TOP");
        let content_type = ContentType::Ndjson;
        assert_request(
            &CreateTopic { name, content_type },
            r#"
            POST /topics
            content-type: application/json

            {"id":"TOP","content-type":"application/x-ndjson"}
            "#,
        );
        let content_type = ContentType::Text;
        assert_request(
            &CreateTopic { name, content_type },
            r#"
            POST /topics
            content-type: application/json

            {"id":"TOP","content-type":"text/plain"}
            "#,
        );
        let content_type = ContentType::TextNdjson;
        assert_request(
            &CreateTopic { name, content_type },
            r#"
            POST /topics
            content-type: application/json

            {"id":"TOP","content-type":"text/x-ndjson"}
            "#,
        );
    }

    #[test]
    fn created_topic_keeps_unknown_members() {
        assert_round_trip::<CreatedTopic>(json!({
            "id": "t", "contentType": "text/plain", "state": "s", "later": 1,
        }));
    }
}
