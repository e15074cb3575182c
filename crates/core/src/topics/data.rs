use http::{HeaderMap, Method};

use crate::headers::end_stream;
use crate::operation::Inline;
use crate::{Chunks, ContentType, Discard, Operation, Path, RequestError, Streamed, TopicName};

/// `POST /topic/:name`: writes data to a topic. Creates the topic if it does not exist.
///
/// Request: the data. Response: ignored. 1.x responds after it has read the whole request body,
/// 0.18 before.
///
/// A topic without a reader buffers about 100 kB on 1.x and less than 16 kB on 0.18; then the hub
/// stops reading the request. On 1.x several writers take turns: the hub reads a request only after
/// the earlier ones have finished. Quirk (1.x): the hub never responds to an empty body.
#[derive(Clone, Copy, Debug)]
pub struct SendTopic<'a> {
    /// The topic.
    pub name: &'a TopicName,
    /// The content type of the data. 1.x refuses another type than the topic's (500).
    pub content_type: ContentType,
    /// `Some(true)` ends the topic permanently after this data. 1.x ignores this option.
    pub end: Option<bool>,
}

impl Operation for SendTopic<'_> {
    const NAME: &'static str = "send to topic";
    const METHOD: Method = Method::POST;
    type Payload = Streamed;
    type Decoder = Discard;

    fn path(&self) -> Path {
        Path::new("topic").value(TopicName::WHAT, self.name.as_str())
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        self.content_type.insert_into(headers);
        end_stream(headers, self.end);
        Ok(())
    }
}

/// `GET /topic/:name`: reads data from a topic. Creates the topic if it does not exist.
///
/// Response: the data as bytes. The stream ends only on hubs of 0.18, if a writer ends the topic.
/// The hub buffers data until the first client reads the topic. If several clients read it, each
/// gets all data from its request on.
#[derive(Clone, Copy, Debug)]
pub struct ReadTopic<'a> {
    /// The topic.
    pub name: &'a TopicName,
    /// The content type of the data. 1.x refuses another type than the topic's (415).
    pub content_type: ContentType,
}

impl Operation for ReadTopic<'_> {
    const NAME: &'static str = "read topic";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Chunks;

    fn path(&self) -> Path {
        Path::new("topic").value(TopicName::WHAT, self.name.as_str())
    }

    /// The hub reads the wanted type from `Content-Type`. In `Accept` it supports only
    /// `application/octet-stream`.
    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        self.content_type.insert_into(headers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, assert_request_to, hub_of, id};

    #[test]
    fn send_topic_has_the_content_type_of_the_data() {
        let name = &id("TOP");
        for (content_type, text) in [
            (ContentType::Ndjson, "application/x-ndjson"),
            (ContentType::TextNdjson, "text/x-ndjson"),
            (ContentType::Bytes, "application/octet-stream"),
        ] {
            let end = None;
            let send = SendTopic {
                name,
                content_type,
                end,
            };
            let expected = "
                POST /topic/TOP
                content-type: TYPE

                <streamed>
                ";
            assert_request(&send, &expected.replace("TYPE", text));
        }
    }

    #[test]
    fn send_topic_ends_the_topic_with_a_header() {
        let send = SendTopic {
            name: &id("TOP"),
            content_type: ContentType::Text,
            end: Some(true),
        };
        assert_request_to(
            &hub_of("0.18.7"),
            &send,
            "
            POST /topic/TOP
            content-type: text/plain
            x-end-stream: true

            <streamed>
            ",
        );
    }

    #[test]
    fn read_topic_has_the_wanted_content_type() {
        let name = &id("TOP");
        for (content_type, text) in [
            (ContentType::Ndjson, "application/x-ndjson"),
            (ContentType::TextNdjson, "text/x-ndjson"),
            (ContentType::Bytes, "application/octet-stream"),
        ] {
            let expected = "
                GET /topic/TOP
                content-type: TYPE
                ";
            let read = ReadTopic { name, content_type };
            assert_request(&read, &expected.replace("TYPE", text));
        }
    }
}
