use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard};
use std::thread;

use super::{Check, RecordedExchange};
use crate::ReceivedRequest;
use crate::server::{Connection, response};
use crate::sync::lock;

/// The state of a replay, shared by its clones and its servers.
pub(super) struct Shared(Mutex<State>);

pub(super) struct State {
    pub(super) left: VecDeque<RecordedExchange>,
    pub(super) any_order: bool,
    pub(super) any_ids: bool,
    pub(super) requests: Vec<ReceivedRequest>,
    problems: Vec<String>,
    finished: bool,
}

impl Shared {
    pub(super) fn new(exchanges: impl IntoIterator<Item = RecordedExchange>) -> Self {
        Self(Mutex::new(State {
            left: exchanges.into_iter().collect(),
            any_order: false,
            any_ids: false,
            requests: Vec::new(),
            problems: Vec::new(),
            finished: false,
        }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Reads the body of a request and sends its recorded response. Returns `false` if the
    /// connection cannot be used further.
    pub(super) fn play(
        &self,
        connection: &mut Connection,
        mut request: ReceivedRequest,
    ) -> io::Result<bool> {
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
            Err(problem) => {
                let headers = [("Content-Type", "text/plain"), ("Connection", "close")];
                let status = "599 Unexpected Request";
                connection.send(response(status, &headers, problem.as_bytes()))?;
                Ok(false)
            }
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
            "the replay did not go as recorded\n{}",
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
        let left = self
            .left
            .iter()
            .map(|exchange| format!("{}: the recorded request did not come", exchange.name));
        std::mem::take(&mut self.problems)
            .into_iter()
            .chain(left)
            .collect()
    }

    /// Records a request, and returns its index in `requests`.
    pub(super) fn begin(&mut self, request: &ReceivedRequest) -> usize {
        self.requests.push(request.clone());
        self.requests.len() - 1
    }

    /// Returns the exchange that a request will probably get. Its body has not arrived yet.
    fn candidate(&self, request: &ReceivedRequest) -> Option<&RecordedExchange> {
        self.left.iter().find(|exchange| {
            let check = exchange.check.min(Check::ContentType);
            !self.any_order || exchange.difference(request, check, self.any_ids).is_none()
        })
    }

    /// Takes the exchange for a request, or returns the error of the request.
    pub(super) fn take(
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

fn send_bytewise(connection: &mut Connection, bytes: &[u8]) -> io::Result<()> {
    bytes.iter().try_for_each(|byte| connection.send([*byte]))
}
