//! Test programs that use `scramjet-client-blocking` without a
//! [Scramjet Transform Hub](https://github.com/scramjetorg/transform-hub).
//!
//! The [`guide`] has tests of common cases.
//!
//! - [`fake_hub`]: a hub in the process of the test, whose programs are Rust closures.
//! - [`script`]: a transport without a network, for tests that list each request and its answer.
//! - [`replay`]: a recorder of the exchanges with a real hub, and a transport and a server that
//!   play them in tests.
//! - [`server`]: a server on the loopback interface, whose connections the test handles itself.
//! - [`conformance`]: a test suite for implementations of
//!   [`Transport`](scramjet_client_blocking::Transport).
//! - [`model`]: the fake hub as a state machine without IO, for tests in virtual time. [`network`]
//!   adds faults and a proxy to it.
//! - [`demo`]: a hub and sequences for examples and experiments.
//!
//! The following example tests how a program handles errors:
//!
//! ```
//! use scramjet_client_blocking::HostClient;
//! use scramjet_client_testing::script::{Answer, Script};
//!
//! /// The code under test.
//! fn names(host: &HostClient) -> Result<Vec<String>, scramjet_client_blocking::Error> {
//!     Ok(host.list_sequences()?.into_iter().map(|sequence| sequence.config.name).collect())
//! }
//!
//! let script = Script::new()
//!     .then("GET", "sequences", Answer::ok("[]"))
//!     .then("GET", "sequences", Answer::status(503, r#"{"error":"Try again later"}"#))
//!     .then("GET", "sequences", Answer::pieces(["[{\"id\""]).lost());
//! let host = script.client().build()?;
//! assert!(names(&host)?.is_empty());
//! assert_eq!(names(&host).unwrap_err().api().unwrap().status, 503);
//! assert!(names(&host).unwrap_err().to_string().contains("connection lost"));
//! script.assert_done();
//! # Ok::<(), scramjet_client_blocking::Error>(())
//! ```

pub mod conformance;
pub mod demo;
pub mod fake_hub;
// The names that the guide links to.
#[cfg(doc)]
use crate::{fake_hub::*, script::*};

#[doc = include_str!("guide.md")]
pub mod guide {}
mod http1;
mod limits;
pub mod model;
pub mod network;
pub mod replay;
mod request;
pub mod script;
pub mod server;
mod sync;

pub use request::{IncomingRequest, ReceivedRequest};
pub use {http, serde_json};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
