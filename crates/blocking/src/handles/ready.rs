use std::time::Duration;

use scramjet_client_core::flow::WaitForHub;
use scramjet_client_core::{GetVersion, HubVersion};

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::host::HostClient;

impl HostClient {
    /// Waits until the hub responds, and returns its version (`GET /version`, repeatedly).
    ///
    /// For a hub that is starting. Waits for at most `limit`, and within the limits of the handle.
    ///
    /// # Errors
    /// [`ErrorKind::Attempts`] with the first and the last error, if several attempts failed. A
    /// problem that waiting cannot solve is an error at once, for example a refusal, or a response
    /// of something else than a hub.
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
