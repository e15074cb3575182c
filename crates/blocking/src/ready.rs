use std::time::Duration;

use scramjet_client_core::{GetVersion, HubVersion, ReplyError};

use crate::{Error, ErrorKind, HostClient};

/// How long to wait before a hub is asked again for the first time, and how long at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
        let client = self.client.within(limit.into()).once();
        let mut pause = FIRST_PAUSE;
        let mut errors: Vec<Error> = Vec::new();
        loop {
            let error = match client.version() {
                Ok(version) => return Ok(version),
                Err(error) => error,
            };
            let passing = is_passing(&error);
            errors.truncate(1);
            errors.push(error);
            if !passing {
                break;
            }
            if let Err(stopped) = client.pause(&GetVersion, pause) {
                errors.push(stopped);
                break;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(client.describe(&GetVersion).of_attempts(errors))
    }
}

/// Nobody is there yet, or a proxy says so, or what was there went away while it answered.
fn is_passing(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Transport { .. }
        | ErrorKind::Idle { .. }
        | ErrorKind::Reply(ReplyError::Truncated { .. }) => true,
        _ => error
            .api()
            .is_some_and(|refusal| refusal.is_transient() || refusal.status == 500),
    }
}
