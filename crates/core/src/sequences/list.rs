use alloc::vec::Vec;

use crate::operation::{get, shared_decoder};
use crate::{Json, SequenceInfo};

get! {
    /// `GET /sequences`: returns all sequences of the hub.
    ///
    /// Response: a list of [`SequenceInfo`] as JSON.
    pub struct ListSequences;
    NAME = "list sequences";
    PATH = "sequences";
    Decoder = Json<Vec<SequenceInfo>>;
    shared_decoder! {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::assert_request;

    #[test]
    fn list_sequences_has_no_body() {
        assert_request(&ListSequences, "GET /sequences");
    }
}
