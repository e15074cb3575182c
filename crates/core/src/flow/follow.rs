//! Streams that outlive their connections.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::call::{Call, CallError, Came, Outbox};
use super::outage::{Outage, Patience};
use super::status::{Finding, StatusCheck};
use super::{Command, ExchangeId, Flow, FlowError, Input};
use crate::{
    Chunks, ContentType, Decode, Endpoint, EventLines, EventName, GetVersion, HubVersion,
    InstanceId, Json, JsonLines, LogLine, Operation, OutputStream, ReadEvents, ReadLog, ReadStream,
    ReadTopic, RequestError, TopicName,
};

/// After so long a silence, an instance is asked for its state: most of its streams stay open when
/// it has ended.
const INSTANCE_SILENCE: Duration = Duration::from_secs(2);

/// After so long a silence, the hub is asked for its version: its streams never end, and a
/// connection may be dead without a word.
const HUB_SILENCE: Duration = Duration::from_secs(15);

/// How long the hub has to answer that.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long to wait for the head of a stream. A proxy may keep it back until something is written.
const HEAD_LIMIT: Duration = Duration::from_secs(1);

/// How many times a stream that does not answer is opened again after the end of its instance.
const DOUBTS: u32 = 5;

/// How long a stream may go on after its instance has ended.
const ECHO: Duration = Duration::from_millis(500);

/// The streams of an instance may end a moment before the hub shows its end.
const END_LIMIT: Duration = Duration::from_secs(3);

/// A stream that can be followed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Subject {
    /// The log of the hub. It never ends.
    HubLog,
    /// The log of an instance.
    InstanceLog(InstanceId),
    /// Events of an instance.
    Events(InstanceId, EventName),
    /// A topic. It ends when the hub ends it.
    Topic(TopicName, ContentType),
}

impl Subject {
    fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::InstanceLog(id) | Self::Events(id, _) => Some(id),
            Self::HubLog | Self::Topic(..) => None,
        }
    }
}

/// What comes of a stream that is followed.
#[derive(Debug)]
pub enum Followed<T> {
    /// The stream is open; or its head is late, which means no harm. Comes once, before all else.
    Opened,
    /// The next item.
    Item(T),
    /// The connection was lost, and the stream is open again. Something may be missing here.
    Gap {
        /// How the connection was lost.
        error: FlowError,
        /// How many times it was tried to open the stream again.
        attempts: u32,
        /// From the loss until the stream was open again, or the instance was found to be gone.
        lasted: Duration,
    },
    /// The end of the instance, or of the topic.
    End,
}

/// Follows a stream: opens it again if its connection is lost.
///
/// A driver polls it again after each [`Command::Done`], for the next item, and leaves its exchange
/// open meanwhile; it is over after [`Followed::End`] and after an error, but for an item that cannot
/// be read ([`FlowError::Reply`] with an error of its body).
///
/// What is given again after a gap, because the log of a hub begins with its history, is left out.
/// The log of an instance of 1.x is given once: after a gap it goes on with the lines of the instance
/// in the hub's log.
pub struct Follow<D: Decode> {
    outbox: Outbox,
    subject: Subject,
    open: Box<Open<D>>,
    seen: Option<Box<dyn Seen<D::Item> + Send + Sync>>,
    state: State<D>,
    /// The stream was opened again, and its head has not come yet.
    gap: Option<Lost>,
    ready: VecDeque<Result<Followed<D::Item>, FlowError>>,
    check: Check,
    outage: Outage,
    began: bool,
    reopened: bool,
    given_up: bool,
}

/// Opens the stream; again after it was lost, if the second argument is true.
type Open<D> = dyn Fn(&mut Outbox, bool) -> Result<Call<D>, RequestError> + Send + Sync;

enum State<D> {
    /// To be opened at this time.
    At(Duration, Option<Lost>),
    /// Its head is awaited.
    Opening(Call<D>, Option<Lost>, Duration),
    /// Open, when something came last, and whether its head has come.
    Open(Call<D>, Duration, bool),
    /// The stream has ended: has the instance?
    Ending(ExchangeId, Duration),
    /// The instance has ended; what it wrote before may come until then.
    Ended(Option<Call<D>>, Duration),
    Over,
}

