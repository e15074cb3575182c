//! What the clients of the platform have alike.

pub(crate) mod manager;
pub(crate) mod middleware;
pub(crate) mod multi_manager;

/// How a client is made and shown.
macro_rules! platform_client {
    ($client:ident, $build:ident, $what:literal) => {
        impl $client {
            #[doc = concat!("The ", $what, " whose API is at `base_url`, for example `https://example.com/api/v1`. Connects to nothing yet.")]
            ///
            /// # Errors
            /// The URL cannot be used, see [`HostClient::new`](crate::HostClient::new).
            pub fn new(base_url: impl Into<String>) -> Result<Self, $crate::error::Error> {
                Self::builder(base_url).$build()
            }

            #[doc = concat!("A ", $what, " with settings. End with [`", stringify!($build), "`](crate::HostClientBuilder::", stringify!($build), ").")]
            pub fn builder(base_url: impl Into<String>) -> $crate::handles::builder::HostClientBuilder {
                $crate::handles::host::HostClient::builder(base_url)
            }

            pub(crate) fn with(client: $crate::client::Client) -> Self {
                Self { client }
            }

            /// The base URL, without a trailing slash.
            #[must_use]
            pub fn base_url(&self) -> &str {
                self.client.base_url()
            }
        }

        impl std::fmt::Debug for $client {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($client)).field(&self.base_url()).finish()
            }
        }
    };
}

pub(crate) use platform_client;
