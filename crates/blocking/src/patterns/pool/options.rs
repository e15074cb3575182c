use std::fmt;

use crate::patterns::start::Readiness;

/// Options for an [`InstancePool`](crate::InstancePool).
///
/// [`start`](Self::start) starts the pool and shows an example.
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
    /// Each hub in turn.
    #[default]
    RoundRobin,
    /// The hub with the least load. If loads are equal, the one with the fewest instances of the
    /// pool.
    ///
    /// The client sends `GET /load-check` to each hub before each start, and leaves out hubs that
    /// do not respond within 5 seconds. Use it only for hubs of one generation, because 0.18 and
    /// 1.x measure load differently.
    LeastLoaded,
}

impl PoolOptions {
    /// Creates options for a pool of `count` instances: they start one after another, round robin
    /// over the hubs, and are not replaced.
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
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Sets the rule for choosing one of several hubs. [`Placement::RoundRobin`] by default.
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
