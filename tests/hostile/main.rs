//! Servers that mean harm, or know no better, over http and https: what comes out of the client, how long it takes, and how much memory.
//!
//! A row of the table says what a server does and what becomes of the call. Each is played twice, plain and encrypted, and after each the
//! same client makes an ordinary call. A program of its own, for the memory of the whole process is measured.

mod bodies;
mod cases;
mod framing;
mod heads;
mod server;
mod statuses;
mod table;
