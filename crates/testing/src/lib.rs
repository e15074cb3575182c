//! Tests for programs that use a Scramjet Transform Hub, without a hub.

pub mod model;
