//! The requests and types of the core, and the tests of each operation.

mod coverage;
mod drive;
mod requests;
mod types;
