use std::fmt;

use scramjet_client_core::{
    DeleteSequence, GetSequence, InstanceId, ListSequenceInstances, ListSequences,
    OverwriteSequence, RequestError, SendSequence, SequenceId, SequenceInfo, StartOptions,
    StartSequence,
};

use crate::body::upload::Upload;
use crate::client::kill;
use crate::error::{Error, ErrorKind};
use crate::handles::host::HostClient;
use crate::handles::instance::InstanceClient;

/// A sequence on a hub: an uploaded package that can be started any number of times.
///
/// A cheap handle, like [`HostClient`].
#[derive(Clone)]
pub struct SequenceClient {
    pub(crate) host: HostClient,
    id: SequenceId,
}

impl SequenceClient {
    /// The sequence of this id on a hub. Asks nothing: whether there is such a sequence shows when it is used.
    ///
    /// # Errors
    /// The id is empty, or one that a hub cannot find in a path.
    #[doc(alias = "from")]
    pub fn new<I>(id: I, host: &HostClient) -> Result<Self, Error>
    where
        I: TryInto<SequenceId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        Ok(Self {
            host: host.clone(),
            id,
        })
    }

    /// The sequence's id.
    #[must_use]
    pub fn id(&self) -> &SequenceId {
        &self.id
    }

    /// The hub that it is on.
    #[must_use]
    pub fn host(&self) -> &HostClient {
        &self.host
    }

    /// `POST /sequence/:id/start`: starts an instance. Returns when its process has connected to the hub, which takes from a
    /// tenth of a second to several.
    ///
    /// That is all that the answer says: a sequence that throws while it loads is also answered with success, and its
    /// instance ends at once. A hub of 0.18 never answers where the package's `main` does not exist.
    ///
    /// # Errors
    /// See [`Error`]; [`is_overloaded`](Error::is_overloaded) where the hub has no room, [`is_not_found`](Error::is_not_found)
    /// where the sequence is gone, [`is_conflict`](Error::is_conflict) where there is an instance of the chosen id,
    /// [`is_unsupported`](Error::is_unsupported) where the hub is too old for an option.
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

    /// `GET /sequence/:id/instances`: the ids of its instances, on 1.x also of those that ended a short while ago.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the sequence is gone.
    #[doc(alias = "listInstances")]
    #[inline]
    pub fn list_instances(&self) -> Result<Vec<InstanceId>, Error> {
        self.host.call(&ListSequenceInstances { id: &self.id })
    }

    /// An instance on this sequence's hub. Asks nothing.
    ///
    /// # Errors
    /// The id is empty, or one that a hub cannot find in a path.
    #[doc(alias = "getInstance")]
    pub fn instance<I>(&self, id: I) -> Result<InstanceClient, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        InstanceClient::new(id, &self.host)
    }

    /// An instance on another hub. Asks nothing.
    ///
    /// # Errors
    /// The id is empty, or one that a hub cannot find in a path.
    #[doc(alias = "getInstance")]
    pub fn instance_on<I>(&self, id: I, host: &HostClient) -> Result<InstanceClient, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        InstanceClient::new(id, host)
    }

    /// `GET /sequence/:id`: what the hub knows of the sequence.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where the sequence is gone.
    #[doc(alias = "getInfo")]
    #[inline]
    pub fn info(&self) -> Result<SequenceInfo, Error> {
        self.host.call(&GetSequence { id: &self.id })
    }

    /// `PUT /sequence/:id`: replaces the package. Since 0.38.0; asks an unknown hub for its version first, so that a package is
    /// not sent in vain. Returns when the hub has unpacked it.
    ///
    /// # Errors
    /// See [`Error`]; [`is_conflict`](Error::is_conflict) while the hub lists instances of it (on 1.x also ended ones, for
    /// some minutes), [`is_unsupported`](Error::is_unsupported) on an older hub.
    pub fn overwrite(&self, package: impl Into<Upload>) -> Result<Self, Error> {
        let (sent, _) = self.host.send(
            &OverwriteSequence { id: &self.id },
            package.into().package(),
        )?;
        Self::new(sent.id, &self.host)
    }

    /// `DELETE /sequence/:id`: removes it, where it is not in use. See [`HostClient::delete_sequence`].
    ///
    /// # Errors
    /// See [`Error`]; [`is_conflict`](Error::is_conflict) while it is in use.
    #[doc(alias = "deleteSequence")]
    pub fn delete(&self) -> Result<(), Error> {
        self.host.delete_sequence(&self.id)
    }

    /// Deletes it and its instances. See [`HostClient::force_delete_sequence`].
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "deleteSequence")]
    pub fn force_delete(&self) -> Result<(), Error> {
        self.host.force_delete_sequence(&self.id)
    }
}

