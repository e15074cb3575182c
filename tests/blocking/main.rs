//! Tests of the blocking client on real hubs, fake hubs, recordings, and servers that misbehave.
//!
//! `#[cfg(target_os = "linux")]` stands before tests that count threads, sockets or memory, because
//! only Linux reports them.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, reason = "tests for Linux use the rest")
)]

mod broken_contracts;
mod broken_responses;
mod builder;
mod called_operations;
mod channel;
mod cleanup;
mod compression;
mod connection_reuse;
mod deployments;
mod ended_instances;
mod errors;
mod events;
mod follow;
mod follow_logs;
mod forward_proxy;
mod helpers;
mod host;
mod input_writer;
mod inputs;
mod invalid_arguments;
mod not_found_hints;
mod observer;
mod outages;
mod panics_and_callbacks;
mod platform;
mod pool_map;
mod pools;
mod program;
mod replay;
mod request_retry;
mod run;
mod samples;
mod scripted_hub;
mod secrets;
mod sequences;
mod spawn;
mod start;
mod start_and_wait;
mod start_when_available;
mod start_with_retry;
mod stop_and_kill;
mod streams;
mod stub_hub;
mod topics;
mod transform;
mod unusual_json;
mod uploads;
mod ureq_transport;
mod wait_event;
mod wait_event_1x;
mod wait_ready;
