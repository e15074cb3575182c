use http::{HeaderMap, Method};

use crate::headers::json;
use crate::operation::Inline;
use crate::{Dialect, Discard, Operation, Path, RequestError, TopicName, Version};

/// `DELETE /topics/:name`: removes a topic. Since 0.35.0.
///
/// Who reads it stays attached to nothing: a topic of the same name, written later, is another one.
#[derive(Clone, Copy, Debug)]
pub struct DeleteTopic<'a> {
    /// The topic.
    pub name: &'a TopicName,
}

impl Operation for DeleteTopic<'_> {
    const NAME: &'static str = "delete topic";
    const METHOD: Method = Method::DELETE;
    const SINCE: Version = Dialect::TOPIC_MANAGEMENT;
    type Payload = Inline;
    type Decoder = Discard;

    fn path(&self) -> Path {
        Path::new("topics").value(TopicName::WHAT, self.name.as_str())
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        json(headers);
        Ok(())
    }
}
