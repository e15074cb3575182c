//! What a hub tells about itself.

use scramjet_client_core::{
    AuditRecord, Entities, GetConfig, GetLoadCheck, GetStatus, HubConfig, HubStatus, InstanceId,
    JsonLines, ListEntities, LoadCheck, LogLine, ReadAudit, ReadLog, RequestError,
};

use crate::body::byte_stream::ByteStream;
use crate::body::items::Items;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::streams::follow::{Follow, FollowLogs};
use scramjet_client_core::flow;

impl HostClient {
    /// `GET /status`: whether the hub is connected to a Manager. Since 0.28.0.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getStatus")]
    #[inline]
    pub fn status(&self) -> Result<HubStatus, Error> {
        self.call(&GetStatus)
    }

    /// `GET /config`: the public part of the hub's configuration. Since 0.19.2.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getConfig")]
    #[inline]
    pub fn config(&self) -> Result<HubConfig, Error> {
        self.call(&GetConfig)
    }

    /// `GET /load-check`: how much room the hub has. The first call on a hub of 0.18 takes half a second.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getLoadCheck")]
    #[inline]
    pub fn load_check(&self) -> Result<LoadCheck, Error> {
        self.call(&GetLoadCheck)
    }

    /// `GET /log`: what the hub logs, in JSON lines: first all that it has kept (up to some MB), then as it comes. Never ends.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getLogStream")]
    #[inline]
    pub fn log_stream(&self) -> Result<ByteStream, Error> {
        self.open(&ReadLog)
    }

    /// `GET /log`, as records: see [`log_stream`](Self::log_stream) and [`ByteStream::json_lines`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn log_lines(&self) -> Result<Items<JsonLines<LogLine>>, Error> {
        Ok(self.log_stream()?.json_lines())
    }

    /// `GET /log`, as records, also over a lost connection. See [`Follow`]. The hub begins with all that it has kept each time, so
    /// that after a gap lines come again.
    ///
    /// # Errors
    /// See [`Error`].
    #[inline]
    pub fn follow_log(&self) -> Result<Follow<JsonLines<LogLine>>, Error> {
        let client = self.client.fix_deadline();
        Follow::start(
            &client,
            &ReadLog,
            flow::Follow::hub_log(client.endpoint().clone()),
        )
    }

    /// Follows the logs of all instances as one, also of those that are started later, and over lost
    /// connections. See [`FollowLogs`] for history, ends and costs.
    ///
    /// On a hub since 0.27.0 that is the lines of instances in the hub's log (one connection); on an
    /// older one, the log of each instance (one connection each), and `GET /instances` every second.
    /// The hub's own lines are in [`follow_log`](Self::follow_log).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn follow_logs(&self) -> Result<FollowLogs, Error> {
        let client = self.client.fix_deadline();
        let endpoint = client.known_endpoint()?;
        FollowLogs::start(&client, flow::FollowLogs::all(endpoint)?)
    }

    /// Follows the logs of these instances as one, over lost connections. It ends when all of them
    /// have ended. See [`follow_logs`](Self::follow_logs).
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
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) if the hub does not know one of them (any
    /// more). An id that cannot stand in a path fails before anything is sent.
    pub fn follow_logs_of<I>(&self, ids: impl IntoIterator<Item = I>) -> Result<FollowLogs, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        let ids: Result<Vec<_>, _> = ids.into_iter().map(TryInto::try_into).collect();
        let ids: Vec<InstanceId> = ids.map_err(RequestError::from)?;
        let client = self.client.fix_deadline();
        let endpoint = client.known_endpoint()?;
        FollowLogs::start(&client, flow::FollowLogs::of(endpoint, ids)?)
    }

    /// `GET /audit`, as records: see [`audit_stream`](Self::audit_stream) and [`ByteStream::json_lines`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn audit_records(&self) -> Result<Items<JsonLines<AuditRecord>>, Error> {
        Ok(self.audit_stream()?.json_lines())
    }

    /// `GET /audit`: what is done on the hub and by whom, in JSON lines. Never ends. Since 0.22.0.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getAuditStream")]
    #[inline]
    pub fn audit_stream(&self) -> Result<ByteStream, Error> {
        self.open(&ReadAudit)
    }

    /// `GET /entities`: all sequences and instances of the hub. Since 0.31.4.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "listEntities")]
    #[inline]
    pub fn list_entities(&self) -> Result<Entities, Error> {
        self.call(&ListEntities)
    }
}
