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
