use std::fmt;

use scramjet_client_core::{
    GetLoad, GetMultiManagerInfo, HubVersion, ListManagers, LoadCheck, ManagerId, ManagerInfo,
    MultiManagerInfo, ReadLog, RequestError, StartManager,
};
use serde::Serialize;

use crate::body::byte_stream::ByteStream;
use crate::client::Client;
use crate::error::Error;
use crate::handles::into_id::IntoId;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::platform_client;

/// A handle to a MultiManager, a server that runs Managers.
///
/// Clones are cheap and share connections.
#[derive(Clone)]
pub struct MultiManagerClient {
    pub(crate) client: Client,
}

platform_client!(MultiManagerClient, "MultiManager": load, log_stream);

impl MultiManagerClient {
    /// Creates a client of a Manager that this MultiManager runs. Sends nothing.
    ///
    /// Its requests go through the MultiManager.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "getManagerClient")]
    pub fn manager(&self, id: impl IntoId<ManagerId>) -> Result<ManagerClient, Error> {
        let id = id.into_id()?;
        let manager = self
            .client
            .nested(|endpoint| endpoint.manager_of_multi_manager(&id))?;
        Ok(ManagerClient::with(manager))
    }

    /// Starts a Manager (`POST /start`), and returns a handle to it.
    ///
    /// `config` is a complete or partial configuration: any value that serializes to a JSON object.
    ///
    /// # Errors
    /// [`RequestError::Option`] if the configuration is not an object.
    #[doc(alias = "startManager")]
    pub fn start_manager(&self, config: impl Serialize) -> Result<ManagerClient, Error> {
        let config = serde_json::to_value(config)
            .map_err(|error| RequestError::option("manager", &error.to_string()))?;
        let started = self.client.call(&StartManager { config: &config })?;
        self.manager(started.id)
    }

    /// Lists the Managers (`GET /list`).
    #[doc(alias = "getManagers")]
    #[inline]
    pub fn list_managers(&self) -> Result<Vec<ManagerInfo>, Error> {
        self.client.call(&ListManagers)
    }

    /// Returns information about the MultiManager (`GET /info`).
    #[doc(alias = "getInfo")]
    #[inline]
    pub fn info(&self) -> Result<MultiManagerInfo, Error> {
        self.client.call(&GetMultiManagerInfo)
    }
}
