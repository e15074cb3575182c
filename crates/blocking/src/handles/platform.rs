//! What the clients of the platform have alike.

pub(crate) mod manager;
pub(crate) mod middleware;
pub(crate) mod multi_manager;

/// How a client is made and shown.
macro_rules! platform_client {
    ($client:ident) => {
        impl $client {
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
                f.debug_tuple(stringify!($client))
                    .field(&self.base_url())
                    .finish()
            }
        }
    };
}

pub(crate) use platform_client;
