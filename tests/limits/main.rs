//! What bounds a call: deadlines, idle timeouts, cancellation, and answers that come before the end of an upload.
//!
//! Each is measured.

mod cancel;
mod connecting;
mod deadlines;
mod expect;
#[path = "../blocking/helpers.rs"]
#[allow(dead_code, reason = "the other suite uses the rest")]
mod helpers;
mod idle;
mod liveness;
mod refusals;
mod scene;
mod table;
mod threads;
mod timing;
mod together;
