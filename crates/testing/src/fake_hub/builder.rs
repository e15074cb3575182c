use std::sync::{Arc, OnceLock};
use std::thread;

use super::clock::Clock;
use super::shared::Shared;
use super::{FakeHub, Inner};
use crate::model::{Model, Settings};
use crate::network::Network;

/// A builder of a [`FakeHub`]: see [`FakeHub::builder`].
#[derive(Clone, Debug)]
#[must_use = "`start` starts the hub"]
pub struct FakeHubBuilder {
    pub(super) settings: Settings,
    pub(super) scale: Option<f64>,
}

impl FakeHubBuilder {
    /// Runs the hub's time `scale` times as fast as real time. The default is 1.
    ///
    /// # Panics
    /// If the scale is not a positive number. [`manual_time`](Self::manual_time) stops the time.
    #[track_caller]
    pub fn time_scale(self, scale: f64) -> Self {
        assert!(
            scale > 0.0 && scale.is_finite(),
            "time cannot run {scale} times as fast; use manual_time to stop it"
        );
        Self {
            scale: Some(scale),
            ..self
        }
    }

    /// Stops the hub's time. It passes only when the test calls [`FakeHub::advance`].
    pub fn manual_time(self) -> Self {
        Self {
            scale: None,
            ..self
        }
    }

    /// Changes the settings of the hub, for example its times.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Starts the hub.
    #[must_use]
    pub fn start(self) -> FakeHub {
        let clock = self.scale.map_or_else(Clock::manual, Clock::scaled);
        let shared = Shared::new(Network::new(Model::new(self.settings)), clock);
        let timers = Arc::clone(&shared);
        // If this thread cannot be created, neither can those of the programs.
        let _ = thread::Builder::new()
            .name("fake-hub".into())
            .spawn(move || timers.run_timers());
        FakeHub {
            inner: Arc::new(Inner {
                shared,
                server: OnceLock::new(),
            }),
        }
    }
}
