//! Tests of the model of a hub, in virtual time.

#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod driver;
mod facts;
mod recordings;
mod timelines;
