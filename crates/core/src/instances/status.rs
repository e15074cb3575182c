use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::ApiError;
use crate::known_text::known_text;

/// The state of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum InstanceStatus {
    /// Declared by hubs, but never observed.
    Initializing,
    /// The process runs, but the sequence does not yet. Some hubs of 1.x refuse to kill such an
    /// instance, see [`KillInstance`](crate::KillInstance).
    Starting,
    /// The sequence runs.
    Running,
    /// The hub has asked the instance to stop.
    Stopping,
    /// The hub has killed the instance, and its process has not ended yet.
    Killing,
    /// The sequence completed, or was stopped or killed.
    Completed,
    /// The sequence or its runner failed.
    Errored,
    /// Declared by hubs, but never observed.
    Gone,
    /// Any other status, as the hub wrote it.
    Other(String),
}

known_text! {
    InstanceStatus, "the status":
    Initializing = "initializing",
    Starting = "starting",
    Running = "running",
    Stopping = "stopping",
    Killing = "killing",
    Completed = "completed",
    Errored = "errored",
    Gone = "gone",
}

/// The meaning of the exit code of an instance's runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunnerExit {
    /// 0: the sequence completed. Quirk (1.x): reported as `-1`.
    Completed,
    /// 10: the runner could not unpack the package.
    UnpackFailed,
    /// 20: the hub started the runner with an invalid configuration.
    InvalidConfig,
    /// 21: the `main` of the package is invalid.
    InvalidEntrypoint,
    /// 22: the sequence failed while the runner loaded it.
    FailedOnStart,
    /// 23: the sequence failed while it ran.
    FailedDuringExecution,
    /// 24: the instance limit is reached.
    LimitReached,
    /// 137: the instance was killed.
    Killed,
    /// 138: the instance was stopped.
    Stopped,
    /// Any other code: the runner itself failed, or the sequence ended the process.
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
    /// Returns the exit that the error response to a start contains, if there is one.
    ///
    /// If the sequence fails before the hub has responded to the start, hubs of 1.x respond with an
    /// error that has the reason of the exit as its message.
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

    /// Returns `true` if the sequence completed, or was stopped or killed on request.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Self::Completed | Self::Stopped | Self::Killed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_status_keeps_unknown_values_as_text() {
        for text in [
            "initializing",
            "starting",
            "running",
            "stopping",
            "killing",
            "completed",
            "errored",
            "gone",
            "frozen",
        ] {
            let status = InstanceStatus::from(String::from(text));
            let is_unknown = matches!(status, InstanceStatus::Other(_));
            assert_eq!((status.as_str(), is_unknown), (text, text == "frozen"));
        }
    }

    #[test]
    fn runner_exit_maps_the_exit_codes_of_hubs() {
        use RunnerExit::*;
        for (code, exit) in [
            (-1, Completed),
            (0, Completed),
            (10, UnpackFailed),
            (20, InvalidConfig),
            (21, InvalidEntrypoint),
            (22, FailedOnStart),
            (23, FailedDuringExecution),
            (24, LimitReached),
            (137, Killed),
            (138, Stopped),
            (101, Other(101)),
            (213, Other(213)),
        ] {
            assert_eq!(RunnerExit::from(code), exit);
            let is_success = matches!(exit, Completed | Killed | Stopped);
            assert_eq!(exit.is_success(), is_success, "{exit:?}");
        }
    }
}