/// Sequences of a hub.
impl HostClient {
    /// A sequence of this hub. Asks nothing: whether there is such a sequence shows when it is used.
    ///
    /// # Errors
    /// The id is empty, or one that a hub cannot find in a path.
    #[doc(alias = "getSequenceClient")]
    pub fn sequence<I>(&self, id: I) -> Result<SequenceClient, Error>
    where
        I: TryInto<SequenceId>,
        RequestError: From<I::Error>,
    {
        SequenceClient::new(id, self)
    }

    /// `GET /sequences`: all sequences of the hub.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "listSequences")]
    #[inline]
    pub fn list_sequences(&self) -> Result<Vec<SequenceInfo>, Error> {
        self.call(&ListSequences)
    }

    /// `GET /sequences`: the sequence whose package has this name. Hubs know sequences by their ids
    /// alone, so this looks through all of them.
    ///
    /// # Errors
    /// See [`Error`]; [`ErrorKind::SequenceName`] if there is none ([`Error::is_not_found`]) or more
    /// than one, with their ids.
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

    /// `GET /sequences`: the ids of all sequences whose package has this name. See
    /// [`sequence_named`](Self::sequence_named).
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getSequenceId")]
    pub fn sequence_ids(&self, name: &str) -> Result<Vec<SequenceId>, Error> {
        let sequences = self.list_sequences()?.into_iter();
        Ok(sequences
            .filter(|sequence| sequence.config.name == name)
            .map(|sequence| sequence.id)
            .collect())
    }

    /// `GET /sequence/:id`: what the hub knows of a sequence.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where there is none of this id.
    #[doc(alias = "getSequence")]
    pub fn sequence_info<I>(&self, id: I) -> Result<SequenceInfo, Error>
    where
        I: TryInto<SequenceId>,
        RequestError: From<I::Error>,
    {
        self.sequence(id)?.info()
    }

    /// `POST /sequence`: uploads a package, a gzip-compressed tar with `package.json` at its root. Returns when the hub has unpacked it.
    ///
    /// A package that is not gzip-compressed is refused before a connection is made, because a hub
    /// of 0.18.7 can crash if it receives one: the first bytes are read before that.
    /// [`send`](Self::send) with [`SendSequence`] sends any data.
    ///
    /// # Errors
    /// See [`Error`]; a package that cannot be used is refused with 422 and the hub's reason.
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

    /// `DELETE /sequence/:id`: removes a sequence that is not in use.
    ///
    /// # Errors
    /// See [`Error`]; [`is_conflict`](Error::is_conflict) while it is in use, [`is_not_found`](Error::is_not_found) where
    /// there is none of this id.
    #[doc(alias = "deleteSequence")]
    pub fn delete_sequence<I>(&self, id: I) -> Result<(), Error>
    where
        I: TryInto<SequenceId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        self.call(&DeleteSequence {
            id: &id,
            force: false,
        })
    }

    /// Deletes a sequence and its instances: `POST /instance/:id/_kill` for each that runs, and then
    /// `DELETE /sequence/:id` as soon as the hub allows it.
    ///
    /// That takes some milliseconds on hubs of 0.18, up to 17 seconds on 1.x, which keep an instance
    /// for 15 seconds after its end, and as much longer as a process does not react to its kill (11
    /// seconds on 0.18, 15 on 1.x). If the limits of the handle are reached before, a hub since 0.34.4
    /// is asked to go on with it.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) if there is no sequence of this id.
    #[doc(alias = "deleteSequence")]
    pub fn force_delete_sequence<I>(&self, id: I) -> Result<(), Error>
    where
        I: TryInto<SequenceId>,
        RequestError: From<I::Error>,
    {
        let id = id.try_into().map_err(RequestError::from)?;
        kill::delete_by_force(&self.client, &id)
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
