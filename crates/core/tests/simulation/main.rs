//! Simulates flows against a model of the hub, in virtual time and over a faulty network.
//!
//! Each seed determines one run: the version of the hub, the life of the instance, and the faults
//! of the network. Each test runs 500 seeds. `SCRAMJET_SIM_SEEDS=1000000` sets another number.
//! `SCRAMJET_SIM_SEED=7` runs only that seed and prints what happens.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

mod delete;
mod events;
mod follow;
mod follow_logs;
mod kill;
mod network;
mod start;
mod wait_for_hub;
mod watch;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Default number of seeds for each test.
const SEEDS: u64 = 500;

/// Seeds above [`SEEDS`] that have found a bug.
const FOUND: [u64; 10] = [
    2_813, 12_222, 16_283, 22_239, 31_026, 31_994, 33_701, 42_442, 64_726, 342_368,
];

/// Calls `run` for each seed, and panics with the seeds that fail.
pub(crate) fn for_seeds(name: &str, run: impl Fn(u64)) {
    let number = |name| {
        env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    if let Some(seed) = number("SCRAMJET_SIM_SEED") {
        return run(seed);
    }
    let seeds = number("SCRAMJET_SIM_SEEDS").unwrap_or(SEEDS);
    let fails = |seed: &u64| catch_unwind(AssertUnwindSafe(|| run(*seed))).is_err();
    let failed: Vec<_> = (0..seeds).chain(FOUND).filter(fails).take(5).collect();
    assert!(
        failed.is_empty(),
        "{name}: the first of {seeds} seeds that failed: {failed:?}"
    );
}
