//! Exchanges that were recorded, played without a network: each request is compared with its recording, and the recorded bytes are read as
//! they would be from a connection.
//!
//! An exchange is two files of a folder, `<name>.request` and `<name>.http`: the bytes of the request and those of the answer, HTTP/1.1 with
//! its framing. An answer that was not recorded to its end breaks off when it is played; an empty file is a request that was not answered.
//! [`Recorder`] writes such files.
//!
//! ```
//! use std::sync::Arc;
//! use scramjet_client_blocking::HostClient;
//! use scramjet_client_blocking::transport::replay::{Recorder, Replay};
//! use scramjet_client_blocking::transport::script::{Answer, Script};
//!
//! # let folder = std::env::temp_dir().join(format!("scramjet-client-replay-doc-{}", std::process::id()));
//! fn versions(host: &HostClient) -> Result<String, scramjet_client_blocking::Error> {
//!     Ok(format!("{} of {}", host.version()?.version, host.base_url()))
//! }
//!
//! // Once, with a hub. (Here it is a script, for the example's sake.)
//! let hub = Script::new().then("GET", "version", Answer::ok(r#"{"version":"1.0.1"}"#));
//! let recorder = Recorder::new(Arc::new(hub), &folder)?;
//! let host = HostClient::builder("http://hub.invalid/api/v1").transport(Arc::new(recorder)).build()?;
//! let recorded = versions(&host)?;
//!
//! // In the test, ever after, without one.
//! let replay = Replay::open(&folder)?;
//! assert_eq!(versions(&replay.client().build()?)?, recorded);
//! // All of it was asked for.
//! replay.finish();
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod exchange;
mod record;

pub use self::record::Recorder;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use http::{Request, Response};

use self::exchange::Exchange;
use super::script::{Asked, Script, outgoing};
use super::{BoxError, Outgoing, Phase, Transport, TransportError};
use crate::{CallLimits, HostClientBuilder};

/// How much of a request must be as it was recorded. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The method and the path.
    Target,
    /// The `Content-Type`, where one was recorded.
    ContentType,
    /// The body: its bytes, or what they mean where both are JSON.
    Body,
}

/// Plays recorded exchanges. Clones are the same replay.
///
/// A request that is not the recorded one fails, and so does [`finish`](Self::finish) after it, and where something was not asked for. Dropping
/// the last clone without [`finish`](Self::finish) panics in its stead.
#[derive(Clone)]
pub struct Replay {
    shared: Arc<Shared>,
}

struct Shared(Mutex<Tape>);

struct Tape {
    left: VecDeque<Exchange>,
    check: Check,
    any_order: bool,
    complaints: Vec<String>,
    finished: bool,
}

impl Replay {
    /// All exchanges of a folder, in the order of their names.
    ///
    /// # Errors
    /// The folder or a file cannot be read, there is no exchange, or one is not a request and an answer.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let names = exchange::names(folder.as_ref())?;
        if names.is_empty() {
            let problem = format!("there is no *.request in {}", folder.as_ref().display());
            return Err(io::Error::new(io::ErrorKind::NotFound, problem));
        }
        Self::of(folder, names)
    }

    /// The exchanges of these names, in this order. A name may come more than once.
    ///
    /// # Errors
    /// A file cannot be read, or is not a request or an answer.
    pub fn of<N: AsRef<str>>(
        folder: impl AsRef<Path>,
        names: impl IntoIterator<Item = N>,
    ) -> io::Result<Self> {
        let left = names
            .into_iter()
            .map(|name| Exchange::load(folder.as_ref(), name.as_ref()))
            .collect::<io::Result<_>>()?;
        let tape = Tape {
            left,
            check: Check::Body,
            any_order: false,
            complaints: Vec::new(),
            finished: false,
        };
        Ok(Self {
            shared: Arc::new(Shared(Mutex::new(tape))),
        })
    }

    /// Compares no more than this. Where nothing is said, all of it: [`Check::Body`].
    #[must_use]
    pub fn checking(self, check: Check) -> Self {
        self.tape().check = check;
        self
    }

    /// Plays for each request the first exchange that is left and is like it, for clients of several threads. Otherwise their order is kept.
    #[must_use]
    pub fn in_any_order(self) -> Self {
        self.tape().any_order = true;
        self
    }

    /// A builder of clients to which this is the hub. They ask it for its version where they need it, unless they are told one, and
    /// send nothing again, unless they are told to.
    pub fn client(&self) -> HostClientBuilder {
        HostClientBuilder::new(Script::URL.into())
            .retry(None)
            .transport(Arc::new(self.clone()))
    }

    /// Ends the replay.
    ///
    /// # Panics
    /// A request differed from its recording, or did not come.
    #[track_caller]
    pub fn finish(&self) {
        let complaints = self.tape().finish();
        assert!(
            complaints.is_empty(),
            "the replay went wrong\n{}",
            complaints.join("\n")
        );
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.shared.tape()
    }
}

impl Shared {
    fn tape(&self) -> MutexGuard<'_, Tape> {
        // Nothing of the caller's runs with the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let complaints = self.tape().finish();
        // A test that fails already has its reason.
        assert!(
            complaints.is_empty() || thread::panicking(),
            "the replay went wrong\n{}",
            complaints.join("\n")
        );
    }
}

impl Tape {
    /// What there is to complain of, once.
    fn finish(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.finished, true) {
            return Vec::new();
        }
        let left = self
            .left
            .iter()
            .map(|exchange| format!("{}: was not asked for", exchange.name));
        std::mem::take(&mut self.complaints)
            .into_iter()
            .chain(left)
            .collect()
    }

    /// The answer to a request, or what is wrong with it.
    fn take(&mut self, sent: &super::script::Sent) -> Result<Exchange, String> {
        let index = match self.any_order {
            true => self
                .left
                .iter()
                .position(|exchange| exchange.difference(sent, self.check).is_none()),
            false => (!self.left.is_empty()).then_some(0),
        };
        let Some(exchange) = index.and_then(|index| self.left.remove(index)) else {
            return Err(format!(
                "{} {}: nothing is left that is like it",
                sent.method, sent.target
            ));
        };
        match exchange.difference(sent, self.check) {
            None => Ok(exchange),
            Some(difference) => Err(difference),
        }
    }
}

impl Transport for Replay {
    fn send(
        &self,
        request: Request<Outgoing<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, BoxError> {
        let (head, body) = request.into_parts();
        let mut body = outgoing(body, CallLimits::default());
        let mut asked = Asked::new(&head, &mut body);
        asked.read_all();
        let (sent, error) = asked.into_sent();
        if let Some(error) = error {
            return Err(TransportError {
                phase: Phase::Send,
                source: error.into(),
            }
            .into());
        }
        let mut tape = self.tape();
        match tape.take(&sent) {
            Ok(exchange) => exchange.answer(),
            Err(complaint) => {
                tape.complaints.push(complaint.clone());
                Err(complaint.into())
            }
        }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tape = self.tape();
        let left: Vec<_> = tape.left.iter().map(|exchange| &exchange.name).collect();
        f.debug_struct("Replay")
            .field("left", &left)
            .finish_non_exhaustive()
    }
}
