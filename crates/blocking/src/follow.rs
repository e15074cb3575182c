//! Streams that outlive their connections.

use std::fmt;
use std::time::Duration;

use scramjet_client_core::flow::{self, Flow, FlowError};
use scramjet_client_core::{Chunks, Decode, InstanceId, JsonLines, Operation, TextLines};
use serde::de::DeserializeOwned;

use crate::Error;
use crate::call::Call;
use crate::client::Client;
use crate::flow_driver::Driver;

/// A stream that is opened again if its connection is lost: an iterator of what comes, and of the
/// gaps.
///
/// It ends when the instance has ended or is gone, or the topic has ended; this is noticed at the
/// latest some seconds after the last item. The handle's deadline bounds the whole of it, and its
/// token ends it; without either it goes on, trying again every 5 seconds. Refusals are errors and
/// the end. An item that cannot be read is an error of its own, as in [`Items`](crate::Items).
///
/// A silence is looked into, because a link may be dead without a word: after 2 seconds the hub is
/// asked for the state of the instance, and after 15 seconds for its version if the stream is the log
/// of a hub or a topic. If it does not answer, the stream is opened again.
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
    /// Opens the stream. Returns when its head is there, or after a second: a proxy may keep it back
    /// until something is written.
    fn start(client: &Client, about: Call, flow: F) -> Result<Self, Error> {
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

    /// Its lines as values, like [`ByteStream::json_lines`](crate::ByteStream::json_lines). A line in
    /// which the connection was lost does not come.
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
