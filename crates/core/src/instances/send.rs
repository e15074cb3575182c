use http::{HeaderMap, Method};

use super::instance_path;
use crate::{ContentType, InstanceId, Operation, Path, Receipt, RequestError, Streamed, headers};

/// `POST /instance/:id/input`: sends data to the input of the sequence, and by default ends the
/// input.
///
/// Request: the data. Response: an empty body. The hub sends the response head at once, and ends
/// the body when it has accepted all data. Read the response to its end before you rely on the
/// delivery.
///
/// Quirk (0.18.7, 1.x): the response may never end if the input has already ended, or if the
/// instance has ended. Quirk (1.x): after an uncaught exception in the sequence, the hub accepts
/// the data and discards it.
#[derive(Clone, Copy, Debug)]
pub struct SendInput<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The content type of the data. The first request to an input fixes its content type.
    pub content_type: ContentType,
    /// `false` keeps the input open after this data. `None` and `Some(true)` end it.
    pub end: Option<bool>,
}

/// `POST /instance/:id/stdin`: sends data to the standard input of the process, and by default ends
/// the standard input.
///
/// Request and response are like those of [`SendInput`]. Quirk (0.18.7): if the process has not yet
/// read the data of an earlier request, the hub delivers the new data before it.
#[derive(Clone, Copy, Debug)]
pub struct SendStdin<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// `false` keeps the standard input open after this data. `None` and `Some(true)` end it.
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
        self.content_type.insert_into(headers);
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

    /// Hubs accept no other content type for the standard input.
    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::octet_stream(headers);
        headers::end_stream(headers, self.end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    const ENDS: [(Option<bool>, &str); 3] = [
        (None, ""),
        (Some(true), "\nx-end-stream: true"),
        (Some(false), "\nx-end-stream: false"),
    ];

    #[test]
    fn send_input_has_content_type_and_end() {
        for (content_type, text) in [
            (ContentType::Text, "text/plain"),
            (ContentType::Bytes, "application/octet-stream"),
            (ContentType::Ndjson, "application/x-ndjson"),
        ] {
            for (end, header) in ENDS {
                let send = SendInput {
                    id: &id("i"),
                    content_type,
                    end,
                };
                let expected = "
                    POST /instance/i/input
                    content-type: TYPE END

                    <streamed>
                    ";
                let expected = expected.replace("TYPE", text).replace(" END", header);
                assert_request(&send, &expected);
            }
        }
    }

    #[test]
    fn send_stdin_sends_bytes_and_end() {
        for (end, header) in ENDS {
            let id = &id("i");
            let expected = "
                POST /instance/i/stdin
                content-type: application/octet-stream END

                <streamed>
                ";
            assert_request(&SendStdin { id, end }, &expected.replace(" END", header));
        }
    }
}
