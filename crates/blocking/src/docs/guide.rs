//! The guide, from a first program to a custom transport.
//!
//! 1. [First steps](five_minutes): run a sequence on a hub and read its output.
//! 2. [Patterns](crate::patterns): common tasks next to the TypeScript code that they replace.
//! 3. [Asking](asking): send requests to an instance and receive answers; distribute jobs over a
//!    pool.
//! 4. [Errors](errors): their messages, their predicates, and retries.
//! 5. [Limits](limits): deadlines, idle timeouts, cancellation and Ctrl-C.
//! 6. [Hubs](hubs): addresses, credentials, TLS, proxies, and differences between hub versions.
//! 7. [Transports](transports): write and check a transport of your own.
//! 8. [Your code](your_code): rules for readers, callbacks and observers that this library calls.
//! 9. [Costs](costs): what a build and a call cost, and which versions of ureq are supported.
//!
//! [`coming_from_api_client`] lists the counterparts of all methods of the TypeScript clients.

// The names that the pages link to.
#[cfg(doc)]
use crate::{config::*, error::*, patterns::*, stream::*, transport::*, *};

#[doc = include_str!("guide/five_minutes.md")]
pub mod five_minutes {}

#[doc = include_str!("guide/asking.md")]
pub mod asking {}

#[doc = include_str!("guide/errors.md")]
pub mod errors {}

#[doc = include_str!("guide/limits.md")]
pub mod limits {}

#[doc = include_str!("guide/hubs.md")]
pub mod hubs {}

#[doc = include_str!("guide/transports.md")]
#[doc = "\n# A short transport\n"]
#[doc = "This transport uses `hyper`. It supports no limits, no TLS and no connection reuse. It"]
#[doc = "keeps the other rules of the contract. It is the example `hyper_transport`.\n"]
#[doc = "```text"]
#[doc = include_str!("../../examples/hyper_transport.rs")]
#[doc = "```"]
pub mod transports {}

#[doc = include_str!("guide/your_code.md")]
pub mod your_code {}

#[doc = include_str!("guide/costs.md")]
pub mod costs {}
