//! Limits of calls: deadlines, idle timeouts, cancellation, and responses before the end of an
//! upload. All tests measure the time.

mod cancel;
mod compound;
mod connecting;
mod deadlines;
mod expect;
mod faults;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
mod idle;
mod setup;
mod streaming;
// Counts threads, which only Linux reports.
#[cfg(target_os = "linux")]
mod threads;
mod timing;
mod upload_errors;
