use std::fmt;

use crate::patterns::start::Readiness;

/// Options for an [`InstancePool`](crate::InstancePool). See [`start`](Self::start) for an example.
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolOptions {
    pub(super) count: usize,
    pub(super) concurrency: usize,
    pub(super) readiness: Option<Readiness>,
    pub(super) replace: bool,
    pub(super) placement: Placement,
}

/// The rule by which a pool chooses one of several hubs for an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// Each hub in turn. A replacement starts on the same hub as the instance that it replaces.
    #[default]
    RoundRobin,
    /// The hub with the least load. If loads are equal, the hub with the fewest instances of the
    /// pool.
    ///
    /// Before each start, the client sends `GET /load-check` to one hub after another. It leaves
    /// out hubs that fail or do not respond within 5 seconds. Do not mix hubs of 0.18 and 1.x,
    /// because they measure load differently.
    LeastLoaded,
}

impl PoolOptions {
    /// Creates options for a pool of `count` instances. By default, they start one after another,
    /// round robin over the hubs, and are not replaced when they end.
    pub fn new(count: usize) -> Self {
        Self {
            count,
            concurrency: 1,
            readiness: None,
            replace: false,
            placement: Placement::RoundRobin,
        }
    }

    /// Sets how many instances start at the same time, each on a thread. 1 by default.
    ///
    /// If threads cannot be created, fewer instances start at the same time.
    pub fn concurrency(mut self, instances: usize) -> Self {
        self.concurrency = instances.max(1);
        self
    }

    /// Waits until each instance is ready before the pool uses it. By default, an instance is ready
    /// when the hub has started it.
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// Sets if the pool starts another instance when one has ended. `false` by default.
    ///
    /// If the start fails, the pool retries after a second.
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Sets the rule for choosing a hub if there are several. [`Placement::RoundRobin`] by default.
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundRobin => "round robin",
            Self::LeastLoaded => "least loaded",
        })
    }
}
