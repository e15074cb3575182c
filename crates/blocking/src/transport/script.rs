//! A transport without a network, for tests: what is asked for and what is answered is written down beforehand.
//!
//! ```
//! use scramjet_client_blocking::StartOptions;
//! use scramjet_client_blocking::transport::script::{Answer, Script};
//!
//! let script = Script::new()
//!     .then("POST", "sequence/s/start", Answer::status(419, r#"{"error":"Insufficient resources"}"#))
//!     .then("POST", "sequence/s/start", Answer::ok(r#"{"id":"an-instance"}"#));
//! let host = script.client().bearer_token("a secret").build()?;
//!
//! // What is to be tested:
//! let sequence = host.sequence("s")?;
//! assert!(sequence.start(&StartOptions::new()).unwrap_err().is_overloaded());
//! assert_eq!(sequence.start(&StartOptions::new().arg("Berlin"))?.id(), &"an-instance");
//!
//! // What it has sent:
//! let sent = script.requests();
//! assert_eq!(sent[1].text(), r#"{"args":["Berlin"]}"#);
//! assert_eq!(sent[1].header("authorization"), Some("Bearer a secret"));
//! // Nothing else was asked for, and nothing is left over.
//! script.finish();
//! # Ok::<(), scramjet_client_blocking::Error>(())
//! ```
//!
//! [`Script::whenever`] answers with a function and as often as it is asked, [`Answer::live`] bit by bit. What that is not enough for, is
//! a few lines over [`from_fn`].

mod answer;
mod asked;
mod live;

pub use self::answer::Answer;
pub(super) use self::asked::target;
pub use self::asked::{Asked, Sent};
pub use self::live::Live;
pub(super) use self::live::Queue;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use http::{Request, Response};

use super::{BoxError, Outgoing, Phase, Transport, TransportError};
use crate::{CallLimits, HostClientBuilder, Stopped};

/// Answers what it was told to, and remembers what it was sent. Clones are the same script.
///
/// A request that is not expected fails, and so does [`finish`](Self::finish) after it. What a client was told is told once more when the last
/// clone is dropped without [`finish`](Self::finish): it panics where there is something to complain of.
///
/// It keeps the contract of a [`Transport`], deadlines, idle timeouts and cancellation included, where it applies without a network.
/// There is one exception: it keeps all of an upload in memory, for [`requests`](Self::requests).
#[derive(Clone, Default)]
pub struct Script {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared(Mutex<Story>);

#[derive(Default)]
struct Story {
    steps: VecDeque<Step<Once>>,
    standing: Vec<Step<Always>>,
    sent: Vec<Sent>,
    complaints: Vec<String>,
    finished: bool,
}

type Once = Box<dyn FnOnce(&mut Asked<'_>) -> Answer + Send>;
type Always = Arc<dyn Fn(&mut Asked<'_>) -> Answer + Send + Sync>;

struct Step<T> {
    method: String,
    path: String,
    answer: T,
}

impl Script {
    /// The base URL of [`client`](Self::client). Nothing is ever connected to it.
    pub const URL: &'static str = "http://hub.invalid/api/v1";

    /// A script that expects nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// After what was expected before, expects this request, once.
    ///
    /// A path that begins with `/` is the whole path with its query; otherwise it is what the path ends with, from one of its segments on:
    /// `version` is the end of `/api/v1/version`. A segment of `*` is any.
    #[must_use]
    pub fn then(self, method: &str, path: &str, answer: Answer) -> Self {
        self.then_with(method, path, |_| answer)
    }

    /// The same with a function, which may look at the request before it answers.
    #[must_use]
    pub fn then_with(
        self,
        method: &str,
        path: &str,
        answer: impl FnOnce(&mut Asked<'_>) -> Answer + Send + 'static,
    ) -> Self {
        self.story()
            .steps
            .push_back(Step::new(method, path, Box::new(answer)));
        self
    }

    /// Answers such a request so, whenever it comes and however often, unless it is expected by [`then`](Self::then) at that moment. Of
    /// several that fit, the first one answers. A method of `*` is any; a path is as in [`then`](Self::then), and `*` alone any.
    ///
    /// ```
    /// # use scramjet_client_blocking::transport::script::{Answer, Script};
    /// let script = Script::new().whenever("GET", "instance/*", |asked| match asked.so_far().target.ends_with("/gone") {
    ///     true => Answer::status(404, ""),
    ///     false => Answer::ok(r#"{"id":"x","sequence":{"id":"s"},"status":"running"}"#),
    /// });
    /// let host = script.client().build()?;
    /// assert_eq!(host.instance("x")?.info()?.id, "x");
    /// assert!(host.instance("gone")?.info().unwrap_err().is_not_found());
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn whenever(
        self,
        method: &str,
        path: &str,
        answer: impl Fn(&mut Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.story()
            .standing
            .push(Step::new(method, path, Arc::new(answer)));
        self
    }

    /// A builder of clients that send through this script. They speak as the newest hub does and do not ask for its version, and send nothing
    /// again, unless they are told otherwise.
    pub fn client(&self) -> HostClientBuilder {
        HostClientBuilder::new(Self::URL.into())
            .hub_version("1.0.1")
            .retry(None)
            .transport(Arc::new(self.clone()))
    }

    /// What was sent so far, in the order of its arrival; also what was not expected.
    #[must_use]
    pub fn requests(&self) -> Vec<Sent> {
        self.story().sent.clone()
    }

    /// Ends the script.
    ///
    /// # Panics
    /// A request came that was not expected, or one that was expected did not come.
    #[track_caller]
    pub fn finish(&self) {
        let complaints = self.story().finish();
        assert!(
            complaints.is_empty(),
            "the script was not kept to\n{}",
            complaints.join("\n")
        );
    }

    fn story(&self) -> MutexGuard<'_, Story> {
        self.shared.story()
    }
}

impl Shared {
    fn story(&self) -> MutexGuard<'_, Story> {
        // Nothing of the caller's runs with the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let complaints = self.story().finish();
        // A test that fails already has its reason.
        assert!(
            complaints.is_empty() || thread::panicking(),
            "the script was not kept to\n{}",
            complaints.join("\n")
        );
    }
}

impl Story {
    /// What there is to complain of, once.
    fn finish(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.finished, true) {
            return Vec::new();
        }
        let left = self.steps.iter().map(|step| {
            format!(
                "{} {}: was expected and did not come",
                step.method, step.path
            )
        });
        std::mem::take(&mut self.complaints)
            .into_iter()
            .chain(left)
            .collect()
    }

    fn answer(&mut self, sent: &Sent) -> Result<Once, String> {
        if let Some(step) = self
            .steps
            .front()
            .is_some_and(|step| step.fits(sent))
            .then(|| self.steps.pop_front())
            .flatten()
        {
            return Ok(step.answer);
        }
        if let Some(step) = self.standing.iter().find(|step| step.fits(sent)) {
            let answer = Arc::clone(&step.answer);
            return Ok(Box::new(move |asked| answer(asked)));
        }
        let expected = match self.steps.front() {
            Some(step) => format!("{} {} was", step.method, step.path),
            None => "nothing more was".to_owned(),
        };
        let complaint = format!(
            "{} {}: was not expected, {expected}",
            sent.method, sent.target
        );
        self.complaints.push(complaint.clone());
        Err(complaint)
    }
}

impl<T> Step<T> {
    fn new(method: &str, path: &str, answer: T) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            answer,
        }
    }

