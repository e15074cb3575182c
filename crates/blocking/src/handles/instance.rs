mod events;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod transform;
pub(crate) mod wait;

use std::fmt;
use std::sync::Arc;

#[cfg(doc)]
use scramjet_client_core::RequestError;
use scramjet_client_core::{
    GetInstance, GetInstanceHealth, InstanceHealth, InstanceId, InstanceInfo, KillInstance,
    KillOptions, ListInstances, SetMonitoringRate, Started, StopInstance, StopOptions, StopReply,
};

use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::into_id::IntoId;

/// A handle to an instance: a sequence that runs on a hub, with its streams and events.
///
/// Clones are cheap and share the connections of the [`HostClient`]. Dropping the handle does not
/// affect the instance.
///
/// ```no_run
/// use scramjet_client_blocking::{HostClient, KillOptions, StartOptions};
///
/// let host = HostClient::new("http://localhost:8000/api/v1")?;
/// let instance = host.sequence("an-id")?.start(&StartOptions::new())?;
/// instance.send_input("some text\n")?;
/// for line in instance.output_until_ended()?.lines() {
///     println!("{}", line?);
/// }
/// instance.kill(&KillOptions::new())?;
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct InstanceClient {
    pub(crate) host: HostClient,
    id: InstanceId,
    started: Option<Arc<Started>>,
}

impl InstanceClient {
    /// Creates a handle to an instance on a hub. Sends nothing, so the instance need not exist.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "from")]
    pub fn new(id: impl IntoId<InstanceId>, host: &HostClient) -> Result<Self, Error> {
        Ok(Self {
            host: host.clone(),
            id: id.into_id()?,
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

    /// Returns the id of the instance.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Returns the hub of the instance.
    #[must_use]
    pub fn host(&self) -> &HostClient {
        &self.host
    }

    /// Returns the hub's complete response to the start. `None` if this handle was created from an
    /// id.
    #[must_use]
    pub fn started(&self) -> Option<&Started> {
        self.started.as_deref()
    }

    /// Returns the hub's information about the instance (`GET /instance/:id`).
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone. Hubs of 0.18 forget an
    /// instance as soon as it ends, hubs of 1.x about three minutes later.
    #[doc(alias = "getInfo")]
    #[inline]
    pub fn info(&self) -> Result<InstanceInfo, Error> {
        self.host.call(&GetInstance { id: &self.id })
    }

    /// Returns the last health report of the instance (`GET /instance/:id/health`).
    ///
    /// If the instance has not sent a report yet, the hub responds after the first one. Instances
    /// send one report per second by default.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone.
    #[doc(alias = "getHealth")]
    #[inline]
    pub fn health(&self) -> Result<InstanceHealth, Error> {
        self.host.call(&GetInstanceHealth { id: &self.id })
    }

    /// Asks the instance to stop; the hub kills it after a timeout (`POST /instance/:id/_stop`).
    ///
    /// Blocks for the whole timeout ([`StopOptions::timeout`]): the hub responds only then, even if
    /// the instance ends earlier. The timeout is added to the deadline and the idle timeout of the
    /// handle.
    ///
    /// If the version of the hub is unknown, the client requests it first, because the request
    /// depends on it.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the instance is gone.
    #[inline]
    pub fn stop(&self, options: &StopOptions) -> Result<StopReply, Error> {
        self.host.call(&StopInstance {
            id: &self.id,
            options,
        })
    }

    /// Kills the instance (`POST /instance/:id/_kill`).
    ///
    /// Does not wait for the end of the process, which may take some seconds.
    /// [`wait_ended`](Self::wait_ended) does.
    ///
    /// # Errors
    /// - [`is_not_found`](Error::is_not_found) if the instance is gone.
    /// - Hubs built after the release of 1.0.1 refuse the request with 400 (`Instance not running`)
    ///   if the instance has ended or is stopping, and for a moment after its start. They report
    ///   the version 1.0.1 as well.
    #[inline]
    pub fn kill(&self, options: &KillOptions) -> Result<StopReply, Error> {
        self.host.call(&KillInstance {
            id: &self.id,
            options,
        })
    }

    /// Sets the number of health reports per second (`POST /instance/:id/_monitoring_rate`).
    ///
    /// An instance sends one report per second by default.
    ///
    /// # Errors
    /// [`RequestError::Option`] if the rate is zero, which instances treat as 1,000 reports per
    /// second.
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
    /// Creates a handle to an instance on this hub. Sends nothing, so the instance need not exist.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "getInstanceClient")]
    pub fn instance(&self, id: impl IntoId<InstanceId>) -> Result<InstanceClient, Error> {
        InstanceClient::new(id, self)
    }

    /// Lists the instances of the hub (`GET /instances`).
    ///
    /// Hubs of 1.x also list instances that ended within about the last three minutes.
    #[doc(alias = "listInstances")]
    #[inline]
    pub fn list_instances(&self) -> Result<Vec<InstanceInfo>, Error> {
        self.call(&ListInstances)
    }

    /// Returns the hub's information about an instance (`GET /instance/:id`).
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the hub does not know the instance.
    #[doc(alias = "getInstanceInfo")]
    pub fn instance_info(&self, id: impl IntoId<InstanceId>) -> Result<InstanceInfo, Error> {
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
