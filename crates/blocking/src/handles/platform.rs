//! Clients of the platform around hubs, and the methods that they share.

pub(crate) mod manager;
pub(crate) mod middleware;
pub(crate) mod multi_manager;

/// Implements the methods that all clients of the platform have, and the optional ones in the list.
macro_rules! platform_client {
    ($client:ident, $server:literal: $($method:ident),+) => {
        impl $client {
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
        /// Each line is an [`AuditRecord`](crate::types::AuditRecord). The stream does not end.
        #[doc(alias = "getAuditStream")]
        #[inline]
        pub fn audit_stream(&self) -> Result<ByteStream, Error> {
            self.client.open(&ReadAudit)
        }
    };
}

pub(crate) use platform_client;
