//! Test programs that use [Scramjet Transform Hub](https://github.com/scramjetorg/transform-hub)
//! with `scramjet-client-blocking`, without a hub. The [`guide`] shows tests of common cases.
//!
//! - [`fake_hub`] has a hub in the process of the test, which runs programs that are closures.
//! - [`script`] has a transport without a network: the test says which requests it expects, and how
//!   each is answered.
//! - [`replay`] records what a real hub answers, and plays it in tests, in the same process or over
//!   the loopback interface.
//! - [`server`] has a server on the loopback interface whose connections the test handles, byte by
//!   byte if need be.
//! - [`conformance`] checks that a [`Transport`](scramjet_client_blocking::Transport) keeps its
//!   contract.
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
//! assert!(names(&host).unwrap_err().to_string().contains("cut off"));
//! script.assert_done();
//! # Ok::<(), scramjet_client_blocking::Error>(())
//! ```

pub mod conformance;
pub mod fake_hub;
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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