impl<D> State<D> {
    fn map<E>(self, change: impl FnOnce(Call<D>) -> Call<E>) -> State<E> {
        match self {
            Self::At(time, lost) => State::At(time, lost),
            Self::Opening(call, lost, limit) => State::Opening(change(call), lost, limit),
            Self::Open(call, last, headed) => State::Open(change(call), last, headed),
            Self::Ending(id, limit) => State::Ending(id, limit),
            Self::Ended(call, until) => State::Ended(call.map(change), until),
            Self::Over => State::Over,
        }
    }
}

/// A connection that was lost.
struct Lost {
    error: FlowError,
    since: Duration,
    attempts: u32,
}

/// Asks whether there is still something to be heard.
struct Check {
    status: Option<StatusCheck>,
    version: Option<Call<Json<HubVersion>>>,
    /// How many times the stream of an ended instance was opened again, because it had not
    /// answered.
    doubts: u32,
}

/// Remembers what was given, to leave it out if it is given again.
trait Seen<T> {
    /// Whether the item is new. `again`: the stream may begin with what was given before.
    fn is_new(&mut self, item: &T, again: bool) -> bool;
}

impl Follow<JsonLines<LogLine>> {
    /// Follows the log of the hub.
    #[must_use]
    pub fn hub_log(endpoint: Endpoint) -> Self {
        let open = |outbox: &mut Outbox, _| outbox.send_for(&ReadLog, JsonLines::default());
        Self::new(endpoint, Subject::HubLog, open).skipping(SeenLines::default())
    }

    /// Follows the log of an instance.
    ///
    /// # Errors
    /// The version of the hub is not known.
    pub fn instance_log(endpoint: Endpoint, id: InstanceId) -> Result<Self, RequestError> {
        let dialect = endpoint.known_dialect("follow log")?;
        let gives_once = dialect.remembers_ended_instances();
        let of = id.clone();
        let open = move |outbox: &mut Outbox, again| match again && gives_once {
            true => outbox.send_for(&ReadLog, JsonLines::default()),
            false => {
                let operation = ReadStream {
                    id: &of,
                    stream: OutputStream::Log,
                };
                outbox.send_for(&operation, JsonLines::default())
            }
        };
        let seen = SeenLines {
            instance: Some(id.clone()),
            ..SeenLines::default()
        };
        Ok(Self::new(endpoint, Subject::InstanceLog(id), open).skipping(seen))
    }
}

impl Follow<EventLines> {
    /// Follows the events of this name. Those that are emitted during a gap are missing.
    ///
    /// # Errors
    /// The version of the hub is not known.
    pub fn events(
        endpoint: Endpoint,
        id: InstanceId,
        name: EventName,
    ) -> Result<Self, RequestError> {
        endpoint.known_dialect(ReadEvents::NAME)?;
        let subject = Subject::Events(id.clone(), name.clone());
        Ok(Self::new(endpoint, subject, move |outbox, _| {
            outbox.send(
                &ReadEvents {
                    id: &id,
                    name: &name,
                },
                None,
            )
        }))
    }
}

impl Follow<Chunks> {
    /// Follows a topic.
    #[must_use]
    pub fn topic(endpoint: Endpoint, name: TopicName, content_type: ContentType) -> Self {
        Self::topic_as(endpoint, name, content_type, Chunks::default)
    }
}

impl Follow<Chunks> {
    /// Reads the data by such decoders from now on, also what has come already.
    #[must_use]
    pub fn decode<D>(self, decoder: impl Fn() -> D + Send + Sync + 'static) -> Follow<D>
    where
        D: Decode + 'static,
    {
        let Self {
            outbox,
            subject,
            open,
            state,
            gap,
            ready,
            check,
            outage,
            began,
            reopened,
            given_up,
            ..
        } = self;
        let decoder = Arc::new(decoder);
        let again = Arc::clone(&decoder);
        let mut follow = Follow {
            outbox,
            subject,
            open: Box::new(move |outbox, lost| Ok(open(outbox, lost)?.decode_by(again()))),
            seen: None,
            state: state.map(|call| call.decode_by(decoder())),
            gap,
            ready: VecDeque::new(),
            check,
            outage,
            began,
            reopened,
            given_up,
        };
        for ready in ready {
            match ready {
                Ok(Followed::Item(bytes)) => follow.feed(&bytes),
                Ok(Followed::Opened) => follow.ready.push_back(Ok(Followed::Opened)),
                Ok(Followed::End) => follow.ready.push_back(Ok(Followed::End)),
                Ok(Followed::Gap {
                    error,
                    attempts,
                    lasted,
                }) => {
                    follow.ready.push_back(Ok(Followed::Gap {
                        error,
                        attempts,
                        lasted,
                    }));
                }
                Err(error) => follow.ready.push_back(Err(error)),
            }
        }
        follow
    }
}

impl<D: Decode + 'static> Follow<D> {
    /// Hands in bytes that came before there was this decoder.
    fn feed(&mut self, bytes: &[u8]) {
        if let State::Open(call, ..) = &mut self.state {
            let input = Input::Body { id: call.id, bytes };
            for came in call.handle(&input) {
                match came {
                    Came::Item(item) => self.ready.push_back(Ok(Followed::Item(item))),
                    Came::Broken(error) => {
                        self.ready
                            .push_back(Err(FlowError::Reply(input.id(), error)));
                    }
                    Came::Accepted | Came::End | Came::Error(_) => {}
                }
            }
        }
    }

