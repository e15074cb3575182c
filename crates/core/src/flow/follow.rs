//! Streams that outlive their connections.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::exchange::{ExchangeEvent, OpenExchange};
use super::exchange_error::ExchangeError;
use super::outage::{OutageTolerance, OutageTracker};
use super::outbox::Outbox;
use super::status::{StatusCheck, StatusResult};
use super::sub_flow::{RootFlow, SubFlow};
use super::{Command, ExchangeId, Flow, FlowError, Input, Outcome};
use crate::{
    Chunks, ContentType, Decode, Endpoint, EventLines, EventName, GetVersion, HubVersion,
    InstanceId, Json, JsonLines, LogLine, Operation, OutputStream, ReadEvents, ReadLog, ReadStream,
    ReadTopic, RequestError, TopicName,
};

/// After so long a silence, an instance is asked for its state: most of its streams stay open when
/// it has ended.
const INSTANCE_IDLE_LIMIT: Duration = Duration::from_secs(2);

/// After so long a silence, the hub is asked for its version: its streams never end, and a
/// connection may be dead without a word.
const HUB_IDLE_LIMIT: Duration = Duration::from_secs(15);

/// How long the hub has to answer that.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for the head of a stream. A proxy may keep it back until something is written.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// How many times a stream that does not answer is opened again after the end of its instance.
const MAX_REOPENS: u32 = 5;

/// How long a stream may go on after its instance has ended.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// The streams of an instance may end a moment before the hub shows its end.
const END_TIMEOUT: Duration = Duration::from_secs(3);

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
    /// The connection was lost, and the stream is open again; or the instance was gone before its
    /// log could be read. Something may be missing here.
    Gap {
        /// The instance whose log or events were lost; `None` if it was the log of a hub, or a
        /// topic.
        instance: Option<InstanceId>,
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
/// open meanwhile; it is over after [`Followed::End`] and after an error, but for an item that
/// cannot be read ([`FlowError::Reply`] with an error of its body).
///
/// What is given again after a gap, because the log of a hub begins with its history, is left out.
/// The log of an instance of 1.x is given once: after a gap it goes on with the lines of the
/// instance in the hub's log.
pub struct Follow<D: Decode>(RootFlow<StreamFollower<D>>);

/// The following of one stream, as a part of a flow.
pub(super) struct StreamFollower<D: Decode> {
    subject: Subject,
    open: Box<Open<D>>,
    deduplicator: Option<Box<dyn Deduplicator<D::Item> + Send + Sync>>,
    state: State<D>,
    /// The stream was opened again, and its head has not come yet.
    gap: Option<LostConnection>,
    ready: VecDeque<Result<Followed<D::Item>, FlowError>>,
    check: LivenessCheck,
    /// How many times the stream of an ended instance was opened again, because it had not
    /// answered.
    reopens: u32,
    outage: OutageTracker,
    was_opened: bool,
    reopened: bool,
    /// A `404` is the end of the instance, because it was known before.
    instance_is_known: bool,
    /// Something was told since the flow waited last, if this is the whole flow.
    returned_result: bool,
    cancelled: bool,
}

/// Opens the stream; again after it was lost, if the second argument is true.
type Open<D> = dyn Fn(&mut Outbox, bool) -> Result<OpenExchange<D>, RequestError> + Send + Sync;

enum State<D> {
    /// To be opened at this time.
    ScheduledAt(Duration, Option<LostConnection>),
    /// Its head is awaited.
    Opening(OpenExchange<D>, Option<LostConnection>, Duration),
    /// Open, when something came last, and whether its head has come.
    Open(OpenExchange<D>, Duration, bool),
    /// The stream has ended: has the instance?
    Ending(ExchangeId, Duration),
    /// The instance has ended; what it wrote before may come until then.
    Ended(Option<OpenExchange<D>>, Duration),
    Done,
}

impl<D> State<D> {
    fn map<E>(self, change: impl FnOnce(OpenExchange<D>) -> OpenExchange<E>) -> State<E> {
        match self {
            Self::ScheduledAt(time, lost) => State::ScheduledAt(time, lost),
            Self::Opening(exchange, lost, limit) => State::Opening(change(exchange), lost, limit),
            Self::Open(exchange, last, headed) => State::Open(change(exchange), last, headed),
            Self::Ending(id, limit) => State::Ending(id, limit),
            Self::Ended(exchange, until) => State::Ended(exchange.map(change), until),
            Self::Done => State::Done,
        }
    }
}

/// A connection that was lost.
struct LostConnection {
    error: FlowError,
    since: Duration,
    attempts: u32,
}

/// The question after a silence: is there still something to be heard?
enum LivenessCheck {
    /// For the state of the instance.
    Instance(StatusCheck),
    /// For the version of the hub, which answers if it is there.
    Hub(Option<OpenExchange<Json<HubVersion>>>),
    /// None: the flow that this is a part of asks, and tells.
    External,
}

/// Remembers what was given, to leave it out if it is given again.
trait Deduplicator<T> {
    /// Whether the item is new. `again`: the stream may begin with what was given before.
    fn is_new(&mut self, item: &T, again: bool) -> bool;
}

impl Follow<JsonLines<LogLine>> {
    /// Follows the log of the hub.
    #[must_use]
    pub fn hub_log(endpoint: Endpoint) -> Self {
        Self(RootFlow::new(endpoint, StreamFollower::hub_log()))
    }

    /// Follows the log of an instance.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn instance_log(endpoint: Endpoint, id: InstanceId) -> Result<Self, RequestError> {
        let dialect = endpoint.known_dialect("follow log")?;
        let gives_once = dialect.remembers_ended_instances();
        let of = id.clone();
        let open = move |outbox: &mut Outbox, again| match again && gives_once {
            true => outbox.open_stream(&ReadLog, JsonLines::default()),
            false => open_log(outbox, &of),
        };
        let seen = RecentLines {
            instance: Some(id.clone()),
            ..RecentLines::default()
        };
        let following = StreamFollower::new(Subject::InstanceLog(id), open).with_deduplicator(seen);
        Ok(Self(RootFlow::new(endpoint, following)))
    }
}

