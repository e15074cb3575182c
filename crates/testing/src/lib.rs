//! Tests for programs that use a Scramjet Transform Hub, without a hub.

pub mod fake_hub;
pub mod model;
pub mod network;
