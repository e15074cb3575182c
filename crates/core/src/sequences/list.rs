use alloc::vec::Vec;

use crate::operation::get;
use crate::{Json, SequenceInfo};

get! {
    /// `GET /sequences`: returns all sequences of the hub.
    ///
    /// Response: a list of [`SequenceInfo`] as JSON.
    pub struct ListSequences;
    NAME = "list sequences";
    PATH = "sequences";
    Decoder = Json<Vec<SequenceInfo>>;
}
