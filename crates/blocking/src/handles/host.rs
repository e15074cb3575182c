use std::fmt;

use scramjet_client_core::{Chunks, Decode, Dialect, HubVersion, Operation, SingleItem, Streamed};

use crate::body::byte_stream::ByteStream;
use crate::body::upload::Upload;
use crate::client::Client;
use crate::error::Error;
#[cfg(doc)]
use crate::error::{ErrorKind, RequestError};

/// A handle to a Transform Hub, the entry point of this crate.
///
/// Clones are cheap. They share connections and the version of the hub, and can be used from any
/// number of threads.
///
/// Every method that sends a request can fail because of the connection, a limit of the handle, or
/// a refusal of the hub; see [`Error`]. The section "Errors" of a method lists only the errors that
/// are specific to it. Errors of the type [`RequestError`] are contained in
/// [`ErrorKind::Request`], and mean that nothing was sent.
///
/// "Since 0.28.0" names the first version of the hub that supports a method. If the client knows
/// that the hub is older, the call fails with [`is_unsupported`](Error::is_unsupported), and sends
/// nothing. If the client does not know the version, it sends the request, unless the method says
/// otherwise, and an older hub refuses it with 404. [`dialect`](Self::dialect) makes the version
/// known.
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

    /// Returns the base URL, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.client.base_url()
    }

    /// Returns the version of the hub (`GET /version`).
    ///
    /// Sends a request every time.
    #[doc(alias = "getVersion")]
    pub fn version(&self) -> Result<HubVersion, Error> {
        self.client.version()
    }

    /// Returns the wire format of the hub, which depends on its version.
    ///
    /// Sends `GET /version` if the version is unknown. It is known if
    /// [`hub_version`](crate::HostClientBuilder::hub_version) has set it, or after an earlier
    /// request for it.
    pub fn dialect(&self) -> Result<Dialect, Error> {
        self.client.dialect()
    }

    /// Executes an operation whose response is one value. See [`Operation`] to define one.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::HostClient;
    /// use scramjet_client_blocking::core::ListSequences;
    ///
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// // The same as host.list_sequences()?
    /// let sequences = host.call(&ListSequences)?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn call<O>(&self, operation: &O) -> Result<<O::Decoder as Decode>::Item, Error>
    where
        O: Operation<Payload = Vec<u8>, Decoder: SingleItem>,
    {
        self.client.call(operation)
    }

    /// Executes an operation that uploads data. Returns its response, and the number of bytes sent.
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

    /// Executes an operation whose response is a stream. Returns when the head of the response has
    /// arrived.
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
