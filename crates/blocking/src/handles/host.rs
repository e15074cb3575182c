use std::fmt;

use scramjet_client_core::{
    Chunks, Decode, DeleteSequence, Dialect, Endpoint, HubVersion, InstanceId, InstanceInfo,
    ListInstances, ListSequences, Operation, RequestError, SendSequence, SequenceId, SequenceInfo,
    SingleItem, Streamed,
};

use crate::body::byte_stream::ByteStream;
use crate::body::upload::Upload;
use crate::client::Client;
use crate::client::kill;
use crate::error::{Error, ErrorKind};
use crate::handles::builder::HostClientBuilder;
use crate::handles::instance::InstanceClient;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::sequence::SequenceClient;

/// A Transform Hub: where everything begins.
///
/// A cheap handle: clones share connections and what is known of the hub, and may be used from any number of threads.
///
/// ```no_run
/// use scramjet_client_blocking::HostClient;
///
/// let host = HostClient::new("http://localhost:8000/api/v1")?;
/// println!("version {}", host.version()?.version);
/// for sequence in host.list_sequences()? {
///     println!("{} {}", sequence.id, sequence.config.name);
/// }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct HostClient {
    pub(crate) client: Client,
}

impl HostClient {
    /// The hub whose API is at `base_url`, for example `http://localhost:8000/api/v1`. The address is taken as given. Connects to nothing yet.
    ///
    /// # Errors
    /// It is not an `http` or `https` URL, or holds a query, a fragment, or a user name or password.
    pub fn new(base_url: impl Into<String>) -> Result<Self, Error> {
        Self::builder(base_url).build()
    }

    /// A hub with settings: headers, a bearer token, timeouts.
    pub fn builder(base_url: impl Into<String>) -> HostClientBuilder {
        HostClientBuilder::new(base_url.into())
    }

    pub(crate) fn with(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The base URL, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.client.base_url()
    }

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

    /// An instance on this hub. Asks nothing: whether there is such an instance shows when it is used.
    ///
    /// # Errors
    /// The id is empty, or one that a hub cannot find in a path.
    #[doc(alias = "getInstanceClient")]
    pub fn instance<I>(&self, id: I) -> Result<InstanceClient, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        InstanceClient::new(id, self)
    }

    /// `GET /version`: which version the hub has. Asks it every time.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "getVersion")]
    pub fn version(&self) -> Result<HubVersion, Error> {
        self.client.version()
    }

    /// How this hub speaks, by its version: as told to the builder, or as the hub was asked before. Asks it where neither is so.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn dialect(&self) -> Result<Dialect, Error> {
        self.client.dialect()
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

    /// `GET /instances`: all instances of the hub, on 1.x also those that ended a short while ago.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "listInstances")]
    #[inline]
    pub fn list_instances(&self) -> Result<Vec<InstanceInfo>, Error> {
        self.call(&ListInstances)
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

    /// The Manager that the hub is connected to, through the hub. Asks nothing; where there is none, its calls are not found.
    ///
    /// # Errors
    /// None, with a base URL that was accepted.
    #[doc(alias = "getManagerClient")]
    pub fn manager(&self) -> Result<ManagerClient, Error> {
        Ok(ManagerClient::with(
            self.client.nested(Endpoint::manager_of_hub)?,
        ))
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

    /// `GET /instance/:id`: what the hub knows of an instance.
    ///
    /// # Errors
    /// See [`Error`]; [`is_not_found`](Error::is_not_found) where there is none of this id, or no longer.
    #[doc(alias = "getInstanceInfo")]
    pub fn instance_info<I>(&self, id: I) -> Result<InstanceInfo, Error>
    where
        I: TryInto<InstanceId>,
        RequestError: From<I::Error>,
    {
        self.instance(id)?.info()
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

    /// Runs any operation whose reply is one value, also one that is not modelled here: see [`Operation`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call<O>(&self, operation: &O) -> Result<<O::Decoder as Decode>::Item, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder: SingleItem>,
    {
        self.client.call(operation)
    }

    /// Runs any operation that uploads; gives its reply, and how many bytes were sent.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn send<O>(
        &self,
        operation: &O,
        upload: Upload,
    ) -> Result<(<O::Decoder as Decode>::Item, u64), Error>
    where
        O: Operation<Payload = Streamed, Decoder: SingleItem>,
    {
        self.client.send(operation, upload)
    }

    /// Runs any operation whose reply is a stream. Returns when its head is there.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open<O>(&self, operation: &O) -> Result<ByteStream, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder = Chunks>,
    {
        self.client.open(operation)
    }
}

impl fmt::Debug for HostClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostClient").field(&self.base_url()).finish()
    }
}
