//! A channel of lines, whatever they hold.

use std::any::Any;
use std::collections::VecDeque;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use scramjet_client_core::{
    ContentType, Decode, Ended, InstanceId, Lines, OutputStream, ReadStream, ReplyError,
    RequestError, RunnerExit, SendInput, Step,
};

use crate::body::byte_stream::ByteStream;
use crate::body::input::{Input, InputStream};
use crate::body::upload::Upload;
use crate::call::context::CallContext;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::handles::instance::input::send;
use crate::handles::instance::output::{HEAD_LIMIT, open_until_ended};
use crate::handles::instance::transform::check_completed;
use crate::handles::instance::wait::explain_loss;
use crate::limits::call_limits::StopReason;
use crate::limits::cancel::CancelToken;
use crate::streams::pipe::{PipeWriter, pipe};
use crate::support::panics::in_drop;
use crate::support::sync::{lock, wait};
use crate::support::threads;
use crate::transport::error::Phase;

/// The time that the output has to tell why, if the input fails or ends first.
const GRACE: Duration = Duration::from_secs(1);

/// The least time that a hub of 0.18 has to hand out the first data a second time.
const SETTLING: Duration = Duration::from_millis(100);

/// If the first answer takes longer than this, the input is probed for a refusal.
const PROBE: Duration = Duration::from_secs(1);

/// There has to be nothing to read for this time before the first request.
const QUIET: Duration = Duration::from_millis(10);

/// A bound for asking how an instance has ended.
const STATE_LIMIT: Duration = Duration::from_secs(2);

const UNASKED: &str = "the instance wrote a line without a request";
const OUTSTANDING: &str = "responses are outstanding";
const LOST: &str = "an earlier call failed";

/// The kind of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// The two requests of a channel, each on a thread, and the lines that have come.
pub(crate) struct LineChannel {
    client: Client,
    id: InstanceId,
    /// Describes the reading of the output in errors.
    call: CallContext,
    idle: Option<Duration>,
    pipe: Option<PipeWriter>,
    shared: Arc<Shared>,
    /// Ends the input.
    sending: CancelToken,
    /// Ends the output.
    reading: CancelToken,
    in_flight: usize,
    /// The time of the first request.
    asked: Option<Instant>,
    /// The time at which the input is probed for a refusal.
    probe_at: Option<Instant>,
    format: Format,
    broken: Option<Broken>,
    /// It has failed, and not only reached its limits.
    failed: bool,
    /// Keeps the instance checked out of its pool.
    _hold: Option<Arc<dyn Any + Send + Sync>>,
}

/// The reason that nothing more can be asked.
enum Broken {
    Ended(Box<Ended>),
    OutOfStep(&'static str),
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Result<Vec<u8>, ReplyError>>,
    reading_since: Option<Instant>,
    /// The number of lines that are still to come.
    expected: usize,
    /// A line came that was not expected. Nothing more is read.
    unasked: bool,
    first_answer: Option<Instant>,
    /// The first request may be answered twice, and has to be answered before there is a second
    /// one.
    settles: bool,
    output: Option<Over>,
    input: Option<(Instant, Over)>,
}

/// The end of a request of the channel.
enum Over {
    Sent,
    Failed(Error),
    Panicked(Box<dyn Any + Send>),
}

impl Over {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed(error) if error.api().is_some())
    }
}

