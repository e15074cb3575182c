//! The endpoint of a hub, whose dialect becomes known with the first version that it sends.

use std::sync::OnceLock;

use scramjet_client_core::{Dialect, Endpoint};

use crate::body::known_inputs::KnownInputs;
use crate::body::watchdog::Watchdog;

/// An endpoint, and the state that all handles of its hub share.
pub(super) struct NegotiatedEndpoint {
    configured: Endpoint,
    /// The endpoint with the dialect of the hub.
    negotiated: OnceLock<Endpoint>,
    pub(super) watchdog: Watchdog,
    pub(super) known_inputs: KnownInputs,
}

impl NegotiatedEndpoint {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let negotiated = match endpoint.dialect() {
            Some(_) => OnceLock::from(endpoint.clone()),
            None => OnceLock::new(),
        };
        Self {
            configured: endpoint,
            negotiated,
            watchdog: Watchdog::default(),
            known_inputs: KnownInputs::default(),
        }
    }

    /// Returns the endpoint that the handle was created with.
    pub(super) fn configured(&self) -> &Endpoint {
        &self.configured
    }

    /// Returns the endpoint, with the dialect of the hub if it is known.
    pub(super) fn current(&self) -> &Endpoint {
        self.negotiated.get().unwrap_or(&self.configured)
    }

    pub(super) fn dialect(&self) -> Option<Dialect> {
        self.current().dialect()
    }

    /// Stores the dialect of the hub, unless it is already known.
    pub(super) fn set_dialect(&self, dialect: Dialect) {
        self.negotiated
            .get_or_init(|| self.configured.clone().with_dialect(dialect));
    }

    /// Returns `true` if the hub has sent its version.
    pub(super) fn has_hub_version(&self) -> bool {
        self.configured.dialect().is_none() && self.negotiated.get().is_some()
    }
}
