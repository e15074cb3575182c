use scramjet_client_core::{Ended, RunnerExit};

/// The result of a run, like [`std::process::Output`]. Returned by
/// [`SequenceClient::run`](crate::SequenceClient::run) and
/// [`Child::wait_with_output`](crate::Child::wait_with_output).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// Information about the end of the instance.
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
    /// Returns `ended.exit`: [`RunnerExit::Completed`] if the sequence has completed, and otherwise
    /// the meaning of the exit code.
    ///
    /// Returns `None` if the sequence has not completed and the hub reports no exit code. Hubs
    /// before 0.27.0 never report one.
    #[must_use]
    pub fn exit(&self) -> Option<RunnerExit> {
        self.ended.exit
    }
}
