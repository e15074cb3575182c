//! Streams that outlive their connections.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::call::{Call, CallError, Came, Outbox, Part, Whole};
use super::outage::{Outage, OutageTolerance};
use super::status::{Finding, StatusCheck};
use super::{Command, ExchangeId, Flow, FlowError, Input, Outcome};
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
pub struct Follow<D: Decode>(Whole<Following<D>>);

/// The following of one stream, as a part of a flow.
pub(super) struct Following<D: Decode> {
    subject: Subject,
    open: Box<Open<D>>,
    seen: Option<Box<dyn Seen<D::Item> + Send + Sync>>,
    state: State<D>,
    /// The stream was opened again, and its head has not come yet.
    gap: Option<Lost>,
    ready: VecDeque<Result<Followed<D::Item>, FlowError>>,
    check: Check,
    /// How many times the stream of an ended instance was opened again, because it had not
    /// answered.
    doubts: u32,
    outage: Outage,
    began: bool,
    reopened: bool,
    /// A `404` is the end of the instance, because it was known before.
    known: bool,
    /// Something was told since the flow waited last, if this is the whole flow.
    told: bool,
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

/// The question after a silence: is there still something to be heard?
enum Check {
    /// For the state of the instance.
    Instance(StatusCheck),
    /// For the version of the hub, which answers if it is there.
    Hub(Option<Call<Json<HubVersion>>>),
    /// None: the flow that this is a part of asks, and tells.
    Elsewhere,
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
        Self(Whole::new(endpoint, Following::hub_log()))
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
            false => open_log(outbox, &of),
        };
        let seen = SeenLines {
            instance: Some(id.clone()),
            ..SeenLines::default()
        };
        let following = Following::new(Subject::InstanceLog(id), open).skipping(seen);
        Ok(Self(Whole::new(endpoint, following)))
    }
}

fn open_log(
    outbox: &mut Outbox,
    id: &InstanceId,
) -> Result<Call<JsonLines<LogLine>>, RequestError> {
    let stream = OutputStream::Log;
    outbox.send_for(&ReadStream { id, stream }, JsonLines::default())
}

impl Following<JsonLines<LogLine>> {
    /// The log of the hub.
    pub(super) fn hub_log() -> Self {
        let open = |outbox: &mut Outbox, _| outbox.send_for(&ReadLog, JsonLines::default());
        Self::new(Subject::HubLog, open).skipping(SeenLines::default())
    }

    /// The log of an instance that the hub has listed. It is for the flow that this is a part of to
    /// ask for its state, and to tell. It is opened however often that fails at first, and there is
    /// no [`Followed::Opened`].
    pub(super) fn log_of_listed(id: InstanceId) -> Self {
        let of = id.clone();
        let open = move |outbox: &mut Outbox, _| open_log(outbox, &of);
        Self {
            check: Check::Elsewhere,
            began: true,
            known: true,
            ..Self::new(Subject::InstanceLog(id), open).skipping(SeenLines::default())
        }
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
        let following = Following::new(subject, move |outbox: &mut Outbox, _| {
            outbox.send(
                &ReadEvents {
                    id: &id,
                    name: &name,
                },
                None,
            )
        });
        Ok(Self(Whole::new(endpoint, following)))
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
        let following = Following::new(subject, move |outbox: &mut Outbox, _| {
            outbox.send_for(
                &ReadTopic {
                    name: &name,
                    content_type,
                },
                decoder(),
            )
        });
        Self(Whole::new(endpoint, following))
    }
}

impl Following<Chunks> {
    fn decode<D>(self, decoder: impl Fn() -> D + Send + Sync + 'static) -> Following<D>
    where
        D: Decode + 'static,
    {
        let Self {
            subject,
            open,
            state,
            gap,
            ready,
            check,
            doubts,
            outage,
            began,
            reopened,
            known,
            told,
            given_up,
            ..
        } = self;
        let decoder = Arc::new(decoder);
        let again = Arc::clone(&decoder);
        let mut follow = Following {
            subject,
            open: Box::new(move |outbox, lost| Ok(open(outbox, lost)?.decode_by(again()))),
            seen: None,
            state: state.map(|call| call.decode_by(decoder())),
            gap,
            ready: VecDeque::new(),
            check,
            doubts,
            outage,
            began,
            reopened,
            known,
            told,
            given_up,
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

impl<D: Decode + 'static> Following<D> {
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

    fn new(
        subject: Subject,
        open: impl Fn(&mut Outbox, bool) -> Result<Call<D>, RequestError> + Send + Sync + 'static,
    ) -> Self {
        let check = match subject.instance() {
            Some(id) => {
                Check::Instance(StatusCheck::at(Duration::MAX, id.clone(), INSTANCE_SILENCE))
            }
            None => Check::Hub(None),
        };
        Self {
            subject,
            open: Box::new(open),
            seen: None,
            state: State::At(Duration::ZERO, None),
            gap: None,
            ready: VecDeque::new(),
            check,
            doubts: 0,
            outage: Outage::new(OutageTolerance::ENDLESS),
            began: false,
            reopened: false,
            known: false,
            told: false,
            given_up: false,
        }
    }

    fn skipping(self, seen: impl Seen<D::Item> + Send + Sync + 'static) -> Self {
        Self {
            seen: Some(Box::new(seen)),
            ..self
        }
    }

    /// Nothing comes any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over) && self.ready.is_empty()
    }

    /// The stream is about to be opened for the first time.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, State::At(_, None) | State::Opening(_, None, _))
    }

    /// The stream has ended, and it is not known yet if the instance has, too.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending(..))
    }

