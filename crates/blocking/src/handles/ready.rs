use std::time::Duration;

use scramjet_client_core::flow::WaitForHub;
use scramjet_client_core::{GetVersion, HubVersion};

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::host::HostClient;

impl HostClient {
    /// `GET /version` until the hub answers, for as long as `limit` (and the handle's own limits) allow: for a hub that is being started.
    ///
    /// # Errors
    /// See [`Error`]: of several attempts [`ErrorKind::Attempts`], with the first and the last of them. What does not go away by waiting
    /// is an error at once: a refusal, or something else than a hub that answers.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use scramjet_client_blocking::HostClient;
    /// let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// println!("version {}", host.wait_ready(Duration::from_secs(30))?.version);
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn wait_ready(&self, limit: impl Into<Option<Duration>>) -> Result<HubVersion, Error> {
        let client = self.client.tightened(limit.into());
        let flow = WaitForHub::new(client.endpoint().clone());
        let version = client.drive(client.describe(&GetVersion), flow)?;
        client.learn(&version);
        Ok(version)
    }
}
