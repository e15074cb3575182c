//! A transport without a network: the test lists the requests that it expects, and how each is
//! answered.
//!
//! ```
//! use scramjet_client_blocking::StartOptions;
//! use scramjet_client_testing::script::{Answer, Script};
//!
//! let overloaded = Answer::status(419, r#"{"error":"Insufficient resources"}"#);
//! let script = Script::new()
//!     .then("POST", "sequence/s/start", overloaded)
//!     .then("POST", "sequence/s/start", Answer::ok(r#"{"id":"an-instance"}"#));
//! let host = script.client().bearer_token("a secret").build()?;
//!
//! // The code under test:
//! let sequence = host.sequence("s")?;
//! assert!(sequence.start(&StartOptions::new()).unwrap_err().is_overloaded());
//! assert_eq!(sequence.start(&StartOptions::new().arg("Berlin"))?.id(), &"an-instance");
//!
//! // The requests that it sent:
//! let requests = script.requests();
//! assert_eq!(requests[1].text(), r#"{"args":["Berlin"]}"#);
//! assert_eq!(requests[1].header("authorization"), Some("Bearer a secret"));
//! // All expected requests came, and no others.
//! script.assert_done();
//! # Ok::<(), scramjet_client_blocking::Error>(())
//! ```
//!
//! [`Script::always`] answers any number of requests with a function. [`Answer::live`] sends the
//! body in pieces, while the test runs. For everything else, write a transport with [`from_fn`].

mod answer;
mod calls;
mod from_fn;
mod handle;
mod play;
mod state;

pub use self::answer::Answer;
pub use self::from_fn::{FromFn, from_fn};
pub use self::handle::ResponseHandle;

use std::fmt;
use std::io::Read;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use http::{Request, Response};
use scramjet_client_blocking::transport::{RequestBody, TransportError};
use scramjet_client_blocking::{HostClient, HostClientBuilder, Transport};

use self::handle::{AnswerEnd, AnswerQueue};
use self::state::{AnswerAlways, AnswerOnce, ExpectedRequest, Shared, State};
use crate::{IncomingRequest, ReceivedRequest};

/// A transport that answers requests as the test has listed them, and records them.
///
/// Clones share one script.
///
/// An unexpected request fails. Its error lists the requests that the script still expects, and the
/// client calls that make such a request, with all of their requests. Many calls make requests that
/// are not visible in the code of a test. For example, `wait_event` polls the state of the
/// instance.
///
/// The code under test may ignore the error, so [`assert_done`](Self::assert_done) reports it as
/// well. If the test does not call `assert_done`, the last clone panics when it is dropped, if
/// there is anything to report.
///
/// A script keeps the contract of [`Transport`], including deadlines, idle timeouts and
/// cancellation, with two exceptions: it keeps whole uploads in memory for
/// [`requests`](Self::requests), and it has a [time limit](Self::time_limit) for live answers.
#[derive(Clone)]
pub struct Script {
    shared: Arc<Shared>,
    /// Ends the silent answers when the test drops its last clone. Clients hold only `shared`, so a
    /// client that outlives the test's clones does not delay this.
    _guard: Arc<SilenceGuard>,
}

/// Ends the silent answers when it is dropped.
struct SilenceGuard(Arc<AnswerQueue>);

impl Drop for SilenceGuard {
    fn drop(&mut self) {
        self.0.end(AnswerEnd::Lost);
    }
}

impl Default for Script {
    fn default() -> Self {
        let silence = Arc::<AnswerQueue>::default();
        Self {
            shared: Arc::new(Shared::new(Arc::clone(&silence))),
            _guard: Arc::new(SilenceGuard(silence)),
        }
    }
}

impl Script {
    /// The base URL of [`client`](Self::client). Nothing ever connects to it.
    pub const URL: &'static str = "http://hub.invalid/api/v1";

    /// Returns a script that expects no requests.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects a request, once, after those that were added before.
    ///
    /// A path that begins with `/` is compared with the whole path and its query. Any other path is
    /// compared with the last segments: `version` matches `/api/v1/version`. The segment `*`
    /// matches any segment.
    #[must_use]
    pub fn then(self, method: &str, path: &str, answer: Answer) -> Self {
        self.then_with(method, path, |_| answer)
    }

