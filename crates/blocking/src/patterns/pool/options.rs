use std::fmt;

use crate::patterns::start::Readiness;

/// How an [`InstancePool`](crate::InstancePool) is to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolOptions {
    pub(super) count: usize,
    pub(super) at_once: usize,
    pub(super) readiness: Option<Readiness>,
    pub(super) replace: bool,
    pub(super) placement: Placement,
}

/// On which of several hubs an instance is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// On each in turn.
    #[default]
    RoundRobin,
    /// On the one that says the least load (`GET /load-check` before each start, of which one that does not answer within 5 seconds is
    /// left out); of equals, on the one with the fewest instances of the pool. For hubs of one generation: what they call their load differs.
    LeastLoaded,
}

impl PoolOptions {
    /// A pool of so many instances.
    pub fn new(count: usize) -> Self {
        Self {
            count,
            at_once: 1,
            readiness: None,
            replace: false,
            placement: Placement::RoundRobin,
        }
    }

    /// Starts so many at the same time, each on a thread. One after another by default, and if threads
    /// cannot be created.
    pub fn concurrency(self, at_once: usize) -> Self {
        Self {
            at_once: at_once.max(1),
            ..self
        }
    }

    /// Waits for each until it is ready. Where it is not said, an instance counts as ready when the hub says that it has started.
    pub fn readiness(self, readiness: Readiness) -> Self {
        Self {
            readiness: Some(readiness),
            ..self
        }
    }

    /// Starts another instance in the place of one that has ended.
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Returns true if instances that have ended are replaced.
    pub(super) fn replaces(&self) -> bool {
        self.replace
    }

    /// On which of several hubs instances are started.
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundRobin => "in turn",
            Self::LeastLoaded => "least loaded",
        })
    }
}
