use http::{HeaderMap, Method};

use crate::headers::octet_stream;
use crate::{
    Dialect, Json, Operation, Path, RequestError, SentSequence, SequenceId, Streamed, Version,
};

/// `PUT /sequence/:id`: replaces the package of a sequence that has no instances. Since 0.38.0.
///
/// Refused with 409 while any instance is listed, which on 1.x includes those that ended a short while ago.
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

    fn path(&self) -> Path {
        Path::new("sequence").value(SequenceId::WHAT, self.id.as_str())
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        octet_stream(headers);
        Ok(())
    }

    /// An older hub would let the whole package come before it answers 404.
    fn needs_dialect(&self) -> bool {
        true
    }
}
