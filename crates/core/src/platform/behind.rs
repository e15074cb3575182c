use crate::{Endpoint, HubId, ManagerId, Path, RequestError, SpaceId};

/// Where the base path of an API lies that is reached through another one.
const BASE: &str = "api/v1";

/// What is reached through an endpoint: the same headers, its own dialect.
impl Endpoint {
    /// A hub through its Manager: `…/sth/:hub/api/v1`.
    ///
    /// # Errors
    /// The id cannot stand in a path.
    pub fn hub_of_manager(&self, id: &HubId) -> Result<Self, RequestError> {
        self.nested(
            Path::new("sth")
                .value(HubId::WHAT, id.as_str())
                .literal(BASE),
        )
    }

    /// The Manager that a hub is connected to, through the hub: `…/cpm/api/v1`.
    ///
    /// # Errors
    /// None, as there is no id in the path.
    pub fn manager_of_hub(&self) -> Result<Self, RequestError> {
        self.nested(Path::new("cpm").literal(BASE))
    }

    /// A Manager through its MultiManager: `…/cpm/:manager/api/v1`.
    ///
    /// # Errors
    /// The id cannot stand in a path.
    pub fn manager_of_multi_manager(&self, id: &ManagerId) -> Result<Self, RequestError> {
        self.nested(
            Path::new("cpm")
                .value(ManagerId::WHAT, id.as_str())
                .literal(BASE),
        )
    }

    /// The Manager of a space, through the Middleware: `…/space/:space/api/v1`.
    ///
    /// # Errors
    /// The id cannot stand in a path.
    pub fn manager_of_space(&self, id: &SpaceId) -> Result<Self, RequestError> {
        self.nested(
            Path::new("space")
                .value(SpaceId::WHAT, id.as_str())
                .literal(BASE),
        )
    }
}