    /// Follows a topic, whose data is read by such decoders.
    #[must_use]
    pub fn topic_as(
        endpoint: Endpoint,
        name: TopicName,
        content_type: ContentType,
        decoder: impl Fn() -> D + Send + Sync + 'static,
    ) -> Self {
        let subject = Subject::Topic(name.clone(), content_type);
        Self::new(endpoint, subject, move |outbox, _| {
            outbox.send_for(
                &ReadTopic {
                    name: &name,
                    content_type,
                },
                decoder(),
            )
        })
    }

    fn new(
        endpoint: Endpoint,
        subject: Subject,
        open: impl Fn(&mut Outbox, bool) -> Result<Call<D>, RequestError> + Send + Sync + 'static,
    ) -> Self {
        let status = subject
            .instance()
            .map(|id| StatusCheck::at(Duration::MAX, id.clone(), INSTANCE_SILENCE));
        Self {
            outbox: Outbox::new(endpoint),
            subject,
            open: Box::new(open),
            seen: None,
            state: State::At(Duration::ZERO, None),
            gap: None,
            ready: VecDeque::new(),
            check: Check {
                status,
                version: None,
                doubts: 0,
            },
            outage: Outage::new(Patience::ENDLESS),
            began: false,
            reopened: false,
            given_up: false,
        }
    }

    fn skipping(self, seen: impl Seen<D::Item> + Send + Sync + 'static) -> Self {
        Self {
            seen: Some(Box::new(seen)),
            ..self
        }
    }

    /// Ends with an error.
    fn fail(&mut self, error: FlowError) {
        self.ready.push_back(Err(error));
        self.state = State::Over;
    }

    /// Ends in good order; a gap that nothing came after is told before.
    fn end(&mut self, now: Duration) {
        let lost = match core::mem::replace(&mut self.state, State::Over) {
            State::At(_, lost) | State::Opening(_, lost, _) => lost,
            _ => self.gap.take(),
        };
        self.ready.extend(lost.map(|lost| Ok(lost.into_gap(now))));
        self.ready.push_back(Ok(Followed::End));
    }

    /// The stream is open, or its head is late.
    fn opened(&mut self, now: Duration, headed: bool) {
        if !core::mem::replace(&mut self.began, true) {
            self.ready.push_back(Ok(Followed::Opened));
        }
        match core::mem::replace(&mut self.state, State::Over) {
            State::Opening(call, lost, _) => {
                self.gap = lost;
                self.state = State::Open(call, now, headed);
            }
            State::Open(call, last, before) => {
                self.state = State::Open(call, last, before || headed);
            }
            state => self.state = state,
        }
        if headed {
            self.outage.is_over();
            let gap = self.gap.take().map(|lost| Ok(lost.into_gap(now)));
            self.ready.extend(gap);
        }
    }

    /// The connection was lost, or the stream could not be opened.
    fn lost(&mut self, now: Duration, id: ExchangeId, error: CallError) {
        let is_gone = error.has_status(404) && self.subject.instance().is_some();
        let state = core::mem::replace(&mut self.state, State::Over);
        if let State::Ended(_, until) = state {
            self.state = State::Ended(None, until);
            return;
        }
        let passes = error.may_succeed_later() || (is_gone && !error.is_hubs_not_found());
        let lost = match state {
            State::At(_, lost) | State::Opening(_, lost, _) => lost,
            _ => self.gap.take(),
        };
        // Without a gap, nothing was ever read of it.
        if is_gone && error.is_hubs_not_found() && self.reopened {
            self.state = State::At(Duration::MAX, lost);
            return self.end(now);
        }
        // Before it was open once, what can be told is told at once.
        let delay = if passes && self.began {
            self.outage.goes_on(now)
        } else {
            None
        };
        match delay {
            None => self.fail(error.of(id)),
            Some(delay) => {
                let error = error.of(id);
                let lost = lost.unwrap_or(Lost {
                    error,
                    since: now,
                    attempts: 0,
                });
                self.state = State::At(now + delay, Some(lost));
            }
        }
    }

