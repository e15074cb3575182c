//! A test suite for transports: checks that a transport keeps the contract of [`Transport`].
//!
//! ```no_run
//! # use scramjet_client_testing::script::Script as MyTransport;
//! use std::sync::Arc;
//! use scramjet_client_testing::conformance::{Ability, Suite};
//!
//! // In a test of your transport, which in this example opens a connection for each request.
//! let suite = Suite::new("mine", Arc::new(MyTransport::new())).without(Ability::Reuse);
//! suite.run().assert_conforms();
//! ```
//!
//! The suite starts servers on ports of the loopback interface, which speak plain HTTP/1.1. Your
//! transport must be able to reach them. Each case has its own servers. A case that hangs fails
//! after half a minute, and a whole run takes some seconds.
//!
//! The abilities that the contract leaves to a transport are listed in [`Ability`]. Declare a
//! missing one with [`Suite::without`]; the [`Report`] shows it.

mod cases;
mod fixture;
mod report;

pub use self::report::{Outcome, Report, Row, table};

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::Transport;
use scramjet_client_blocking::transport::BoxError;

use self::fixture::{Target, Unsupported};

/// Upper bound for one step of a case. No step takes as long, even on a busy machine.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// An ability that a transport may lack, if it declares so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Ends a request at its [`deadline`](scramjet_client_blocking::transport::CallLimits::deadline).
    Deadline,
    /// Ends a wait after the [`idle`](scramjet_client_blocking::transport::CallLimits::idle) timeout, and can
    /// continue afterwards.
    Idle,
    /// Ends a request when its [`cancel`](scramjet_client_blocking::transport::CallLimits::cancel) token is
    /// canceled.
    Cancel,
    /// Uses a connection for several requests.
    Reuse,
    /// Reports the [`ReasonPhrase`](scramjet_client_blocking::transport::ReasonPhrase) phrase of a response.
    Reason,
    /// Returns a refusal even if the connection is reset right after it, during an upload. A
    /// connection that is only closed does not need this.
    ResetRefusal,
    /// Knows how far a request got, for the phase of its
    /// [`TransportError`](scramjet_client_blocking::transport::TransportError).
    Phase,
}

/// The cases, and the transport that they check.
///
/// See the [module](self) for an example.
#[derive(Clone)]
pub struct Suite {
    name: String,
    target: Target,
    lacks: Vec<Capability>,
    only: Option<String>,
}

impl Suite {
    /// Returns all cases for this transport. The name is for the report.
    pub fn new(name: impl Into<String>, transport: Arc<dyn Transport>) -> Self {
        Self::on(name.into(), Target::Loopback(transport))
    }

    /// Returns the cases that apply to a [`Script`](crate::script::Script), which has no network.
    #[must_use]
    pub fn for_script() -> Self {
        Self::on("script".into(), Target::Script)
    }

    /// Returns the cases that apply to a [`Replay`](crate::replay::Replay), which can only play
    /// what was written down before.
    #[must_use]
    pub fn for_replay() -> Self {
        Self::on("replay".into(), Target::Replay)
    }

    fn on(name: String, target: Target) -> Self {
        Self {
            name,
            target,
            lacks: Vec::new(),
            only: None,
        }
    }

    /// Declares that the transport lacks an ability. The cases that need it do not run.
    #[must_use]
    pub fn without(mut self, ability: Capability) -> Self {
        self.lacks.push(ability);
        self
    }

    /// Keeps the cases whose name contains this text.
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
        let selected = cases::ALL.iter().filter(|case| {
            self.only
                .as_ref()
                .is_none_or(|part| case.name.contains(part))
        });
        let rows = selected.map(|case| Row {
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
            return Outcome::Unsupported(format!("the transport lacks {ability:?}"));
        }
        let (sender, result) = channel();
        let target = self.target.clone();
        thread::spawn(move || {
            let checked = catch_unwind(AssertUnwindSafe(|| (case.run)(&target)));
            // The receiver is gone if the case took too long.
            let _ =
                sender.send(checked.unwrap_or_else(|_| {
                    Err("the case panicked; see the message of the panic".into())
                }));
        });
        match result.recv_timeout(3 * STEP_TIMEOUT) {
            Ok(Ok(())) => Outcome::Passed,
            Ok(Err(error)) => match error.downcast::<Unsupported>() {
                Ok(unsupported) => Outcome::Unsupported(unsupported.to_string()),
                Err(error) => Outcome::Failed(with_causes(&*error)),
            },
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Outcome::Failed("the transport hangs".into())
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

/// A rule of the contract, and the function that checks it.
struct Case {
    name: &'static str,
    needs: &'static [Capability],
    run: fn(&Target) -> CheckResult,
}

/// The result of a check. The error says what is wrong.
type CheckResult<T = ()> = Result<T, BoxError>;

fn check(holds: bool, otherwise: impl fmt::Display) -> CheckResult {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_string().into())
    }
}

fn check_eq<T: PartialEq + fmt::Debug>(
    what: impl fmt::Display,
    found: T,
    expected: T,
) -> CheckResult {
    check(
        found == expected,
        format_args!("{what}: found {found:?}, expected {expected:?}"),
    )
}
