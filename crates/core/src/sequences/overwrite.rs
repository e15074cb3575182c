use http::{HeaderMap, Method};

use super::sequence_path;
use crate::headers::octet_stream;
use crate::operation::shared_decoder;
use crate::{
    Dialect, Json, Operation, Path, RequestError, SentSequence, SequenceId, Streamed, Version,
};

/// `PUT /sequence/:id`: replaces the package of a sequence that has no instances.
///
/// Request: the package, like in [`SendSequence`](crate::SendSequence). Response: [`SentSequence`]
/// as JSON; 409 if the hub lists any instance of the sequence, which on 1.x includes those that
/// ended in the last minutes. Since hub 0.38.0.
#[derive(Clone, Copy, Debug)]
pub struct OverwriteSequence<'a> {
    /// The sequence.
    pub id: &'a SequenceId,
}

impl Operation for OverwriteSequence<'_> {
    const NAME: &'static str = "overwrite sequence";
    const METHOD: Method = Method::PUT;
    const SINCE: Version = Dialect::OVERWRITES;
    type Payload = Streamed;
    type Decoder = Json<SentSequence>;
    shared_decoder! {}

    fn path(&self) -> Path {
        sequence_path(self.id)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        octet_stream(headers);
        Ok(())
    }

    /// An older hub reads the whole package before it responds with 404.
    fn needs_dialect(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn overwrite_sequence_streams_bytes() {
        assert_request(
            &OverwriteSequence { id: &id("s") },
            "
            PUT /sequence/s
            content-type: application/octet-stream

            <streamed>
            ",
        );
    }
}
