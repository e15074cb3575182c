use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::headers::octet_stream;
use crate::operation::shared_decoder;
use crate::{Extra, Json, Operation, Path, RequestError, SequenceId, Streamed};

/// `POST /sequence`: uploads a package.
///
/// Request: a gzip-compressed tar archive with `package.json` at its root. Response:
/// [`SentSequence`] as JSON, when the hub has unpacked the package; 422 if the package is invalid.
#[derive(Clone, Copy, Debug)]
pub struct SendSequence;

impl Operation for SendSequence {
    const NAME: &'static str = "send sequence";
    const METHOD: Method = Method::POST;
    type Payload = Streamed;
    type Decoder = Json<SentSequence>;
    shared_decoder! {}

    fn path(&self) -> Path {
        Path::new("sequence")
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        octet_stream(headers);
        Ok(())
    }
}

/// The response to the upload of a package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SentSequence {
    /// The id of the sequence.
    pub id: SequenceId,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kit::{assert_request, assert_request_to, assert_round_trip, hub_with_token};

    #[test]
    fn send_sequence_streams_bytes() {
        assert_request(
            &SendSequence,
            "
            POST /sequence
            content-type: application/octet-stream

            <streamed>
            ",
        );
        assert_request_to(
            &hub_with_token(),
            &SendSequence,
            "
            POST /sequence
            authorization: Sensitive
            content-type: application/octet-stream

            <streamed>
            ",
        );
    }

    #[test]
    fn sent_sequence_keeps_unknown_members() {
        assert_round_trip::<SentSequence>(json!({ "id": "s", "later": 1 }));
    }
}
