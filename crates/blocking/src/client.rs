//! The client inside every handle.

mod calls;
pub(crate) mod flow_driver;
mod hints;
pub(crate) mod kill;
pub(crate) mod life;
mod limits;
mod negotiated_endpoint;
mod opening;
mod payload;
mod pending_reply;
mod request_sender;
mod watching;

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use scramjet_client_core::{
    Dialect, Endpoint, GetVersion, HubVersion, InstanceId, RequestError, RetryPolicy,
};

use crate::body::known_inputs::KnownInputs;
use crate::body::watchdog::Watchdog;
use crate::call::observer::Observer;
use crate::call::options::CallOptions;
use crate::client::life::Life;
use crate::client::negotiated_endpoint::NegotiatedEndpoint;
use crate::error::Error;
use crate::transport::Transport;

/// The transport, the endpoint and the options of a handle.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) transport: Arc<dyn Transport>,
    endpoint: Arc<NegotiatedEndpoint>,
    observer: Option<Arc<dyn Observer>>,
    pub(crate) options: CallOptions,
    /// The life of the handle's instance, if it belongs to a pool.
    pub(crate) life: Option<Life>,
}

/// A panic during a call, for example of a user's reader, affects only its connection.
impl UnwindSafe for Client {}
impl RefUnwindSafe for Client {}

impl Client {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        endpoint: Endpoint,
        observer: Option<Arc<dyn Observer>>,
        retry: Option<RetryPolicy>,
    ) -> Self {
        let options = CallOptions {
            retry,
            ..CallOptions::default()
        };
        Self {
            transport,
            endpoint: Arc::new(NegotiatedEndpoint::new(endpoint)),
            observer,
            options,
            life: None,
        }
    }

    /// Returns a client for an endpoint that this one forwards to, such as a hub of a manager. It
    /// has the same transport, observer and options, but its own dialect.
    pub(crate) fn nested(
        &self,
        endpoint: impl FnOnce(&Endpoint) -> Result<Endpoint, RequestError>,
    ) -> Result<Self, Error> {
        let endpoint = endpoint(self.endpoint.configured())?;
        Ok(Self {
            endpoint: Arc::new(NegotiatedEndpoint::new(endpoint)),
            ..self.clone()
        })
    }

    /// Returns the endpoint, with the dialect of the hub if it is known.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.endpoint.current()
    }

    /// Returns the endpoint with the dialect of the hub. Requests the version if it is not known.
    pub(crate) fn known_endpoint(&self) -> Result<Endpoint, Error> {
        self.dialect()?;
        Ok(self.endpoint().clone())
    }

    pub(crate) fn base_url(&self) -> &str {
        self.endpoint.configured().base_url()
    }

    pub(crate) fn watchdog(&self) -> &Watchdog {
        &self.endpoint.watchdog
    }

    pub(crate) fn known_inputs(&self) -> &KnownInputs {
        &self.endpoint.known_inputs
    }

    /// Requests the version of the hub, and stores its dialect.
    pub(crate) fn version(&self) -> Result<HubVersion, Error> {
        let version = self.call(&GetVersion)?;
        self.learn(&version);
        Ok(version)
    }

    /// Stores the dialect of a hub of this version.
    pub(crate) fn learn(&self, version: &HubVersion) {
        self.endpoint.set_dialect(version.dialect());
    }

    /// Returns the dialect of the hub. Requests the version if it is not known.
    pub(crate) fn dialect(&self) -> Result<Dialect, Error> {
        match self.endpoint.dialect() {
            Some(dialect) => Ok(dialect),
            None => Ok(self.version()?.dialect()),
        }
    }

    /// If the error means that the instance of a pool has ended, records this for the pool.
    pub(crate) fn notice(&self, error: &Error) {
        if let Some(life) = self.life.as_ref().filter(|life| life.is_ended_by(error)) {
            life.mark_ended();
        }
    }

    /// If this is the instance of a pool, records for the pool that it has ended.
    pub(crate) fn notice_end(&self, id: &InstanceId) {
        if let Some(life) = self.life.as_ref().filter(|life| life.is_of(id)) {
            life.mark_ended();
        }
    }

    /// Like [`notice`](Self::notice). Also adds a likely reason to the error.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.notice(&error);
        match self.hint(&error) {
            Some(hint) => error.hinting(hint),
            None => error,
        }
    }
}
