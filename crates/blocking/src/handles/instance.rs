use std::fmt;
use std::sync::Arc;

mod events;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod transform;
pub(crate) mod wait;

use scramjet_client_core::{
    GetInstance, GetInstanceHealth, InstanceHealth, InstanceId, InstanceInfo, KillInstance,
    KillOptions, ListInstances, RequestError, SetMonitoringRate, Started, StopInstance,
    StopOptions, StopReply,
};

use crate::error::Error;
use crate::handles::host::HostClient;

/// An instance on a hub: a sequence that runs, its streams and its events.
///
/// A cheap handle, like [`HostClient`]. Dropping it does nothing to the instance.
#[derive(Clone)]
pub struct InstanceClient {
    pub(crate) host: HostClient,
    id: InstanceId,
    started: Option<Arc<Started>>,
}

impl InstanceClient {
    /// The instance of this id on a hub. Asks nothing: whether there is such an instance shows when it is used.
    ///
    /// # Errors
    /// The id is empty, or one that a hub cannot find in a path.
    #[doc(alias = "from")]
    pub fn new<I>(id: I, host: &HostClient) -> Result<Self, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        Ok(Self {
            host: host.clone(),
            id,
            started: None,
        })
    }

    pub(crate) fn started_as(started: Started, host: &HostClient) -> Self {
        host.client.known_inputs().note_start(&started.id);
        Self {
            host: host.clone(),
            id: started.id.clone(),
            started: Some(Arc::new(started)),
        }
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// The hub that it is on.
    #[must_use]
    pub fn host(&self) -> &HostClient {
        &self.host
    }

    /// The hub's whole reply to the start, where this handle comes from one.
    #[must_use]
    pub fn started(&self) -> Option<&Started> {
        self.started.as_deref()
    }

    /// `GET /instance/:id`: what the hub knows of the instance.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where it is gone: on 0.18 as soon as it ended, on 1.x some minutes later.
    #[doc(alias = "getInfo")]
    #[inline]
    pub fn info(&self) -> Result<InstanceInfo, Error> {
        self.host.call(&GetInstance { id: &self.id })
    }

    /// `GET /instance/:id/health`: its last sign of life. Waits for the first one.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    #[doc(alias = "getHealth")]
    #[inline]
    pub fn health(&self) -> Result<InstanceHealth, Error> {
        self.host.call(&GetInstanceHealth { id: &self.id })
    }

    /// `POST /instance/:id/_stop`: asks the instance to stop, and has it killed when the timeout is over. Waits for as long as
    /// the timeout: the hub answers only then, even if the instance has long ended.
    ///
    /// Asks an unknown hub for its version first: the request differs between versions.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone.
    #[inline]
    pub fn stop(&self, options: &StopOptions) -> Result<StopReply, Error> {
        self.host.call(&StopInstance {
            id: &self.id,
            options,
        })
    }

    /// `POST /instance/:id/_kill`: ends the instance. Returns at once; the process may take some seconds to go.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the instance is gone. 1.x refuses with 400 (`Instance not
    /// running`) where it has ended, and in the moment after its start.
    #[inline]
    pub fn kill(&self, options: &KillOptions) -> Result<StopReply, Error> {
        self.host.call(&KillInstance {
            id: &self.id,
            options,
        })
    }

    /// `POST /instance/:id/_monitoring_rate`: how many times in a second the instance reports its health. Once, where nothing was said.
    ///
    /// # Errors
    /// See [`Error`]; a rate of zero, which instances take for a thousand, is refused before it is sent.
    #[inline]
    pub fn set_monitoring_rate(&self, per_second: u32) -> Result<(), Error> {
        self.host.call(&SetMonitoringRate {
            id: &self.id,
            rate: per_second,
        })
    }
}

/// Instances of a hub.
impl HostClient {
    /// An instance on this hub. Asks nothing: whether there is such an instance shows when it is used.
    ///
    /// # Errors
    /// The id is empty, or one that a hub cannot find in a path.
    #[doc(alias = "getInstanceClient")]
    pub fn instance<I>(&self, id: I) -> Result<InstanceClient, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        InstanceClient::new(id, self)
    }

    /// `GET /instances`: all instances of the hub, on 1.x also those that ended a short while ago.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "listInstances")]
    #[inline]
    pub fn list_instances(&self) -> Result<Vec<InstanceInfo>, Error> {
        self.call(&ListInstances)
    }

    /// `GET /instance/:id`: what the hub knows of an instance.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where there is none of this id, or no longer.
    #[doc(alias = "getInstanceInfo")]
    pub fn instance_info<I>(&self, id: I) -> Result<InstanceInfo, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        self.instance(id)?.info()
    }
}

impl fmt::Debug for InstanceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceClient")
            .field("id", &self.id)
            .field("host", &self.host.base_url())
            .finish()
    }
}
