//! The blocking client: on a real hub, on recorded exchanges, and on servers that misbehave.

mod errors;
mod events;
mod faults;
mod helpers;
mod hub;
mod live;
mod platform;
mod program;
mod replay;
mod transport;
mod uploads;
