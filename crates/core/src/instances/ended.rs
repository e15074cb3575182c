use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::error::said;
use crate::{InstanceId, InstanceInfo, InstanceStatus, RunnerExit};

/// The end of an instance: its exit, as far as the hub reports it.
///
/// Hubs before 0.27.0 forget an instance when it ends. Newer hubs forget it up to 195 seconds
/// later with their default configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ended {
    /// The id of the instance.
    pub id: InstanceId,
    /// The meaning of its runner's exit code.
    pub exit: Option<RunnerExit>,
    /// The reason, as the hub wrote it.
    pub reason: Option<String>,
    /// Its last status. Do not rely on it: a stop request changes the status of an ended instance
    /// back.
    pub status: Option<InstanceStatus>,
    /// The complete info; `None` if the hub has forgotten the instance.
    pub info: Option<Box<InstanceInfo>>,
}

impl Ended {
    /// Creates the end of an instance that the hub has forgotten.
    #[must_use]
    pub fn gone(id: &InstanceId) -> Self {
        Self {
            id: id.clone(),
            exit: None,
            reason: None,
            status: None,
            info: None,
        }
    }

    /// Reads the end of an instance from its info.
    ///
    /// # Errors
    /// Returns the info if the instance has not ended.
    pub fn of(info: InstanceInfo) -> Result<Self, Box<InstanceInfo>> {
        if info.ended.is_none() && info.terminated.is_none() {
            return Err(Box::new(info));
        }
        let terminated = info.terminated.as_ref();
        Ok(Self {
            id: info.id.clone(),
            exit: terminated.and_then(|end| end.exit()),
            reason: terminated.and_then(|end| end.reason.clone()),
            status: info.status.clone(),
            info: Some(Box::new(info)),
        })
    }

    /// Returns `true` if the sequence completed, or was stopped or killed (exit codes 0, 138, 137).
    /// `None` if the hub did not report an exit code.
    ///
    /// The hub reports a killed process as failed (213) if the process was killed twice, or if it
    /// ignored the kill and the hub removed it by force.
    #[must_use]
    pub fn is_success(&self) -> Option<bool> {
        self.exit.map(RunnerExit::is_success)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reason.as_deref().and_then(said), self.exit) {
            (Some(reason), Some(RunnerExit::Other(code))) => {
                write!(f, "the instance has ended: {reason} (exit code {code})")
            }
            (Some(reason), _) => write!(f, "the instance has ended: {reason}"),
            (None, Some(RunnerExit::Other(code))) => {
                write!(f, "the instance has ended: exit code {code}")
            }
            (None, Some(exit)) => write!(f, "the instance has ended: {exit:?}"),
            (None, None) => f.write_str("the instance is gone"),
        }
    }
}
