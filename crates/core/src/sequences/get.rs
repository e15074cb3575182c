use http::Method;

use super::sequence_path;
use crate::operation::Inline;
use crate::{Json, Operation, Path, SequenceId, SequenceInfo};

/// `GET /sequence/:id`: returns the info of a sequence.
///
/// Response: [`SequenceInfo`] as JSON; 404 if the hub has no such sequence.
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
        sequence_path(self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn get_sequence_sends_any_valid_id_unchanged() {
        assert_request(&GetSequence { id: &id("s") }, "GET /sequence/s");
        let id = &id("a+b@c!$&'()*,;=:~50%-_.");
        assert_request(&GetSequence { id }, "GET /sequence/a+b@c!$&'()*,;=:~50%-_.");
    }
}
