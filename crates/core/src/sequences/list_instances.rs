use alloc::vec::Vec;

use http::{Method, StatusCode};

use crate::operation::Inline;
use crate::{ApiError, InstanceId, Json, Operation, Path, SequenceId};

/// `GET /sequence/:id/instances`: the ids of the sequence's instances.
#[derive(Clone, Copy, Debug)]
pub struct ListSequenceInstances<'a> {
    /// The sequence.
    pub id: &'a SequenceId,
}

impl Operation for ListSequenceInstances<'_> {
    const NAME: &'static str = "list instances of sequence";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<InstanceId>>;

    fn path(&self) -> Path {
        Path::new("sequence")
            .value(SequenceId::WHAT, self.id.as_str())
            .literal("instances")
    }

    /// quirk (0.18.7): an unknown sequence is answered with 500, because the hub cannot serialize the answer that it does not have.
    fn map_api_error(error: ApiError) -> ApiError {
        if error.status == StatusCode::INTERNAL_SERVER_ERROR
            && error.message == "Failed to serialize data"
        {
            return error.meaning(StatusCode::NOT_FOUND, "the hub has no such sequence");
        }
        error
    }
}
