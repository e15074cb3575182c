use scramjet_client_core::{
    GetLoad, GetMultiManagerInfo, HubVersion, ListManagers, LoadCheck, ManagerId, ManagerInfo,
    MultiManagerInfo, ReadLog, RequestError, StartManager,
};
use serde::Serialize;

use crate::body::byte_stream::ByteStream;
use crate::client::Client;
use crate::error::Error;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::platform_client;

/// A MultiManager: a server that runs Managers.
#[derive(Clone)]
pub struct MultiManagerClient {
    pub(crate) client: Client,
}

platform_client!(MultiManagerClient);

impl MultiManagerClient {
    /// A Manager of this MultiManager, through it. Asks nothing.
    ///
    /// # Errors
    /// The id is empty, or cannot stand in a path.
    #[doc(alias = "getManagerClient")]
    pub fn manager<I>(&self, id: I) -> Result<ManagerClient, Error>
    where
        I: TryInto<ManagerId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        Ok(ManagerClient::with(
            self.client
                .nested(|multi| multi.manager_of_multi_manager(&id))?,
        ))
    }

    /// `POST /start`: starts a Manager, with a configuration or a part of it: anything that serializes to a JSON object.
    ///
    /// # Errors
    /// See [`Error`]; a configuration that is not an object is refused before it is sent.
    #[doc(alias = "startManager")]
    pub fn start_manager(&self, config: impl Serialize) -> Result<ManagerClient, Error> {
        let config = serde_json::to_value(config)
            .map_err(|error| RequestError::option("manager", &error.to_string()))?;
        let started = self.client.call(&StartManager { config: &config })?;
        self.manager(started.id)
    }

    /// `GET /list`: its Managers.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getManagers")]
    #[inline]
    pub fn list_managers(&self) -> Result<Vec<ManagerInfo>, Error> {
        self.client.call(&ListManagers)
    }

    /// `GET /version`: which version it has.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getVersion")]
    pub fn version(&self) -> Result<HubVersion, Error> {
        self.client.version()
    }

    /// `GET /load`: how much room its machine has.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getLoad")]
    #[inline]
    pub fn load(&self) -> Result<LoadCheck, Error> {
        self.client.call(&GetLoad)
    }

    /// `GET /info`: what it says about itself.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getInfo")]
    #[inline]
    pub fn info(&self) -> Result<MultiManagerInfo, Error> {
        self.client.call(&GetMultiManagerInfo)
    }

    /// `GET /log`: what it logs, in JSON lines. Never ends.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getLogStream")]
    #[inline]
    pub fn log_stream(&self) -> Result<ByteStream, Error> {
        self.client.open(&ReadLog)
    }
}
