//! Sequences and topics that exist for as long as they are needed.

mod sending;

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use scramjet_client_core::{ContentType, DeleteTopic, TopicName};

use crate::body::upload::Upload;
use crate::client::kill;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::into_id::IntoId;
use crate::handles::sequence::SequenceClient;
use crate::support::panics::in_drop;
use scramjet_client_core::flow::Deleted;

/// How long the hub has to delete a topic, so that clean-up never blocks on a hub that does not
/// answer.
const TOPIC_LIMIT: Duration = Duration::from_secs(30);

/// A sequence that is deleted with all its instances when this is dropped. Made by
/// [`HostClient::deploy`].
///
/// It is a [`SequenceClient`] otherwise. Dropping it deletes it as [`close`](Self::close) does, and
/// reports no failure. [`keep`](Self::keep) leaves the sequence where it is; its
/// [`force_delete`](SequenceClient::force_delete) waits until a hub of 1.x has really removed it.
#[must_use = "the sequence is deleted when this is dropped"]
pub struct Deployment {
    sequence: SequenceClient,
    armed: bool,
}

/// The result of [`HostClient::deploy_and_run`].
#[derive(Debug)]
#[must_use = "the function and the clean-up may have failed"]
#[non_exhaustive]
pub struct Ran<T> {
    /// What the function returned.
    pub result: T,
    /// The deletion afterwards, see [`Deployment::close`].
    pub cleanup: Result<Deleted, Error>,
}

impl HostClient {
    /// `POST /sequence`: uploads a package for as long as the [`Deployment`] lives.
    ///
    /// A hub keeps a package that it has received in full. If the limits of the handle are reached
    /// before it has answered, the answer is awaited in the background for up to 20 seconds, and the
    /// sequence deleted; the call itself returns a second after its limits at the latest. With a limit
    /// the data is read on a thread.
    ///
    /// # Errors
    /// See [`send_sequence`](Self::send_sequence). If the answer was lost ([`Error::phase`] is
    /// [`Phase::Wait`](crate::transport::Phase::Wait) or later, and there is no refusal), or does not come within
    /// the 20 seconds, the sequence may be on the hub: [`sequence_ids`](Self::sequence_ids) finds it by
    /// the name in its `package.json`.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, StartOptions, Upload};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let deployment = host.deploy(Upload::path("package.tar.gz"))?;
    /// let run = deployment.run(&StartOptions::new(), "some text")?;
    /// deployment.close()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn deploy(&self, package: impl Into<Upload>) -> Result<Deployment, Error> {
        Ok(Deployment {
            sequence: sending::send(self, package.into())?,
            armed: true,
        })
    }

    /// Uploads a package, calls the function with it, and deletes it with all its instances, if the
    /// function succeeds, fails or panics. Returns what the function returned, and how the deletion
    /// went.
    ///
    /// # Errors
    /// See [`deploy`](Self::deploy): the function was not called.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{Error, HostClient, StartOptions, Upload};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let ran = host.deploy_and_run(Upload::path("package.tar.gz"), |sequence| {
    ///     sequence.run(&StartOptions::new(), "some text")
    /// })?;
    /// if let Err(error) = ran.cleanup {
    ///     eprintln!("the sequence is still there: {error}");
    /// }
    /// println!("{}", ran.result?.ended);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn deploy_and_run<T>(
        &self,
        package: impl Into<Upload>,
        run: impl FnOnce(&SequenceClient) -> T,
    ) -> Result<Ran<T>, Error> {
        let deployment = self.deploy(package)?;
        let result = run(&deployment);
        let cleanup = deployment.close();
        Ok(Ran { result, cleanup })
    }

    /// `POST /topics`: creates a topic for as long as the [`TopicGuard`] lives. Since 0.35.0.
    ///
    /// # Errors
    /// See [`create_topic`](Self::create_topic).
    pub fn scoped_topic(
        &self,
        name: impl IntoId<TopicName>,
        content_type: ContentType,
    ) -> Result<TopicGuard, Error> {
        let name = name.into_id()?;
        self.create_topic(&name, content_type)?;
        Ok(TopicGuard {
            host: self.clone(),
            name,
            armed: true,
        })
    }
}

impl Deployment {
    /// Deletes the sequence with all its instances (`POST /instance/:id/_kill`,
    /// `DELETE /sequence/:id`). A sequence that is gone already counts as deleted.
    ///
    /// A hub of 0.18 deletes it within half a second, or within 11 if a process does not react to its
    /// kill. A hub of 1.x keeps a sequence for 16 seconds after the end of its instances: if there were
    /// some in that time, the deletion is left to the hub, and this returns
    /// [`Deleted::HandedOver`] some 50 milliseconds later. If the hub does not answer, this gives up
    /// after a minute at the latest.
    ///
    /// # Errors
    /// See [`Error`]: the sequence may still be on the hub.
    pub fn close(mut self) -> Result<Deleted, Error> {
        self.armed = false;
        self.delete()
    }

    /// The sequence, for as long as the deployment lives.
    #[must_use]
    pub fn sequence(&self) -> &SequenceClient {
        &self.sequence
    }

    /// Leaves the sequence where it is.
    #[must_use]
    pub fn keep(mut self) -> SequenceClient {
        self.armed = false;
        self.sequence.clone()
    }

    /// Ignores the limits of the handle: a sequence is not left behind because they are reached.
    fn delete(&self) -> Result<Deleted, Error> {
        kill::delete_or_hand_over(&self.sequence.host.client, self.sequence.id())
    }
}

impl Deref for Deployment {
    type Target = SequenceClient;

    fn deref(&self) -> &SequenceClient {
        &self.sequence
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if self.armed {
            // Nobody to tell; `close` is for those who want to know.
            in_drop(|| drop(self.delete()));
        }
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deployment").field(&self.sequence).finish()
    }
}

/// A topic that is deleted when this is dropped. Made by [`HostClient::scoped_topic`].
///
/// Dropping it waits for the hub's answer, and tells nobody of a failure; [`close`](Self::close) does.
#[must_use = "the topic is deleted when this is dropped"]
pub struct TopicGuard {
    host: HostClient,
    name: TopicName,
    armed: bool,
}

impl TopicGuard {
    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &TopicName {
        &self.name
    }

    /// Deletes the topic. That it is gone already is a success.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn close(mut self) -> Result<(), Error> {
        self.armed = false;
        self.delete()
    }

    /// Leaves the topic where it is.
    #[must_use]
    pub fn keep(mut self) -> TopicName {
        self.armed = false;
        self.name.clone()
    }

    fn delete(&self) -> Result<(), Error> {
        match self
            .host
            .client
            .detached(TOPIC_LIMIT)
            .call(&DeleteTopic { name: &self.name })
        {
            Err(error) if error.is_hubs_not_found() => Ok(()),
            result => result,
        }
    }
}

impl Drop for TopicGuard {
    fn drop(&mut self) {
        if self.armed {
            // Nobody to tell; `close` is for those who want to know.
            in_drop(|| drop(self.delete()));
        }
    }
}

impl fmt::Debug for TopicGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicGuard").field(&self.name).finish()
    }
}
