use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use http::{HeaderMap, Method};
use serde::Serialize;

use crate::{ApiError, Decode, Dialect, Path, RequestError, Version};

/// One HTTP operation of the hub: what is sent, and how the reply is read.
///
/// Core models the hub's operations as small structs. The trait is open: an endpoint that is not modelled here is a dozen
/// lines in your own crate, and every driver runs it.
///
/// ```
/// use scramjet_client_core::{Endpoint, Json, Operation, Path, http::Method};
///
/// /// `GET /status`: whether the hub is connected to a Manager.
/// struct GetStatus;
///
/// impl Operation for GetStatus {
///     const NAME: &'static str = "get hub status";
///     const METHOD: Method = Method::GET;
///     type Payload = Vec<u8>;
///     type Decoder = Json<serde_json::Value>;
///
///     fn path(&self) -> Path {
///         Path::new("status")
///     }
/// }
///
/// let hub = Endpoint::new("http://localhost:8000/api/v1")?;
/// assert_eq!(hub.request(&GetStatus)?.uri(), "http://localhost:8000/api/v1/status");
/// # Ok::<(), scramjet_client_core::RequestError>(())
/// ```
pub trait Operation {
    /// What the operation does, in a few words for error messages: `start sequence`.
    const NAME: &'static str;

    /// The HTTP method.
    const METHOD: Method;

    /// The first hub version that has the operation. Where the version is known to be older, nothing is sent.
    const SINCE: Version = Version::ANY;

    /// `Vec<u8>` where the operation carries its own body (empty: no body), [`Streamed`] where the caller brings the bytes.
    type Payload: Default;

    /// How the body of a success is read.
    type Decoder: Decode + Default;

    /// The path below the base URL, one segment at a time.
    fn path(&self) -> Path;

    /// Adds the headers that this operation needs; the [`Endpoint`](crate::Endpoint) has set its own before.
    ///
    /// # Errors
    /// A value that the caller chose cannot be sent.
    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        let _ = headers;
        Ok(())
    }

    /// Returns true if the request or its response depends on the version of the hub.
    ///
    /// [`Endpoint::request`](crate::Endpoint::request) then fails as long as the dialect is not
    /// known, so a driver asks for the version first. If this is false, the results of
    /// [`payload`](Self::payload) and [`decoder`](Self::decoder) must not depend on the dialect.
    fn needs_dialect(&self) -> bool {
        false
    }

    /// The request body.
    ///
    /// # Errors
    /// The options cannot be sent, or mean nothing to a hub of this version.
    fn payload(&self, dialect: Dialect) -> Result<Self::Payload, RequestError> {
        let _ = dialect;
        Ok(Self::Payload::default())
    }

    /// The decoder for the body of a success.
    fn decoder(&self, dialect: Dialect) -> Self::Decoder {
        let _ = dialect;
        Self::Decoder::default()
    }

    /// How long the hub waits by nature before it answers, because the operation asks it to. Drivers add it to their time limits.
    fn server_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Corrects a refusal whose status misleads, for operations where some hub's does.
    fn map_api_error(error: ApiError) -> ApiError {
        error
    }
}

/// The payload of an operation whose body the caller streams: the request description says how, the bytes come from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Streamed;

/// The payload of an operation that describes its whole body.
pub(crate) type Inline = Vec<u8>;

/// A body of JSON; `option` is what to name where a value in it cannot be written.
pub(crate) fn inline_json(option: &str, body: &impl Serialize) -> Result<Inline, RequestError> {
    serde_json::to_vec(body).map_err(|error| RequestError::option(option, &error.to_string()))
}
