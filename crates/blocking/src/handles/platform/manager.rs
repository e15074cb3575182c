use std::fmt;

#[cfg(doc)]
use scramjet_client_core::RequestError;
use scramjet_client_core::{
    ClearStore, DeleteHub, DeleteStoreItem, DisconnectHubs, Disconnected, Endpoint, GetLoad,
    GetManagerConfig, HubId, HubInfo, HubVersion, InstanceInfo, ListAllSequences, ListHubs,
    ListInstances, ListManagerTopics, ListSequences, ListStoreItems, LoadCheck, ManagerConfig,
    ManagerTopic, PutStoreItem, ReadAudit, ReadLog, SequenceInfo, StoreItem, StoreItemId,
};

use crate::body::byte_stream::ByteStream;
use crate::body::upload::Upload;
use crate::client::Client;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::into_id::IntoId;
use crate::handles::platform::platform_client;
#[cfg(doc)]
use crate::platform::{MiddlewareClient, MultiManagerClient};

/// A handle to a Manager, a server that hubs connect to.
///
/// Clones are cheap and share connections. [`HostClient::manager`], [`MultiManagerClient::manager`]
/// and [`MiddlewareClient::manager`] also create one. It shares connections, headers and
/// credentials with the client that created it.
///
/// ```no_run
/// use scramjet_client_blocking::platform::ManagerClient;
///
/// let manager = ManagerClient::new("http://localhost:7000/api/v1")?;
/// for hub in manager.list_hubs()? {
///     println!("{} runs {}", hub.id, manager.host(&hub.id)?.version()?.version);
/// }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct ManagerClient {
    pub(crate) client: Client,
}

platform_client!(ManagerClient, "Manager": load, log_stream, audit_stream);

impl ManagerClient {
    /// Creates a client of a hub of this Manager. Sends nothing.
    ///
    /// Its requests go through the Manager.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "getHostClient")]
    pub fn host(&self, id: impl IntoId<HubId>) -> Result<HostClient, Error> {
        let id = id.into_id()?;
        let hub = self
            .client
            .nested(|endpoint| endpoint.hub_of_manager(&id))?;
        Ok(HostClient::with(hub))
    }

    /// Lists the hubs of this Manager (`GET /list`).
    #[doc(alias = "getHosts")]
    #[inline]
    pub fn list_hubs(&self) -> Result<Vec<HubInfo>, Error> {
        self.client.call(&ListHubs)
    }

    /// Returns the configuration of the Manager (`GET /config`).
    #[doc(alias = "getConfig")]
    #[inline]
    pub fn config(&self) -> Result<ManagerConfig, Error> {
        self.client.call(&GetManagerConfig)
    }

    /// Lists the sequences on the hubs of this Manager (`GET /sequences`).
    #[doc(alias = "getSequences")]
    #[inline]
    pub fn list_sequences(&self) -> Result<Vec<SequenceInfo>, Error> {
        self.client.call(&ListSequences)
    }

    /// Lists the sequences on the hubs and in the store of this Manager (`GET /all_sequences`).
    #[doc(alias = "getAllSequences")]
    #[inline]
    pub fn list_all_sequences(&self) -> Result<Vec<SequenceInfo>, Error> {
        self.client.call(&ListAllSequences)
    }

    /// Lists the instances on the hubs of this Manager (`GET /instances`).
    #[doc(alias = "getInstances")]
    #[inline]
    pub fn list_instances(&self) -> Result<Vec<InstanceInfo>, Error> {
        self.client.call(&ListInstances)
    }

    /// Lists the topics, with their readers and writers (`GET /topics`).
    #[doc(alias = "getTopics")]
    #[inline]
    pub fn list_topics(&self) -> Result<Vec<ManagerTopic>, Error> {
        self.client.call(&ListManagerTopics)
    }

    /// Lists the packages in the store of this Manager (`GET /s3`).
    #[doc(alias = "getStoreItems")]
    #[inline]
    pub fn list_store_items(&self) -> Result<Vec<StoreItem>, Error> {
        self.client.call(&ListStoreItems)
    }

    /// Uploads a package to the store (`PUT /s3`). The Manager chooses the id.
    #[doc(alias = "putStoreItem")]
    pub fn put_store_item(&self, package: impl Into<Upload>) -> Result<StoreItem, Error> {
        let operation = PutStoreItem { id: None };
        Ok(self.client.send(&operation, package.into().package())?.0)
    }

    /// Uploads a package to the store under an id (`PUT /s3/:id`).
    #[doc(alias = "putStoreItem")]
    pub fn put_store_item_as(
        &self,
        id: impl IntoId<StoreItemId>,
        package: impl Into<Upload>,
    ) -> Result<StoreItem, Error> {
        let id = id.into_id()?;
        let operation = PutStoreItem { id: Some(&id) };
        Ok(self.client.send(&operation, package.into().package())?.0)
    }

    /// Removes a package from the store (`DELETE /s3/:id`).
    #[doc(alias = "deleteStoreItem")]
    pub fn delete_store_item(&self, id: impl IntoId<StoreItemId>) -> Result<(), Error> {
        let id = id.into_id()?;
        self.client.call(&DeleteStoreItem { id: &id })
    }

    /// Removes all packages from the store (`DELETE /store`).
    #[doc(alias = "clearStore")]
    #[inline]
    pub fn clear_store(&self) -> Result<(), Error> {
        self.client.call(&ClearStore)
    }

    /// Disconnects hubs (`POST /disconnect`). Returns the hubs that the Manager disconnected, each
    /// with the reason.
    #[doc(alias = "disconnectHubs")]
    #[inline]
    pub fn disconnect_hubs(&self, hubs: &DisconnectHubs) -> Result<Disconnected, Error> {
        self.client.call(hubs)
    }

    /// Removes a hub that is not connected (`DELETE /sth/:hub`). With `force`, also removes a
    /// connected one.
    #[doc(alias = "deleteHub")]
    pub fn delete_hub(&self, id: impl IntoId<HubId>, force: bool) -> Result<(), Error> {
        let id = id.into_id()?;
        self.client.call(&DeleteHub { id: &id, force })
    }
}

/// The Manager of a hub.
impl HostClient {
    /// Creates a client of the Manager that the hub is connected to. Sends nothing.
    ///
    /// Its requests go through the hub. If the hub is not connected to a Manager, they fail with
    /// [`is_not_found`](Error::is_not_found).
    ///
    /// # Errors
    /// None in practice: the base URL was checked when this handle was created.
    #[doc(alias = "getManagerClient")]
    pub fn manager(&self) -> Result<ManagerClient, Error> {
        let manager = self.client.nested(Endpoint::manager_of_hub)?;
        Ok(ManagerClient::with(manager))
    }
}
