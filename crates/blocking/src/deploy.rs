//! What is there for as long as it is needed.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use scramjet_client_core::{ContentType, CreateTopic, DeleteTopic, RequestError, TopicName};

use crate::{Error, HostClient, SequenceClient, Upload, kill};

/// Cleaning up may not be held up by a hub that does not answer. A forced deletion takes 16 seconds by nature.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sequence that is deleted by force, with all its instances, when this is dropped. Made by [`HostClient::deploy`].
///
/// It is a [`SequenceClient`] otherwise. Dropping it waits for the hub, which takes 16 seconds for it on 1.x where instances run, and up to
/// 30 where it does not answer; and it tells nobody of a failure. [`close`](Self::close) does. [`keep`](Self::keep) leaves
/// the sequence where it is.
#[must_use = "the sequence is deleted when this is dropped"]
pub struct Deployment {
    sequence: SequenceClient,
    armed: bool,
}

impl HostClient {
    /// `POST /sequence`: uploads a package for as long as the [`Deployment`] lives.
    ///
    /// # Errors
    /// See [`send_sequence`](Self::send_sequence).
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
            sequence: self.send_sequence(package)?,
            armed: true,
        })
    }

    /// Uploads a package, calls the function with it, and deletes it with all its instances, whether the function succeeds, fails or
    /// panics.
    ///
    /// # Errors
    /// Those of the function. Otherwise see [`send_sequence`](Self::send_sequence) and
    /// [`force_delete_sequence`](Self::force_delete_sequence): where the function has succeeded, a deletion that fails is an error.
    pub fn deploy_and_run<T, E: From<Error>>(
        &self,
        package: impl Into<Upload>,
        run: impl FnOnce(&SequenceClient) -> Result<T, E>,
    ) -> Result<T, E> {
        let deployment = self.deploy(package)?;
        let result = run(&deployment)?;
        deployment.close()?;
        Ok(result)
    }

    /// `POST /topics`: creates a topic for as long as the [`TopicGuard`] lives. Since 0.35.0.
    ///
    /// # Errors
    /// See [`create_topic`](Self::create_topic).
    pub fn deploy_topic<N>(&self, name: N, content_type: ContentType) -> Result<TopicGuard, Error>
    where
        N: TryInto<TopicName>,
        RequestError: From<N::Error>,
    {
        let name = name.try_into().map_err(RequestError::from)?;
        self.call(&CreateTopic {
            name: &name,
            content_type,
        })?;
        Ok(TopicGuard {
            host: self.clone(),
            name,
            armed: true,
        })
    }
}

impl Deployment {
    /// Deletes the sequence with all its instances. That it is gone already is a success.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn close(mut self) -> Result<(), Error> {
        self.armed = false;
        self.delete()
    }

    /// Leaves the sequence where it is.
    #[must_use]
    pub fn keep(mut self) -> SequenceClient {
        self.armed = false;
        self.sequence.clone()
    }

    /// Apart from the limits of the handle: what was begun under them is not left behind because they have been reached.
    fn delete(&self) -> Result<(), Error> {
        let client = self.sequence.host.client.apart(PATIENCE);
        let result = kill::delete_by_force(&client, self.sequence.id());
        match result {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
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
            let _ = self.delete();
        }
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deployment").field(&self.sequence).finish()
    }
}

/// A topic that is deleted when this is dropped. Made by [`HostClient::deploy_topic`].
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
            .apart(PATIENCE)
            .call(&DeleteTopic { name: &self.name })
        {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }
}

impl Drop for TopicGuard {
    fn drop(&mut self) {
        if self.armed {
            // Nobody to tell; `close` is for those who want to know.
            let _ = self.delete();
        }
    }
}

impl fmt::Debug for TopicGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicGuard").field(&self.name).finish()
    }
}
