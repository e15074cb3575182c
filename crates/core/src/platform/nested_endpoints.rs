use crate::{Endpoint, HubId, ManagerId, Path, RequestError, SpaceId};

/// The base path of every nested API.
const BASE: &str = "api/v1";

/// Endpoints of other servers that this one forwards requests to. They have the same headers, and
/// no dialect yet.
impl Endpoint {
    /// Returns the endpoint of a hub, through its Manager: `…/sth/:hub/api/v1`.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id cannot be part of a path.
    pub fn hub_of_manager(&self, id: &HubId) -> Result<Self, RequestError> {
        let path = Path::new("sth").value(HubId::WHAT, id.as_str());
        self.nested(path.literal(BASE))
    }

    /// Returns the endpoint of the Manager that a hub is connected to, through the hub:
    /// `…/cpm/api/v1`.
    ///
    /// # Errors
    /// None, because the path contains no id.
    pub fn manager_of_hub(&self) -> Result<Self, RequestError> {
        self.nested(Path::new("cpm").literal(BASE))
    }

    /// Returns the endpoint of a Manager, through its MultiManager: `…/cpm/:manager/api/v1`.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id cannot be part of a path.
    pub fn manager_of_multi_manager(&self, id: &ManagerId) -> Result<Self, RequestError> {
        let path = Path::new("cpm").value(ManagerId::WHAT, id.as_str());
        self.nested(path.literal(BASE))
    }

    /// Returns the endpoint of the Manager of a space, through the Middleware:
    /// `…/space/:space/api/v1`.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id cannot be part of a path.
    pub fn manager_of_space(&self, id: &SpaceId) -> Result<Self, RequestError> {
        let path = Path::new("space").value(SpaceId::WHAT, id.as_str());
        self.nested(path.literal(BASE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request_to, hub, hub_with_token, id};
    use crate::{GetVersion, ListHubs};

    fn assert_version(endpoint: Result<Endpoint, RequestError>, expected: &str) {
        let endpoint = endpoint.unwrap_or_else(|error| unreachable!("{error}"));
        assert_eq!(endpoint.dialect(), None);
        assert_request_to(&endpoint, &GetVersion, expected);
    }

    #[test]
    fn endpoints_of_hubs_and_managers_are_below_the_server() {
        let hub = hub();
        assert_version(hub.manager_of_hub(), "GET /cpm/api/v1/version");
        assert_version(
            hub.manager_of_multi_manager(&id("M")),
            "GET /cpm/M/api/v1/version",
        );
        assert_version(
            hub.hub_of_manager(&id("HUB")),
            "GET /sth/HUB/api/v1/version",
        );
    }

    #[test]
    fn endpoints_of_spaces_keep_the_token() {
        let space = hub_with_token().manager_of_space(&id("SP"));
        let manager = space.unwrap_or_else(|error| unreachable!("{error}"));
        assert_request_to(
            &manager,
            &ListHubs,
            "
            GET /space/SP/api/v1/list
            authorization: Sensitive
            ",
        );
        assert_version(
            manager.hub_of_manager(&id("HUB")),
            "
            GET /space/SP/api/v1/sth/HUB/api/v1/version
            authorization: Sensitive
            ",
        );
    }
}
