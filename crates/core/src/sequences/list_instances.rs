use alloc::vec::Vec;

use http::{Method, StatusCode};

use super::sequence_path;
use crate::operation::Inline;
use crate::{ApiError, InstanceId, Json, Operation, Path, SequenceId};

/// `GET /sequence/:id/instances`: returns the ids of a sequence's instances.
///
/// Response: a list of [`InstanceId`] as JSON; 404 if the hub has no such sequence.
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
        sequence_path(self.id).literal("instances")
    }

    /// Quirk (0.18.7): the hub responds with 500 instead of 404 if there is no such sequence.
    fn map_api_error(error: ApiError) -> ApiError {
        if error.status == StatusCode::INTERNAL_SERVER_ERROR
            && error.message == "Failed to serialize data"
        {
            return error.with_meaning(StatusCode::NOT_FOUND, "the hub has no such sequence");
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn list_sequence_instances_has_no_body() {
        assert_request(
            &ListSequenceInstances { id: &id("s") },
            "GET /sequence/s/instances",
        );
    }
}
