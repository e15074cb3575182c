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
use crate::handles::host::HostClient;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::middleware::MiddlewareClient;
use crate::handles::platform::multi_manager::MultiManagerClient;
use crate::transport::Transport;
#[cfg(feature = "ureq")]
use crate::transport::UreqConfig;
#[cfg(feature = "ureq")]
use crate::transport::UreqTransport;

/// Settings of a [`HostClient`], or of a client of the platform. Whatever is wrong with them is reported by [`build`](Self::build).
#[must_use]
pub struct HostClientBuilder {
    base_url: String,
    headers: Vec<(String, String)>,
    /// A setting that cannot be used, of those that are not kept as they were given.
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

    /// Sends this header with every request of this client, and of no other. Its value is taken to be a secret: it is not
    /// shown in errors or `Debug` output.
    #[doc(alias = "setDefaultHeaders")]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends `Authorization: Bearer <token>` with every request of this client.
    pub fn bearer_token(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// Sends `Authorization: Basic …` with every request of this client, for a proxy in front of the
    /// hub that asks for a name and a password.
    ///
    /// A name with a colon is refused by [`build`](Self::build): the other side would take the rest of
    /// it for the password.
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

    /// How requests are repeated on their own whose connection could not be made, or was lost; `None` for not at all. Where it is not said:
    /// at most two times, some 50 and 100 milliseconds later, and no more when 2 seconds have passed.
    ///
    /// What the hub may have acted upon is never repeated, unless acting upon it again changes nothing (`GET`, `PUT`, `DELETE`; the second
    /// `DELETE` may find nothing more). So an instance is not started twice, and an event not sent twice: a `POST` is repeated only where
    /// surely nothing of it was sent. Nor is an upload repeated of which something was read, a stream that was begun, a call that was given up
    /// for its limits, or any request because of what it was answered.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use scramjet_client_blocking::{HostClient, RetryPolicy};
    ///
    /// let patient = RetryPolicy::exponential(Duration::from_millis(200)).max_attempts(8).max_elapsed(Duration::from_secs(30));
    /// let host = HostClient::builder("http://localhost:8000/api/v1").retry(patient).build()?;
    /// let once = host.with_retry(None);
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn retry(self, policy: impl Into<Option<RetryPolicy>>) -> Self {
        Self {
            retry: policy.into(),
            ..self
        }
    }

    /// Tells this observer of every request of this client and all its handles. See [`Observer`].
    #[doc(alias = "addLogger")]
    pub fn observer(self, observer: impl Observer + 'static) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
            ..self
        }
    }

    /// Sets the hub's version (`"1.0.1"`, or a [`Version`]), so that the client does not ask for it.
    /// Otherwise the first operation that depends on it asks with one request, once for this client
    /// and all its handles.
    pub fn hub_version(self, version: impl ToString) -> Self {
        Self {
            version: Some(version.to_string()),
            ..self
        }
    }

    /// Sends through this transport, and not through a new `UreqTransport`. Clients that are given clones of one transport
    /// share its connections.
    pub fn transport(self, transport: Arc<dyn Transport>) -> Self {
        Self {
            transport: Some(transport),
            ..self
        }
    }

    /// The client of a hub. Connects to nothing yet.
    ///
    /// # Errors
    /// The base URL, a header, a certificate or the version cannot be used.
    pub fn build(self) -> Result<HostClient, Error> {
        self.client().map(HostClient::with)
    }

    /// The client of a Manager with these settings.
    ///
    /// # Errors
    /// Like [`build`](Self::build).
    pub fn build_manager(self) -> Result<ManagerClient, Error> {
        self.client().map(ManagerClient::with)
    }

    /// The client of a MultiManager with these settings.
    ///
    /// # Errors
    /// Like [`build`](Self::build).
    pub fn build_multi_manager(self) -> Result<MultiManagerClient, Error> {
        self.client().map(MultiManagerClient::with)
    }

    /// The client of a Middleware with these settings.
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
            Some(transport) => self.given(transport)?,
            None => self.default_transport(&endpoint)?,
        };
        Ok(Client::new(transport, endpoint, self.observer, self.retry))
    }

    /// The transport that was given, and no settings for the one that it takes the place of.
    #[cfg(feature = "ureq")]
    fn given(&self, transport: &Arc<dyn Transport>) -> Result<Arc<dyn Transport>, RequestError> {
        match self.ureq.set() {
            Some(setting) => Err(RequestError::setting(
                setting,
                "it applies only to the default transport, but another transport is set",
            )),
            None => Ok(Arc::clone(transport)),
        }
    }

    #[cfg(not(feature = "ureq"))]
    fn given(&self, transport: &Arc<dyn Transport>) -> Result<Arc<dyn Transport>, RequestError> {
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
}

/// The constructors of a client of the platform.
macro_rules! platform_constructors {
    ($client:ident, $build:ident, $what:literal) => {
        impl $client {
            #[doc = concat!("The ", $what, " whose API is at `base_url`, for example `https://example.com/api/v1`. Connects to nothing yet.")]
            ///
            /// # Errors
            /// The URL cannot be used, see [`HostClient::new`](crate::HostClient::new).
            pub fn new(base_url: impl Into<String>) -> Result<Self, Error> {
                Self::builder(base_url).$build()
            }

            #[doc = concat!("A ", $what, " with settings. End with [`", stringify!($build), "`](crate::HostClientBuilder::", stringify!($build), ").")]
            pub fn builder(base_url: impl Into<String>) -> HostClientBuilder {
                HostClient::builder(base_url)
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

    struct Answering;

    impl Transport for Answering {
        fn send(
            &self,
            _: Request<RequestBody<'_>>,
        ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
            Ok(Response::new(Box::new(&br#"{"version":"1.0.1"}"#[..])))
        }
    }

    #[test]
    fn a_transport_has_to_be_given() -> Result<(), crate::error::Error> {
        let error = HostClient::new("http://localhost:8000/api/v1")
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            error.starts_with("invalid setting \"transport\": none is set")
                && error.contains("`rustls`"),
            "{error}"
        );
        let given = HostClient::builder("https://localhost:8000/api/v1")
            .transport(Arc::new(Answering))
            .build()?;
        assert_eq!(given.version()?.version, "1.0.1");
        Ok(())
    }
}
