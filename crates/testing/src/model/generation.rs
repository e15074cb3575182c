//! The two generations of hubs, and their times.

use std::time::Duration;

/// A generation of hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Generation {
    /// Hubs of 0.18, measured on 0.18.7.
    V0_18,
    /// Hubs of 1.x, measured on 1.0.1.
    V1,
}

impl Generation {
    /// Returns the version that hubs of this generation report.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V0_18 => "0.18.7",
            Self::V1 => "1.0.1",
        }
    }

    pub(super) fn is_v1(self) -> bool {
        self == Self::V1
    }
}

/// The times that a hub takes. [`Times::of`] returns those that were measured on real hubs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// Time from the request to start an instance until its process connects to the hub.
    pub connect: Duration,
    /// Time from the connection of the process until the sequence is loaded and its function is
    /// called.
    pub load: Duration,
    /// Time from the response to the start until the status changes to `running`. 1.x only.
    pub starting: Duration,
    /// Time after the end of an input in which the first write to it gets an error response. Other
    /// writes get no response. 0.18 only.
    pub closing: Duration,
    /// Time from the completion of a sequence until its process exits.
    pub completed: Duration,
    /// Time from a kill, or from the end of a stop, until the process exits.
    pub exit: Duration,
    /// Time from a kill until the hub removes a process that does not react by force. On 0.18, also
    /// the time from a request to stop until the process is killed, whatever its timeout.
    pub forced_exit: Duration,
    /// Time from the end of a process until the hub shows it: in the status on 1.x, with a 404 on
    /// 0.18.
    pub notice: Duration,
    /// Time from a failed load of a sequence, or from a function that fails at once, until the hub
    /// shows it.
    pub notice_failure: Duration,
    /// Time after the end of an instance in which it blocks the deletion of its sequence. 1.x only.
    pub lingering: Duration,
    /// Time from the end of [`lingering`](Self::lingering) until the hub forgets the instance
    /// (`instanceLifetimeExtensionDelay`). 1.x only.
    pub extension: Duration,
    /// Time from the end of an instance until the hub closes the connections of incomplete uploads
    /// to it; `None` for never. 0.18 only.
    pub stalled_upload: Option<Duration>,
    /// The timeout of a stop without one. 1.x only.
    pub default_stop_timeout: Duration,
    /// Time from the connection of an instance until its first health report.
    pub first_health_report: Duration,
    /// Time between two heartbeats in the audit log. 1.x only.
    pub audit_interval: Duration,
    /// Time from the head of a request until the hub closes the connection if the body is
    /// incomplete; `None` for never.
    pub request_timeout: Option<Duration>,
}

impl Times {
    /// Returns the times of a generation.
    #[must_use]
    pub fn of(generation: Generation) -> Self {
        let seconds = Duration::from_secs;
        let millis = Duration::from_millis;
        match generation {
            Generation::V0_18 => Self {
                connect: millis(100),
                load: millis(50),
                starting: Duration::ZERO,
                closing: millis(3),
                completed: seconds(10),
                exit: millis(30),
                forced_exit: seconds(11),
                notice: millis(30),
                notice_failure: millis(300),
                lingering: Duration::ZERO,
                extension: Duration::ZERO,
                stalled_upload: Some(seconds(6)),
                default_stop_timeout: Duration::ZERO,
                first_health_report: seconds(1),
                audit_interval: seconds(10),
                request_timeout: Some(seconds(320)),
            },
            Generation::V1 => Self {
                connect: millis(100),
                load: millis(20),
                starting: millis(100),
                closing: Duration::ZERO,
                completed: seconds(10),
                exit: millis(200),
                forced_exit: seconds(15),
                notice: millis(400),
                notice_failure: millis(300),
                lingering: seconds(15),
                extension: seconds(180),
                stalled_upload: None,
                default_stop_timeout: seconds(7),
                first_health_report: seconds(1),
                audit_interval: seconds(10),
                request_timeout: None,
            },
        }
    }
}
