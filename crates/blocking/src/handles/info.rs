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

/// Information about a hub, and its logs.
impl HostClient {
    /// Returns the state of the hub's connection to a Manager (`GET /status`). Since 0.28.0.
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
    /// Reconnects if the connection is lost, see [`Follow`]. For each connection, the hub first
    /// sends everything that it has kept, so lines repeat after a gap.
    #[inline]
    pub fn follow_log(&self) -> Result<Follow<JsonLines<LogLine>>, Error> {
        let client = self.client.fix_deadline();
        let flow = flow::Follow::hub_log(client.endpoint().clone());
        Follow::start(&client, &ReadLog, flow)
    }

    /// Follows the logs of all instances as one stream, including those that start later.
    ///
    /// Reconnects if a connection is lost. [`FollowLogs`] describes which earlier lines it returns,
    /// when it ends, and the number of requests.
    ///
    /// Since 0.27.0, the hub's log contains the lines of all instances, so the client uses one
    /// connection (`GET /log`). On older hubs, it opens the log of each instance with its own
    /// connection (`GET /instance/:id/log`), and sends `GET /instances` every second.
    ///
    /// The stream does not contain the lines of the hub itself. [`follow_log`](Self::follow_log)
    /// does.
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
    /// - [`RequestError::PathSegment`] if an id is empty, or contains a character that hubs do not
    ///   accept in a path.
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
    /// A record describes the progress of a request and its sender, or an event of an instance or
    /// sequence, or a heartbeat. The stream does not end. See [`AuditRecord`].
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