    /// The time since which nothing has come of a stream that is open, and if its head has come.
    pub(super) fn quiet_since(&self) -> Option<(Duration, bool)> {
        match &self.state {
            State::Open(_, last, headed) => Some((*last, *headed)),
            _ => None,
        }
    }

    /// The caller has taken all that was told. While it did, there was no silence, and more may
    /// have come to the driver.
    pub(super) fn waits_again(&mut self, now: Duration) {
        match &mut self.state {
            State::Open(_, last, _) => *last = now,
            State::Ended(Some(_), until) => *until = now + ECHO,
            _ => {}
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
        self.tell_gap(now, lost);
        self.ready.push_back(Ok(Followed::End));
    }

    fn tell_gap(&mut self, now: Duration, lost: Option<Lost>) {
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
            let gap = self.gap.take();
            self.tell_gap(now, gap);
        }
    }

    /// The connection was lost, or the stream could not be opened.
    fn lost(&mut self, now: Duration, id: ExchangeId, error: CallError) {
        let is_hubs = error.is_hubs_not_found();
        let state = core::mem::replace(&mut self.state, State::Over);
        if let State::Ended(_, until) = state {
            self.state = State::Ended(None, until);
            return;
        }
        // A gateway that does not reach the hub may say 404, too.
        let passes = error.may_succeed_later() || (error.has_status(404) && !is_hubs);
        let lost = match state {
            State::At(_, lost) | State::Opening(_, lost, _) => lost,
            _ => self.gap.take(),
        };
        // Without a gap, nothing was ever read of it.
        let was_there = self.reopened || self.known;
        if is_hubs && was_there && self.subject.instance().is_some() {
            // What it wrote before it was gone cannot be read any more.
            let lost = lost.unwrap_or(Lost {
                error: error.of(id),
                since: now,
                attempts: 1,
            });
            self.state = State::At(Duration::MAX, Some(lost));
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

    fn send(&mut self, outbox: &mut Outbox, now: Duration) -> Result<(), RequestError> {
        match &mut self.state {
            State::At(time, lost) if *time <= now => {
                let mut lost = lost.take();
                if let Some(lost) = &mut lost {
                    lost.attempts += 1;
                    self.reopened = true;
                }
                let call = (self.open)(outbox, self.reopened)?;
                self.state = State::Opening(call, lost, now + HEAD_LIMIT);
            }
            State::Opening(_, _, limit) if *limit <= now => self.opened(now, false),
            State::Open(_, last, _) => {
                let last = *last;
                self.check_after_silence(outbox, now, last)?;
            }
            State::Ending(id, limit) if *limit <= now => {
                let id = *id;
                self.lost(now, id, CallError::cut_off());
            }
            State::Ended(call, until) if *until <= now => {
                if let Some(call) = call {
                    outbox.close(call);
                }
                self.end(now);
            }
            _ => {}
        }
        let asks = matches!(self.state, State::Ending(..) | State::Open(..));
        match &mut self.check {
            Check::Instance(status) if asks => status.step(outbox, now),
            _ => Ok(()),
        }
    }

    fn check_after_silence(
        &mut self,
        outbox: &mut Outbox,
        now: Duration,
        last: Duration,
    ) -> Result<(), RequestError> {
        match &mut self.check {
            Check::Instance(status)
                if last + INSTANCE_SILENCE <= now && status.wakes() == Some(Duration::MAX) =>
            {
                status.ask_now(now);
            }
            Check::Hub(version @ None) if last + HUB_SILENCE <= now => {
                *version = Some(outbox.send(&GetVersion, Some(ANSWER_LIMIT))?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The question about the state of the instance came to this.
    fn checked(&mut self, outbox: &mut Outbox, now: Duration, finding: Finding) {
        match finding {
            Finding::Alive(_) => self.alive(now),
            Finding::Ended(_) => self.ended(outbox, now),
            Finding::Unknown(_, error) => self.unanswered(outbox, now, &error),
        }
        if let (Check::Instance(status), State::Open(..)) = (&mut self.check, &self.state) {
            status.ask_now(Duration::MAX);
        }
    }

    /// There is still something to be heard. The next question comes after another silence.
    pub(super) fn alive(&mut self, now: Duration) {
        if let State::Open(_, last, _) = &mut self.state {
            *last = now;
        }
    }

    /// The instance has ended.
    pub(super) fn ended(&mut self, outbox: &mut Outbox, now: Duration) {
        let state = core::mem::replace(&mut self.state, State::Over);
        self.state = match state {
            // Its connection may have been dead all the time.
            State::Open(call, last, false) if self.doubts < DOUBTS => {
                self.doubts += 1;
                let id = call.id;
                outbox.close(&call);
                self.state = State::Open(call, last, false);
                return self.lost(now, id, CallError::cut_off());
            }
            State::Open(call, ..) => State::Ended(Some(call), now + ECHO),
            State::Ending(..) => State::Ended(None, now),
            // The list says that there is nothing to open.
            State::At(_, lost) if matches!(self.check, Check::Elsewhere) => {
                self.state = State::At(Duration::MAX, lost);
                return self.end(now);
            }
            // The last lines are in the stream that is about to be opened.
            state => state,
        };
    }

    /// Nobody has answered the question: the connection of the stream is probably dead, too.
    pub(super) fn unanswered(&mut self, outbox: &mut Outbox, now: Duration, error: &CallError) {
        if let State::Open(call, last, _) = &mut self.state {
            *last = now;
            if error.may_succeed_later() {
                let id = call.id;
                outbox.close(call);
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
        match (&self.subject, &mut self.check) {
            (Subject::Topic(..), _) => return self.end(now),
            (_, Check::Hub(_)) => return self.lost(now, id, CallError::cut_off()),
            (_, Check::Instance(status)) => status.ask_now(now),
            (_, Check::Elsewhere) => {}
        }
        self.state = State::Ending(id, now + END_LIMIT);
    }
}

impl<D: Decode + 'static> Part for Following<D> {
    type Value = Followed<D::Item>;

    fn step(&mut self, outbox: &mut Outbox, now: Duration) -> Outcome<Self::Value> {
        if let Some(next) = self.ready.pop_front() {
            return Some(next);
        }
        if self.given_up {
            return Some(Err(FlowError::GivenUp));
        }
        if let State::Over = self.state {
            return Some(Ok(Followed::End));
        }
        if let Err(error) = self.send(outbox, now) {
            self.fail(error.into());
        }
        // What is to be sent comes first.
        outbox.is_empty().then(|| self.ready.pop_front()).flatten()
    }

    fn handle(&mut self, outbox: &mut Outbox, now: Duration, input: &Input<'_>) {
        match &mut self.check {
            Check::Instance(status) => {
                if let Some(finding) = status.handle(outbox, now, input) {
                    return self.checked(outbox, now, finding);
                }
            }
            Check::Hub(version) => {
                if let Some(result) = version.as_mut().and_then(|call| call.value(input)) {
                    *version = None;
                    return match result {
                        Ok(_) => self.alive(now),
                        Err(error) => self.unanswered(outbox, now, &error),
                    };
                }
            }
            Check::Elsewhere => {}
        }
        self.streamed(now, input);
    }

    fn wakes(&self) -> Option<Duration> {
        match (&self.state, &self.check) {
            (State::At(time, _) | State::Opening(_, _, time), _) => Some(*time),
            (State::Open(_, last, _), Check::Instance(status)) => match status.wakes() {
                Some(Duration::MAX) => Some(*last + INSTANCE_SILENCE),
                time => time,
            },
            (State::Open(_, last, _), Check::Hub(None)) => Some(*last + HUB_SILENCE),
            (State::Open(..), Check::Hub(Some(_)) | Check::Elsewhere) => None,
            (State::Ending(_, limit), Check::Instance(status)) => {
                Some(status.wakes().unwrap_or(*limit).min(*limit))
            }
            (State::Ending(_, limit), _) => Some(*limit),
            (State::Ended(_, until), _) => Some(*until),
            (State::Over, _) => None,
        }
    }

    fn give_up(&mut self, _: &mut Outbox, _: Duration) {
        self.given_up = true;
    }
}

impl<D: Decode + 'static> Flow for Follow<D> {
    type Output = Result<Followed<D::Item>, FlowError>;

    fn poll(&mut self, now: Duration) -> Command<Self::Output> {
        let part = &mut self.0.part;
        if part.ready.is_empty() && core::mem::take(&mut part.told) {
            part.waits_again(now);
        }
        let command = self.0.poll(now);
        self.0.part.told |= matches!(command, Command::Done(_));
        command
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.0.handle(now, &input);
    }

    fn give_up(&mut self, now: Duration) {
        self.0.give_up(now);
    }
}

impl<D: Decode> fmt::Debug for Following<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Following").field(&self.subject).finish()
    }
}

impl<D: Decode> fmt::Debug for Follow<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("subject", &self.0.part.subject)
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
            extra,
            ..
        } = line;
        let mut key = (time, format!("{msg} {from:?} {id:?} {data:?}"));
        // Here are the instances. In the log of the hub, a line has more of it than in its own.
        if self.instance.is_none() {
            key.1 += &format!(" {extra:?}");
        }
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
        let mut seen = SeenLines::default();
        assert!(seen.is_new(&line(10_000, "a"), false));
        assert!(!seen.is_new(&line(10_000, "a"), true));
        assert!(seen.is_new(&line(10_000, "b"), true));
        assert!(seen.is_new(&line(10_001, "a"), true));
        // Older than all that may be out of order.
        assert!(!seen.is_new(&line(5_000, "c"), true));
    }
}
