//! Streams that reconnect.

use std::fmt;
use std::time::Duration;

use scramjet_client_core::flow::{self, Flow, FlowError, InstanceLogLine};
use scramjet_client_core::{Chunks, Decode, InstanceId, JsonLines, Operation, TextLines};
use serde::de::DeserializeOwned;

use crate::call::context::CallContext;
use crate::client::Client;
use crate::client::flow_driver::Driver;
use crate::error::Error;

/// A stream that reconnects when its connection is lost. It is an iterator over items and gaps.
///
/// The iterator ends when the instance or the topic has ended, at most some seconds after the last
/// item. The handle's deadline limits its whole duration, and the handle's token cancels it.
/// Without them it tries to reconnect forever, at intervals of up to 5 seconds. If the hub refuses
/// the stream, the iterator returns the error and ends. An item that cannot be decoded is an error,
/// after which the iterator continues, as in [`Items`](crate::stream::Items).
///
/// To detect dead connections, the client sends a request when no data arrives: after 2 seconds for
/// the state of the instance, or after 15 seconds for the version of the hub if the stream is a
/// topic or the log of a hub. If the hub does not respond, the client reconnects.
///
/// ```no_run
/// use scramjet_client_blocking::Followed;
/// # use scramjet_client_blocking::HostClient;
/// # let instance = HostClient::new("http://localhost:8000/api/v1")?.instance("x")?;
/// for line in instance.follow_log()? {
///     match line? {
///         Followed::Item(line) => println!("{}", line.msg),
///         Followed::Gap(gap) => println!("(lines may be missing here: {})", gap.error),
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
    /// The connection was lost. Items from this time may be missing.
    Gap(Gap),
}

/// A time without a connection.
#[derive(Debug)]
#[non_exhaustive]
pub struct Gap {
    /// The instance whose stream was lost. `None` for a topic or the log of a hub.
    pub instance: Option<InstanceId>,
    /// The error that ended the connection.
    pub error: Error,
    /// Number of attempts to reconnect.
    pub attempts: u32,
    /// Time from the loss until the stream was open again, or until the client learned that the
    /// instance is gone.
    pub lasted: Duration,
}

/// An iterator over the items of a flow.
struct Following<F> {
    driver: Driver<F>,
    ended: bool,
}

impl<F, T> Following<F>
where
    F: Flow<Output = Result<flow::Followed<T>, FlowError>>,
{
    /// Opens the stream. Returns after the head of the response, or after a second, because a proxy
    /// may delay the head until there is data.
    fn start(client: &Client, call: CallContext, flow: F) -> Result<Self, Error> {
        let mut driver = Driver::new(client, call, flow)?;
        while !matches!(driver.next()?, flow::Followed::Opened) {}
        Ok(Self {
            driver,
            ended: false,
        })
    }

    fn next(&mut self) -> Option<Result<Followed<T>, Error>> {
        loop {
            if self.ended {
                return None;
            }
            return Some(match self.driver.next() {
                Ok(flow::Followed::Opened) => continue,
                Ok(flow::Followed::End) => {
                    self.ended = true;
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
                    self.ended = !error.is_idle() && !error.is_of_item();
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
    /// Returns an iterator over lines, like [`ByteStream::lines`](crate::ByteStream::lines). It
    /// skips lines that a gap interrupted.
    #[must_use]
    pub fn lines(self) -> Follow<TextLines> {
        self.decode(TextLines::default)
    }

    /// Returns an iterator over the values of JSON lines, like
    /// [`ByteStream::json_lines`](crate::ByteStream::json_lines). It skips lines that a gap
    /// interrupted.
    #[must_use]
    pub fn json_lines<T: DeserializeOwned + 'static>(self) -> Follow<JsonLines<T>> {
        self.decode(JsonLines::default)
    }

    fn decode<D: Decode + 'static>(self, decoder: fn() -> D) -> Follow<D> {
        let Following { driver, ended } = self.0;
        Follow(Following {
            driver: driver.map(|flow| flow.decode(decoder)),
            ended,
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
            .field("ended", &self.0.ended)
            .finish_non_exhaustive()
    }
}

/// The merged logs of many instances, as a stream that reconnects. It is an iterator over gaps and
/// over lines with the ids of their instances.
///
/// [`HostClient::follow_logs`](crate::HostClient::follow_logs) follows all instances of a hub,
/// including those that start later. It does not end.
/// [`HostClient::follow_logs_of`](crate::HostClient::follow_logs_of) follows the given instances,
/// and ends when all of them have ended.
///
/// ```no_run
/// use scramjet_client_blocking::Followed;
/// # use scramjet_client_blocking::HostClient;
/// # let host = HostClient::new("http://localhost:8000/api/v1")?;
/// for item in host.follow_logs()? {
///     match item? {
///         Followed::Item(log) => println!("{} {}", log.instance, log.line.msg),
///         Followed::Gap(gap) => println!("(lines may be missing here: {})", gap.error),
///     }
/// }
/// # Ok::<(), scramjet_client_blocking::Error>(())
/// ```
///
/// # History
/// The lines that the hub has stored come first, then new lines as they are written. To skip the
/// history, compare [`time_ms`](crate::types::LogLine::time_ms).
///
/// - Hubs since 0.27.0 send the whole history to every reader, up to some MB. It includes lines of
///   instances that have ended, and so does [`follow_logs`](crate::HostClient::follow_logs).
/// - Older hubs store the log of an instance until the first reader reads it. New lines go to all
///   current readers. When the instance ends, its log is deleted.
///
/// # Order
/// Lines come in the order in which the hub sends them. Lines from the process of an instance and
/// lines from the hub about it may be swapped within some milliseconds. On hubs before 0.27.0,
/// lines of different instances are not ordered; compare `time_ms`.
///
/// # Ends and gaps
/// A lost connection is reported as a [`Gap`]. The client reconnects and drops repeated lines. On
/// hubs before 0.27.0 each instance has its own stream, so an outage gives one gap per instance,
/// with its id.
///
/// The end of an instance is detected within a second. On hubs since 0.27.0, it takes another
/// second until its lines are complete, or up to 6 if other instances write continuously. After a
/// restart of the hub, all its earlier instances have ended.
///
/// The handle's deadline limits the whole duration, and its token cancels it. If no line arrives
/// within the idle timeout, `next` returns an error, and the following call continues. After an
/// error response of the hub, the iterator ends. A line that cannot be decoded is an error, after
/// which the iterator continues.
///
/// # Costs
/// | hub | connections and threads | requests |
/// |---|---|---|
/// | since 0.27.0, all instances | 1 | `GET version` after 15 seconds of silence |
/// | since 0.27.0, given instances | 1 | `GET instances` each second |
/// | before 0.27.0 | 1 for each running instance | `GET instances` each second |
///
/// On hubs before 0.27.0, new instances are found within a second. Instances with a shorter life
/// may be missed.
///
/// `follow_logs` returns when all streams are open, or after a second. Afterwards, the client sends
/// requests and finds instances only during calls of `next`. If `next` is not called, buffers fill
/// up and the hub stalls, also for other readers of the same logs.
pub struct FollowLogs(Following<flow::FollowLogs>);

impl FollowLogs {
    pub(crate) fn start(client: &Client, flow: flow::FollowLogs) -> Result<Self, Error> {
        Following::start(client, CallContext::without_request("follow logs"), flow).map(Self)
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
            .field("ended", &self.0.ended)
            .finish_non_exhaustive()
    }
}
