//! The blocking client: on a real hub, on recorded exchanges, and on servers that misbehave.

mod errors;
mod faults;
mod live;
mod program;
mod replay;
mod transport;
mod uploads;
