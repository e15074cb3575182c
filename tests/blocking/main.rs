//! Tests of the blocking client on real hubs, fake hubs, recordings, and servers that misbehave.
//!
//! `#[cfg(target_os = "linux")]` stands before tests that count threads, sockets or memory, because
//! only Linux reports them.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, reason = "tests for Linux use the rest")
)]

mod broken_contracts;
mod called_operations;
mod channel_and_map;
mod cleanup;
mod compression;
mod connection_reuse;
mod deployments;
mod ended_instances;
mod errors;
mod event_stream;
mod faults;
mod follow;
mod follow_logs;
mod forward_proxy;
mod helpers;
mod hub;
mod inputs;
mod known_bugs;
mod live;
mod missing_events;
mod not_found_hints;
mod observer;
mod outages;
mod packages;
mod panics_and_callbacks;
mod platform;
mod pools;
mod program;
mod replay;
mod request_retry;
mod run_and_spawn;
mod scripted_hub;
mod secrets;
mod start_with_retry;
mod starting;
mod streams;
mod stub_hub;
mod transforms;
mod transport;
mod unusual_json;
mod uploads;
mod versions;
mod wait_event;
mod wait_event_1x;
mod writers;
