//! Recorded exchanges: write them down with a real hub, and play them in tests without one.
//!
//! An exchange is two files of a folder, `<name>.request` and `<name>.http`: the bytes of the
//! request and those of the response, as HTTP/1.1 with its framing. A response that was not
//! recorded to its end is cut off when it is played. An empty `.http` file means that there was no
//! response. [`Recorder`] writes such files.
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
//! // Once, with a hub. (In this example, a script takes its place.)
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

pub use self::exchange::{Check, RecordedExchange, RecordedResponse};
pub use self::record::Recorder;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use http::{Request, Response};
use scramjet_client_blocking::transport::{CallLimits, Phase, RequestBody, TransportError};
use scramjet_client_blocking::{HostClient, HostClientBuilder, Transport};

use crate::script::{LimitedBody, Script};
use crate::server::{Connection, Server, response};
use crate::{IncomingRequest, ReceivedRequest};

/// Plays recorded exchanges. Clones share one replay.
///
/// A request that differs from its recording fails, and [`assert_done`](Self::assert_done) reports
/// it. If the test does not call it, the last clone panics when it is dropped, if there is anything
/// to report.
#[derive(Clone)]
pub struct Replay {
    shared: Arc<Shared>,
}

struct Shared(Mutex<State>);

struct State {
    left: VecDeque<RecordedExchange>,
    any_order: bool,
    any_ids: bool,
    requests: Vec<ReceivedRequest>,
    problems: Vec<String>,
    finished: bool,
}

