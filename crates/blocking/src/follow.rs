//! Streams that outlive their connection.

use std::fmt;
use std::time::{Duration, Instant};

use scramjet_client_core::{
    Chunks, Decode, GetInstance, GetVersion, InstanceId, JsonLines, TextLines,
};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::instance::ended;
use crate::{Error, ErrorKind, Items, ReplyError};

/// After so long a silence, an instance is asked whether it is still there: most of its streams do not end with it.
const TICK: Duration = Duration::from_secs(2);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A stream that is opened again when its connection is lost: an iterator of what comes, and of the gaps.
///
/// It ends when the instance has ended or is gone, or the topic has ended; this is noticed at the latest some seconds after the last
/// item. The handle's deadline bounds the whole of it, and its token ends it; without either it goes on, trying again every 5
/// seconds. Refusals are errors and the end. An item that cannot be read is an error of its own, as in [`Items`].
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
pub struct Follow<D> {
    client: Client,
    open: Box<Open<D>>,
    subject: Subject,
    /// The idle timeout is not the caller's, but the [`TICK`].
    ticks: bool,
    /// Nothing where it is over.
    items: Option<Items<D>>,
}

type Open<D> = dyn Fn(&Client) -> Result<Items<D>, Error> + Send;

/// What is followed.
pub(crate) enum Subject {
    /// Ends with the instance.
    Instance(InstanceId),
    /// Ends with its stream.
    Topic,
    /// Never ends.
    Hub,
}

/// What comes out of a [`Follow`].
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
    /// How the connection was lost.
    pub error: Error,
    /// How many times it was tried to open the stream again.
    pub attempts: u32,
    /// From the loss until the stream was open again, or the instance was found to be gone.
    pub lasted: Duration,
}

impl<D: Decode> Follow<D> {
    pub(crate) fn start(
        client: &Client,
        subject: Subject,
        open: impl Fn(&Client) -> Result<Items<D>, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let mut client = client.begin();
        let ticks = matches!(subject, Subject::Instance(_)) && client.options.idle.is_none();
        if ticks {
            client.options.idle = Some(TICK);
        }
        let items = loop {
            match open(&client.once()) {
                // An instance that is not up yet is not answered for, and it is not the caller who is impatient.
                Err(error) if ticks && error.is_idle() => {}
                result => break result?,
            }
        };
        Ok(Self {
            client,
            open: Box::new(open),
            subject,
            ticks,
            items: Some(items),
        })
    }

    /// Whether the instance has ended. Nothing else is ever asked.
    fn is_gone(&self) -> Result<bool, Error> {
        match &self.subject {
            Subject::Instance(id) => ended(&self.client, id).map(|ended| ended.is_some()),
            _ => Ok(false),
        }
    }

    /// Whether the end of the stream is that of the subject.
    fn is_over(&self) -> Result<bool, Error> {
        match self.subject {
            Subject::Topic => Ok(true),
            Subject::Hub => Ok(false),
            Subject::Instance(ref id) => {
                // The hub learns of the end a moment after its streams.
                for _ in 0..20 {
                    if self.is_gone()? {
                        return Ok(true);
                    }
                    self.client.pause(&GetInstance { id }, FIRST_PAUSE)?;
                }
                Ok(false)
            }
        }
    }

    /// Opens the stream again, if that is possible, and tells about it.
    fn resume(&mut self, lost: Error) -> Result<Gap, Error> {
        let since = Instant::now();
        let (mut attempts, mut pause) = (0, FIRST_PAUSE);
        loop {
            self.client.pause(&GetVersion, pause)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
            attempts += 1;
            match (self.open)(&self.client.once()) {
                Ok(items) => self.items = Some(items),
                Err(error)
                    if error.is_not_found() && matches!(self.subject, Subject::Instance(_)) => {}
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error),
            }
            return Ok(Gap {
                error: lost,
                attempts,
                lasted: since.elapsed(),
            });
        }
    }
}

impl Follow<Chunks> {
    /// Its lines, like [`ByteStream::lines`](crate::ByteStream::lines). A line in which the connection was lost does not come.
    #[must_use]
    pub fn lines(self) -> Follow<TextLines> {
        self.decode(TextLines::default)
    }

    /// Its lines as values, like [`ByteStream::json_lines`](crate::ByteStream::json_lines). A line in which the connection was lost
    /// does not come.
    #[must_use]
    pub fn json_lines<T: DeserializeOwned + 'static>(self) -> Follow<JsonLines<T>> {
        self.decode(JsonLines::default)
    }

    fn decode<D: Decode + 'static>(self, decoder: fn() -> D) -> Follow<D> {
        let Self {
            client,
            open,
            subject,
            ticks,
            items,
        } = self;
        let items = items.map(|items| items.into_stream().items(decoder()));
        let open = move |client: &Client| Ok(open(client)?.into_stream().items(decoder()));
        Follow {
            client,
            open: Box::new(open),
            subject,
            ticks,
            items,
        }
    }
}

/// Whether it may succeed by being tried again.
fn is_passing(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Transport { .. } | ErrorKind::Idle { .. } => true,
        ErrorKind::Reply(ReplyError::Api(refusal)) => refusal.status.is_server_error(),
        ErrorKind::Reply(_) => true,
        _ => false,
    }
}

impl<D: Decode> Iterator for Follow<D> {
    type Item = Result<Followed<D::Item>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut items = self.items.take()?;
            let lost = match items.next() {
                Some(Err(error)) if error.is_idle() => match self.is_gone() {
                    Ok(true) => return None,
                    Err(error) if !is_passing(&error) => return Some(Err(error)),
                    // What else is wrong with the connection shows when the stream is read on.
                    _ => {
                        self.items = Some(items);
                        if self.ticks {
                            continue;
                        }
                        return Some(Err(error));
                    }
                },
                Some(Err(error)) if items.is_lost() => error,
                Some(item) => {
                    self.items = Some(items);
                    return Some(item.map(Followed::Item));
                }
                None => match self.is_over() {
                    Ok(true) => return None,
                    Ok(false) => items.cut_off(),
                    Err(error) => error,
                },
            };
            let passing = is_passing(&lost);
            return Some(if passing {
                self.resume(lost).map(Followed::Gap)
            } else {
                Err(lost)
            });
        }
    }
}

impl<D> fmt::Debug for Follow<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("items", &self.items)
            .finish_non_exhaustive()
    }
}
