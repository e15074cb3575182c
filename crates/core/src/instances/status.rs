use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::ApiError;
use crate::known_text::known_text;

/// Where an instance is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum InstanceStatus {
    /// Declared by hubs, and not seen.
    Initializing,
    /// Its process is up. 1.x refuses to kill an instance at this point.
    Starting,
    /// It runs.
    Running,
    /// It was told to stop.
    Stopping,
    /// It was killed, and its process is about to end.
    Killing,
    /// It ended as it should, also by being stopped or killed.
    Completed,
    /// It failed.
    Errored,
    /// Declared by hubs, and not seen.
    Gone,
    /// Any other status, as the hub wrote it.
    Other(String),
}

known_text! {
    InstanceStatus, "The status":
    Initializing = "initializing",
    Starting = "starting",
    Running = "running",
    Stopping = "stopping",
    Killing = "killing",
    Completed = "completed",
    Errored = "errored",
    Gone = "gone",
}

/// How the runner of an instance ended, by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunnerExit {
    /// 0: the sequence came to its end. quirk (1.x): reported as `-1`.
    Completed,
    /// 10: the package could not be unpacked.
    UnpackFailed,
    /// 20: the hub started the runner with a configuration that it cannot use.
    InvalidConfig,
    /// 21: the package's `main` cannot be used.
    InvalidEntrypoint,
    /// 22: the sequence failed while it was loaded.
    FailedOnStart,
    /// 23: the sequence failed while it ran.
    FailedDuringExecution,
    /// 24: there are as many instances as there may be.
    LimitReached,
    /// 137: killed.
    Killed,
    /// 138: stopped.
    Stopped,
    /// Any other code; the runner itself failed, or the sequence ended the process.
    Other(i64),
}

impl From<i64> for RunnerExit {
    fn from(code: i64) -> Self {
        match code {
            0 | -1 => Self::Completed,
            10 => Self::UnpackFailed,
            20 => Self::InvalidConfig,
            21 => Self::InvalidEntrypoint,
            22 => Self::FailedOnStart,
            23 => Self::FailedDuringExecution,
            24 => Self::LimitReached,
            137 => Self::Killed,
            138 => Self::Stopped,
            other => Self::Other(other),
        }
    }
}

impl RunnerExit {
    /// The exit that a refused start tells of: hubs of 1.x refuse it with the reason of the exit if
    /// the sequence fails before the start is answered.
    #[must_use]
    pub fn in_refusal(refusal: &ApiError) -> Option<Self> {
        Some(match refusal.message.as_str() {
            "Sequence unpack failed" => Self::UnpackFailed,
            "Sequence failed on start" => Self::FailedOnStart,
            "Sequence failed during execution" => Self::FailedDuringExecution,
            "Instance limit reached" => Self::LimitReached,
            text if text.starts_with("Sequence entrypoint path") => Self::InvalidEntrypoint,
            text if text.contains("invalid configuration") => Self::InvalidConfig,
            _ => return None,
        })
    }

    /// Whether the sequence came to its end, or was stopped or killed on request.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Self::Completed | Self::Stopped | Self::Killed)
    }
}
