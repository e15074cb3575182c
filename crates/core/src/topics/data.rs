use http::{HeaderMap, HeaderValue, Method, header};

use crate::headers::end_stream;
use crate::operation::Inline;
use crate::{Chunks, ContentType, Discard, Operation, Path, RequestError, Streamed, TopicName};

/// `POST /topic/:name`: writes to a topic, which comes into being where there is none.
///
/// A topic without a reader takes some kB (100 on 1.x, 16 on 0.18), and then holds the writer back. On 1.x several writers
/// take turns: a later one waits until an earlier one has finished.
/// quirk (1.x): an empty body is never answered.
#[derive(Clone, Copy, Debug)]
pub struct SendTopic<'a> {
    /// The topic.
    pub name: &'a TopicName,
    /// What the data is. 1.x refuses another type than the topic's.
    pub content_type: ContentType,
    /// Whether the topic ends for good after this data. 1.x takes no notice of it.
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
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.content_type.as_str()),
        );
        end_stream(headers, self.end);
        Ok(())
    }
}

/// `GET /topic/:name`: reads a topic, which comes into being where there is none. Never ends, but where the topic is ended (0.18).
///
/// Data waits for the first reader; several readers each get everything from the moment they came.
#[derive(Clone, Copy, Debug)]
pub struct ReadTopic<'a> {
    /// The topic.
    pub name: &'a TopicName,
    /// What its data is. 1.x refuses another type than the topic's (415).
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

    /// The wanted type goes into the request's content type; what a hub accepts in `Accept` is always the same.
    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.content_type.as_str()),
        );
        Ok(())
    }
}
