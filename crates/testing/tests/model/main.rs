//! The model of a hub, in virtual time.

mod driver;
mod facts;
mod recordings;
mod timelines;