impl Format {
    fn content_type(self) -> ContentType {
        match self {
            Self::Text => ContentType::Text,
            Self::Json => ContentType::Ndjson,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }
}

impl LineChannel {
    pub(crate) fn open(instance: &InstanceClient, format: Format) -> Result<Self, Error> {
        let mut client = instance.host.client.fix_deadline();
        let id = instance.id().clone();
        let operation = ReadStream {
            id: &id,
            stream: OutputStream::Output,
        };
        let settles =
            client.dialect()?.doubles_early_input() && !client.known_inputs().is_listening(&id);
        let call = client.begin(&operation)?;
        let hold = client.life.as_ref().and_then(|life| life.hold());
        let idle = client.options.idle;
        let outer = client.options.cancel.take().unwrap_or_default();
        let (sending, reading) = (outer.child(), outer.child());
        let shared = Arc::<Shared>::default();
        shared.state().settles = settles;

        let mut reader = client.clone();
        reader.options.cancel = Some(reading.clone());
        // It is silent while nothing is asked.
        reader.options.idle = None;
        let mut output = open_until_ended(&reader, &id, OutputStream::Output)
            .inspect_err(|error| client.notice(error))?;
        output
            .await_head(Some(Instant::now() + HEAD_LIMIT))
            .inspect_err(|error| client.notice(error))?;

        let mut writer = client.clone();
        writer.options.cancel = Some(sending.clone());
        let (writer, watch) = writer.watching(&id)?;
        let (pipe, data) = pipe(&writer.limits::<SendInput<'_>>()?);
        let data = Input::bytes(Upload::reader(data))
            .content_type(format.content_type())
            .end(false);
        client.options.cancel = Some(outer);

        let channel = Self {
            client: client.clone(),
            id: id.clone(),
            call,
            idle,
            pipe: Some(pipe),
            shared: Arc::clone(&shared),
            sending,
            reading,
            in_flight: 0,
            asked: None,
            probe_at: None,
            format,
            broken: None,
            failed: false,
            _hold: hold,
        };
        let (told, of) = (Arc::clone(&shared), id.clone());
        let read = move || {
            let work = || read(&told, &mut output, format, &reader, &of);
            if let Some(over) = caught(work) {
                told.change(|state| state.output = Some(over));
            }
        };
        let start = |name, work: Box<dyn FnOnce() + Send>| {
            threads::start(name, work).map_err(|error| channel.call.failed(error))
        };
        start("scramjet-answers", Box::new(read))?;
        let write = move || {
            let work = || match send(&writer, &watch, &id, InputStream::Input, data) {
                Ok(_) => Some(Over::Sent),
                Err(error) => Some(Over::Failed(error)),
            };
            if let Some(over) = caught(work) {
                shared.change(|state| state.input = Some((Instant::now(), over)));
            }
        };
        start("scramjet-requests", Box::new(write))?;
        Ok(channel)
    }

    pub(crate) fn id(&self) -> &InstanceId {
        &self.id
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns true if it is known that nothing more can be asked.
    pub(crate) fn is_broken(&self) -> bool {
        let state = self.shared.state();
        let over = state.output.is_some() || state.input.is_some();
        self.broken.is_some() || state.unasked || over
    }

    /// The error of a request that cannot be sent.
    pub(crate) fn unsent(&self, error: RequestError) -> Error {
        CallContext::without_request("ask").failed(error)
    }

    /// The error of an answer that cannot be decoded.
    pub(crate) fn undecoded(&self, error: ReplyError) -> Error {
        self.call.failed(error)
    }

    /// Writes a line, with its end.
    pub(crate) fn send(&mut self, line: &[u8]) -> Result<(), Error> {
        self.check()?;
        match self.asked {
            None => {
                self.wait_for_early_lines();
                self.asked = Some(Instant::now());
                self.probe_at = Some(Instant::now() + PROBE);
            }
            Some(_) => self.settle()?,
        }
        let mut state = self.shared.state();
        if state.unasked {
            drop(state);
            return Err(self.out_of_step(UNASKED));
        }
        if let Some(over) = state.output.take() {
            drop(state);
            return Err(self.fail(over));
        }
        state.expected += 1;
        drop(state);
        self.in_flight += 1;
        let written = self.pipe.as_mut().map(|pipe| pipe.write_all(line));
        match written {
            Some(Ok(())) => Ok(()),
            // The input is over, which tells why.
            _ => Err(self.wait_for_end()),
        }
    }

    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, Error> {
        if self.in_flight == 0 {
            self.check()?;
            let problem = "no request is outstanding; send one first";
            return Err(self.unsent(RequestError::option("receive", problem)));
        }
        let idle_at = self.idle_at();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        loop {
            if let Some(answer) = state.answers.pop_front() {
                self.in_flight -= 1;
                return answer.map_err(|error| self.undecoded(error));
            }
            if let Some(broken) = &self.broken {
                return Err(self.again(broken));
            }
            if let Some(over) = state.take_end() {
                drop(state);
                return Err(self.fail(over));
            }
            if idle_at.is_some_and(|at| at <= Instant::now()) {
                drop(state);
                return Err(self.stop(StopReason::Idle));
            }
            let probe_at = self.probe_if_due(&state);
            let limits = idle_at.into_iter().chain(probe_at);
            let until = limits.chain(state.grace()).min();
            state = wait(&shared.changed, state, until);
        }
    }

    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.check()?;
        if self.in_flight > 0 {
            return Err(self.out_of_step(OUTSTANDING));
        }
        if self.asked.is_some() {
            self.settle()?;
        }
        self.pipe = None;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        loop {
            if state.unasked {
                drop(state);
                return Err(self.out_of_step(UNASKED));
            }
            match state.input.take() {
                Some((_, Over::Sent)) => return Ok(()),
                Some((_, over)) => {
                    drop(state);
                    return Err(self.fail(over));
                }
                None => state = wait(&shared.changed, state, None),
            }
        }
    }

    fn check(&self) -> Result<(), Error> {
        match &self.broken {
            Some(broken) => Err(self.again(broken)),
            None => Ok(()),
        }
    }

    /// The error of a call after the channel has failed.
    fn again(&self, broken: &Broken) -> Error {
        self.call.failed(match broken {
            Broken::Ended(ended) => ErrorKind::Ended(ended.clone()),
            Broken::OutOfStep(reason) => ErrorKind::OutOfStep(reason),
        })
    }

    /// Probes the input if the first answer is late. Returns when that is due, if it is later.
    fn probe_if_due(&mut self, state: &State) -> Option<Instant> {
        let at = self.probe_at.filter(|_| state.first_answer.is_none())?;
        if at > Instant::now() {
            return Some(at);
        }
        self.probe_at = None;
        self.probe();
        None
    }

    /// Finds out on a thread if the hub refuses the input: of a request whose body is still being
    /// sent, its refusal is noticed with the next piece.
    fn probe(&self) {
        let (client, id) = (self.client.tightened(Some(STATE_LIMIT)), self.id.clone());
        let (shared, format) = (Arc::clone(&self.shared), self.format);
        let refusal = move || {
            let (client, watch) = client.watching(&id)?;
            let nothing = Input::bytes(Vec::new())
                .content_type(format.content_type())
                .end(false);
            send(&client, &watch, &id, InputStream::Input, nothing).map(drop)
        };
        let work = move || {
            let refused = caught(|| refusal().err().map(Over::Failed));
            if let Some(Over::Failed(error)) = refused.filter(Over::is_refusal) {
                let over = (Instant::now(), Over::Failed(error));
                shared.change(|state| state.input.get_or_insert(over).0);
            }
        };
        // If it cannot be found out, the limits of the caller are there.
        let _ = threads::start("scramjet-probe", work);
    }

    /// Waits until lines that the instance wrote before would have come.
    fn wait_for_early_lines(&self) {
        let mut state = self.shared.state();
        while !state.unasked && state.output.is_none() {
            let until = state.reading_since.map(|since| since + QUIET);
            if until.is_some_and(|until| until <= Instant::now()) {
                return;
            }
            state = wait(&self.shared.changed, state, until);
        }
    }

    /// Waits until a second answer to the first request would have come.
    fn settle(&mut self) -> Result<(), Error> {
        let idle_at = self.idle_at();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        // If no answer can come any more, sending tells why.
        while state.settles && state.output.is_none() && state.input.is_none() {
            let probe_at = self.probe_if_due(&state);
            let until = state.settled_at(self.asked).or(idle_at);
            if until.is_some_and(|until| until <= Instant::now()) {
                if state.first_answer.is_none() {
                    drop(state);
                    return Err(self.stop(StopReason::Idle));
                }
                state.settles = false;
                self.client.known_inputs().note_listening(&self.id);
            } else {
                let until = until.into_iter().chain(probe_at).min();
                state = wait(&shared.changed, state, until);
            }
        }
        Ok(())
    }

    /// The latest time for an answer if the waiting begins now.
    fn idle_at(&self) -> Option<Instant> {
        self.idle.and_then(|idle| Instant::now().checked_add(idle))
    }

    /// The input takes nothing more: waits for the reason, and fails with it.
    fn wait_for_end(&mut self) -> Error {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        loop {
            if let Some(over) = state.take_end() {
                drop(state);
                return self.fail(over);
            }
            let until = state.grace();
            state = wait(&shared.changed, state, until);
        }
    }

    /// Something may come from the instance that another channel would take for its answer.
    fn is_unclean(&self) -> bool {
        let state = self.shared.state();
        let settled = || state.settled_at(self.asked);
        let unsettled = state.settles && settled().is_some_and(|at| at > Instant::now());
        self.failed || self.in_flight > 0 || state.unasked || unsettled
    }

    fn stop(&mut self, stopped: StopReason) -> Error {
        let error = self.call.stopped(stopped, Phase::Read);
        self.fail(Over::Failed(error))
    }

    fn out_of_step(&mut self, reason: &'static str) -> Error {
        let error = self.call.failed(ErrorKind::OutOfStep(reason));
        self.fail(Over::Failed(error))
    }

    /// From now on nothing more can be asked.
    fn fail(&mut self, over: Over) -> Error {
        let error = match over {
            Over::Failed(error) => error,
            Over::Sent => self.call.failed(ErrorKind::InputEnded),
            Over::Panicked(panic) => {
                self.broken = Some(Broken::OutOfStep(LOST));
                self.failed = true;
                resume_unwind(panic)
            }
        };
        self.broken = Some(match error.kind() {
            ErrorKind::Ended(ended) => Broken::Ended(ended.clone()),
            ErrorKind::OutOfStep(reason) => Broken::OutOfStep(reason),
            _ if self.in_flight > 0 => Broken::OutOfStep(OUTSTANDING),
            _ => Broken::OutOfStep(LOST),
        });
        let by_caller = matches!(
            error.kind(),
            ErrorKind::Cancelled { .. } | ErrorKind::Deadline { .. }
        );
        self.failed = !by_caller;
        if self.is_unclean() {
            self.client.notice_end(&self.id);
        }
        error
    }
}

impl State {
    /// Takes what has come. False if one of the lines was not asked for.
    fn take_lines(&mut self, lines: Vec<Result<Vec<u8>, ReplyError>>) -> bool {
        for line in lines {
            if self.expected > 0 {
                self.expected -= 1;
                self.first_answer.get_or_insert_with(Instant::now);
                self.answers.push_back(line);
            } else if !self.settles || self.first_answer.is_none() {
                self.unasked = true;
                return false;
            }
        }
        true
    }

