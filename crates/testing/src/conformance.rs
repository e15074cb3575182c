//! A test suite for transports, which checks the contract of [`Transport`].
//!
//! ```no_run
//! # use scramjet_client_testing::script::Script as MyTransport;
//! use std::sync::Arc;
//! use scramjet_client_testing::conformance::{Capability, Suite};
//!
//! // In a test of your transport. This one opens a new connection for each request.
//! let suite = Suite::new("mine", Arc::new(MyTransport::new())).without(Capability::Reuse);
//! suite.run().assert_conforms();
//! ```
//!
//! The suite starts HTTP/1.1 servers without TLS on ports of the loopback interface. Your transport
//! must be able to reach them. Each case has its own servers, and several cases run at the same
//! time. A case that hangs fails after 30 seconds. A whole run takes some seconds.
//!
//! [`Capability`] lists the optional parts of the contract. Declare a missing one with
//! [`Suite::without`]. The [`Report`] shows it.

mod cases;
mod fixture;
mod report;

pub use self::report::{Outcome, Report, Row, table};

use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fmt, mem, thread};

use scramjet_client_blocking::Transport;
use scramjet_client_blocking::transport::BoxError;

use self::fixture::{Target, Unsupported};
use crate::sync::lock;

/// Number of cases that run at the same time. Most cases wait for a limit, which takes a second.
const CONCURRENCY: usize = 8;

/// Upper bound for one step of a case. It is large enough for busy machines.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// An optional part of the contract of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Ends a request at its
    /// [`deadline`](scramjet_client_blocking::transport::CallLimits::deadline).
    Deadline,
    /// Ends a wait after the [`idle`](scramjet_client_blocking::transport::CallLimits::idle)
    /// timeout, and can continue afterwards.
    Idle,
    /// Ends a request when its [`cancel`](scramjet_client_blocking::transport::CallLimits::cancel)
    /// token is canceled.
    Cancel,
    /// Reuses connections for several requests.
    Reuse,
    /// Reports the [`ReasonPhrase`](scramjet_client_blocking::transport::ReasonPhrase) of a
    /// response.
    Reason,
    /// Returns an error response during an upload even if the server resets the connection right
    /// after it. A close without a reset does not need this.
    ResetRefusal,
    /// Reports the correct phase in each
    /// [`TransportError`](scramjet_client_blocking::transport::TransportError).
    Phase,
}

/// The cases of the suite, and the transport that they check.
///
/// See the [module](self) for an example.
#[derive(Clone)]
pub struct Suite {
    name: String,
    target: Target,
    lacks: Vec<Capability>,
    only: Option<String>,
    case_timeout: Duration,
}

impl Suite {
    /// Returns the suite for a transport. The report shows the name.
    pub fn new(name: impl Into<String>, transport: Arc<dyn Transport>) -> Self {
        Self::on(name.into(), Target::Loopback(transport))
    }

    /// Returns the suite for a [`Script`](crate::script::Script). Cases that need a network do not
    /// run.
    #[must_use]
    pub fn for_script() -> Self {
        Self::on("script".into(), Target::Script)
    }

    /// Returns the suite for a [`Replay`](crate::replay::Replay). Only cases whose exchanges can be
    /// recorded in advance run.
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
            case_timeout: 3 * STEP_TIMEOUT,
        }
    }

    /// Declares that the transport lacks a capability. The cases that need it do not run.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        self.lacks.push(capability);
        self
    }

    /// Selects the cases whose names contain this text.
    #[must_use]
    pub fn only(self, part: impl Into<String>) -> Self {
        Self {
            only: Some(part.into()),
            ..self
        }
    }

    /// Sets the time after which a case fails if it has not ended. 30 seconds by default. Some
    /// cases take 7 seconds.
    #[must_use]
    pub fn case_timeout(self, timeout: Duration) -> Self {
        Self {
            case_timeout: timeout,
            ..self
        }
    }

    /// Runs the cases, several at the same time.
    #[must_use]
    pub fn run(&self) -> Report {
        let selected = cases::ALL.iter().filter(|case| {
            self.only
                .as_ref()
                .is_none_or(|part| case.name.contains(part))
        });
        let waiting = Mutex::new(selected.enumerate());
        let rows = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..CONCURRENCY {
                scope.spawn(|| {
                    while let Some((number, case)) = next(&waiting) {
                        let outcome = self.outcome(case);
                        let name = case.name;
                        lock(&rows).insert(number, Row { name, outcome });
                    }
                });
            }
        });
        let rows = mem::take(&mut *lock(&rows));
        Report {
            transport: self.name.clone(),
            rows: rows.into_values().collect(),
        }
    }

    fn outcome(&self, case: &'static Case) -> Outcome {
        let missing = case.needs.iter().find(|need| self.lacks.contains(need));
        if let Some(missing) = missing {
            return Outcome::Unsupported(format!("the transport lacks {missing:?}"));
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
        match result.recv_timeout(self.case_timeout) {
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

/// Returns the next item, without holding the lock any longer.
fn next<T>(items: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    lock(items).next()
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        format!("{text}\ncaused by: {cause}")
    })
}

/// A case: a rule of the contract, and the function that checks it.
struct Case {
    name: &'static str,
    needs: &'static [Capability],
    run: fn(&Target) -> CheckResult,
}

/// The result of a check. The error describes the violation.
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
