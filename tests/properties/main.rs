//! Properties that hold for any bytes of a server and any value of a caller. They are checked with
//! inputs from fuzzing and with generated ones.

mod building;
mod corpus;
mod decoding;
mod generated;
mod heads;
mod replying;
mod requesting;
mod wire;
