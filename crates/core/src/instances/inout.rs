use http::{HeaderMap, HeaderValue, Method, header};

use super::instance_path;
use crate::{Chunks, ContentType, InstanceId, Operation, Path, RequestError, Streamed, Version};

/// `POST /instance/:id/inout`: sends data to the sequence's input, and reads its output in the answer. Since 0.29.0.
///
/// What it is good for is narrow:
///
/// * Not even the head of the answer comes before the first byte of output.
/// * The answer never ends, not even when the output does: the caller has to know when it has read enough.
/// * It never ends the input, so what waits for the end of the input gives nothing.
/// * Data that is longer than what hub, instance and connection hold is taken only while the output is read. A driver that
///   reads after it has sent everything waits for ever.
/// * quirk (1.0.1): bytes that are not UTF-8 are damaged.
///
/// [`SendInput`](crate::SendInput) and [`ReadStream`](crate::ReadStream) side by side have none of these limits.
#[derive(Clone, Copy, Debug)]
pub struct InOut<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// What the data is. An input has one content type: that of the first request to it. So it is always sent; without it, the
    /// first request would disable the input.
    pub content_type: ContentType,
}

impl Operation for InOut<'_> {
    const NAME: &'static str = "send input and read output";
    const METHOD: Method = Method::POST;
    const SINCE: Version = Version::new(0, 29, 0);
    type Payload = Streamed;
    type Decoder = Chunks;

    fn path(&self) -> Path {
        instance_path(self.id).literal("inout")
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.content_type.as_str()),
        );
        Ok(())
    }

    /// An older hub's 404 would look as if there were no such instance.
    fn needs_dialect(&self) -> bool {
        true
    }
}
