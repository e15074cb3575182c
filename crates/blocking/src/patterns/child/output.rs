use scramjet_client_core::{Ended, RunnerExit};

/// The result of a run, like [`std::process::Output`]. Returned by
/// [`SequenceClient::run`](crate::SequenceClient::run) and
/// [`Child::wait_with_output`](crate::Child::wait_with_output).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// The end of the instance.
    pub ended: Ended,
    /// The data that the sequence returned.
    pub output: Vec<u8>,
    /// Standard output of the process.
    pub stdout: Vec<u8>,
    /// Standard error of the process.
    pub stderr: Vec<u8>,
    /// The log of the instance, if [`RunOptions::log`](crate::RunOptions::log) is set: lines of
    /// JSON that [`LogLine`](crate::types::LogLine) can parse.
    pub log: Option<Vec<u8>>,
}

impl Output {
    /// Returns how the instance ended, the same as `ended.exit`. A sequence that has completed
    /// gives [`RunnerExit::Completed`].
    ///
    /// Returns `None` if the process ended otherwise and the hub does not report an exit code. Hubs
    /// before 0.27.0 do not.
    #[must_use]
    pub fn exit(&self) -> Option<RunnerExit> {
        self.ended.exit
    }
}
