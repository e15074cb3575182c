use scramjet_client_core::{
    ClearStore, DeleteHub, DeleteStoreItem, DisconnectHubs, Disconnected, Endpoint, GetLoad,
    GetManagerConfig, HubId, HubInfo, HubVersion, InstanceInfo, ListAllSequences, ListHubs,
    ListInstances, ListManagerTopics, ListSequences, ListStoreItems, LoadCheck, ManagerConfig,
    ManagerTopic, PutStoreItem, ReadAudit, ReadLog, RequestError, SequenceInfo, StoreItem,
    StoreItemId,
};

use crate::body::byte_stream::ByteStream;
use crate::body::upload::Upload;
use crate::client::Client;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::platform::platform_client;

/// A Manager: what hubs are connected to.
///
/// Made directly, or by [`HostClient::manager`], [`MultiManagerClient::manager`](crate::platform::MultiManagerClient::manager),
/// [`MiddlewareClient::manager`](crate::platform::MiddlewareClient::manager). It shares connections, headers and credentials with what it was made by.
#[derive(Clone)]
pub struct ManagerClient {
    pub(crate) client: Client,
}

platform_client!(ManagerClient);

impl ManagerClient {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A hub of this Manager, through it. Asks nothing.
    ///
    /// # Errors
    /// The id is empty, or cannot stand in a path.
    #[doc(alias = "getHostClient")]
    pub fn host<I>(&self, id: I) -> Result<HostClient, Error>
    where
        I: TryInto<HubId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        Ok(HostClient::with(
            self.client.nested(|manager| manager.hub_of_manager(&id))?,
        ))
    }

    /// `GET /list`: the hubs of this Manager.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getHosts")]
    #[inline]
    pub fn list_hubs(&self) -> Result<Vec<HubInfo>, Error> {
        self.client.call(&ListHubs)
    }

    /// `GET /version`: which version the Manager has.
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

    /// `GET /config`: its configuration.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getConfig")]
    #[inline]
    pub fn config(&self) -> Result<ManagerConfig, Error> {
        self.client.call(&GetManagerConfig)
    }

    /// `GET /sequences`: the sequences of its hubs.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getSequences")]
    #[inline]
    pub fn list_sequences(&self) -> Result<Vec<SequenceInfo>, Error> {
        self.client.call(&ListSequences)
    }

    /// `GET /all_sequences`: the sequences of its hubs and of its store.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getAllSequences")]
    #[inline]
    pub fn list_all_sequences(&self) -> Result<Vec<SequenceInfo>, Error> {
        self.client.call(&ListAllSequences)
    }

    /// `GET /instances`: the instances of its hubs.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getInstances")]
    #[inline]
    pub fn list_instances(&self) -> Result<Vec<InstanceInfo>, Error> {
        self.client.call(&ListInstances)
    }

    /// `GET /topics`: its topics, and who reads and writes them.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getTopics")]
    #[inline]
    pub fn list_topics(&self) -> Result<Vec<ManagerTopic>, Error> {
        self.client.call(&ListManagerTopics)
    }

    /// `GET /s3`: the packages in its store.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getStoreItems")]
    #[inline]
    pub fn list_store_items(&self) -> Result<Vec<StoreItem>, Error> {
        self.client.call(&ListStoreItems)
    }

    /// `PUT /s3`: puts a package into its store, under an id that the Manager gives.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "putStoreItem")]
    pub fn put_store_item(&self, package: impl Into<Upload>) -> Result<StoreItem, Error> {
        Ok(self
            .client
            .send(&PutStoreItem { id: None }, package.into().package())?
            .0)
    }

    /// `PUT /s3/:id`: puts a package into its store, under this id.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "putStoreItem")]
    pub fn put_store_item_as<I>(
        &self,
        id: I,
        package: impl Into<Upload>,
    ) -> Result<StoreItem, Error>
    where
        I: TryInto<StoreItemId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        Ok(self
            .client
            .send(&PutStoreItem { id: Some(&id) }, package.into().package())?
            .0)
    }

    /// `DELETE /s3/:id`: removes a package from its store.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "deleteStoreItem")]
    pub fn delete_store_item<I>(&self, id: I) -> Result<(), Error>
    where
        I: TryInto<StoreItemId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        self.client.call(&DeleteStoreItem { id: &id })
    }

    /// `DELETE /store`: removes all packages from its store.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "clearStore")]
    #[inline]
    pub fn clear_store(&self) -> Result<(), Error> {
        self.client.call(&ClearStore)
    }

    /// `POST /disconnect`: disconnects hubs. Gives those that it disconnected, with the reason for each.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "disconnectHubs")]
    pub fn disconnect_hubs(&self, which: &DisconnectHubs) -> Result<Disconnected, Error> {
        self.client.call(which)
    }

    /// `DELETE /sth/:hub`: removes a hub that is not connected; or any, by force.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "deleteHub")]
    pub fn delete_hub<I>(&self, id: I, force: bool) -> Result<(), Error>
    where
        I: TryInto<HubId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        self.client.call(&DeleteHub { id: &id, force })
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

    /// `GET /audit`: what is done on it and by whom, in JSON lines. Never ends.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getAuditStream")]
    #[inline]
    pub fn audit_stream(&self) -> Result<ByteStream, Error> {
        self.client.open(&ReadAudit)
    }
}

/// The Manager of a hub.
impl HostClient {
    /// The Manager that the hub is connected to, through the hub. Asks nothing; where there is none, its calls are not found.
    ///
    /// # Errors
    /// None, with a base URL that was accepted.
    #[doc(alias = "getManagerClient")]
    pub fn manager(&self) -> Result<ManagerClient, Error> {
        Ok(ManagerClient::with(
            self.client.nested(Endpoint::manager_of_hub)?,
        ))
    }
}
