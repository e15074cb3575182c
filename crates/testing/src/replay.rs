//! Records the exchanges with a real hub, and plays them in tests without one.
//!
//! An exchange is two files in a folder, `<name>.request` and `<name>.http`. They hold the bytes of
//! the request and of the response as HTTP/1.1, including the framing. If the recording of a
//! response is incomplete, the response is truncated when it is played. An empty `.http` file means
//! that there was no response. [`Recorder`] writes such files.
//!
//! ```
//! use std::sync::Arc;
//! use scramjet_client_blocking::HostClient;
//! use scramjet_client_testing::replay::{Recorder, Replay};
//! use scramjet_client_testing::script::{Answer, Script};
//!
//! # let name = format!("scramjet-client-replay-doc-{}", std::process::id());
//! # let folder = std::env::temp_dir().join(name);
//! /// The code under test.
//! fn version(host: &HostClient) -> Result<String, scramjet_client_blocking::Error> {
//!     Ok(format!("{} of {}", host.version()?.version, host.base_url()))
//! }
//!
//! // Once, with a hub. (This example uses a script instead.)
//! let hub = Script::new().then("GET", "version", Answer::ok(r#"{"version":"1.0.1"}"#));
//! let recorder = Arc::new(Recorder::new(Arc::new(hub), &folder)?);
//! let host = HostClient::builder("http://hub.invalid/api/v1").transport(recorder).build()?;
//! let recorded = version(&host)?;
//!
//! // In the test, which needs no hub.
//! let replay = Replay::open(&folder)?;
//! assert_eq!(version(&replay.client().build()?)?, recorded);
//! // All recorded requests came, and no others.
//! replay.assert_done();
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod exchange;
mod record;
mod response;
mod state;

pub use self::exchange::{Check, RecordedExchange};
pub use self::record::Recorder;
pub use self::response::RecordedResponse;

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, MutexGuard};

use http::{Request, Response};
use scramjet_client_blocking::transport::{CallLimits, Phase, RequestBody, TransportError};
use scramjet_client_blocking::{HostClient, HostClientBuilder, Transport};

use self::state::{Shared, State};
use crate::limits::LimitedBody;
use crate::script::Script;
use crate::server::Server;
use crate::{IncomingRequest, ReceivedRequest};

/// A transport that plays recorded exchanges.
///
/// Clones share one replay.
///
/// A request that differs from its recording fails, and [`assert_done`](Self::assert_done) reports
/// it. If the test does not call `assert_done`, the last clone panics when it is dropped, if there
/// is anything to report.
#[derive(Clone)]
pub struct Replay {
    shared: Arc<Shared>,
}

impl Replay {
    /// Loads all exchanges of a folder, in the order of their names.
    ///
    /// # Errors
    /// If the folder or a file cannot be read, the folder has no exchange, or a file is not a
    /// request or a response.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let names = RecordedExchange::names(&folder)?;
        if names.is_empty() {
            let problem = format!("{}: there is no *.request file", folder.as_ref().display());
            return Err(io::Error::new(io::ErrorKind::NotFound, problem));
        }
        Self::of(folder, names)
    }

    /// Loads the exchanges of a folder that have these names, in this order. A name may be
    /// repeated.
    ///
    /// # Errors
    /// If a file cannot be read, or is not a request or a response.
    pub fn of<N: AsRef<str>>(
        folder: impl AsRef<Path>,
        names: impl IntoIterator<Item = N>,
    ) -> io::Result<Self> {
        let exchanges = names
            .into_iter()
            .map(|name| RecordedExchange::load(&folder, name.as_ref()))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self::new(exchanges))
    }

    /// Returns a replay of these exchanges, in this order.
    #[must_use]
    pub fn new(exchanges: impl IntoIterator<Item = RecordedExchange>) -> Self {
        Self {
            shared: Arc::new(Shared::new(exchanges)),
        }
    }

    /// Sets the parts of each request that must equal its recording. The default is
    /// [`Check::Body`].
    #[must_use]
    pub fn checking(self, check: Check) -> Self {
        for exchange in &mut self.state().left {
            exchange.check = check;
        }
        self
    }

    /// Accepts any ids of sequences and instances in the paths, for programs that create new ids,
    /// and for exchanges from several recordings.
    #[must_use]
    pub fn with_any_ids(self) -> Self {
        self.state().any_ids = true;
        self
    }

    /// Accepts the requests in any order, for programs with several threads. Each request gets the
    /// first remaining exchange that matches it. By default, the order must be that of the
    /// exchanges.
    #[must_use]
    pub fn in_any_order(self) -> Self {
        self.state().any_order = true;
        self
    }

    /// Returns a builder of clients that send their requests to this replay.
    ///
    /// By default, the clients request the version of the hub when they need it, and do not retry.
    pub fn client(&self) -> HostClientBuilder {
        HostClient::builder(Script::URL)
            .retry(None)
            .transport(Arc::new(self.clone()))
    }

    /// Starts a server that plays this replay over HTTP, for other processes and other transports.
    ///
    /// It sends the recorded bytes one by one, because a client must not depend on how the network
    /// splits them. If a request has an `Expect` header, its interim responses come before its
    /// body. A request that differs from its recording gets the status 599, with the difference as
    /// the body.
    ///
    /// ```
    /// # use scramjet_client_testing::replay::{RecordedExchange, Replay};
    /// use scramjet_client_blocking::HostClient;
    ///
    /// # let exchange = RecordedExchange::from_bytes(
    /// #     "version",
    /// #     "GET /api/v1/version HTTP/1.1\r\n\r\n",
    /// #     "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"version\":\"1.0.1\"}",
    /// # )?;
    /// // Keep the replay alive, because the server does not.
    /// let replay = Replay::new([exchange]);
    /// let server = replay.serve()?;
    /// assert_eq!(HostClient::new(server.url())?.version()?.version, "1.0.1");
    ///
    /// // Let the server finish before the check.
    /// server.join();
    /// replay.assert_done();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If no port is free.
    pub fn serve(&self) -> io::Result<Server> {
        // Weak, so that the check happens when the test drops the replay, not on a server thread.
        let shared = Arc::downgrade(&self.shared);
        Server::start(move |connection| {
            loop {
                let request = connection.read_head()?;
                match shared.upgrade() {
                    Some(shared) if shared.play(connection, request)? => {}
                    _ => return Ok(()),
                }
            }
        })
    }

    /// Returns the requests so far in the order of their arrival, including those that differ.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state().requests.clone()
    }

    /// Asserts that all recorded requests came, and no others.
    ///
    /// Call it at the end of the test. Later requests are not checked.
    ///
    /// # Panics
    /// If a request differed from its recording, or a recorded request did not come.
    #[track_caller]
    pub fn assert_done(&self) {
        self.shared.assert_done();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Transport for Replay {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let (head, body) = request.into_parts();
        let mut body = LimitedBody::new(body, CallLimits::default());
        let mut request = IncomingRequest::new(ReceivedRequest::from_parts(&head), &mut body);
        let index = self.state().begin(&request);
        request.read_all();
        let (request, error) = request.into_parts();
        let mut state = self.state();
        if let Some(error) = error {
            if let Some(place) = state.requests.get_mut(index) {
                *place = request;
            }
            return Err(TransportError::new(Phase::Send, error));
        }
        let exchange = state.take(index, request, true);
        let exchange = exchange.map_err(|error| TransportError::new(Phase::Wait, error))?;
        exchange.into_response()
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let left: Vec<_> = state.left.iter().map(|exchange| &exchange.name).collect();
        f.debug_struct("Replay")
            .field("left", &left)
            .finish_non_exhaustive()
    }
}
