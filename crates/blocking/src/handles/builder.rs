//! The settings of a client.

#[cfg(feature = "ureq")]
mod connecting;

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use scramjet_client_core::{Dialect, Endpoint, RequestError, RetryPolicy, Version};

use crate::call::observer::Observer;
use crate::call::options::DEFAULT_RETRY;
use crate::client::Client;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::handles::host::HostClient;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::middleware::MiddlewareClient;
use crate::handles::platform::multi_manager::MultiManagerClient;
use crate::transport::Transport;
#[cfg(feature = "ureq")]
use crate::transport::UreqConfig;
#[cfg(feature = "ureq")]
use crate::transport::UreqTransport;

/// A builder for a [`HostClient`], or for a client of the platform.
///
/// [`HostClient::builder`] creates one, and [`from_env`](Self::from_env) one with settings from
/// environment variables. The methods do not return errors, so that one expression can set
/// everything. [`build`](Self::build) fails if a setting is invalid.
///
/// ```no_run
/// use std::time::Duration;
/// use scramjet_client_blocking::HostClient;
///
/// # #[cfg(feature = "ureq")]
/// let host = HostClient::builder("https://hub.example.com/api/v1")
///     .bearer_token("secret")
///     .connect_timeout(Duration::from_secs(3))
///     .build()?;
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
#[must_use]
pub struct HostClientBuilder {
    base_url: String,
    headers: Vec<(String, String)>,
    /// The error of a setting that was invalid when it was set.
    problem: Option<RequestError>,
    #[cfg(feature = "ureq")]
    ureq: UreqConfig,
    version: Option<String>,
    transport: Option<Arc<dyn Transport>>,
    observer: Option<Arc<dyn Observer>>,
    retry: Option<RetryPolicy>,
}

impl HostClientBuilder {
    pub(crate) fn new(base_url: String) -> Self {
        Self {
            base_url,
            headers: Vec::new(),
            problem: None,
            #[cfg(feature = "ureq")]
            ureq: UreqConfig::default(),
            version: None,
            transport: None,
            observer: None,
            retry: Some(DEFAULT_RETRY),
        }
    }

    /// Adds a header to every request of this client. A second value for a name replaces the
    /// first.
    ///
    /// The value counts as a secret: errors and `Debug` output do not show it.
    ///
    /// [`build`](Self::build) refuses headers that describe the connection or the body, values that
    /// are not ASCII or have white space at an end, and more than 16 KiB of headers in total.
    #[doc(alias = "setDefaultHeaders")]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends `Authorization: Bearer <token>` with every request of this client. The token counts as
    /// a secret, like the value of any [`header`](Self::header).
    pub fn bearer_token(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// Sends `Authorization: Basic …` with every request of this client, for a proxy in front of
    /// the hub that requires a user name and a password.
    ///
    /// [`build`](Self::build) refuses a user name with a colon, because the server would read the
    /// rest of it as the password.
    #[cfg(feature = "ureq")]
    pub fn basic_auth(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        use base64::Engine as _;

        let (user, password) = (user.as_ref(), password.as_ref());
        if user.contains(':') {
            let problem = "the user name contains a colon, which would end it";
            self.problem = Some(RequestError::setting("basic_auth", problem));
        }
        let encoded = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.header("authorization", format!("Basic {encoded}"))
    }

    /// Sets the policy for automatic retries after lost or failed connections; `None` turns them
    /// off.
    ///
    /// By default, the client retries at most twice, after about 50 and 100 milliseconds, and
    /// starts no attempt later than 2 seconds after the first.
    ///
    /// The client retries `GET`, `PUT` and `DELETE` requests, because repeating them has no further
    /// effect. The retry of a `DELETE` may find nothing to delete. The client retries a `POST`
    /// request only if nothing of it was sent. So a retry never starts a second instance or sends
    /// an event twice.
    ///
    /// The client never retries
    ///
    /// - an upload, after it has read a part of the data;
    /// - a stream, after it has begun;
    /// - a call that a limit of the handle has ended;
    /// - a request because of its response.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use scramjet_client_blocking::{HostClient, RetryPolicy};
    ///
    /// let policy = RetryPolicy::exponential(Duration::from_millis(200))
    ///     .max_attempts(8)
    ///     .max_elapsed(Duration::from_secs(30));
    /// let host = HostClient::builder("http://localhost:8000/api/v1").retry(policy).build()?;
    /// let without_retries = host.with_retry(None);
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn retry(self, policy: impl Into<Option<RetryPolicy>>) -> Self {
        Self {
            retry: policy.into(),
            ..self
        }
    }

    /// Sets an observer, which is called for every request of this client and its handles.
    #[doc(alias = "addLogger")]
    pub fn observer(self, observer: impl Observer + 'static) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
            ..self
        }
    }

