use std::fmt;

#[cfg(doc)]
use scramjet_client_core::RequestError;
use scramjet_client_core::{
    DeleteSequence, GetSequence, InstanceId, ListSequenceInstances, ListSequences,
    OverwriteSequence, SendSequence, SequenceId, SequenceInfo, StartOptions, StartSequence,
};

use crate::body::upload::Upload;
use crate::client::kill;
use crate::error::{Error, ErrorKind};
use crate::handles::host::HostClient;
use crate::handles::instance::InstanceClient;
use crate::handles::into_id::IntoId;

/// A handle to a sequence: an uploaded package, which can be started any number of times.
///
/// Clones are cheap and share the connections of the [`HostClient`].
#[derive(Clone)]
pub struct SequenceClient {
    pub(crate) host: HostClient,
    id: SequenceId,
}

impl SequenceClient {
    /// Creates a handle to a sequence on a hub. Sends nothing, so the sequence need not exist.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "from")]
    pub fn new(id: impl IntoId<SequenceId>, host: &HostClient) -> Result<Self, Error> {
        Ok(Self {
            host: host.clone(),
            id: id.into_id()?,
        })
    }

    /// Returns the id of the sequence.
    #[must_use]
    pub fn id(&self) -> &SequenceId {
        &self.id
    }

    /// Returns the hub of the sequence.
    #[must_use]
    pub fn host(&self) -> &HostClient {
        &self.host
    }

    /// Starts an instance (`POST /sequence/:id/start`).
    ///
    /// Returns when the process of the instance has connected to the hub, which takes from 0.1 to
    /// several seconds. This does not mean that the sequence runs: if it throws while it loads, the
    /// hub may still respond with a success, and the instance ends at once.
    /// [`start_and_wait`](Self::start_and_wait) also waits for an event that shows that the
    /// sequence is ready.
    ///
    /// The instance runs until its sequence completes, or somebody stops it. [`spawn`](Self::spawn)
    /// returns a guard that kills it when it is dropped.
    ///
    /// Hubs of 0.18 never respond if the `main` file in `package.json` does not exist, or if
    /// `package.json` lists two `engines`. Only a limit of the handle ends the call then.
    ///
    /// Some options need a newer hub. If one of them is set and the version of the hub is unknown,
    /// the client requests it first.
    ///
    /// # Errors
    /// - [`is_overloaded`](Error::is_overloaded) if the hub lacks resources for another instance.
    /// - [`is_not_found`](Error::is_not_found) if the sequence is gone.
    /// - [`is_conflict`](Error::is_conflict) if an instance with the chosen id exists.
    /// - [`is_unsupported`](Error::is_unsupported) if the hub is too old for an option.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, StartOptions};
    /// # use serde_json::json;
    /// # let sequence = HostClient::new("http://localhost:8000/api/v1")?.sequence("x")?;
    /// let options = StartOptions::new().app_config(json!({ "greeting": "Hello" })).arg("!");
    /// let instance = sequence.start(&options)?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[inline]
    pub fn start(&self, options: &StartOptions) -> Result<InstanceClient, Error> {
        let started = self.host.call(&StartSequence {
            id: &self.id,
            options,
        })?;
        Ok(InstanceClient::started_as(started, &self.host))
    }

    /// Lists the ids of the sequence's instances (`GET /sequence/:id/instances`).
    ///
    /// Hubs of 1.x also list instances that ended within about the last three minutes.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the sequence is gone.
    #[doc(alias = "listInstances")]
    #[inline]
    pub fn list_instances(&self) -> Result<Vec<InstanceId>, Error> {
        self.host.call(&ListSequenceInstances { id: &self.id })
    }

    /// Creates a handle to an instance on the hub of this sequence. Sends nothing.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "getInstance")]
    pub fn instance(&self, id: impl IntoId<InstanceId>) -> Result<InstanceClient, Error> {
        InstanceClient::new(id, &self.host)
    }

    /// Creates a handle to an instance on another hub. Sends nothing.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "getInstance")]
    pub fn instance_on(
        &self,
        id: impl IntoId<InstanceId>,
        host: &HostClient,
    ) -> Result<InstanceClient, Error> {
        InstanceClient::new(id, host)
    }

    /// Returns the hub's information about the sequence (`GET /sequence/:id`).
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the sequence is gone.
    #[doc(alias = "getInfo")]
    #[inline]
    pub fn info(&self) -> Result<SequenceInfo, Error> {
        self.host.call(&GetSequence { id: &self.id })
    }

    /// Replaces the package of the sequence (`PUT /sequence/:id`). Since 0.38.0.
    ///
    /// Returns when the hub has unpacked the package. If the version of the hub is unknown, the
    /// client requests it first, so that it uploads nothing to a hub that is too old. The returned
    /// handle has the id from the hub's response, which is the id of this handle.
    ///
    /// # Errors
    /// - [`is_conflict`](Error::is_conflict) if the hub lists instances of the sequence. Hubs of
    ///   1.x list an instance for about three minutes after its end.
    /// - [`is_unsupported`](Error::is_unsupported) if the hub is too old.
    pub fn overwrite(&self, package: impl Into<Upload>) -> Result<Self, Error> {
        let operation = OverwriteSequence { id: &self.id };
        let (sent, _) = self.host.send(&operation, package.into().package())?;
        Self::new(sent.id, &self.host)
    }

    /// Deletes the sequence if it is not in use (`DELETE /sequence/:id`).
    ///
    /// A sequence with a running instance is in use. On hubs of 1.x, it remains in use for 15
    /// seconds after the end of its last instance, but a hub of 1.x also deletes a sequence with
    /// running instances if another instance of it has ended more than 15 seconds ago.
    ///
    /// # Errors
    /// - [`is_conflict`](Error::is_conflict) if the sequence is in use.
    /// - [`is_not_found`](Error::is_not_found) if the sequence is gone.
    #[doc(alias = "deleteSequence")]
    pub fn delete(&self) -> Result<(), Error> {
        self.host.delete_sequence(&self.id)
    }

