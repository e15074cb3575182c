use http::{HeaderMap, HeaderValue, Method, header};

use super::instance_path;
use crate::{ContentType, InstanceId, Operation, Path, Receipt, RequestError, Streamed, headers};

/// `POST /instance/:id/input`: sends data to the sequence's input, and by default ends the input after it.
///
/// The hub sends the head of its answer at once, and the end of it when it has taken all data: nothing is delivered before.
/// quirk (0.18.7, 1.x): for an input that has already ended, the answer may never end.
#[derive(Clone, Copy, Debug)]
pub struct SendInput<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// What the data is. An input has one content type: that of the first request to it.
    pub content_type: ContentType,
    /// Whether the input ends after this data. Not said, it does.
    pub end: Option<bool>,
}

/// `POST /instance/:id/stdin`: sends data to the standard input of the instance's process, and by default ends it. Answered like [`SendInput`].
///
/// quirk (0.18.7): data that comes before the process has read the data before it is put in front of that.
#[derive(Clone, Copy, Debug)]
pub struct SendStdin<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// Whether the standard input ends after this data. Not said, it does.
    pub end: Option<bool>,
}

impl Operation for SendInput<'_> {
    const NAME: &'static str = "send input";
    const METHOD: Method = Method::POST;
    type Payload = Streamed;
    type Decoder = Receipt;

    fn path(&self) -> Path {
        instance_path(self.id).literal("input")
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.content_type.as_str()),
        );
        headers::end_stream(headers, self.end);
        Ok(())
    }
}

impl Operation for SendStdin<'_> {
    const NAME: &'static str = "send stdin";
    const METHOD: Method = Method::POST;
    type Payload = Streamed;
    type Decoder = Receipt;

    fn path(&self) -> Path {
        instance_path(self.id).literal("stdin")
    }

    /// The only content type that a standard input takes.
    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::octet_stream(headers);
        headers::end_stream(headers, self.end);
        Ok(())
    }
}
