//! Programs that start, ask for the version, and end: with the library, with ureq, and curl.
//!
//! `cargo bench --bench cold`

mod tools;

use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Goal};

use self::tools::{CURL, OURS, Tool, UREQ};

fn main() {
    let bench = Bench::start(&[]);
    let server = Server::start();
    let tools = [Tool::built(OURS, "cold_client"), Tool::built(UREQ, "cold_ureq"), Tool::curl()];
    let compared = tools::compare_time(&bench, &server, &tools);
    compared.time(OURS, UREQ, Goal::AtMost(1.10));
    compared.time(OURS, CURL, Goal::AtMost(1.0));
    let memory = tools::compare_memory(&bench, &server, &tools);
    memory.memory(OURS, UREQ, Goal::AtMost(1.10));
    memory.memory(OURS, CURL, Goal::AtMost(1.0));
}
