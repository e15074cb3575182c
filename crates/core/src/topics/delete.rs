use http::Method;

use crate::operation::Inline;
use crate::{Dialect, Discard, Operation, Path, TopicName, Version};

/// `DELETE /topics/:name`: deletes a topic.
///
/// Response: ignored; 404 if there is no such topic. Since hub 0.35.0.
///
/// Readers of the topic stay connected, but receive nothing more. A later topic with the same name
/// is another one.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn delete_topic_has_a_content_type() {
        assert_request(
            &DeleteTopic { name: &id("TOP") },
            "
            DELETE /topics/TOP
            content-type: application/json
            ",
        );
    }
}
