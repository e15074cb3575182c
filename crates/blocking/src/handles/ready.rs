use std::time::Duration;

use scramjet_client_core::flow::WaitForHub;
use scramjet_client_core::{GetVersion, HubVersion};

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::host::HostClient;

/// A hub that is starting.
impl HostClient {
    /// Waits until the hub responds, and returns its version (`GET /version`, repeatedly).
    ///
    /// For a hub that is starting. Waits for at most `limit`, and within the limits of the handle.
    /// The time between attempts grows from 50 milliseconds to a second.
    ///
    /// # Errors
    /// - If the time expires, [`is_timeout`](Error::is_timeout) is `true`. After several failed
    ///   attempts, the error is [`ErrorKind::Attempts`] with at least the first and the last error.
    /// - A problem that waiting cannot solve is an error at once, for example a refusal because of
    ///   missing credentials, or a response from a server that is not a hub.
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
