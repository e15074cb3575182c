//! Streams that outlive their connections.

use std::fmt;
use std::time::Duration;

use scramjet_client_core::flow::{self, Flow, FlowError, InstanceLogLine};
use scramjet_client_core::{Chunks, Decode, InstanceId, JsonLines, Operation, TextLines};
use serde::de::DeserializeOwned;

use crate::call::context::CallContext;
use crate::client::Client;
use crate::client::flow_driver::Driver;
use crate::error::Error;

/// A stream that is opened again if its connection is lost: an iterator of what comes, and of the
/// gaps.
///
/// It ends when the instance has ended or is gone, or the topic has ended; this is noticed at the
/// latest some seconds after the last item. The handle's deadline bounds the whole of it, and its
/// token ends it; without either it goes on, trying again every 5 seconds. Refusals are errors and
/// the end. An item that cannot be read is an error of its own, as in [`Items`](crate::stream::Items).
///
/// A silence is looked into, because a link may be dead without a word: after 2 seconds the hub is
/// asked for the state of the instance, and after 15 seconds for its version if the stream is the
/// log of a hub or a topic. If it does not answer, the stream is opened again.
///
/// ```no_run
/// use scramjet_client_blocking::Followed;
/// # use scramjet_client_blocking::HostClient;
/// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
/// for line in instance.follow_log()? {
///     match line? {
///         Followed::Item(line) => println!("{}", line.msg),
///         Followed::Gap(gap) => println!("(something may be missing here: {})", gap.error),
///     }
/// }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
pub struct Follow<D: Decode + 'static>(Following<flow::Follow<D>>);

/// An item of a [`Follow`] or [`FollowLogs`].
#[derive(Debug)]
pub enum Followed<T> {
    /// The next item.
    Item(T),
    /// The connection was lost. What was written meanwhile may be missing.
    Gap(Gap),
}

/// A time in which nothing was heard.
#[derive(Debug)]
#[non_exhaustive]
pub struct Gap {
    /// The instance whose log or events were lost. `None` if it was the log of a hub, or a topic.
    pub instance: Option<InstanceId>,
    /// How the connection was lost.
    pub error: Error,
    /// How many times it was tried to open the stream again.
    pub attempts: u32,
    /// From the loss until the stream was open again, or the instance was found to be gone.
    pub lasted: Duration,
}

/// A flow that tells what it follows, item by item.
struct Following<F> {
    driver: Driver<F>,
    over: bool,
}

impl<F, T> Following<F>
where
    F: Flow<Output = Result<flow::Followed<T>, FlowError>>,
{
    /// Opens the stream. Returns when its head is there, or after a second: a proxy may keep it
    /// back until something is written.
    fn start(client: &Client, about: CallContext, flow: F) -> Result<Self, Error> {
        let mut driver = Driver::new(client, about, flow)?;
        while !matches!(driver.next()?, flow::Followed::Opened) {}
        let over = false;
        Ok(Self { driver, over })
    }

    fn next(&mut self) -> Option<Result<Followed<T>, Error>> {
        loop {
            if self.over {
                return None;
            }
            return Some(match self.driver.next() {
                Ok(flow::Followed::Opened) => continue,
                Ok(flow::Followed::End) => {
                    self.over = true;
                    return None;
                }
                Ok(flow::Followed::Item(item)) => Ok(Followed::Item(item)),
                Ok(flow::Followed::Gap {
                    instance,
                    error,
                    attempts,
                    lasted,
                }) => {
                    let error = self.driver.error(error);
                    Ok(Followed::Gap(Gap {
                        instance,
                        error,
                        attempts,
                        lasted,
                    }))
                }
                Err(error) => {
                    self.over = !error.is_idle() && !error.is_of_item();
                    Err(error)
                }
            });
        }
    }
}

impl<D: Decode + 'static> Follow<D> {
    pub(crate) fn start<O: Operation>(
        client: &Client,
        operation: &O,
        flow: flow::Follow<D>,
    ) -> Result<Self, Error> {
        Following::start(client, client.describe(operation), flow).map(Self)
    }
}

impl Follow<Chunks> {
    /// Its lines, like [`ByteStream::lines`](crate::ByteStream::lines). A line in which the
    /// connection was lost does not come.
    #[must_use]
    pub fn lines(self) -> Follow<TextLines> {
        self.decode(TextLines::default)
    }

