//! The expected requests of a script, the received requests, and the problems of the test.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use scramjet_client_blocking::transport::{Phase, RequestBody, TransportError};

use super::answer::Answer;
use super::calls;
use super::handle::{AnswerQueue, WaitLimits};
use crate::limits::{LimitedBody, limits_of};
use crate::request::path_matches;
use crate::sync::lock;
use crate::{IncomingRequest, ReceivedRequest};

/// Default upper bound for the wait for the next part of a live answer.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Upper bound for the number of expected requests in the error for an unexpected one.
const MAX_LISTED: usize = 10;

/// The state of a script, shared by its clones and its clients.
pub(super) struct Shared {
    state: Mutex<State>,
    /// The queue that silent answers wait for. They end when it ends.
    silence: Arc<AnswerQueue>,
}

pub(super) struct State {
    pub(super) expected: VecDeque<ExpectedRequest<AnswerOnce>>,
    pub(super) always: Vec<ExpectedRequest<AnswerAlways>>,
    pub(super) time_limit: Option<Duration>,
    pub(super) requests: Vec<ReceivedRequest>,
    /// The live answers, and the labels of their requests.
    live: Vec<(String, Arc<AnswerQueue>)>,
    problems: Vec<String>,
    finished: bool,
}

pub(super) type AnswerOnce = Box<dyn FnOnce(&mut IncomingRequest<'_>) -> Answer + Send>;
pub(super) type AnswerAlways = Arc<dyn Fn(&mut IncomingRequest<'_>) -> Answer + Send + Sync>;

/// An expected request.
pub(super) struct ExpectedRequest<T> {
    method: String,
    path: String,
    answer: T,
}

impl Shared {
    pub(super) fn new(silence: Arc<AnswerQueue>) -> Self {
        Self {
            state: Mutex::new(State {
                expected: VecDeque::new(),
                always: Vec::new(),
                time_limit: Some(TIME_LIMIT),
                requests: Vec::new(),
                live: Vec::new(),
                problems: Vec::new(),
                finished: false,
            }),
            silence,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let (head, body) = request.into_parts();
        let limits = limits_of(&head)?;

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

impl Shared {
    /// Panics if anything went wrong. Later calls do nothing.
    #[track_caller]
    pub(super) fn assert_done(&self) {
        // Not under the lock: a panic hook may use it.
        let problems = self.state().finish();
        assert!(
            problems.is_empty(),
            "the script did not go as planned\n{}",
            problems.join("\n")
        );
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A test that already panics has its own reason.
        if !thread::panicking() {
            self.assert_done();
        }
    }
}

impl State {
    /// Returns the problems of the test. Later calls return none.
    fn finish(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.finished, true) {
            return Vec::new();
        }
        let live = self.live.iter().filter_map(|(request, queue)| {
            let problem = queue.problem()?;
            Some(format!("{request}: {problem}"))
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

    /// Returns the answer to a request, or the error for an unexpected request.
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
        let problem = self.unexpected(request);
        self.problems.push(problem.clone());
        Err(problem)
    }

    /// Returns the error for an unexpected request. It lists the expected requests, and the client
    /// calls that may have sent this one.
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
            "{}: unexpected request; the script {expected}{standing}{}",
            request.label(),
            calls::making(request)
        )
    }
}

/// Merges equal problems, because a client may retry a request many times.
fn counted(problems: Vec<String>) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for problem in problems {
        match counted.iter_mut().find(|(known, _)| *known == problem) {
            Some((_, count)) => *count += 1,
            None => counted.push((problem, 1)),
        }
    }
    let counted = counted.into_iter().map(|(problem, count)| match count {
        1 => problem,
        _ => format!("{problem}\n  This request came {count} times."),
    });
    counted.collect()
}

impl<T> ExpectedRequest<T> {
    pub(super) fn new(method: &str, path: &str, answer: T) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            answer,
        }
    }

    pub(super) fn label(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn matches(&self, request: &ReceivedRequest) -> bool {
        (self.method == "*" || request.method == self.method.as_str())
            && path_matches(&request.target, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_a_time_limit_by_default() {
        let shared = Shared::new(Arc::default());
        assert_eq!(shared.state().time_limit, Some(Duration::from_secs(10)));
    }
}
