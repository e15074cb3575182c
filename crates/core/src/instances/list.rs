use alloc::vec::Vec;

use crate::operation::{get, shared_decoder};
use crate::{InstanceInfo, Json};

get! {
    /// `GET /instances`: returns all instances of the hub.
    ///
    /// Response: a list of [`InstanceInfo`] as JSON. Hubs before 0.24.0 send only their ids and
    /// sequences.
    pub struct ListInstances;
    NAME = "list instances";
    PATH = "instances";
    Decoder = Json<Vec<InstanceInfo>>;
    shared_decoder! {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::assert_request;

    #[test]
    fn list_instances_has_no_body() {
        assert_request(&ListInstances, "GET /instances");
    }
}
