use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::headers::octet_stream;
use crate::{Extra, Json, Operation, Path, RequestError, SequenceId, Streamed};

/// `POST /sequence`: uploads a package, a gzip-compressed tar with `package.json` at its root. The hub answers when it is unpacked.
///
/// A package that cannot be used is refused with 422.
#[derive(Clone, Copy, Debug)]
pub struct SendSequence;

impl Operation for SendSequence {
    const NAME: &'static str = "send sequence";
    const METHOD: Method = Method::POST;
    type Payload = Streamed;
    type Decoder = Json<SentSequence>;

    fn path(&self) -> Path {
        Path::new("sequence")
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        octet_stream(headers);
        Ok(())
    }
}

/// What the hub says about an uploaded sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SentSequence {
    /// The sequence's id.
    pub id: SequenceId,
    /// Members that this library does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
