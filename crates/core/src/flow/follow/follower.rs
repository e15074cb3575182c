//! The state of a followed stream.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::fmt;
use core::time::Duration;

use super::recent_lines::{Deduplicator, RecentLines};
use super::requests::INSTANCE_IDLE_LIMIT;
use super::{Followed, Subject};
use crate::flow::exchange::OpenExchange;
use crate::flow::outage::{OutageTolerance, OutageTracker};
use crate::flow::outbox::Outbox;
use crate::flow::status::StatusCheck;
use crate::flow::{ExchangeId, FlowError};
use crate::{
    Decode, HubVersion, InstanceId, Json, JsonLines, LogLine, OutputStream, ReadLog, ReadStream,
    RequestError,
};

/// Time that a stream may continue after its instance has ended.
pub(super) const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// The time of a status request that is not scheduled.
pub(super) const NEVER: Duration = Duration::MAX;

/// The sub-flow that follows one stream.
pub(in crate::flow) struct StreamFollower<D: Decode> {
    pub(super) subject: Subject,
    pub(super) open: Box<Open<D>>,
    pub(super) deduplicator: Option<Box<dyn Deduplicator<D::Item> + Send + Sync>>,
    pub(super) state: State<D>,
    /// The last loss of the connection. Reported when the head of the new response arrives.
    pub(super) gap: Option<LostConnection>,
    pub(super) ready: VecDeque<Result<Followed<D::Item>, FlowError>>,
    pub(super) check: LivenessCheck,
    /// The number of times that the stream was opened again after the end of its instance.
    pub(super) reopens: u32,
    pub(super) outage: OutageTracker,
    pub(super) was_opened: bool,
    pub(super) reopened: bool,
    /// The hub has listed the instance, so a `404` means that it no longer exists.
    pub(super) instance_is_known: bool,
    /// A result was returned since the flow waited last. Unused if this is part of another flow.
    pub(super) returned_result: bool,
    pub(super) cancelled: bool,
}

/// Requests the stream. The second argument is `true` if the stream was open before.
pub(super) type Open<D> =
    dyn Fn(&mut Outbox, bool) -> Result<OpenExchange<D>, RequestError> + Send + Sync;

pub(super) enum State<D> {
    /// To be requested at this time.
    ScheduledAt(Duration, Option<LostConnection>),
    /// Requested. At this time, the stream counts as open even if its head has not arrived.
    Opening(OpenExchange<D>, Option<LostConnection>, Duration),
    /// Open, with the time of the last input, and `true` if the head has arrived.
    Open(OpenExchange<D>, Duration, bool),
    /// The stream has ended. Until this time, the flow waits for the end of the instance.
    Ending(ExchangeId, Duration),
    /// The instance has ended. Its last items may arrive until this time.
    Ended(Option<OpenExchange<D>>, Duration),
    Done,
}

/// The loss of a connection.
pub(super) struct LostConnection {
    pub(super) error: FlowError,
    pub(super) since: Duration,
    pub(super) attempts: u32,
}

/// The request that is sent when a stream is idle, to see if it can still yield anything.
pub(super) enum LivenessCheck {
    /// Requests the status of the instance.
    Instance(StatusCheck),
    /// Requests the version of the hub, to see if it is reachable.
    Hub(Option<OpenExchange<Json<HubVersion>>>),
    /// No request. This is part of another flow, which checks the instance and calls the `on_…`
    /// methods.
    External,
}

impl StreamFollower<JsonLines<LogLine>> {
    pub(in crate::flow) fn hub_log() -> Self {
        let open = |outbox: &mut Outbox, _| outbox.open_stream(&ReadLog, JsonLines::default());
        Self::new(Subject::HubLog, open).with_deduplicator(RecentLines::default())
    }

    /// Follows the log of an instance that the hub has listed, as part of a flow that checks the
    /// instance itself.
    ///
    /// Retries even if the log cannot be opened at first, and does not yield [`Followed::Opened`].
    pub(in crate::flow) fn listed_instance_log(id: InstanceId) -> Self {
        let log_of = id.clone();
        let open = move |outbox: &mut Outbox, _| open_log(outbox, &log_of);
        Self {
            check: LivenessCheck::External,
            was_opened: true,
            instance_is_known: true,
            ..Self::new(Subject::InstanceLog(id), open).with_deduplicator(RecentLines::default())
        }
    }
}

pub(super) fn open_log(
    outbox: &mut Outbox,
    id: &InstanceId,
) -> Result<OpenExchange<JsonLines<LogLine>>, RequestError> {
    let stream = OutputStream::Log;
    outbox.open_stream(&ReadStream { id, stream }, JsonLines::default())
}

impl<D: Decode + 'static> StreamFollower<D> {
    pub(super) fn new(
        subject: Subject,
        open: impl Fn(&mut Outbox, bool) -> Result<OpenExchange<D>, RequestError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let check = match subject.instance() {
            Some(id) => {
                LivenessCheck::Instance(StatusCheck::new(NEVER, id.clone(), INSTANCE_IDLE_LIMIT))
            }
            None => LivenessCheck::Hub(None),
        };
        Self {
            subject,
            open: Box::new(open),
            deduplicator: None,
            state: State::ScheduledAt(Duration::ZERO, None),
            gap: None,
            ready: VecDeque::new(),
            check,
            reopens: 0,
            outage: OutageTracker::new(OutageTolerance::ENDLESS),
            was_opened: false,
            reopened: false,
            instance_is_known: false,
            returned_result: false,
            cancelled: false,
        }
    }

    pub(super) fn with_deduplicator(
        self,
        seen: impl Deduplicator<D::Item> + Send + Sync + 'static,
    ) -> Self {
        Self {
            deduplicator: Some(Box::new(seen)),
            ..self
        }
    }

    /// Returns `true` if there are no more results.
    pub(in crate::flow) fn is_done(&self) -> bool {
        matches!(self.state, State::Done) && self.ready.is_empty()
    }

    /// Returns `true` until the stream is open for the first time.
    pub(in crate::flow) fn is_opening(&self) -> bool {
        matches!(
            self.state,
            State::ScheduledAt(_, None) | State::Opening(_, None, _)
        )
    }

    /// Returns `true` if the stream has ended and the end of the instance is not confirmed yet.
    pub(in crate::flow) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending(..))
    }

    /// Returns the time of the last input of an open stream, and `true` if its head has arrived.
    pub(in crate::flow) fn idle_since(&self) -> Option<(Duration, bool)> {
        match &self.state {
            State::Open(_, last, has_head) => Some((*last, *has_head)),
            _ => None,
        }
    }

    /// Restarts the idle time when the caller has taken all results. Before that, the driver did
    /// not poll, so data may have arrived that the flow has not seen.
    pub(in crate::flow) fn restart_idle_time(&mut self, now: Duration) {
        match &mut self.state {
            State::Open(_, last, _) => *last = now,
            State::Ended(Some(_), until) => *until = now + GRACE_PERIOD,
            _ => {}
        }
    }
}

impl<D: Decode> fmt::Debug for StreamFollower<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamFollower")
            .field(&self.subject)
            .finish()
    }
}
