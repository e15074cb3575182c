use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::error::said;
use crate::{InstanceId, InstanceInfo, InstanceStatus, RunnerExit};

/// An instance that has ended, and how, as far as the hub tells: hubs before 0.27.0 forget an
/// instance when it ends, and newer ones some minutes later.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ended {
    /// The instance.
    pub id: InstanceId,
    /// The meaning of its runner's exit code.
    pub exit: Option<RunnerExit>,
    /// The reason, in the hub's words.
    pub reason: Option<String>,
    /// Its last status. Do not rely on it: a hub sets it back if an ended instance is asked to stop.
    pub status: Option<InstanceStatus>,
    /// All that the hub tells; `None` if it has forgotten the instance.
    pub info: Option<Box<InstanceInfo>>,
}

impl Ended {
    /// An instance that the hub does not know any more.
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

    /// The end of an instance.
    ///
    /// # Errors
    /// It has not ended; its info is handed back.
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

    /// Whether the hub reports that the sequence completed, or was stopped or killed (exit codes 0,
    /// 138, 137). `None` if the hub does not tell.
    ///
    /// A process that does not react to a kill and is removed by force, or is killed twice, is
    /// reported as failed (213), although that was requested.
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