    /// Deletes the sequence and its instances. See [`HostClient::force_delete_sequence`].
    #[doc(alias = "deleteSequence")]
    pub fn force_delete(&self) -> Result<(), Error> {
        self.host.force_delete_sequence(&self.id)
    }
}

/// Sequences of a hub.
impl HostClient {
    /// Creates a handle to a sequence on this hub. Sends nothing, so the sequence need not exist.
    ///
    /// # Errors
    /// [`RequestError::PathSegment`] if the id is empty, or contains a character that hubs do not
    /// accept in a path, such as `/` or a space.
    #[doc(alias = "getSequenceClient")]
    pub fn sequence(&self, id: impl IntoId<SequenceId>) -> Result<SequenceClient, Error> {
        SequenceClient::new(id, self)
    }

    /// Lists the sequences of the hub (`GET /sequences`).
    #[doc(alias = "listSequences")]
    #[inline]
    pub fn list_sequences(&self) -> Result<Vec<SequenceInfo>, Error> {
        self.call(&ListSequences)
    }

    /// Returns the sequence whose package has this name (`GET /sequences`).
    ///
    /// Hubs look up sequences only by id, so the client searches the list of all sequences.
    ///
    /// # Errors
    /// [`ErrorKind::SequenceName`] if no sequence has this name
    /// ([`is_not_found`](Error::is_not_found) is `true` then), or if several have it. The error
    /// contains their ids.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, StartOptions};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let instance = host.sequence_named("shout")?.start(&StartOptions::new())?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn sequence_named(&self, name: &str) -> Result<SequenceClient, Error> {
        match <[SequenceId; 1]>::try_from(self.sequence_ids(name)?) {
            Ok([id]) => self.sequence(id),
            Err(found) => {
                let name = name.to_owned();
                let call = self.client.describe(&ListSequences);
                Err(call.failed(ErrorKind::SequenceName { name, found }))
            }
        }
    }

    /// Returns the ids of all sequences whose package has this name (`GET /sequences`).
    ///
    /// See [`sequence_named`](Self::sequence_named).
    #[doc(alias = "getSequenceId")]
    pub fn sequence_ids(&self, name: &str) -> Result<Vec<SequenceId>, Error> {
        let sequences = self.list_sequences()?.into_iter();
        Ok(sequences
            .filter(|sequence| sequence.config.name == name)
            .map(|sequence| sequence.id)
            .collect())
    }

    /// Returns the hub's information about a sequence (`GET /sequence/:id`).
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is no sequence with this id.
    #[doc(alias = "getSequence")]
    pub fn sequence_info(&self, id: impl IntoId<SequenceId>) -> Result<SequenceInfo, Error> {
        self.sequence(id)?.info()
    }

    /// Uploads a package as a new sequence (`POST /sequence`).
    ///
    /// The package is a gzip-compressed tar archive with `package.json` at its root. Returns when
    /// the hub has unpacked it. The sequence stays on the hub until it is deleted.
    /// [`deploy`](Self::deploy) returns a guard that deletes it when it is dropped.
    ///
    /// The client reads the first bytes before it connects, and refuses a package that is not
    /// gzip-compressed, because such a package can crash a hub of 0.18.7. [`send`](Self::send) with
    /// [`SendSequence`] uploads data without this check.
    ///
    /// # Errors
    /// - [`ErrorKind::Upload`] if the package cannot be read, or is not gzip-compressed.
    /// - The hub refuses an invalid package with 422, and the error contains its reason.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, Upload};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let sequence = host.send_sequence(Upload::path("package.tar.gz"))?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[doc(alias = "sendSequence")]
    pub fn send_sequence(&self, package: impl Into<Upload>) -> Result<SequenceClient, Error> {
        let (sent, _) = self.send(&SendSequence, package.into().package())?;
        SequenceClient::new(sent.id, self)
    }

    /// Deletes a sequence that is not in use (`DELETE /sequence/:id`). See
    /// [`SequenceClient::delete`].
    ///
    /// # Errors
    /// - [`is_conflict`](Error::is_conflict) if the sequence is in use.
    /// - [`is_not_found`](Error::is_not_found) if there is no sequence with this id.
    #[doc(alias = "deleteSequence")]
    pub fn delete_sequence(&self, id: impl IntoId<SequenceId>) -> Result<(), Error> {
        let id = id.into_id()?;
        self.call(&DeleteSequence {
            id: &id,
            force: false,
        })
    }

    /// Deletes a sequence and its instances.
    ///
    /// Sends `POST /instance/:id/_kill` for each running instance, then `DELETE /sequence/:id` as
    /// soon as the hub accepts it.
    ///
    /// This takes some milliseconds on hubs of 0.18. It takes up to 17 seconds on hubs of 1.x,
    /// which keep an instance for 15 seconds after its end. A process that does not react to the
    /// kill adds 11 seconds on 0.18 and 15 seconds on 1.x.
    ///
    /// If a limit of the handle ends the call earlier, the client asks the hub to complete the
    /// deletion. Hubs since 0.34.4 do.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is no sequence with this id.
    #[doc(alias = "deleteSequence")]
    pub fn force_delete_sequence(&self, id: impl IntoId<SequenceId>) -> Result<(), Error> {
        kill::delete_by_force(&self.client, &id.into_id()?)
    }
}

impl fmt::Debug for SequenceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SequenceClient")
            .field("id", &self.id)
            .field("host", &self.host.base_url())
            .finish()
    }
}
