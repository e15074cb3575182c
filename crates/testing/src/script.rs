//! A transport without a network: the test says which requests it expects, and how each is
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
//! [`Script::always`] answers any number of requests with a function, and [`Answer::live`] sends an
//! answer piece by piece. For everything else, write a transport with [`from_fn`].

mod answer;
mod calls;
mod handle;

pub use self::answer::Answer;
pub use self::handle::ResponseHandle;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use scramjet_client_blocking::transport::{CallLimits, Phase, RequestBody, TransportError};
use scramjet_client_blocking::{HostClient, HostClientBuilder, Transport};

use self::handle::{AnswerEnd, AnswerQueue, WaitLimits};
use crate::{IncomingRequest, ReceivedRequest};

/// How long a request waits for the next part of a live answer by default.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The number of expected requests that the error for an unexpected request lists.
const MAX_LISTED: usize = 10;

/// Answers requests as the test wrote down, and records them. Clones share one script.
///
/// A request that the script does not have fails. The error lists what the script still expects,
/// and the calls of a client that make such a request, with all of their requests. Many calls make
/// requests that a reader of a test does not see: `wait_event`, for example, asks for the state of
/// the instance from time to time. [`assert_done`](Self::assert_done) reports the error as well,
/// because the code under test may ignore it. If the test does not call it, the last clone panics
/// when it is dropped, if there is anything to report.
///
/// A script keeps the contract of [`Transport`], including deadlines, idle timeouts and
/// cancellation, with two exceptions: it keeps whole uploads in memory for
/// [`requests`](Self::requests), and it has a [time limit](Self::time_limit) for live answers.
#[derive(Clone)]
pub struct Script {
    shared: Arc<Shared>,
    /// Does not keep clients from ending silent answers: those hold `shared` only.
    _handle: Arc<SilenceGuard>,
}

struct Shared {
    state: Mutex<State>,
    /// Silent answers wait for its end.
    silence: Arc<AnswerQueue>,
}

struct State {
    expected: VecDeque<ExpectedRequest<AnswerOnce>>,
    always: Vec<ExpectedRequest<AnswerAlways>>,
    time_limit: Option<Duration>,
    requests: Vec<ReceivedRequest>,
    /// The live answers, each with the label of its request.
    live: Vec<(String, Arc<AnswerQueue>)>,
    problems: Vec<String>,
    finished: bool,
}

