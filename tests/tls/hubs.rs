//! Test hubs with and without TLS, and checks of calls to them.

use std::error::Error as _;
use std::sync::Arc;

use scramjet_client_blocking::transport::TlsBackend;
use scramjet_client_blocking::{Error, HostClient, HostClientBuilder};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::authority::{Authority, Identity};
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

use crate::helpers::Mailbox;

/// The TLS backends of this build.
pub(crate) const BACKENDS: &[TlsBackend] = &[
    #[cfg(feature = "rustls")]
    TlsBackend::Rustls,
    #[cfg(feature = "native-tls")]
    TlsBackend::NativeTls,
];

/// A host name that does not exist.
pub(crate) const NAME: &str = "hub.invalid";

/// A server that responds like a hub and records the requests.
pub(crate) struct Hub {
    pub(crate) server: ScriptedServer,
    pub(crate) requests: Arc<Mailbox<ReceivedRequest>>,
}

impl Hub {
    pub(crate) fn plain() -> Self {
        Self::start(|handler| ScriptedServer::start(handler))
    }

    pub(crate) fn tls(identity: &Identity) -> Self {
        Self::start(|handler| ScriptedServer::start_tls_as(identity, handler))
    }

    /// Starts a hub for clients with a certificate of this authority.
    pub(crate) fn tls_for(clients: &Authority, identity: &Identity, only_1_2: bool) -> Self {
        Self::start(|handler| ScriptedServer::start_tls_for(clients, identity, only_1_2, handler))
    }

    fn start(
        start: impl FnOnce(Box<dyn Fn(&mut Connection) + Send + Sync>) -> ScriptedServer,
    ) -> Self {
        let requests = Mailbox::new();
        let server = start(Box::new({
            let requests = Arc::clone(&requests);
            move |connection| {
                while let Ok(request) = connection.read_request() {
                    requests.put(request);
                    let keep_alive = [("Connection", "keep-alive")];
                    let answer = response("200 OK", &keep_alive, br#"{"version":"1.0.1"}"#);
                    if connection.send(answer).is_err() {
                        break;
                    }
                }
            }
        }));
        Self { server, requests }
    }

    /// Returns a client that connects to this host name or address.
    pub(crate) fn client(&self, host: &str, backend: TlsBackend) -> HostClientBuilder {
        HostClient::builder(self.url(host)).tls_backend(backend)
    }

    pub(crate) fn url(&self, host: &str) -> String {
        let url = self.server.url();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (_, port) = rest.split_once(':').unwrap();
        format!("{scheme}://{host}:{port}")
    }
}

/// Checks that a call succeeds.
pub(crate) fn succeeds(what: &str, builder: HostClientBuilder) {
    let version = builder.build().unwrap().version();
    assert_eq!(
        version
            .unwrap_or_else(|error| panic!("{what}: {error:?}"))
            .version,
        "1.0.1",
        "{what}"
    );
}

/// Checks that a call fails, and returns its error.
pub(crate) fn fails(what: &str, builder: HostClientBuilder) -> Error {
    let result = builder.retry(None).build().unwrap().version();
    let error = result
        .map(|version| panic!("{what}: it succeeded with {version:?}"))
        .unwrap_err();
    // No two layers have the same message.
    let causes =
        std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string);
    let messages: Vec<String> = [error.to_string()].into_iter().chain(causes).collect();
    for (position, one) in messages.iter().enumerate() {
        assert!(
            messages
                .iter()
                .skip(position + 1)
                .all(|other| !one.contains(other.as_str()) && !other.contains(one.as_str())),
            "{error:?}"
        );
    }
    error
}
