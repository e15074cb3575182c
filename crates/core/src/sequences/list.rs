use alloc::vec::Vec;

use http::Method;

use crate::operation::Inline;
use crate::{Json, Operation, Path, SequenceInfo};

/// `GET /sequences`: all sequences of the hub.
#[derive(Clone, Copy, Debug)]
pub struct ListSequences;

impl Operation for ListSequences {
    const NAME: &'static str = "list sequences";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<SequenceInfo>>;

    fn path(&self) -> Path {
        Path::new("sequences")
    }
}