fn open_log(
    outbox: &mut Outbox,
    id: &InstanceId,
) -> Result<OpenExchange<JsonLines<LogLine>>, RequestError> {
    let stream = OutputStream::Log;
    outbox.open_stream(&ReadStream { id, stream }, JsonLines::default())
}

impl StreamFollower<JsonLines<LogLine>> {
    /// The log of the hub.
    pub(super) fn hub_log() -> Self {
        let open = |outbox: &mut Outbox, _| outbox.open_stream(&ReadLog, JsonLines::default());
        Self::new(Subject::HubLog, open).with_deduplicator(RecentLines::default())
    }

    /// The log of an instance that the hub has listed. It is for the flow that this is a part of to
    /// ask for its state, and to tell. It is opened however often that fails at first, and there is
    /// no [`Followed::Opened`].
    pub(super) fn listed_instance_log(id: InstanceId) -> Self {
        let of = id.clone();
        let open = move |outbox: &mut Outbox, _| open_log(outbox, &of);
        Self {
            check: LivenessCheck::External,
            was_opened: true,
            instance_is_known: true,
            ..Self::new(Subject::InstanceLog(id), open).with_deduplicator(RecentLines::default())
        }
    }
}

impl Follow<EventLines> {
    /// Follows the events of this name. Those that are emitted during a gap are missing.
    ///
    /// # Errors
    /// [`RequestError::DialectUnknown`] if the version of the hub is not known.
    pub fn events(
        endpoint: Endpoint,
        id: InstanceId,
        name: EventName,
    ) -> Result<Self, RequestError> {
        endpoint.known_dialect(ReadEvents::NAME)?;
        let subject = Subject::Events(id.clone(), name.clone());
        let following = StreamFollower::new(subject, move |outbox: &mut Outbox, _| {
            outbox.send(
                &ReadEvents {
                    id: &id,
                    name: &name,
                },
                None,
            )
        });
        Ok(Self(RootFlow::new(endpoint, following)))
    }
}

impl Follow<Chunks> {
    /// Follows a topic.
    #[must_use]
    pub fn topic(endpoint: Endpoint, name: TopicName, content_type: ContentType) -> Self {
        Self::topic_as(endpoint, name, content_type, Chunks::default)
    }

