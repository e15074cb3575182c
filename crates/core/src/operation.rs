use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use http::{HeaderMap, Method};
use serde::Serialize;

use crate::{ApiError, Decode, Dialect, Path, RequestError, Version};
use crate::{hub, instances, platform, sequences, topics};

/// One HTTP operation of the hub: describes the request and how to read the response.
///
/// This crate has a struct for each operation of the hub. The trait is open: for an endpoint that
/// is missing here, implement it in your own crate. Every driver can run such an operation.
///
/// ```
/// use scramjet_client_core::{Endpoint, Json, Operation, Path, http::Method};
///
/// /// `GET /status`: returns the hub's connection to a Manager.
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
    /// A short name of the operation for error messages, for example `start sequence`.
    const NAME: &'static str;

    /// The HTTP method.
    const METHOD: Method;

    /// The first hub version that supports the operation. [`Endpoint::request`] fails if the hub is
    /// known to be older.
    ///
    /// [`Endpoint::request`]: crate::Endpoint::request
    const SINCE: Version = Version::ANY;

    /// The type of the request body: `Vec<u8>` if the operation builds it (empty for no body), or
    /// [`Streamed`] if the caller supplies the bytes.
    type Payload: RequestPayload;

    /// The decoder for the body of a successful response.
    type Decoder: Decode + Default;

    /// Returns the path below the base URL.
    fn path(&self) -> Path;

    /// Adds the headers of this operation to those of the [`Endpoint`](crate::Endpoint).
    ///
    /// If the operation builds its body, and the method is not `GET` or `HEAD`, the headers already
    /// contain `Content-Type: application/json`. Hubs require it, even on a `DELETE` without a
    /// body. An operation with a [`Streamed`] body adds the type of that body.
    ///
    /// # Errors
    /// A value that the caller supplied cannot be sent as a header.
    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        let _ = headers;
        Ok(())
    }

    /// Returns `true` if the request or the response depends on the version of the hub.
    ///
    /// [`Endpoint::request`](crate::Endpoint::request) then fails until the dialect is known, so a
    /// driver requests the version first. If this is `false`, the results of
    /// [`payload`](Self::payload) and [`decoder`](Self::decoder) must not depend on the dialect.
    fn needs_dialect(&self) -> bool {
        false
    }

    /// Returns the request body.
    ///
    /// # Errors
    /// The options cannot be sent, or a hub of this version does not support them.
    fn payload(&self, dialect: Dialect) -> Result<Self::Payload, RequestError> {
        let _ = dialect;
        Ok(Self::Payload::default())
    }

    /// Returns the decoder for the body of a successful response.
    fn decoder(&self, dialect: Dialect) -> Self::Decoder {
        let _ = dialect;
        Self::Decoder::default()
    }

    /// Returns the time that the hub waits before it responds, because the operation asks it to.
    /// Drivers add it to their timeouts.
    fn server_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Corrects an error response whose status is misleading. By default, changes nothing.
    fn map_api_error(error: ApiError) -> ApiError {
        error
    }
}

/// Returns the [names](Operation::NAME) of all operations of this crate.
///
/// Errors and log lines contain the same names. A program can, for example, create the metrics of
/// all operations before the first request:
///
/// ```
/// use std::collections::BTreeMap;
/// use scramjet_client_core::operation_names;
///
/// let requests: BTreeMap<&str, u64> = operation_names().map(|name| (name, 0)).collect();
/// assert_eq!(requests["start sequence"], 0);
/// ```
pub fn operation_names() -> impl Iterator<Item = &'static str> {
    let modules = [
        hub::NAMES,
        sequences::NAMES,
        instances::NAMES,
        topics::NAMES,
        platform::NAMES,
    ];
    modules.into_iter().flatten().copied()
}

/// The payload of an operation whose body the caller streams. The request describes the body, but
/// does not contain it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Streamed;

/// A type of request body, see [`Operation::Payload`].
pub trait RequestPayload: Default {
    /// `true` if the operation builds the body, which is then JSON.
    const IS_JSON: bool;
}

impl RequestPayload for Vec<u8> {
    const IS_JSON: bool = true;
}

impl RequestPayload for Streamed {
    const IS_JSON: bool = false;
}

/// The payload of an operation that builds its whole body.
pub(crate) type Inline = Vec<u8>;

/// Serializes a body to JSON. `option` names the value in the error if it cannot be serialized.
pub(crate) fn inline_json(option: &str, body: &impl Serialize) -> Result<Inline, RequestError> {
    serde_json::to_vec(body).map_err(|error| RequestError::option(option, &error.to_string()))
}

/// Exports operations, and lists their names in `NAMES`.
macro_rules! operations {
    ($(pub use $module:ident::$operation:ident;)+) => {
        $(pub use $module::$operation;)+

        /// The names of the operations of this module.
        pub(crate) const NAMES: &[&str] =
            &[$(<$module::$operation as $crate::Operation>::NAME),+];
    };
}

/// Declares an operation without parameters: a `GET` request to a fixed path.
macro_rules! get {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident;
        NAME = $label:literal;
        $(SINCE = $since:expr;)?
        PATH = $path:literal;
        Decoder = $decoder:ty;
        $($members:tt)*
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $crate::Operation for $name {
            const NAME: &'static str = $label;
            const METHOD: http::Method = http::Method::GET;
            $(const SINCE: $crate::Version = $since;)?
            type Payload = $crate::operation::Inline;
            type Decoder = $decoder;

            fn path(&self) -> $crate::Path {
                $crate::Path::new($path)
            }

            $($members)*
        }
    };
}

/// Declares [`Operation::decoder`], for operations that flows or most programs use.
///
/// The code that deserializes the response is then compiled in this crate only, and not again in
/// each crate that uses the operation.
macro_rules! shared_decoder {
    () => {
        #[inline(never)]
        fn decoder(&self, _: $crate::Dialect) -> Self::Decoder {
            $crate::Json::default()
        }
    };
}

pub(crate) use {get, operations, shared_decoder};
