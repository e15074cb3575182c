//! The guide: from the first program to a transport of one's own.
//!
//! 1. [Five minutes](five_minutes): a sequence from nothing to its output.
//! 2. [Patterns](crate::patterns): what is usually done around a sequence, each beside what it takes the place of.
//! 3. [Asking](asking): requests to an instance and their answers, and many jobs for a pool.
//! 4. [Errors](errors): what they say, what to ask them, what is tried again.
//! 5. [Limits](limits): deadlines, idle timeouts and cancellation.
//! 6. [Hubs](hubs): addresses, credentials, proxies, and the versions from 0.18 to 1.x.
//! 7. [Transports](transports): what carries the requests, and how to write another.
//! 8. [Your code](your_code): readers, callbacks and observers that block, panic or call back.
//! 9. [Costs](costs): what a build and a call pay.
//!
//! Who comes from the TypeScript client finds all its methods in [`coming_from_api_client`](crate::coming_from_api_client).

// The names that the pages link to.
#[cfg(doc)]
use crate::*;

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
#[doc = "\n# A short one\n"]
#[doc = "Over `hyper`, without limits, encryption or reuse of connections; `examples/hyper_transport.rs`"]
#[doc = "uses it. It keeps the contract, apart from the abilities that it lacks:\n"]
#[doc = "```text"]
#[doc = include_str!("guide/hyper_transport.rs")]
#[doc = "```"]
pub mod transports {}

#[doc = include_str!("guide/your_code.md")]
pub mod your_code {}

#[doc = include_str!("guide/costs.md")]
pub mod costs {}
