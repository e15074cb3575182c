//! Information about a hub: its state, configuration, load and logs.

#[cfg(doc)]
use scramjet_client_core::RequestError;
use scramjet_client_core::{
    AuditRecord, Entities, GetConfig, GetLoadCheck, GetStatus, HubConfig, HubStatus, InstanceId,
    JsonLines, ListEntities, LoadCheck, LogLine, ReadAudit, ReadLog, flow,
};

use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::into_id::IntoId;
use crate::streams::follow::{Follow, FollowLogs};

impl HostClient {
    /// Returns the hub's connection to a Manager (`GET /status`). Since 0.28.0.
    #[doc(alias = "getStatus")]
    #[inline]
    pub fn status(&self) -> Result<HubStatus, Error> {
        self.call(&GetStatus)
    }

    /// Returns the public part of the hub's configuration (`GET /config`). Since 0.19.2.
    #[doc(alias = "getConfig")]
    #[inline]
    pub fn config(&self) -> Result<HubConfig, Error> {
        self.call(&GetConfig)
    }

    /// Returns the load of the hub's machine (`GET /load-check`).
    ///
    /// The first request takes about half a second on hubs of 0.18.
    #[doc(alias = "getLoadCheck")]
    #[inline]
    pub fn load_check(&self) -> Result<LoadCheck, Error> {
        self.call(&GetLoadCheck)
    }

    /// Opens the log of the hub, as JSON lines (`GET /log`).
    ///
    /// Begins with everything that the hub has kept, up to several MB. The stream does not end.
    #[doc(alias = "getLogStream")]
    #[inline]
    pub fn log_stream(&self) -> Result<ByteStream, Error> {
        self.open(&ReadLog)
    }

    /// Opens the log of the hub, as records (`GET /log`).
    ///
    /// See [`log_stream`](Self::log_stream) and [`ByteStream::json_lines`].
    pub fn log_lines(&self) -> Result<Items<JsonLines<LogLine>>, Error> {
        Ok(self.log_stream()?.json_lines())
    }

    /// Follows the log of the hub, as records (`GET /log`).
    ///
    /// Reconnects if the connection is lost, see [`Follow`]. The hub begins with everything that it
    /// has kept each time, so lines repeat after a gap.
    #[inline]
    pub fn follow_log(&self) -> Result<Follow<JsonLines<LogLine>>, Error> {
        let client = self.client.fix_deadline();
        let flow = flow::Follow::hub_log(client.endpoint().clone());
        Follow::start(&client, &ReadLog, flow)
    }

    /// Follows the logs of all instances as one stream, including those that start later.
    ///
    /// Reconnects if a connection is lost. See [`FollowLogs`] for history, ends and costs.
    ///
    /// Since 0.27.0, the hub's log contains the lines of all instances, so this uses one
    /// connection. On older hubs, it opens the log of each instance, with one connection each, and
    /// sends `GET /instances` every second. The lines of the hub itself are in
    /// [`follow_log`](Self::follow_log).
    pub fn follow_logs(&self) -> Result<FollowLogs, Error> {
        let client = self.client.fix_deadline();
        let endpoint = client.known_endpoint()?;
        FollowLogs::start(&client, flow::FollowLogs::all(endpoint)?)
    }

    /// Follows the logs of the given instances as one stream, which ends when all of them have
    /// ended.
    ///
    /// Reconnects if a connection is lost. See [`follow_logs`](Self::follow_logs).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, StartOptions};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// # let sequence = host.sequence("an-id")?;
    /// let first = sequence.start(&StartOptions::new())?;
    /// let second = sequence.start(&StartOptions::new())?;
    /// for item in host.follow_logs_of([first.id(), second.id()])? {
    ///     println!("{:?}", item?);
    /// }
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`is_not_found`](Error::is_not_found) if the hub does not know one of the instances.
    /// - [`RequestError::PathSegment`] if an id cannot be part of a path. Nothing was sent then.
    pub fn follow_logs_of<I: IntoId<InstanceId>>(
        &self,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<FollowLogs, Error> {
        let ids = ids.into_iter().map(IntoId::into_id);
        let ids: Vec<InstanceId> = ids.collect::<Result<_, _>>()?;
        let client = self.client.fix_deadline();
        let endpoint = client.known_endpoint()?;
        FollowLogs::start(&client, flow::FollowLogs::of(endpoint, ids)?)
    }

    /// Opens the audit log of the hub, as records (`GET /audit`). Since 0.22.0.
    ///
    /// See [`audit_stream`](Self::audit_stream) and [`ByteStream::json_lines`].
    pub fn audit_records(&self) -> Result<Items<JsonLines<AuditRecord>>, Error> {
        Ok(self.audit_stream()?.json_lines())
    }

    /// Opens the audit log of the hub, as JSON lines (`GET /audit`). Since 0.22.0.
    ///
    /// Each record says who did what. The stream does not end.
    #[doc(alias = "getAuditStream")]
    #[inline]
    pub fn audit_stream(&self) -> Result<ByteStream, Error> {
        self.open(&ReadAudit)
    }

    /// Lists all sequences and instances of the hub (`GET /entities`). Since 0.31.4.
    #[doc(alias = "listEntities")]
    #[inline]
    pub fn list_entities(&self) -> Result<Entities, Error> {
        self.call(&ListEntities)
    }
}
