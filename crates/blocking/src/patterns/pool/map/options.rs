use std::fmt;

/// Options for [`InstancePool::map`](crate::InstancePool::map).
///
/// ```
/// use scramjet_client_blocking::MapOptions;
///
/// let options = MapOptions::new()
///     .in_order(true)
///     .on_progress(|progress| println!("{} jobs are done", progress.finished));
/// ```
#[derive(Default)]
#[must_use]
pub struct MapOptions {
    pub(super) max_attempts: Option<usize>,
    pub(super) depth: Option<usize>,
    pub(super) in_order: bool,
    pub(super) on_progress: Option<OnProgress>,
}

pub(super) type OnProgress = Box<dyn FnMut(&MapProgress) + Send>;

/// The progress of a [`Map`](crate::patterns::Map).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapProgress {
    /// Number of jobs that have a result, including those that failed.
    pub finished: usize,
    /// Number of jobs whose result is an error.
    pub failed: usize,
    /// Number of all jobs, if the iterator knows it.
    pub total: Option<usize>,
}

impl MapOptions {
    /// Creates the default options: two attempts for each job, one job at a time for each instance,
    /// results as they arrive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of attempts for a job, each on another instance. 2 by default.
    ///
    /// The client retries a job if the instance ends, the connection is lost, or no response
    /// arrives within the idle timeout. The instance may have executed the job nevertheless. Use 1
    /// for jobs that must not run twice.
    pub fn max_attempts(mut self, attempts: usize) -> Self {
        self.max_attempts = Some(attempts.max(1));
        self
    }

    /// Sets the number of jobs that an instance gets before it responds to the first of them. 1 by
    /// default. A higher number is faster if jobs are short.
    ///
    /// If an instance ends, only its oldest job counts an attempt. The client always retries the
    /// others.
    pub fn pipelined(mut self, depth: usize) -> Self {
        self.depth = Some(depth.max(1));
        self
    }

    /// Sets if the results come in the order of the jobs. `false` by default: each result comes as
    /// soon as it arrives.
    pub fn in_order(self, in_order: bool) -> Self {
        Self { in_order, ..self }
    }

    /// Calls a function after each job, from any thread of the map, but never concurrently.
    pub fn on_progress(mut self, callback: impl FnMut(&MapProgress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(callback));
        self
    }
}

impl fmt::Debug for MapOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOptions")
            .field("max_attempts", &self.max_attempts)
            .field("depth", &self.depth)
            .field("in_order", &self.in_order)
            .finish_non_exhaustive()
    }
}
