//! The blocking client: on a real hub, on recorded exchanges, and on servers that misbehave.

mod deploying;
mod errors;
mod events;
mod faults;
mod follow;
mod helpers;
mod hub;
mod inputs;
mod live;
mod model;
mod platform;
mod pools;
mod program;
mod replay;
mod retrying;
mod running;
mod stand_in;
mod starting;
mod streams;
mod transforms;
mod transport;
mod traps;
mod uploads;
mod waiting;
mod waiting_1x;
mod writers;
