//! The model of a hub, in virtual time.

mod driver;
mod recordings;
mod timelines;
