//! Follows a stream across lost connections.

mod decoder;
mod follower;
mod reactions;
mod recent_lines;
mod requests;
#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;

pub(super) use self::follower::StreamFollower;
use self::follower::open_log;
use self::recent_lines::RecentLines;
use super::outbox::Outbox;
use super::sub_flow::RootFlow;
use super::{Command, Flow, FlowError, Input};
use crate::{
    Chunks, ContentType, Decode, Endpoint, EventLines, EventName, InstanceId, JsonLines, LogLine,
    Operation, ReadEvents, ReadLog, ReadTopic, RequestError, TopicName,
};

/// A stream that can be followed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Subject {
    /// The log of the hub, which never ends.
    HubLog,
    /// The log of an instance.
    InstanceLog(InstanceId),
    /// The events of an instance that have this name.
    Events(InstanceId, EventName),
    /// A topic, which ends when the hub closes the stream.
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

/// A result of [`Follow`] or [`FollowLogs`](super::FollowLogs).
#[derive(Debug)]
pub enum Followed<T> {
    /// The stream is open, or its head has not arrived within a second. The first result, unless
    /// the stream cannot be opened. Yielded only once.
    Opened,
    /// The next item.
    Item(T),
    /// Items may be missing here.
    ///
    /// The connection was lost and the stream is open again, or the hub removed the instance before
    /// its log could be read.
    Gap {
        /// The instance whose log or events are affected. `None` for the log of the hub and topics.
        instance: Option<InstanceId>,
        /// The error that ended the connection.
        error: FlowError,
        /// The number of attempts to open the stream again.
        attempts: u32,
        /// Time from the loss until the stream was open again, or until the hub reported that the
        /// instance no longer exists.
        lasted: Duration,
    },
    /// The instance or the topic has ended.
    End,
}

impl<T> Followed<T> {
    /// Returns the item, or the same result for a flow with other items.
    pub(super) fn into_item<U>(self) -> Result<T, Followed<U>> {
        Err(match self {
            Self::Item(item) => return Ok(item),
            Self::Opened => Followed::Opened,
            Self::Gap {
                instance,
                error,
                attempts,
                lasted,
            } => Followed::Gap {
                instance,
                error,
                attempts,
                lasted,
            },
            Self::End => Followed::End,
        })
    }
}

/// Follows a stream and opens it again if the connection is lost.
///
/// This flow yields many results. After each [`Command::Done`], the driver polls it again and
/// leaves the exchange open. The last result is [`Followed::End`] or an error. One kind of error is
/// not the last result: a [`FlowError::Reply`] for an item that cannot be decoded. After any other
/// error except [`FlowError::Cancelled`], the next result is [`Followed::End`].
///
/// If the stream cannot be opened at first, the flow fails. After that, it retries without a limit
/// as long as the errors are transient. If a stream is idle, the flow requests the status of the
/// instance every 2 seconds, or the version of the hub every 15 seconds, to notice a dead
/// connection and the end of the instance.
///
/// After a gap, the log of a hub starts again with its history. The flow skips the lines that it
/// has already yielded. A hub since 0.27.0 sends the past lines of an instance only to the first
/// reader of its log. So after a gap, the flow takes the lines about the instance from the log of
/// the hub.
pub struct Follow<D: Decode>(RootFlow<StreamFollower<D>>);

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
        let is_written_once = dialect.remembers_ended_instances();
        let log_of = id.clone();
        let open = move |outbox: &mut Outbox, again| match again && is_written_once {
            true => outbox.open_stream(&ReadLog, JsonLines::default()),
            false => open_log(outbox, &log_of),
        };
        let lines = RecentLines::about(id.clone());
        let following =
            StreamFollower::new(Subject::InstanceLog(id), open).with_deduplicator(lines);
        Ok(Self(RootFlow::new(endpoint, following)))
    }
}

impl Follow<EventLines> {
    /// Follows the events called `name`. Events that are emitted during a gap are lost.
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
    /// Follows a topic and yields its data in chunks.
    #[must_use]
    pub fn topic(endpoint: Endpoint, name: TopicName, content_type: ContentType) -> Self {
        Self::topic_as(endpoint, name, content_type, Chunks::default)
    }

    /// Decodes the data with `decoder`, including chunks that have arrived already. Each connection
    /// gets a new decoder.
    #[must_use]
    pub fn decode<D>(self, decoder: impl Fn() -> D + Send + Sync + 'static) -> Follow<D>
    where
        D: Decode + 'static,
    {
        Follow(self.0.map(|following| following.decode(decoder)))
    }
}

impl<D: Decode + 'static> Follow<D> {
    /// Follows a topic and decodes its data with `decoder`. Each connection gets a new decoder.
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

impl<D: Decode> fmt::Debug for Follow<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("subject", &self.0.sub_flow.subject)
            .finish_non_exhaustive()
    }
}