    /// Reads the data by such decoders from now on, also what has come already.
    #[must_use]
    pub fn decode<D>(self, decoder: impl Fn() -> D + Send + Sync + 'static) -> Follow<D>
    where
        D: Decode + 'static,
    {
        Follow(self.0.map(|following| following.decode(decoder)))
    }
}

impl<D: Decode + 'static> Follow<D> {
    /// Follows a topic, whose data is read by such decoders.
    #[must_use]
    pub fn topic_as(
        endpoint: Endpoint,
        name: TopicName,
        content_type: ContentType,
        decoder: impl Fn() -> D + Send + Sync + 'static,
    ) -> Self {
        let subject = Subject::Topic(name.clone(), content_type);
        let following = StreamFollower::new(subject, move |outbox: &mut Outbox, _| {
            outbox.open_stream(
                &ReadTopic {
                    name: &name,
                    content_type,
                },
                decoder(),
            )
        });
        Self(RootFlow::new(endpoint, following))
    }
}

impl StreamFollower<Chunks> {
    fn decode<D>(self, decoder: impl Fn() -> D + Send + Sync + 'static) -> StreamFollower<D>
    where
        D: Decode + 'static,
    {
        let Self {
            subject,
            open,
            state,
            gap: gap,
            ready,
            check: check,
            reopens: doubts,
            outage,
            was_opened: began,
            reopened,
            instance_is_known: known,
            returned_result: told,
            cancelled: given_up,
            ..
        } = self;
        let decoder = Arc::new(decoder);
        let again = Arc::clone(&decoder);
        let mut follow = StreamFollower {
            subject,
            open: Box::new(move |outbox, lost| Ok(open(outbox, lost)?.with_decoder(again()))),
            deduplicator: None,
            state: state.map(|exchange| exchange.with_decoder(decoder())),
            gap: gap,
            ready: VecDeque::new(),
            check: check,
            reopens: doubts,
            outage,
            was_opened: began,
            reopened,
            instance_is_known: known,
            returned_result: told,
            cancelled: given_up,
        };
        for ready in ready {
            match ready {
                Ok(Followed::Item(bytes)) => follow.feed(&bytes),
                Ok(Followed::Opened) => follow.ready.push_back(Ok(Followed::Opened)),
                Ok(Followed::End) => follow.ready.push_back(Ok(Followed::End)),
                Ok(Followed::Gap {
                    instance,
                    error,
                    attempts,
                    lasted,
                }) => {
                    follow.ready.push_back(Ok(Followed::Gap {
                        instance,
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

impl<D: Decode + 'static> StreamFollower<D> {
    /// Hands in bytes that came before there was this decoder.
    fn feed(&mut self, bytes: &[u8]) {
        if let State::Open(exchange, ..) = &mut self.state {
            let input = Input::Body {
                id: exchange.id,
                bytes,
            };
            for came in exchange.handle(&input) {
                match came {
                    ExchangeEvent::Item(item) => self.ready.push_back(Ok(Followed::Item(item))),
                    ExchangeEvent::BadItem(error) => {
                        self.ready
                            .push_back(Err(FlowError::Reply(input.id(), error)));
                    }
                    ExchangeEvent::Success | ExchangeEvent::End | ExchangeEvent::Error(_) => {}
                }
            }
        }
    }

    fn new(
        subject: Subject,
        open: impl Fn(&mut Outbox, bool) -> Result<OpenExchange<D>, RequestError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let check = match subject.instance() {
            Some(id) => LivenessCheck::Instance(StatusCheck::new(
                Duration::MAX,
                id.clone(),
                INSTANCE_IDLE_LIMIT,
            )),
            None => LivenessCheck::Hub(None),
        };
        Self {
            subject,
            open: Box::new(open),
            deduplicator: None,
            state: State::ScheduledAt(Duration::ZERO, None),
            gap: None,
            ready: VecDeque::new(),
            check: check,
            reopens: 0,
            outage: OutageTracker::new(OutageTolerance::ENDLESS),
            was_opened: false,
            reopened: false,
            instance_is_known: false,
            returned_result: false,
            cancelled: false,
        }
    }

    fn with_deduplicator(self, seen: impl Deduplicator<D::Item> + Send + Sync + 'static) -> Self {
        Self {
            deduplicator: Some(Box::new(seen)),
            ..self
        }
    }

    /// Nothing comes any more.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done) && self.ready.is_empty()
    }

    /// The stream is about to be opened for the first time.
    pub(super) fn is_opening(&self) -> bool {
        matches!(
            self.state,
            State::ScheduledAt(_, None) | State::Opening(_, None, _)
        )
    }

    /// The stream has ended, and it is not known yet if the instance has, too.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending(..))
    }

    /// The time since which nothing has come of a stream that is open, and if its head has come.
    pub(super) fn idle_since(&self) -> Option<(Duration, bool)> {
        match &self.state {
            State::Open(_, last, headed) => Some((*last, *headed)),
            _ => None,
        }
    }

    /// The caller has taken all that was told. While it did, there was no silence, and more may
    /// have come to the driver.
    pub(super) fn restart_idle_time(&mut self, now: Duration) {
        match &mut self.state {
            State::Open(_, last, _) => *last = now,
            State::Ended(Some(_), until) => *until = now + GRACE_PERIOD,
            _ => {}
        }
    }

    /// Ends with an error.
    fn fail(&mut self, error: FlowError) {
        self.ready.push_back(Err(error));
        self.state = State::Done;
    }

    /// Ends in good order; a gap that nothing came after is told before.
    fn end(&mut self, now: Duration) {
        let lost = match core::mem::replace(&mut self.state, State::Done) {
            State::ScheduledAt(_, lost) | State::Opening(_, lost, _) => lost,
            _ => self.gap.take(),
        };
        self.push_gap(now, lost);
        self.ready.push_back(Ok(Followed::End));
    }

    fn push_gap(&mut self, now: Duration, lost: Option<LostConnection>) {
        let instance = self.subject.instance();
        let gap = lost.map(|lost| Followed::Gap {
            instance: instance.cloned(),
            error: lost.error,
            attempts: lost.attempts,
            lasted: now.saturating_sub(lost.since),
        });
        self.ready.extend(gap.map(Ok));
    }

    /// The stream is open, or its head is late.
    fn on_open(&mut self, now: Duration, headed: bool) {
        if !core::mem::replace(&mut self.was_opened, true) {
            self.ready.push_back(Ok(Followed::Opened));
        }
        match core::mem::replace(&mut self.state, State::Done) {
            State::Opening(exchange, lost, _) => {
                self.gap = lost;
                self.state = State::Open(exchange, now, headed);
            }
            State::Open(exchange, last, before) => {
                self.state = State::Open(exchange, last, before || headed);
            }
            state => self.state = state,
        }
        if headed {
            self.outage.request_answered();
            let gap = self.gap.take();
            self.push_gap(now, gap);
        }
    }

    /// The connection was lost, or the stream could not be opened.
    fn on_connection_lost(&mut self, now: Duration, id: ExchangeId, error: ExchangeError) {
        let is_hubs = error.is_not_found_from_hub();
        let state = core::mem::replace(&mut self.state, State::Done);
        if let State::Ended(_, until) = state {
            self.state = State::Ended(None, until);
            return;
        }
        // A gateway that does not reach the hub may say 404, too.
        let transient = error.is_transient() || (error.has_status(404) && !is_hubs);
        let lost = match state {
            State::ScheduledAt(_, lost) | State::Opening(_, lost, _) => lost,
            _ => self.gap.take(),
        };
        // Without a gap, nothing was ever read of it.
        let was_there = self.reopened || self.instance_is_known;
        if is_hubs && was_there && self.subject.instance().is_some() {
            // What it wrote before it was gone cannot be read any more.
            let lost = lost.unwrap_or(LostConnection {
                error: error.into_flow_error(id),
                since: now,
                attempts: 1,
            });
            self.state = State::ScheduledAt(Duration::MAX, Some(lost));
            return self.end(now);
        }
        // Before it was open once, what can be told is told at once.
        let delay = if transient && self.was_opened {
            self.outage.request_failed(now)
        } else {
            None
        };
        match delay {
            None => self.fail(error.into_flow_error(id)),
            Some(delay) => {
                let error = error.into_flow_error(id);
                let lost = lost.unwrap_or(LostConnection {
                    error,
                    since: now,
                    attempts: 0,
                });
                self.state = State::ScheduledAt(now + delay, Some(lost));
            }
        }
    }

    fn send_due_requests(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
    ) -> Result<(), RequestError> {
        match &mut self.state {
            State::ScheduledAt(time, lost) if *time <= now => {
                let mut lost = lost.take();
                if let Some(lost) = &mut lost {
                    lost.attempts += 1;
                    self.reopened = true;
                }
                let exchange = (self.open)(outbox, self.reopened)?;
                self.state = State::Opening(exchange, lost, now + HEAD_TIMEOUT);
            }
            State::Opening(_, _, limit) if *limit <= now => self.on_open(now, false),
            State::Open(_, last, _) => {
                let last = *last;
                self.check_if_idle(outbox, now, last)?;
            }
            State::Ending(id, limit) if *limit <= now => {
                let id = *id;
                self.on_connection_lost(now, id, ExchangeError::connection_lost());
            }
            State::Ended(exchange, until) if *until <= now => {
                if let Some(exchange) = exchange {
                    outbox.abort(exchange);
                }
                self.end(now);
            }
            _ => {}
        }
        let asks = matches!(self.state, State::Ending(..) | State::Open(..));
        match &mut self.check {
            LivenessCheck::Instance(status) if asks => status.step(outbox, now),
            _ => Ok(()),
        }
    }

    fn check_if_idle(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        last: Duration,
    ) -> Result<(), RequestError> {
        match &mut self.check {
            LivenessCheck::Instance(status)
                if last + INSTANCE_IDLE_LIMIT <= now
                    && status.next_wake() == Some(Duration::MAX) =>
            {
                status.schedule(now);
            }
            LivenessCheck::Hub(version @ None) if last + HUB_IDLE_LIMIT <= now => {
                *version = Some(outbox.send(&GetVersion, Some(RESPONSE_TIMEOUT))?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The question about the state of the instance came to this.
    fn on_status(&mut self, outbox: &mut Outbox, now: Duration, finding: StatusResult) {
        match finding {
            StatusResult::Alive(_) => self.on_alive(now),
            StatusResult::Ended(_) => self.on_instance_ended(outbox, now),
            StatusResult::Unknown(_, error) => self.on_check_failed(outbox, now, &error),
        }
        if let (LivenessCheck::Instance(status), State::Open(..)) = (&mut self.check, &self.state) {
            status.schedule(Duration::MAX);
        }
    }

    /// There is still something to be heard. The next question comes after another silence.
    pub(super) fn on_alive(&mut self, now: Duration) {
        if let State::Open(_, last, _) = &mut self.state {
            *last = now;
        }
    }

    /// The instance has ended.
    pub(super) fn on_instance_ended(&mut self, outbox: &mut Outbox, now: Duration) {
        let state = core::mem::replace(&mut self.state, State::Done);
        self.state = match state {
            // Its connection may have been dead all the time.
            State::Open(exchange, last, false) if self.reopens < MAX_REOPENS => {
                self.reopens += 1;
                let id = exchange.id;
                outbox.abort(&exchange);
                self.state = State::Open(exchange, last, false);
                return self.on_connection_lost(now, id, ExchangeError::connection_lost());
            }
            State::Open(exchange, ..) => State::Ended(Some(exchange), now + GRACE_PERIOD),
            State::Ending(..) => State::Ended(None, now),
            // The list says that there is nothing to open.
            State::ScheduledAt(_, lost) if matches!(self.check, LivenessCheck::External) => {
                self.state = State::ScheduledAt(Duration::MAX, lost);
                return self.end(now);
            }
            // The last lines are in the stream that is about to be opened.
            state => state,
        };
    }

    /// Nobody has answered the question: the connection of the stream is probably dead, too.
    pub(super) fn on_check_failed(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        error: &ExchangeError,
    ) {
        if let State::Open(exchange, last, _) = &mut self.state {
            *last = now;
            if error.is_transient() {
                let id = exchange.id;
                outbox.abort(exchange);
                self.on_connection_lost(now, id, ExchangeError::connection_lost());
            }
        }
    }

    fn handle_stream(&mut self, now: Duration, input: &Input<'_>) {
        let (State::Opening(exchange, ..)
        | State::Open(exchange, ..)
        | State::Ended(Some(exchange), _)) = &mut self.state
        else {
            return;
        };
        let id = exchange.id;
        if input.id() != id {
            return;
        }
        for came in exchange.handle(input) {
            match came {
                ExchangeEvent::Success => self.on_open(now, true),
                ExchangeEvent::Item(item) => {
                    self.on_open(now, true);
                    let reopened = self.reopened;
                    let new = self
                        .deduplicator
                        .as_mut()
                        .is_none_or(|seen| seen.is_new(&item, reopened));
                    if new {
                        self.ready.push_back(Ok(Followed::Item(item)));
                    }
                }
                ExchangeEvent::BadItem(error) => {
                    self.ready.push_back(Err(FlowError::Reply(id, error)))
                }
                ExchangeEvent::End => self.on_stream_end(now, id),
                ExchangeEvent::Error(error) => self.on_connection_lost(now, id, error),
            }
        }
        if let State::Open(_, last, _) = &mut self.state {
            *last = now;
        }
    }

    fn on_stream_end(&mut self, now: Duration, id: ExchangeId) {
        match (&self.subject, &mut self.check) {
            (Subject::Topic(..), _) => return self.end(now),
            (_, LivenessCheck::Hub(_)) => {
                return self.on_connection_lost(now, id, ExchangeError::connection_lost());
            }
            (_, LivenessCheck::Instance(status)) => status.schedule(now),
            (_, LivenessCheck::External) => {}
        }
        self.state = State::Ending(id, now + END_TIMEOUT);
    }
}

impl<D: Decode + 'static> SubFlow for StreamFollower<D> {
    type Output = Followed<D::Item>;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Self::Output> {
        if let Some(next) = self.ready.pop_front() {
            return Some(next);
        }
        if self.cancelled {
            return Some(Err(FlowError::Cancelled));
        }
        if let State::Done = self.state {
            return Some(Ok(Followed::End));
        }
        if let Err(error) = self.send_due_requests(outbox, now) {
            self.fail(error.into());
        }
        // What is to be sent comes first.
        outbox.is_empty().then(|| self.ready.pop_front()).flatten()
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match &mut self.check {
            LivenessCheck::Instance(status) => {
                if let Some(finding) = status.handle(outbox, now, input) {
                    return self.on_status(outbox, now, finding);
                }
            }
            LivenessCheck::Hub(version) => {
                if let Some(result) = version.as_mut().and_then(|exchange| exchange.value(input)) {
                    *version = None;
                    return match result {
                        Ok(_) => self.on_alive(now),
                        Err(error) => self.on_check_failed(outbox, now, &error),
                    };
                }
            }
            LivenessCheck::External => {}
        }
        self.handle_stream(now, input);
    }

    fn next_wake(&self) -> Option<Duration> {
        match (&self.state, &self.check) {
            (State::ScheduledAt(time, _) | State::Opening(_, _, time), _) => Some(*time),
            (State::Open(_, last, _), LivenessCheck::Instance(status)) => {
                match status.next_wake() {
                    Some(Duration::MAX) => Some(*last + INSTANCE_IDLE_LIMIT),
                    time => time,
                }
            }
            (State::Open(_, last, _), LivenessCheck::Hub(None)) => Some(*last + HUB_IDLE_LIMIT),
            (State::Open(..), LivenessCheck::Hub(Some(_)) | LivenessCheck::External) => None,
            (State::Ending(_, limit), LivenessCheck::Instance(status)) => {
                Some(status.next_wake().unwrap_or(*limit).min(*limit))
            }
            (State::Ending(_, limit), _) => Some(*limit),
            (State::Ended(_, until), _) => Some(*until),
            (State::Done, _) => None,
        }
    }

    fn cancel(&mut self, _: &mut Outbox, _: Duration) {
        self.cancelled = true;
    }
}

impl<D: Decode + 'static> Flow for Follow<D> {
    type Output = Result<Followed<D::Item>, FlowError>;

    fn poll(&mut self, now: Duration) -> Command<Self::Output> {
        let part = &mut self.0.sub_flow;
        if part.ready.is_empty() && core::mem::take(&mut part.returned_result) {
            part.restart_idle_time(now);
        }
        let command = self.0.poll(now);
        self.0.sub_flow.returned_result |= matches!(command, Command::Done(_));
        command
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.0.handle(now, &input);
    }

    fn cancel(&mut self, now: Duration) {
        self.0.cancel(now);
    }
}

impl<D: Decode> fmt::Debug for StreamFollower<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Following").field(&self.subject).finish()
    }
}

impl<D: Decode> fmt::Debug for Follow<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("subject", &self.0.sub_flow.subject)
            .finish_non_exhaustive()
    }
}

/// The lines of a log that were given within some seconds before the last one.
#[derive(Default)]
struct RecentLines {
    /// Only lines about this instance count, of the log of the hub.
    instance: Option<InstanceId>,
    /// By their times, with everything that tells one from another.
    lines: BTreeSet<(u64, String)>,
    latest_ms: u64,
}

impl RecentLines {
    /// Lines come from several processes, and may be out of order by so many milliseconds.
    const MAX_DISORDER_MS: u64 = 5_000;
}

impl Deduplicator<LogLine> for RecentLines {
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
            extra,
            ..
        } = line;
        let mut key = (time, format!("{msg} {from:?} {id:?} {data:?}"));
        // Here are the instances. In the log of the hub, a line has more of it than in its own.
        if self.instance.is_none() {
            key.1 += &format!(" {extra:?}");
        }
        let oldest = self.latest_ms.saturating_sub(Self::MAX_DISORDER_MS);
        if again && (time < oldest || self.lines.contains(&key)) {
            return false;
        }
        self.latest_ms = self.latest_ms.max(time);
        self.lines.insert(key);
        let oldest = self.latest_ms.saturating_sub(Self::MAX_DISORDER_MS);
        self.lines = self.lines.split_off(&(oldest, String::new()));
        true
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{Dialect, Version};

    fn line(time: u64, instance: &str) -> LogLine {
        let line = format!(r#"{{"msg":"up","ts":{time},"Runner":{{"id":"{instance}"}}}}"#);
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn follow_counts_no_silence_while_its_caller_takes_its_time() {
        let endpoint = Endpoint::new("http://hub.invalid/api/v1").unwrap();
        let endpoint = endpoint.with_dialect(Dialect::of(Version::new(1, 0, 1)));
        let mut flow = Follow::instance_log(endpoint, InstanceId::new("i").unwrap()).unwrap();
        let (status, headers, reason) = (http::StatusCode::OK, &http::HeaderMap::new(), "OK");
        let answer = |flow: &mut Follow<_>, time: u64, body: &str| {
            let time = Duration::from_millis(time);
            let Command::Send(send) = flow.poll(time) else {
                panic!("nothing is asked");
            };
            let (id, bytes) = (send.id, body.as_bytes());
            let head = Input::Head {
                id,
                status,
                reason,
                headers,
            };
            flow.handle(time, head);
            flow.handle(time, Input::Body { id, bytes });
            id
        };
        let poll = |flow: &mut Follow<_>, time: u64| flow.poll(Duration::from_millis(time));
        let is_item = |command: &Command<Result<Followed<LogLine>, FlowError>>| {
            matches!(command, Command::Done(Ok(Followed::Item(_))))
        };
        let log = answer(&mut flow, 0, "{\"msg\":\"one\"}\n");
        assert!(matches!(
            poll(&mut flow, 0),
            Command::Done(Ok(Followed::Opened))
        ));
        assert!(is_item(&poll(&mut flow, 0)));
        // Two seconds of silence are asked about.
        assert!(matches!(poll(&mut flow, 10_000), Command::Wait { .. }));
        let asked = answer(&mut flow, 12_000, r#"{"id":"i","ended":"x"}"#);
        flow.handle(Duration::from_secs(12), Input::End { id: asked });
        for time in [12_100, 20_000] {
            assert!(matches!(poll(&mut flow, time), Command::Wait { .. }));
            let bytes = b"{\"msg\":\"more\"}\n";
            flow.handle(Duration::from_millis(time), Input::Body { id: log, bytes });
            assert!(is_item(&poll(&mut flow, time)));
        }
        assert!(matches!(poll(&mut flow, 30_000), Command::Wait { .. }));
        assert!(matches!(poll(&mut flow, 30_500), Command::Abort(_)));
        assert!(matches!(
            poll(&mut flow, 30_500),
            Command::Done(Ok(Followed::End))
        ));
    }

    #[test]
    fn the_same_line_of_two_instances_is_none_that_comes_again() {
        let mut seen = RecentLines::default();
        assert!(seen.is_new(&line(10_000, "a"), false));
        assert!(!seen.is_new(&line(10_000, "a"), true));
        assert!(seen.is_new(&line(10_000, "b"), true));
        assert!(seen.is_new(&line(10_001, "a"), true));
        // Older than all that may be out of order.
        assert!(!seen.is_new(&line(5_000, "c"), true));
    }
}