    /// The time from which on no second answer to the first request is to be expected. It would
    /// take as long as the first one.
    fn settled_at(&self, asked: Option<Instant>) -> Option<Instant> {
        let (asked, answered) = (asked?, self.first_answer?);
        Some(answered + SETTLING.max(2 * answered.saturating_duration_since(asked)))
    }

    /// Takes the end of the channel, if it has come.
    fn take_end(&mut self) -> Option<Over> {
        if let Some(over) = self.output.take() {
            return Some(over);
        }
        let due = self.grace().is_some_and(|at| at <= Instant::now());
        self.input.take_if(|_| due).map(|(_, over)| over)
    }

    /// The time at which the end of the input is the end of the channel.
    fn grace(&self) -> Option<Instant> {
        let (at, over) = self.input.as_ref()?;
        match over {
            Over::Panicked(_) => Some(*at),
            over if over.is_refusal() => Some(*at),
            _ => Some(*at + GRACE),
        }
    }
}

impl Drop for LineChannel {
    fn drop(&mut self) {
        let pipe = self.pipe.take();
        let unclean = self.is_unclean();
        if unclean {
            self.client.notice_end(&self.id);
            pipe.into_iter().for_each(PipeWriter::abort);
        }
        in_drop(|| {
            self.reading.cancel();
            if unclean {
                self.sending.cancel();
            }
        });
    }
}

fn caught(work: impl FnOnce() -> Option<Over>) -> Option<Over> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Some(Over::Panicked(panic)))
}

