//! The two generations of hubs, and their times.

use std::time::Duration;

/// The hubs that the model behaves like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Generation {
    /// Hubs of 0.18: measured on 0.18.7.
    V0_18,
    /// Hubs of 1.x: measured on 1.0.1.
    V1,
}

impl Generation {
    /// The version that the hub reports.
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

/// The times that a hub takes. [`Times::of`] returns those measured on real hubs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// From the request to start an instance until its process has connected to the hub.
    pub connect: Duration,
    /// From then until the sequence is loaded and its function is called.
    pub load: Duration,
    /// From the answer to the start until the status changes to `running`. 1.x only.
    pub starting: Duration,
    /// From the end of an input until a write to it is not even answered with an error. 0.18 only.
    pub closing: Duration,
    /// From the end of a sequence until its process exits.
    pub completed: Duration,
    /// From a kill, or the end of a stop, until the process is gone.
    pub exit: Duration,
    /// From a kill until a process that does not react is removed by force. On 0.18 also from a
    /// request to stop until the process is killed, whatever the timeout.
    pub forced_exit: Duration,
    /// From the end of a process until the hub shows it: in the status on 1.x, by a 404 on 0.18.
    pub notice: Duration,
    /// From a failure to load a sequence, or a function that throws at once, until the hub shows
    /// it.
    pub notice_failure: Duration,
    /// From the end of an instance until it stops blocking the deletion of its sequence. 1.x only.
    pub lingering: Duration,
    /// From then until the hub forgets the instance (`instanceLifetimeExtensionDelay`). 1.x only.
    pub extension: Duration,
    /// From the end of an instance until the hub closes the connections of uploads to it that are
    /// not complete. 0.18 only.
    pub stalled_upload: Option<Duration>,
    /// The timeout of a stop that names none. 1.x only.
    pub default_stop_timeout: Duration,
    /// From the start until the first report about an instance's health.
    pub first_health_report: Duration,
    /// Between two records of the audit about the state of each instance. 1.x only.
    pub audit_interval: Duration,
    /// From the head of a request until the hub closes the connection, if its body has not come.
    pub request_timeout: Option<Duration>,
}

impl Times {
    /// The times of a generation.
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
