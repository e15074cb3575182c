use http::Method;

use super::instance_path;
use crate::operation::Inline;
use crate::{InstanceId, InstanceInfo, Json, Operation, Path};

/// `GET /instance/:id`: what the hub knows of an instance.
///
/// quirk (0.18.7): waits until the instance's process has connected to the hub.
#[derive(Clone, Copy, Debug)]
pub struct GetInstance<'a> {
    /// The instance.
    pub id: &'a InstanceId,
}

impl Operation for GetInstance<'_> {
    const NAME: &'static str = "get instance";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Json<InstanceInfo>;

    fn path(&self) -> Path {
        instance_path(self.id)
    }
}
