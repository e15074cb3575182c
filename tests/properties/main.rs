//! What holds for any bytes of a server and any value of a caller: checked for the inputs that fuzzing has found, and for generated ones.

mod building;
mod corpus;
mod decoding;
mod generated;
mod heads;
mod replying;
mod requesting;
mod wire;