    /// Sets the version of the hub (`"1.0.1"`, or a [`Version`]), so that the client does not
    /// request it.
    ///
    /// By default, the client sends `GET /version` before the first operation that depends on the
    /// version. It does so once for the client and all its handles.
    pub fn hub_version(self, version: impl ToString) -> Self {
        Self {
            version: Some(version.to_string()),
            ..self
        }
    }

    /// Sets the transport. The default is a new `UreqTransport`, if the feature `ureq` is enabled.
    ///
    /// Clients with the same transport share its connections. [`build`](Self::build) refuses
    /// settings of the default transport, such as a connect timeout, together with this one.
    pub fn transport(self, transport: Arc<dyn Transport>) -> Self {
        Self {
            transport: Some(transport),
            ..self
        }
    }

    /// Creates the client of a hub. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Request`] if the base URL, a header, a certificate, the version or another
    /// setting is invalid.
    pub fn build(self) -> Result<HostClient, Error> {
        self.client().map(HostClient::with)
    }

    /// Creates the client of a Manager. Sends nothing.
    ///
    /// # Errors
    /// Like [`build`](Self::build).
    pub fn build_manager(self) -> Result<ManagerClient, Error> {
        self.client().map(ManagerClient::with)
    }

    /// Creates the client of a MultiManager. Sends nothing.
    ///
    /// # Errors
    /// Like [`build`](Self::build).
    pub fn build_multi_manager(self) -> Result<MultiManagerClient, Error> {
        self.client().map(MultiManagerClient::with)
    }

    /// Creates the client of a Middleware. Sends nothing.
    ///
    /// # Errors
    /// Like [`build`](Self::build).
    pub fn build_middleware(self) -> Result<MiddlewareClient, Error> {
        self.client().map(MiddlewareClient::with)
    }

    fn client(self) -> Result<Client, Error> {
        let mut endpoint = Endpoint::new(&self.base_url)?;
        if let Some(problem) = self.problem {
            return Err(problem.into());
        }
        for (name, value) in &self.headers {
            let key = HeaderName::try_from(name).map_err(|_| {
                RequestError::header(name, "its name is not a valid HTTP header name")
            })?;
            let value = HeaderValue::try_from(value).map_err(|_| {
                RequestError::header(
                    name,
                    "its value contains a line break or another character that HTTP does not allow",
                )
            })?;
            endpoint.set_header(key, value)?;
        }
        if let Some(version) = &self.version {
            let version = version
                .parse::<Version>()
                .map_err(|error| RequestError::setting("hub_version", &error.to_string()))?;
            endpoint.set_dialect(Dialect::of(version));
        }
        let transport = match &self.transport {
            Some(transport) => self.custom_transport(transport)?,
            None => self.default_transport(&endpoint)?,
        };
        Ok(Client::new(transport, endpoint, self.observer, self.retry))
    }

    /// Returns the caller's transport. Fails if there are settings for the default transport, which
    /// would have no effect.
    #[cfg(feature = "ureq")]
    fn custom_transport(
        &self,
        transport: &Arc<dyn Transport>,
    ) -> Result<Arc<dyn Transport>, RequestError> {
        match self.ureq.set() {
            Some(setting) => Err(RequestError::setting(
                setting,
                "it applies only to the default transport, but another transport is set",
            )),
            None => Ok(Arc::clone(transport)),
        }
    }

    #[cfg(not(feature = "ureq"))]
    fn custom_transport(
        &self,
        transport: &Arc<dyn Transport>,
    ) -> Result<Arc<dyn Transport>, RequestError> {
        Ok(Arc::clone(transport))
    }

