use http::Method;

use crate::operation::Inline;
use crate::{Json, Operation, Path, SequenceId, SequenceInfo};

/// `GET /sequence/:id`: what the hub knows of a sequence.
#[derive(Clone, Copy, Debug)]
pub struct GetSequence<'a> {
    /// The sequence.
    pub id: &'a SequenceId,
}

impl Operation for GetSequence<'_> {
    const NAME: &'static str = "get sequence";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<SequenceInfo>;

    fn path(&self) -> Path {
        Path::new("sequence").value(SequenceId::WHAT, self.id.as_str())
    }
}