impl Replay {
    /// Plays all exchanges of a folder, in the order of their names.
    ///
    /// # Errors
    /// The folder or a file cannot be read, there is no exchange, or a file is not a request or a
    /// response.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let names = RecordedExchange::names(&folder)?;
        if names.is_empty() {
            let problem = format!("{}: there is no *.request file", folder.as_ref().display());
            return Err(io::Error::new(io::ErrorKind::NotFound, problem));
        }
        Self::of(folder, names)
    }

    /// Plays the exchanges of a folder with these names, in this order. A name may be repeated.
    ///
    /// # Errors
    /// A file cannot be read, or is not a request or a response.
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

    /// Plays these exchanges, in this order.
    #[must_use]
    pub fn new(exchanges: impl IntoIterator<Item = RecordedExchange>) -> Self {
        Self {
            shared: Arc::new(Shared(Mutex::new(State {
                left: exchanges.into_iter().collect(),
                any_order: false,
                any_ids: false,
                requests: Vec::new(),
                problems: Vec::new(),
                finished: false,
            }))),
        }
    }

    /// Sets the parts of each request that must equal its recording. By default it is
    /// [`Check::Body`].
    #[must_use]
    pub fn checking(self, check: Check) -> Self {
        for exchange in &mut self.state().left {
            exchange.check = check;
        }
        self
    }

    /// Accepts other ids of sequences and instances in the paths than the recorded ones, for
    /// programs that make new ids, and for exchanges of several recordings.
    #[must_use]
    pub fn with_any_ids(self) -> Self {
        self.state().any_ids = true;
        self
    }

    /// Plays for each request the first remaining exchange that matches it, for programs with
    /// several threads. By default, the requests must come in the order of the exchanges.
    #[must_use]
    pub fn in_any_order(self) -> Self {
        self.state().any_order = true;
        self
    }

    /// Returns a builder of clients that send their requests to this replay.
    ///
    /// The clients ask for the version of the hub when they need it, and retry nothing, unless you
    /// set it otherwise.
    pub fn client(&self) -> HostClientBuilder {
        HostClient::builder(Script::URL)
            .retry(None)
            .transport(Arc::new(self.clone()))
    }

    /// Starts a server that plays this replay over HTTP, for other processes and other transports.
    ///
    /// It sends the recorded bytes one by one, because a client must not depend on how a connection
    /// divides them. Interim responses come before the body of a request with an `Expect` header.
    /// A request that differs from its recording gets the status 599 and the difference.
    ///
    /// ```
    /// # use scramjet_client_testing::replay::{Exchange, Replay};
    /// use scramjet_client_blocking::HostClient;
    ///
    /// # let exchange = Exchange::from_bytes(
    /// #     "version",
    /// #     "GET /api/v1/version HTTP/1.1\r\n\r\n",
    /// #     "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"version\":\"1.0.1\"}",
    /// # )?;
    /// // Keep the replay as long as the server.
    /// let replay = Replay::new([exchange]);
    /// let server = replay.serve()?;
    /// assert_eq!(HostClient::new(server.url())?.version()?.version, "1.0.1");
    ///
    /// // Lets the server finish before the check.
    /// server.join();
    /// replay.assert_done();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// No port is free.
    pub fn serve(&self) -> io::Result<Server> {
        // Weak, so that a replay that the test drops is checked then, and not on a server thread.
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

    /// Returns the requests so far in the order of their heads, including those that differ.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state().requests.clone()
    }

    /// Asserts that all recorded requests came, and no others.
    ///
    /// Call it at the end of the test. Later requests are not checked any more.
    ///
    /// # Panics
    /// If a request differed from its recording, or a recorded one did not come.
    #[track_caller]
    pub fn assert_done(&self) {
        let complaints = self.state().finish();
        assert!(complaints.is_empty(), "{}", report(&complaints));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

fn send_bytewise(connection: &mut Connection, bytes: &[u8]) -> io::Result<()> {
    bytes.iter().try_for_each(|byte| connection.send([*byte]))
}

fn report(complaints: &[String]) -> String {
    format!(
        "the replay did not go as recorded\n{}",
        complaints.join("\n")
    )
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code of the test runs while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plays an exchange on a connection on which this head was read. Returns false if the
    /// connection is over.
    fn play(&self, connection: &mut Connection, mut request: ReceivedRequest) -> io::Result<bool> {
        let (index, interim) = {
            let mut state = self.state();
            let waits = request.header("expect").is_some();
            let exchange = waits.then(|| state.candidate(&request)).flatten();
            let interim = exchange.map(|exchange| exchange.response.interim_bytes().to_vec());
            (state.begin(&request), interim.unwrap_or_default())
        };
        send_bytewise(connection, &interim)?;
        let whole = connection.read_body(&mut request).is_ok();
        let taken = self.state().take(index, request, whole);
        match taken {
            Ok(exchange) => {
                let raw = exchange.response.raw.as_slice();
                let rest = raw.strip_prefix(interim.as_slice()).unwrap_or(raw);
                send_bytewise(connection, rest)?;
                Ok(exchange.response.keeps_connection())
            }
            Err(complaint) => {
                let headers = [("Content-Type", "text/plain"), ("Connection", "close")];
                let status = "599 Unexpected Request";
                connection.send(response(status, &headers, complaint.as_bytes()))?;
                Ok(false)
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let complaints = self.state().finish();
        // A test that is already failing has a reason of its own.
        assert!(
            complaints.is_empty() || thread::panicking(),
            "{}",
            report(&complaints)
        );
    }
}

impl State {
    /// Returns what went wrong. Later calls return nothing.
    fn finish(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.finished, true) {
            return Vec::new();
        }
        let left = self
            .left
            .iter()
            .map(|exchange| format!("{}: the recorded request did not come", exchange.name));
        std::mem::take(&mut self.problems)
            .into_iter()
            .chain(left)
            .collect()
    }

    /// Records a request, and returns its number.
    fn begin(&mut self, request: &ReceivedRequest) -> usize {
        self.requests.push(request.clone());
        self.requests.len() - 1
    }

    /// Returns the exchange that a request will probably get, whose body is still to come.
    fn candidate(&self, request: &ReceivedRequest) -> Option<&RecordedExchange> {
        self.left.iter().find(|exchange| {
            let check = exchange.check.min(Check::ContentType);
            !self.any_order || exchange.difference(request, check, self.any_ids).is_none()
        })
    }

    /// Takes the exchange that a request gets, or returns what is wrong with the request.
    fn take(
        &mut self,
        index: usize,
        request: ReceivedRequest,
        whole: bool,
    ) -> Result<RecordedExchange, String> {
        let taken = match whole {
            true => self.take_matching(&request),
            false => Err(format!("{}: the request broke off", request.label())),
        };
        self.problems.extend(taken.as_ref().err().cloned());
        if let Some(place) = self.requests.get_mut(index) {
            *place = request;
        }
        taken
    }

    fn take_matching(&mut self, request: &ReceivedRequest) -> Result<RecordedExchange, String> {
        let any_ids = self.any_ids;
        let difference =
            |exchange: &RecordedExchange| exchange.difference(request, exchange.check, any_ids);
        let index = match self.any_order {
            true => self
                .left
                .iter()
                .position(|exchange| difference(exchange).is_none()),
            false => Some(0),
        };
        let Some(exchange) = index.and_then(|index| self.left.remove(index)) else {
            return Err(format!(
                "{}: no remaining exchange matches the request",
                request.label()
            ));
        };
        match difference(&exchange) {
            None => Ok(exchange),
            Some(difference) => Err(difference),
        }
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
