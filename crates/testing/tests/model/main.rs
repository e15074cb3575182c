//! The model of a hub, in virtual time.

mod driver;
mod timelines;