    fn fits(&self, sent: &Sent) -> bool {
        (self.method == "*" || sent.method == self.method.as_str())
            && (self.path == "*" || ends_with(&sent.target, &self.path))
    }
}

/// Segment by segment from the end. Before a leading slash there is an empty one, and only the whole target has that.
fn ends_with(target: &str, path: &str) -> bool {
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
        request: Request<Outgoing<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, BoxError> {
        let (head, body) = request.into_parts();
        let limits = head
            .extensions
            .get::<CallLimits>()
            .cloned()
            .unwrap_or_default();
        let unsent = |phase| move |source: BoxError| TransportError { phase, source };
        limits
            .check()
            .map_err(|stopped| unsent(Phase::Connect)(stopped.into()))?;

        let mut body = outgoing(body, limits.clone());
        let mut asked = Asked::new(&head, &mut body);
        let (index, answer) = {
            let mut story = self.story();
            story.sent.push(asked.so_far().clone());
            (story.sent.len() - 1, story.answer(asked.so_far()))
        };
        let answer = answer?(&mut asked);
        if !answer.refuses() {
            asked.read_all();
        }
        let (sent, error) = asked.into_sent();
        if let Some(place) = self.story().sent.get_mut(index) {
            *place = sent;
        }
        match error.map(io::Error::downcast::<Stopped>) {
            None => answer.play(limits),
            Some(Ok(stopped)) => Err(unsent(Phase::Send)(stopped.into()).into()),
            Some(Err(error)) => Err(unsent(Phase::Send)(error.into()).into()),
        }
    }
}

/// What is to be sent, as long as it may.
pub(super) fn outgoing(body: Outgoing<'_>, limits: CallLimits) -> impl Read + Send {
    let (bytes, reader, length): (&[u8], Option<&mut (dyn Read + Send)>, _) = match body {
        Outgoing::Empty => (&[], None, None),
        Outgoing::Bytes(bytes) => (bytes, None, None),
        Outgoing::Reader { reader, length } => (&[], Some(reader), length),
    };
    Limited {
        bytes,
        reader: reader.map(|reader| reader.take(length.unwrap_or(u64::MAX))),
        limits,
    }
}

struct Limited<'a> {
    bytes: &'a [u8],
    reader: Option<io::Take<&'a mut (dyn Read + Send)>>,
    limits: CallLimits,
}

impl Read for Limited<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.limits.check()?;
        match &mut self.reader {
            Some(reader) => reader.read(buf),
            None => self.bytes.read(buf),
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let story = self.story();
        f.debug_struct("Script")
            .field("left", &story.steps.len())
            .field("requests", &story.sent)
            .finish()
    }
}

/// The shortest transport: a function. It gets the body of the request as it is, and has to read it.
///
/// ```
/// use std::sync::Arc;
/// use scramjet_client_blocking::HostClient;
/// use scramjet_client_blocking::http::{Request, Response};
/// use scramjet_client_blocking::transport::{Outgoing, script};
///
/// let transport = script::from_fn(|request: Request<Outgoing<'_>>| {
///     assert_eq!(request.uri(), "http://a-hub/api/v1/version");
///     Ok(Response::new(Box::new(&br#"{"version":"1.0.1"}"#[..])))
/// });
/// let host = HostClient::builder("http://a-hub/api/v1").transport(Arc::new(transport)).build()?;
/// assert_eq!(host.version()?.version, "1.0.1");
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub fn from_fn<F>(function: F) -> FromFn<F>
where
    F: Fn(Request<Outgoing<'_>>) -> Result<Response<Box<dyn Read + Send>>, BoxError> + Send + Sync,
{
    FromFn(function)
}

/// Made by [`from_fn`].
pub struct FromFn<F>(F);

impl<F> Transport for FromFn<F>
where
    F: Fn(Request<Outgoing<'_>>) -> Result<Response<Box<dyn Read + Send>>, BoxError> + Send + Sync,
{
    fn send(
        &self,
        request: Request<Outgoing<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, BoxError> {
        (self.0)(request)
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn")
    }
}
