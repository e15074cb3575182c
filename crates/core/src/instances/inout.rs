use http::{HeaderMap, Method};

use super::instance_path;
use crate::{Chunks, ContentType, InstanceId, Operation, Path, RequestError, Streamed, Version};

/// `POST /instance/:id/inout`: sends data to the input, and streams the output in the response.
///
/// Request: the data. Response: the output as bytes. Since hub 0.29.0.
///
/// This route has several limits:
///
/// * The hub sends nothing before the first byte of output, not even the response head.
/// * The response never ends, not even when the output does. The caller has to know when to stop.
/// * The request never ends the input. A sequence that waits for the end of its input outputs
///   nothing.
/// * If the data exceeds the buffers of the hub, the instance and the connection, the hub accepts
///   more only while the client reads the output. A driver that sends everything before it reads
///   blocks forever.
/// * Quirk (1.0.1): the hub replaces bytes that are not UTF-8.
///
/// [`SendInput`](crate::SendInput) together with [`ReadStream`](crate::ReadStream) has none of
/// these limits.
#[derive(Clone, Copy, Debug)]
pub struct InOut<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The content type of the data. The first request to an input fixes its content type. It is
    /// not optional, because a first request without a content type would disable the input.
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
        self.content_type.insert_into(headers);
        Ok(())
    }

    /// An older hub responds with 404, which would look like a missing instance.
    fn needs_dialect(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn in_out_has_the_content_type_of_the_data() {
        for (content_type, text) in [
            (ContentType::Text, "text/plain"),
            (ContentType::Bytes, "application/octet-stream"),
            (ContentType::Ndjson, "application/x-ndjson"),
        ] {
            let id = &id("i");
            let expected = "
                POST /instance/i/inout
                content-type: TYPE

                <streamed>
                ";
            assert_request(&InOut { id, content_type }, &expected.replace("TYPE", text));
        }
    }
}