/// Reads answers until the end of the output, or the first line that was not asked for.
fn read(
    shared: &Shared,
    output: &mut ByteStream,
    format: Format,
    client: &Client,
    id: &InstanceId,
) -> Option<Over> {
    shared.change(|state| state.reading_since = Some(Instant::now()));
    let (mut decoder, mut buf) = (Lines::default(), vec![0; 8 << 10]);
    loop {
        let read = match output.pull(&mut buf) {
            Ok(read) => read,
            Err(error) => return Some(Over::Failed(explain_loss(client, id, error))),
        };
        // Not told of the end: a line without a line end is one in which the instance died.
        decoder.feed(buf.get(..read).unwrap_or_default());
        let mut lines = Vec::new();
        loop {
            match decoder.next_item() {
                Ok(Step::Item(line)) if format == Format::Json && line.trim_ascii().is_empty() => {}
                Ok(Step::Item(line)) => lines.push(Ok(line)),
                Ok(Step::NeedData | Step::End) => break,
                Err(error) => lines.push(Err(error)),
            }
        }
        // Lines that came together are seen together.
        let goes_on = lines.is_empty() || shared.change(|state| state.take_lines(lines));
        if !goes_on {
            return None;
        }
        if read == 0 {
            return Some(Over::Failed(end_of_output(client, id)));
        }
    }
}

/// The error of an output that has ended well.
fn end_of_output(client: &Client, id: &InstanceId) -> Error {
    let completed = check_completed(&client.tightened(Some(STATE_LIMIT)), id);
    completed.err().unwrap_or_else(|| {
        // A hub keeps it for 10 seconds more.
        let mut ended = Ended::gone(id);
        ended.exit = Some(RunnerExit::Completed);
        let operation = ReadStream {
            id,
            stream: OutputStream::Output,
        };
        client
            .describe(&operation)
            .failed(ErrorKind::Ended(Box::new(ended)))
    })
}
