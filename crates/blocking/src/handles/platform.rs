//! Clients of the platform around hubs, and the methods that they share.

pub(crate) mod manager;
pub(crate) mod middleware;
pub(crate) mod multi_manager;

/// Implements the methods that all clients of the platform have, and those of the listed ones that
/// only some have.
macro_rules! platform_client {
    ($client:ident, $build:ident, $server:literal: $($method:ident),+) => {
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

            pub(crate) fn with(client: Client) -> Self {
                Self { client }
            }

            /// Returns the base URL, without a trailing slash.
            #[must_use]
            pub fn base_url(&self) -> &str {
                self.client.base_url()
            }

            #[doc = concat!("Returns the version of the ", $server, " (`GET /version`).")]
            #[doc(alias = "getVersion")]
            pub fn version(&self) -> Result<HubVersion, Error> {
                self.client.version()
            }

            $(platform_client!(@$method $server);)+
        }

        impl fmt::Debug for $client {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($client))
                    .field(&self.base_url())
                    .finish()
            }
        }
    };
    (@load $server:literal) => {
        #[doc = concat!("Returns the load of the machine that runs the ", $server)]
        /// (`GET /load`).
        #[doc(alias = "getLoad")]
        #[inline]
        pub fn load(&self) -> Result<LoadCheck, Error> {
            self.client.call(&GetLoad)
        }
    };
    (@log_stream $server:literal) => {
        #[doc = concat!("Opens the log of the ", $server, ", as JSON lines (`GET /log`).")]
        ///
        /// The stream does not end.
        #[doc(alias = "getLogStream")]
        #[inline]
        pub fn log_stream(&self) -> Result<ByteStream, Error> {
            self.client.open(&ReadLog)
        }
    };
    (@audit_stream $server:literal) => {
        #[doc = concat!("Opens the audit log of the ", $server, ", as JSON lines (`GET /audit`).")]
        ///
        /// Each record says who did what. The stream does not end.
        #[doc(alias = "getAuditStream")]
        #[inline]
        pub fn audit_stream(&self) -> Result<ByteStream, Error> {
            self.client.open(&ReadAudit)
        }
    };
}

pub(crate) use platform_client;
