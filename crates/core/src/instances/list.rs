use alloc::vec::Vec;

use http::Method;

use crate::operation::Inline;
use crate::{InstanceInfo, Json, Operation, Path};

/// `GET /instances`: all instances of the hub. Before 0.24.0 with nothing but their ids and sequences.
#[derive(Clone, Copy, Debug)]
pub struct ListInstances;

impl Operation for ListInstances {
    const NAME: &'static str = "list instances";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<Vec<InstanceInfo>>;

    fn path(&self) -> Path {
        Path::new("instances")
    }
}