    /// Like [`then`](Self::then), with a function that returns the answer. It can read the request
    /// first.
    #[must_use]
    pub fn then_with(
        self,
        method: &str,
        path: &str,
        answer: impl FnOnce(&mut IncomingRequest<'_>) -> Answer + Send + 'static,
    ) -> Self {
        let answer: AnswerOnce = Box::new(answer);
        let expected = ExpectedRequest::new(method, path, answer);
        self.state().expected.push_back(expected);
        self
    }

    /// Answers any number of requests at any time.
    ///
    /// If the next request of [`then`](Self::then) matches as well, it has precedence. If several
    /// calls of `always` match, the first one answers. Paths are compared as in
    /// [`then`](Self::then). In addition, the method `*` matches any method, and the path `*` any
    /// path.
    ///
    /// ```
    /// # use scramjet_client_testing::script::{Answer, Script};
    /// const RUNNING: &str = r#"{"id":"x","sequence":{"id":"s"},"status":"running"}"#;
    ///
    /// let script = Script::new().always("GET", "instance/*", |request| {
    ///     match request.target.ends_with("/gone") {
    ///         true => Answer::status(404, ""),
    ///         false => Answer::ok(RUNNING),
    ///     }
    /// });
    /// let host = script.client().build()?;
    /// assert_eq!(host.instance("x")?.info()?.id, "x");
    /// assert!(host.instance("gone")?.info().unwrap_err().is_not_found());
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn always(
        self,
        method: &str,
        path: &str,
        answer: impl Fn(&mut IncomingRequest<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let answer: AnswerAlways = Arc::new(answer);
        let expected = ExpectedRequest::new(method, path, answer);
        self.state().always.push(expected);
        self
    }

    /// Sets the upper bound for each wait for the headers or the next piece of an
    /// [`Answer::live`]. The default is 10 seconds, and `None` removes it.
    ///
    /// Without a limit, a test that does not send the next piece or does not end the answer would
    /// hang. The error names the request and the missing part. [`assert_done`](Self::assert_done)
    /// reports it as well.
    ///
    /// ```
    /// use std::time::Duration;
    /// use scramjet_client_testing::script::{Answer, Script};
    ///
    /// let (answer, _response) = Answer::live();
    /// let script = Script::new()
    ///     .time_limit(Duration::from_millis(20))
    ///     .then("GET", "version", answer);
    /// let error = script.client().build()?.version().unwrap_err();
    /// assert!(format!("{error:?}").contains("GET version: no response came within 20ms"));
    /// # assert!(std::panic::catch_unwind(|| script.assert_done()).is_err());
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn time_limit(self, limit: impl Into<Option<Duration>>) -> Self {
        self.state().time_limit = limit.into();
        self
    }

    /// Returns a builder of clients that send their requests to this script.
    ///
    /// By default, the clients use the protocol of hub 1.0.1 without a request for the version, and
    /// do not retry.
    pub fn client(&self) -> HostClientBuilder {
        HostClient::builder(Self::URL)
            .hub_version("1.0.1")
            .retry(None)
            .transport(Arc::new(ClientTransport(Arc::clone(&self.shared))))
    }

    /// Returns the requests so far in the order of their arrival, including unexpected ones.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state().requests.clone()
    }

    /// Asserts that all expected requests came and no others, and that the test ended its live
    /// answers.
    ///
    /// Call it at the end of the test. Later requests are not checked.
    ///
    /// # Panics
    /// - If an unexpected request came, or an expected one did not.
    /// - If a request waited for a live answer longer than the time limit.
    /// - If a [`ResponseHandle`] was dropped before the answer ended.
    #[track_caller]
    pub fn assert_done(&self) {
        self.shared.assert_done();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Transport for Script {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        self.shared.send(request)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let expected: Vec<_> = state.expected.iter().map(ExpectedRequest::label).collect();
        f.debug_struct("Script")
            .field("expected", &expected)
            .field("requests", &state.requests)
            .finish_non_exhaustive()
    }
}

/// The transport of [`Script::client`]. It does not count as a clone of the test.
struct ClientTransport(Arc<Shared>);

impl Transport for ClientTransport {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        self.0.send(request)
    }
}