    /// Its lines as values, like [`ByteStream::json_lines`](crate::ByteStream::json_lines). A line
    /// in which the connection was lost does not come.
    #[must_use]
    pub fn json_lines<T: DeserializeOwned + 'static>(self) -> Follow<JsonLines<T>> {
        self.decode(JsonLines::default)
    }

    fn decode<D: Decode + 'static>(self, decoder: fn() -> D) -> Follow<D> {
        let Following { driver, over } = self.0;
        Follow(Following {
            driver: driver.map(|flow| flow.decode(decoder)),
            over,
        })
    }
}

impl<D: Decode + 'static> Iterator for Follow<D> {
    type Item = Result<Followed<D::Item>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<D: Decode> fmt::Debug for Follow<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("over", &self.0.over)
            .finish_non_exhaustive()
    }
}

/// One log of many instances, over lost connections: an iterator of the lines, each with the id of
/// its instance, and of the gaps.
///
/// [`HostClient::follow_logs`](crate::HostClient::follow_logs) follows all instances of a hub, also
/// those that are started later. It does not end.
/// [`HostClient::follow_logs_of`](crate::HostClient::follow_logs_of) follows the given ones, and
/// ends when all of them have ended.
///
/// ```no_run
/// use scramjet_client_blocking::Followed;
/// # use scramjet_client_blocking::HostClient;
/// # let host = HostClient::new("http://localhost:8000/api/v1")?;
/// for item in host.follow_logs()? {
///     match item? {
///         Followed::Item(log) => println!("{} {}", log.instance, log.line.msg),
///         Followed::Gap(gap) => println!("(something may be missing here: {})", gap.error),
///     }
/// }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
///
/// # History
/// The lines that the hub has kept come first, and then new ones as they are written. To leave the
/// history out, skip lines by their [`time_ms`](crate::types::LogLine::time_ms).
///
/// - A hub since 0.27.0 gives all readers the whole history, up to some MB. That includes lines of
///   instances that have ended; [`follow_logs`](crate::HostClient::follow_logs) has them, too.
/// - An older hub keeps the log of an instance only while nobody reads it, and gives it once. If
///   there are several readers, new lines go to all of them. When the instance has ended, its log
///   is gone.
///
/// # Order
/// Lines come as the hub sends them. Those of an instance's process and those of the hub about it
/// may change places within some milliseconds. Between instances on a hub before 0.27.0, there is
/// no order; compare `time_ms`.
///
/// # Ends and gaps
/// A lost connection is a [`Gap`], and the streams are opened again; lines that come again are left
/// out. On a hub before 0.27.0, each instance has a stream of its own, so that an outage makes a
/// gap for each of them, with its id.
///
/// The end of an instance is noticed within a second. On a hub since 0.27.0, another second passes
/// until its lines are surely complete, or up to 6 if other instances write all the time. The
/// instances of a hub that was restarted have ended.
///
/// The handle's deadline bounds the whole, and its token ends it. An idle timeout is an error if no
/// line has come for so long, and the next call goes on. Refusals are errors and the end. A line
/// that cannot be read is an error of its own.
///
/// # Costs
/// | hub | connections and threads | requests |
/// |---|---|---|
/// | since 0.27.0, all instances | 1 | `GET version` after 15 seconds of silence |
/// | since 0.27.0, given instances | 1 | `GET instances` each second |
/// | before | 1 for each instance that runs | `GET instances` each second |
///
/// On a hub before 0.27.0, a new instance is found within a second. One that lives shorter may not
/// be seen at all.
///
/// The first call returns when all streams are open, or after a second if some are not. Afterwards,
/// requests are sent and instances found only during a call of `next`. If nobody calls it, the hub
/// is held up after some buffers, and with it other readers of the same logs.
pub struct FollowLogs(Following<flow::FollowLogs>);

impl FollowLogs {
    pub(crate) fn start(client: &Client, flow: flow::FollowLogs) -> Result<Self, Error> {
        Following::start(client, CallContext::in_general("follow logs"), flow).map(Self)
    }
}

impl Iterator for FollowLogs {
    type Item = Result<Followed<InstanceLogLine>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl fmt::Debug for FollowLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowLogs")
            .field("over", &self.0.over)
            .finish_non_exhaustive()
    }
}