    fn send(&mut self, now: Duration) -> Result<(), RequestError> {
        match &mut self.state {
            State::At(time, lost) if *time <= now => {
                let mut lost = lost.take();
                if let Some(lost) = &mut lost {
                    lost.attempts += 1;
                    self.reopened = true;
                }
                let call = (self.open)(&mut self.outbox, self.reopened)?;
                self.state = State::Opening(call, lost, now + HEAD_LIMIT);
            }
            State::Opening(_, _, limit) if *limit <= now => self.opened(now, false),
            State::Open(_, last, _) => {
                let last = *last;
                self.check_after_silence(now, last)?;
            }
            State::Ending(id, limit) if *limit <= now => {
                let id = *id;
                self.lost(now, id, CallError::cut_off());
            }
            State::Ended(call, until) if *until <= now => {
                if let Some(call) = call {
                    self.outbox.close(call);
                }
                self.end(now);
            }
            _ => {}
        }
        let asks = matches!(self.state, State::Ending(..) | State::Open(..));
        match &mut self.check.status {
            Some(status) if asks => status.step(&mut self.outbox, now),
            _ => Ok(()),
        }
    }

    fn check_after_silence(&mut self, now: Duration, last: Duration) -> Result<(), RequestError> {
        match &mut self.check.status {
            Some(status)
                if last + INSTANCE_SILENCE <= now && status.wakes() == Some(Duration::MAX) =>
            {
                status.ask_now(now);
            }
            None if last + HUB_SILENCE <= now && self.check.version.is_none() => {
                self.check.version = Some(self.outbox.send(&GetVersion, Some(ANSWER_LIMIT))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn wakes(&self) -> Option<Duration> {
        let status = self.check.status.as_ref().and_then(StatusCheck::wakes);
        match &self.state {
            State::At(time, _) | State::Opening(_, _, time) => Some(*time),
            State::Open(_, last, _) => match (status, &self.check) {
                (Some(Duration::MAX), _) => Some(*last + INSTANCE_SILENCE),
                (Some(time), _) => Some(time),
                (
                    None,
                    Check {
                        status: None,
                        version: None,
                        ..
                    },
                ) => Some(*last + HUB_SILENCE),
                _ => None,
            },
            State::Ending(_, limit) => Some(status.unwrap_or(*limit).min(*limit)),
            State::Ended(_, until) => Some(*until),
            State::Over => None,
        }
    }

    /// The question about the state of the instance, or of the hub, came to this.
    fn checked(&mut self, now: Duration, finding: Result<Option<Finding>, CallError>) {
        let finding = match finding {
            Ok(finding) => finding,
            Err(error) => return self.unanswered(now, &error),
        };
        match finding {
            Some(Finding::Ended(_)) => {
                let state = core::mem::replace(&mut self.state, State::Over);
                self.state = match state {
                    // Its connection may have been dead all the time.
                    State::Open(call, last, false) if self.check.doubts < DOUBTS => {
                        self.check.doubts += 1;
                        let id = call.id;
                        self.outbox.close(&call);
                        self.state = State::Open(call, last, false);
                        return self.lost(now, id, CallError::cut_off());
                    }
                    State::Open(call, ..) => State::Ended(Some(call), now + ECHO),
                    State::Ending(..) => State::Ended(None, now),
                    // The last lines are in the stream that is about to be opened.
                    state => state,
                };
            }
            Some(Finding::Unknown(_, error)) => self.unanswered(now, &error),
            Some(Finding::Alive(_)) | None => {
                // The next question comes after another silence.
                if let State::Open(_, last, _) = &mut self.state {
                    *last = now;
                }
            }
        }
        if let (Some(status), State::Open(..)) = (&mut self.check.status, &self.state) {
            status.ask_now(Duration::MAX);
        }
    }

    /// Nobody has answered the question: the connection of the stream is probably dead, too.
    fn unanswered(&mut self, now: Duration, error: &CallError) {
        if let State::Open(call, last, _) = &mut self.state {
            *last = now;
            if error.may_succeed_later() {
                let id = call.id;
                self.outbox.close(call);
                self.lost(now, id, CallError::cut_off());
            }
        }
    }

    fn streamed(&mut self, now: Duration, input: &Input<'_>) {
        let (State::Opening(call, ..) | State::Open(call, ..) | State::Ended(Some(call), _)) =
            &mut self.state
        else {
            return;
        };
        let id = call.id;
        if input.id() != id {
            return;
        }
        for came in call.handle(input) {
            match came {
                Came::Accepted => self.opened(now, true),
                Came::Item(item) => {
                    self.opened(now, true);
                    let reopened = self.reopened;
                    let new = self
                        .seen
                        .as_mut()
                        .is_none_or(|seen| seen.is_new(&item, reopened));
                    if new {
                        self.ready.push_back(Ok(Followed::Item(item)));
                    }
                }
                Came::Broken(error) => self.ready.push_back(Err(FlowError::Reply(id, error))),
                Came::End => self.stream_ended(now, id),
                Came::Error(error) => self.lost(now, id, error),
            }
        }
        if let State::Open(_, last, _) = &mut self.state {
            *last = now;
        }
    }

    fn stream_ended(&mut self, now: Duration, id: ExchangeId) {
        match (&self.subject, &mut self.check.status) {
            (Subject::Topic(..), _) => self.end(now),
            (_, Some(status)) => {
                status.ask_now(now);
                self.state = State::Ending(id, now + END_LIMIT);
            }
            (_, None) => self.lost(now, id, CallError::cut_off()),
        }
    }
}

impl Lost {
    fn into_gap<T>(self, now: Duration) -> Followed<T> {
        let lasted = now.saturating_sub(self.since);
        Followed::Gap {
            error: self.error,
            attempts: self.attempts,
            lasted,
        }
    }
}

impl<D: Decode + 'static> Flow for Follow<D> {
    type Output = Result<Followed<D::Item>, FlowError>;

    fn poll(&mut self, now: Duration) -> Command<Self::Output> {
        if let Some(command) = self.outbox.next() {
            return command;
        }
        if let Some(next) = self.ready.pop_front() {
            return Command::Done(next);
        }
        if self.given_up {
            return Command::Done(Err(FlowError::GivenUp));
        }
        if let State::Over = self.state {
            return Command::Done(Ok(Followed::End));
        }
        if let Err(error) = self.send(now) {
            self.fail(error.into());
        }
        match self.outbox.next() {
            Some(command) => command,
            None => match self.ready.pop_front() {
                Some(next) => Command::Done(next),
                None => Command::Wait {
                    until: self.wakes(),
                },
            },
        }
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if let Some(status) = &mut self.check.status {
            if let Some(finding) = status.handle(&mut self.outbox, now, &input) {
                return self.checked(now, Ok(Some(finding)));
            }
        }
        if let Some(call) = &mut self.check.version {
            if let Some(result) = call.value(&input) {
                self.check.version = None;
                return self.checked(now, result.map(|_| None));
            }
        }
        self.streamed(now, &input);
    }

    fn give_up(&mut self, _: Duration) {
        self.given_up = true;
    }
}

impl<D: Decode> fmt::Debug for Follow<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// The lines of a log that were given within some seconds before the last one.
#[derive(Default)]
struct SeenLines {
    /// Only lines about this instance count, of the log of the hub.
    instance: Option<InstanceId>,
    /// By their times, with everything that tells one from another.
    recent: BTreeSet<(u64, String)>,
    latest: u64,
}

impl SeenLines {
    /// Lines come from several processes, and may be out of order by so many milliseconds.
    const DISORDER: u64 = 5_000;
}

impl Seen<LogLine> for SeenLines {
    fn is_new(&mut self, line: &LogLine, again: bool) -> bool {
        if let Some(instance) = self.instance.as_ref().filter(|_| again) {
            if !line.is_about(instance) {
                return false;
            }
        }
        let Some(time) = line.time_ms else {
            return true;
        };
        let LogLine {
            msg,
            from,
            id,
            data,
            ..
        } = line;
        let key = (time, format!("{msg} {from:?} {id:?} {data:?}"));
        let oldest = self.latest.saturating_sub(Self::DISORDER);
        if again && (time < oldest || self.recent.contains(&key)) {
            return false;
        }
        self.latest = self.latest.max(time);
        self.recent.insert(key);
        let oldest = self.latest.saturating_sub(Self::DISORDER);
        self.recent = self.recent.split_off(&(oldest, String::new()));
        true
    }
}
