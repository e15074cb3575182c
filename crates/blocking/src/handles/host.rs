use std::fmt;

use scramjet_client_core::{Chunks, Decode, Dialect, HubVersion, Operation, SingleItem, Streamed};

use crate::body::byte_stream::ByteStream;
use crate::body::upload::Upload;
use crate::client::Client;
use crate::error::Error;

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
