//! Whether a transport keeps the contract of [`Transport`]: one suite, which runs any of them through the same cases.
//!
//! ```no_run
//! # use scramjet_client_blocking::transport::script::Script as MyTransport;
//! use std::sync::Arc;
//! use scramjet_client_blocking::transport::conformance::{Ability, Suite};
//!
//! // In a test of your own transport, which here makes a connection for each request.
//! let suite = Suite::new("mine", Arc::new(MyTransport::new())).without(Ability::Reuse);
//! suite.run().assert_conforms();
//! ```
//!
//! The suite serves what it needs itself, on ports of the loopback interface, over plain HTTP/1.1; a transport that goes elsewhere must be
//! able to reach those. Each case has servers of its own, a transport that hangs is told of after half a minute, and a run takes some seconds.
//!
//! What the contract leaves to a transport is an [`Ability`]. One that it does not have is stated with [`Suite::without`], and is told of in the
//! [`Report`], so that nobody relies on it.

mod cases;
mod report;
mod server;
mod stage;

pub use self::report::{Outcome, Report, Row, table};

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use self::stage::{Stage, Unsupported};
use super::{BoxError, Transport};

/// Longer than any step takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a transport may leave out, if it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// Ends an exchange at its [`deadline`](crate::CallLimits::deadline).
    Deadline,
    /// Ends a wait after the time of [`idle`](crate::CallLimits::idle), and goes on afterwards if asked to.
    Idle,
    /// Ends an exchange when its [`cancel`](crate::CallLimits::cancel) token is cancelled.
    Cancel,
    /// Uses a connection for more than one exchange.
    Reuse,
    /// Tells the [`Reason`](crate::Reason) of an answer.
    Reason,
    /// Returns a refusal also where the connection was reset right after it, in the midst of an upload. One that is only closed is no such case.
    ResetRefusal,
    /// Tells by a [`TransportError`](crate::TransportError) how far a request got.
    Phase,
}

/// The cases, and what they are about.
///
/// See [the module](self) for an example.
#[derive(Clone)]
pub struct Suite {
    name: String,
    stage: Stage,
    lacks: Vec<Ability>,
    only: Option<String>,
}

impl Suite {
    /// All cases for this transport. The name is for the report.
    pub fn new(name: impl Into<String>, transport: Arc<dyn Transport>) -> Self {
        Self::on(name.into(), Stage::Loopback(transport))
    }

    /// The cases that mean something without a network, for [`Script`](super::script::Script): how far a test that uses it can rely on it.
    #[must_use]
    pub fn of_script() -> Self {
        Self::on("script".into(), Stage::Script)
    }

    /// The cases that can be written down beforehand, for [`Replay`](super::replay::Replay). They are written to folders of their own in that
    /// of the operating system for temporary files, and removed afterwards.
    #[must_use]
    pub fn of_replay() -> Self {
        Self::on("replay".into(), Stage::Replay)
    }

    fn on(name: String, stage: Stage) -> Self {
        Self {
            name,
            stage,
            lacks: Vec::new(),
            only: None,
        }
    }

    /// States that the transport does not have this ability. What is about it is not run.
    #[must_use]
    pub fn without(mut self, ability: Ability) -> Self {
        self.lacks.push(ability);
        self
    }

    /// Only the cases with this in their name, to look for a mistake.
    #[must_use]
    pub fn only(self, part: impl Into<String>) -> Self {
        Self {
            only: Some(part.into()),
            ..self
        }
    }

    /// Runs the cases, one after the other.
    #[must_use]
    pub fn run(&self) -> Report {
        let wanted = cases::ALL.iter().filter(|case| {
            self.only
                .as_ref()
                .is_none_or(|part| case.name.contains(part))
        });
        let rows = wanted.map(|case| Row {
            name: case.name,
            outcome: self.outcome(case),
        });
        Report {
            transport: self.name.clone(),
            rows: rows.collect(),
        }
    }

    fn outcome(&self, case: &'static Case) -> Outcome {
        if let Some(ability) = case
            .needs
            .iter()
            .find(|ability| self.lacks.contains(ability))
        {
            return Outcome::Unsupported(format!("it states that it is without {ability:?}"));
        }
        let (tell, told) = channel();
        let stage = self.stage.clone();
        thread::spawn(move || {
            let checked = catch_unwind(AssertUnwindSafe(|| (case.run)(&stage)));
            // Nobody listens any more where it took too long.
            let _ = tell.send(checked.unwrap_or_else(|_| {
                Err("it panicked; the panic's own message tells of it".into())
            }));
        });
        match told.recv_timeout(3 * PATIENCE) {
            Ok(Ok(())) => Outcome::Passed,
            Ok(Err(error)) => match error.downcast::<Unsupported>() {
                Ok(unsupported) => Outcome::Unsupported(unsupported.to_string()),
                Err(error) => Outcome::Failed(with_causes(&*error)),
            },
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Outcome::Failed("it hangs".into())
            }
        }
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("name", &self.name)
            .field("lacks", &self.lacks)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        format!("{text}\ncaused by: {cause}")
    })
}

/// A rule, and how it is checked.
struct Case {
    name: &'static str,
    needs: &'static [Ability],
    run: fn(&Stage) -> Checked,
}

/// What is wrong, where something is.
type Checked<T = ()> = Result<T, BoxError>;

fn check(holds: bool, otherwise: impl fmt::Display) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_string().into())
    }
}

fn same<T: PartialEq + fmt::Debug>(what: impl fmt::Display, found: T, expected: T) -> Checked {
    check(
        found == expected,
        format_args!("{what}: {found:?}, and not {expected:?}"),
    )
}