type AnswerOnce = Box<dyn FnOnce(&mut IncomingRequest<'_>) -> Answer + Send>;
type AnswerAlways = Arc<dyn Fn(&mut IncomingRequest<'_>) -> Answer + Send + Sync>;

/// An expected request.
struct ExpectedRequest<T> {
    method: String,
    path: String,
    answer: T,
}

/// Ends the silent answers when it is dropped, which is when the test drops its last clone.
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
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    expected: VecDeque::new(),
                    always: Vec::new(),
                    time_limit: Some(TIME_LIMIT),
                    requests: Vec::new(),
                    live: Vec::new(),
                    problems: Vec::new(),
                    finished: false,
                }),
                silence: Arc::clone(&silence),
            }),
            _handle: Arc::new(SilenceGuard(silence)),
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

    /// Expects this request, once, after the ones that were expected before.
    ///
    /// A path that begins with `/` is the whole path with its query. Any other path is the end of
    /// the whole path, in whole segments: `version` stands for `/api/v1/version`. The segment `*`
    /// stands for any segment.
    #[must_use]
    pub fn then(self, method: &str, path: &str, answer: Answer) -> Self {
        self.then_with(method, path, |_| answer)
    }

    /// Like [`then`](Self::then), with a function that may look at the request first.
    #[must_use]
    pub fn then_with(
        self,
        method: &str,
        path: &str,
        answer: impl FnOnce(&mut IncomingRequest<'_>) -> Answer + Send + 'static,
    ) -> Self {
        let answer: AnswerOnce = Box::new(answer);
        let step = ExpectedRequest::new(method, path, answer);
        self.state().expected.push_back(step);
        self
    }

    /// Answers such requests at any time, however many come.
    ///
    /// [`then`](Self::then) has precedence for the request that is expected next. If several calls
    /// of `always` match, the first one answers. The method `*` stands for any method. A path is as
    /// in [`then`](Self::then), and the path `*` stands for any path.
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
        let step = ExpectedRequest::new(method, path, answer);
        self.state().always.push(step);
        self
    }

    /// Sets the time limit for each wait for the head or the next piece of an
    /// [`Answer::live`]: 10 seconds by default, `None` for no limit.
    ///
    /// It keeps a test from hanging that forgets to send the next piece or to end the answer. The
    /// error says which request waited, and for what. [`assert_done`](Self::assert_done) reports
    /// it, too.
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
    /// The clients speak the protocol of hub 1.0.1 without asking for the version, and retry
    /// nothing, unless you set it otherwise.
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

    /// Asserts that the expected requests came and no others, and that the test ended its live
    /// answers.
    ///
    /// Call it at the end of the test. Later requests are not checked any more.
    ///
    /// # Panics
    /// If an unexpected request came, an expected one did not come, a live answer kept its request
    /// waiting for longer than the time limit, or a [`ResponseHandle`] was dropped too early.
    #[track_caller]
    pub fn assert_done(&self) {
        let complaints = self.state().finish();
        assert!(complaints.is_empty(), "{}", report(&complaints));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

fn report(complaints: &[String]) -> String {
    format!(
        "the script did not go as planned\n{}",
        complaints.join("\n")
    )
}

/// Names each complaint once, because a client may retry a request many times.
fn counted(complaints: Vec<String>) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for complaint in complaints {
        match counted.iter_mut().find(|(known, _)| *known == complaint) {
            Some((_, count)) => *count += 1,
            None => counted.push((complaint, 1)),
        }
    }
    let counted = counted.into_iter().map(|(complaint, count)| match count {
        1 => complaint,
        _ => format!("{complaint}\n  This request came {count} times."),
    });
    counted.collect()
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code of the test runs while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let (head, body) = request.into_parts();
        let limits = head
            .extensions
            .get::<CallLimits>()
            .cloned()
            .unwrap_or_default();
        limits
            .check()
            .map_err(|stopped| TransportError::new(Phase::Connect, stopped))?;

        let mut body = LimitedBody::new(body, limits.clone());
        let mut request = IncomingRequest::new(ReceivedRequest::from_parts(&head), &mut body);
        let (index, answer) = {
            let mut state = self.state();
            state.requests.push(request.clone());
            (state.requests.len() - 1, state.answer(&request))
        };
        let answer = answer.map_err(|error| TransportError::new(Phase::Wait, error))?;
        let answer = answer(&mut request);
        if !answer.refuses() {
            request.read_all();
        }
        let label = request.label();
        let (request, error) = request.into_parts();
        let limits = {
            let mut state = self.state();
            if let Some(place) = state.requests.get_mut(index) {
                *place = request;
            }
            let live = answer.live_queue();
            state.live.extend(live.map(|queue| (label.clone(), queue)));
            WaitLimits {
                call: limits,
                script: state.time_limit,
            }
        };
        match error {
            None => answer.into_response(label, limits, &self.silence),
            Some(error) => Err(TransportError::new(Phase::Send, error)),
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
        let live = self.live.iter().filter_map(|(request, queue)| {
            let complaint = queue.problem()?;
            Some(format!("{request}: {complaint}"))
        });
        let missing = self.expected.iter().map(|step| {
            let ExpectedRequest { method, path, .. } = step;
            format!("{method} {path}: the expected request did not come")
        });
        counted(std::mem::take(&mut self.problems))
            .into_iter()
            .chain(live)
            .chain(missing)
            .collect()
    }

    /// Takes the answer to a request.
    fn answer(&mut self, request: &ReceivedRequest) -> Result<AnswerOnce, String> {
        if let Some(step) = self
            .expected
            .front()
            .is_some_and(|step| step.matches(request))
            .then(|| self.expected.pop_front())
            .flatten()
        {
            return Ok(step.answer);
        }
        if let Some(step) = self.always.iter().find(|step| step.matches(request)) {
            let answer = Arc::clone(&step.answer);
            return Ok(Box::new(move |request| answer(request)));
        }
        let complaint = self.unexpected(request);
        self.problems.push(complaint.clone());
        Err(complaint)
    }

    /// Returns the message for an unexpected request: what the script still expects, and which
    /// requests the call makes that may have sent it.
    fn unexpected(&self, request: &ReceivedRequest) -> String {
        let mut expected: Vec<_> = self
            .expected
            .iter()
            .take(MAX_LISTED)
            .map(ExpectedRequest::label)
            .collect();
        match self.expected.len().saturating_sub(MAX_LISTED) {
            0 => {}
            more => expected.push(format!("{more} more")),
        }
        let expected = match expected.as_slice() {
            [] => "expects no more requests".to_owned(),
            expected => format!("still expects {}", expected.join(", then ")),
        };
        let standing: Vec<_> = self.always.iter().map(ExpectedRequest::label).collect();
        let standing = match standing.as_slice() {
            [] => String::new(),
            standing => format!(", and always answers {}", standing.join(", ")),
        };
        format!(
            "{}: the script does not have this request; it {expected}{standing}{}",
            request.label(),
            calls::making(request)
        )
    }
}

