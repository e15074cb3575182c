use std::fmt;
use std::time::Duration;

use scramjet_client_core::{ContentType, DeleteTopic, TopicName};

use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::into_id::IntoId;
use crate::support::drop_guard::DropGuard;

/// Timeout for deleting a topic, so that clean-up never blocks on a hub that does not respond.
const DELETE_TIMEOUT: Duration = Duration::from_secs(30);

/// A topic that is deleted when this guard is dropped. Made by [`HostClient::scoped_topic`].
///
/// The drop waits for the response of the hub, for up to 30 seconds, and ignores errors.
/// [`close`](Self::close) reports them. [`keep`](Self::keep) leaves the topic on the hub.
#[must_use = "the topic is deleted when this is dropped"]
pub struct TopicGuard(DropGuard<Topic>);

struct Topic {
    host: HostClient,
    name: TopicName,
}

impl Topic {
    /// Deletes the topic. Ignores the limits of the handle and uses [`DELETE_TIMEOUT`] instead.
    fn delete(&self) -> Result<(), Error> {
        let client = self.host.client.detached(DELETE_TIMEOUT);
        match client.call(&DeleteTopic { name: &self.name }) {
            Err(error) if error.is_not_found_by_hub() => Ok(()),
            result => result,
        }
    }
}

impl HostClient {
    /// Creates a topic (`POST /topics`) that is deleted when the returned [`TopicGuard`] is
    /// dropped. Since 0.35.0.
    ///
    /// # Errors
    /// Like [`create_topic`](Self::create_topic).
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{ContentType, HostClient};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let topic = host.scoped_topic("jobs", ContentType::Ndjson)?;
    /// println!("created {}", topic.name());
    /// topic.close()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn scoped_topic(
        &self,
        name: impl IntoId<TopicName>,
        content_type: ContentType,
    ) -> Result<TopicGuard, Error> {
        let name = name.into_id()?;
        self.create_topic(&name, content_type)?;
        let host = self.clone();
        let topic = Topic { host, name };
        // A destructor cannot report an error.
        Ok(TopicGuard(DropGuard::new(topic, |topic| {
            drop(topic.delete());
        })))
    }
}

impl TopicGuard {
    /// Returns the name of the topic.
    #[must_use]
    pub fn name(&self) -> &TopicName {
        &self.0.value.name
    }

    /// Deletes the topic (`DELETE /topics/:name`). A topic that no longer exists counts as deleted.
    ///
    /// # Errors
    /// The hub refused the deletion, or did not respond within 30 seconds. The topic may still be
    /// on the hub.
    pub fn close(mut self) -> Result<(), Error> {
        self.0.disarm();
        self.0.value.delete()
    }

    /// Leaves the topic on the hub and returns its name.
    #[must_use]
    pub fn keep(mut self) -> TopicName {
        self.0.disarm();
        self.name().clone()
    }
}

impl fmt::Debug for TopicGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicGuard").field(self.name()).finish()
    }
}
