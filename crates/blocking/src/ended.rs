use std::fmt;

use scramjet_client_core::{InstanceId, InstanceInfo, InstanceStatus, RunnerExit};

/// An instance that has ended, and how, as far as the hub tells: hubs before 0.27.0 forget an instance when it ends, and newer
/// ones some minutes later.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ended {
    /// The instance.
    pub id: InstanceId,
    /// What the exit code of its runner means.
    pub exit: Option<RunnerExit>,
    /// The reason, in the hub's words.
    pub reason: Option<String>,
    /// Its last status. Not to be relied upon: a hub sets it back when an ended instance is told to stop.
    pub status: Option<InstanceStatus>,
    /// All that the hub tells.
    pub info: Option<Box<InstanceInfo>>,
}

impl Ended {
    /// What is known of an instance that the hub does not know any more.
    pub(crate) fn gone(id: &InstanceId) -> Self {
        Self {
            id: id.clone(),
            exit: None,
            reason: None,
            status: None,
            info: None,
        }
    }

    /// How it ended, if it has.
    pub(crate) fn of(info: InstanceInfo) -> Option<Self> {
        if info.ended.is_none() && info.terminated.is_none() {
            return None;
        }
        let terminated = info.terminated.as_ref();
        Some(Self {
            id: info.id.clone(),
            exit: terminated.and_then(|end| end.exit()),
            reason: terminated.and_then(|end| end.reason.clone()),
            status: info.status.clone(),
            info: Some(Box::new(info)),
        })
    }

    /// Whether it ended as it should, or on request: `None` where the hub does not tell.
    #[must_use]
    pub fn is_success(&self) -> Option<bool> {
        self.exit.map(RunnerExit::is_success)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.exit) {
            (Some(reason), Some(RunnerExit::Other(code))) => {
                write!(f, "the instance has ended: {reason} (exit code {code})")
            }
            (Some(reason), _) => write!(f, "the instance has ended: {reason}"),
            (None, Some(exit)) => write!(f, "the instance has ended: {exit:?}"),
            (None, None) => f.write_str("the instance is gone"),
        }
    }
}