impl<T> ExpectedRequest<T> {
    fn new(method: &str, path: &str, answer: T) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            answer,
        }
    }

    fn label(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn matches(&self, request: &ReceivedRequest) -> bool {
        (self.method == "*" || request.method == self.method.as_str())
            && (self.path == "*" || path_matches(&request.target, &self.path))
    }
}

/// Compares segments from the end. Before a leading slash there is an empty segment, which only the
/// beginning of the target matches.
fn path_matches(target: &str, path: &str) -> bool {
    let mut segments = target.rsplit('/');
    path.rsplit('/').all(|wanted| {
        segments
            .next()
            .is_some_and(|segment| segment == wanted || (wanted == "*" && !segment.is_empty()))
    })
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

/// The transport of [`Script::client`]. It does not count as a clone that the test has.
struct ClientTransport(Arc<Shared>);

impl Transport for ClientTransport {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        self.0.send(request)
    }
}

/// The body of a request, which can be read as long as the limits of the call allow.
pub(crate) struct LimitedBody<'a> {
    bytes: &'a [u8],
    reader: Option<io::Take<&'a mut (dyn Read + Send)>>,
    limits: CallLimits,
}

impl<'a> LimitedBody<'a> {
    pub(crate) fn new(body: RequestBody<'a>, limits: CallLimits) -> Self {
        let (bytes, reader): (&[u8], _) = match body {
            RequestBody::Empty => (&[], None),
            RequestBody::Bytes(bytes) => (bytes, None),
            RequestBody::Reader { reader, length } => {
                (&[], Some(reader.take(length.unwrap_or(u64::MAX))))
            }
        };
        Self {
            bytes,
            reader,
            limits,
        }
    }
}

impl Read for LimitedBody<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.limits.check()?;
        match &mut self.reader {
            Some(reader) => reader.read(buf),
            None => self.bytes.read(buf),
        }
    }
}

/// Makes a transport of a function.
///
/// The function gets the request with its body, which it has to read.
///
/// ```
/// use std::sync::Arc;
/// use scramjet_client_blocking::HostClient;
/// use scramjet_client_blocking::http::{Request, Response};
/// use scramjet_client_blocking::transport::RequestBody;
/// use scramjet_client_testing::script;
///
/// let transport = script::from_fn(|request: Request<RequestBody<'_>>| {
///     assert_eq!(request.uri(), "http://a-hub/api/v1/version");
///     Ok(Response::new(Box::new(&br#"{"version":"1.0.1"}"#[..])))
/// });
/// let transport = Arc::new(transport);
/// let host = HostClient::builder("http://a-hub/api/v1").transport(transport).build()?;
/// assert_eq!(host.version()?.version, "1.0.1");
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub fn from_fn<F>(function: F) -> FromFn<F>
where
    F: Fn(Request<RequestBody<'_>>) -> Result<Response<Box<dyn Read + Send>>, TransportError>
        + Send
        + Sync,
{
    FromFn(function)
}

/// A transport that calls a function: made by [`from_fn`].
pub struct FromFn<F>(F);

impl<F> Transport for FromFn<F>
where
    F: Fn(Request<RequestBody<'_>>) -> Result<Response<Box<dyn Read + Send>>, TransportError>
        + Send
        + Sync,
{
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_a_time_limit_by_default() {
        let script = Script::new();
        assert_eq!(script.state().time_limit, Some(Duration::from_secs(10)));
    }
}
