use alloc::string::String;

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::headers::json;
use crate::operation::{Inline, inline_json};
use crate::{ContentType, Dialect, Extra, Json, Operation, Path, RequestError, TopicName, Version};

/// `POST /topics`: creates a topic. Since 0.35.0; on older hubs a topic comes into being when it is first used.
#[derive(Clone, Copy, Debug)]
pub struct CreateTopic<'a> {
    /// Its name: letters, digits and `_`, `+`, `-`.
    pub name: &'a TopicName,
    /// The content type of its data.
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

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        json(headers);
        Ok(())
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

/// What the hub says about a new topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its name.
    pub id: TopicName,
    /// The content type of its data.
    #[serde(default)]
    pub content_type: String,
    /// What its stream does: `flowing`, `pause`, `drain` or `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// All further members, for example `origin`.
    #[serde(flatten)]
    pub extra: Extra,
}