    #[cfg(feature = "ureq")]
    fn default_transport(&self, endpoint: &Endpoint) -> Result<Arc<dyn Transport>, RequestError> {
        if cfg!(not(any(feature = "rustls", feature = "native-tls")))
            && endpoint.base_url().starts_with("https:")
        {
            let problem = "this program was built without TLS support; \
                           enable the feature `rustls` or `native-tls` of scramjet-client-blocking";
            return Err(RequestError::base_url(endpoint.base_url(), problem));
        }
        Ok(Arc::new(UreqTransport::new(&self.ureq)?))
    }

    #[cfg(not(feature = "ureq"))]
    fn default_transport(&self, _: &Endpoint) -> Result<Arc<dyn Transport>, RequestError> {
        let problem = "none is set, and this program was built without a default one; \
                       set one, or enable the feature `rustls`, `native-tls` or `ureq` of \
                       scramjet-client-blocking";
        Err(RequestError::setting("transport", problem))
    }
}

/// Constructors.
impl HostClient {
    /// Creates a client of the hub whose API is at `base_url`, for example
    /// `http://localhost:8000/api/v1`. Sends nothing.
    ///
    /// The client does not add `/api/v1` to the URL.
    ///
    /// # Errors
    /// [`RequestError::BaseUrl`] if it is not an `http` or `https` URL, or contains a query, a
    /// fragment, or a user name or password.
    pub fn new(base_url: impl Into<String>) -> Result<Self, Error> {
        Self::builder(base_url).build()
    }

    /// Creates a builder for a client with settings, such as headers or a bearer token. Finish it
    /// with [`build`](HostClientBuilder::build).
    pub fn builder(base_url: impl Into<String>) -> HostClientBuilder {
        HostClientBuilder::new(base_url.into())
    }
}

/// Implements the constructors of a client of the platform.
macro_rules! platform_constructors {
    ($client:ident, $build:ident, $server:literal) => {
        /// Constructors.
        impl $client {
            #[doc = concat!("Creates a client of the ", $server, " whose API is at `base_url`,")]
            /// for example `https://example.com/api/v1`. Sends nothing.
            ///
            /// # Errors
            /// The base URL is invalid, see [`HostClient::new`](crate::HostClient::new).
            pub fn new(base_url: impl Into<String>) -> Result<Self, Error> {
                Self::builder(base_url).$build()
            }

            #[doc = concat!("Creates a builder for a client of a ", $server, ". Finish it with")]
            #[doc = concat!(
                "[`", stringify!($build), "`](HostClientBuilder::", stringify!($build), ").")]
            pub fn builder(base_url: impl Into<String>) -> HostClientBuilder {
                HostClientBuilder::new(base_url.into())
            }
        }
    };
}

platform_constructors!(ManagerClient, build_manager, "Manager");
platform_constructors!(MultiManagerClient, build_multi_manager, "MultiManager");
platform_constructors!(MiddlewareClient, build_middleware, "Middleware");

impl fmt::Debug for HostClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        let mut shown = f.debug_struct("HostClientBuilder");
        shown
            .field("headers", &headers)
            .field("hub_version", &self.version);
        #[cfg(feature = "ureq")]
        shown.field("ureq", &self.ureq);
        shown.finish_non_exhaustive()
    }
}

#[cfg(all(test, not(feature = "ureq")))]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use http::{Request, Response};

    use crate::handles::host::HostClient;
    use crate::transport::{RequestBody, Transport, TransportError};

    struct FixedResponse;

    impl Transport for FixedResponse {
        fn send(
            &self,
            _: Request<RequestBody<'_>>,
        ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
            Ok(Response::new(Box::new(&br#"{"version":"1.0.1"}"#[..])))
        }
    }

    #[test]
    fn build_fails_without_a_transport() -> Result<(), crate::error::Error> {
        let error = HostClient::new("http://localhost:8000/api/v1")
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            error.starts_with("invalid setting \"transport\": none is set")
                && error.contains("`rustls`"),
            "{error}"
        );
        let host = HostClient::builder("https://localhost:8000/api/v1")
            .transport(Arc::new(FixedResponse))
            .build()?;
        assert_eq!(host.version()?.version, "1.0.1");
        Ok(())
    }
}
