use http::Method;

use super::instance_path;
use crate::operation::{Inline, shared_decoder};
use crate::{InstanceId, InstanceInfo, Json, Operation, Path};

/// `GET /instance/:id`: returns the info of an instance.
///
/// Response: [`InstanceInfo`] as JSON; 404 if the hub does not know the instance. Quirk (0.18.7):
/// the hub responds only when the process of the instance has connected to it.
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
    shared_decoder! {}

    fn path(&self) -> Path {
        instance_path(self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn get_instance_has_no_body() {
        assert_request(&GetInstance { id: &id("i") }, "GET /instance/i");
    }
}
