//! Programs that start, ask for the version, and end: with the library, with ureq, and curl.
//!
//! `cargo bench --bench cold`

mod tools;

use scramjet_client_tests::bench::process::stay_on_one_processor;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Goal};

use self::tools::Tool;

const OURS: &str = "tool with scramjet-client";
const UREQ: &str = "tool with ureq";
const CURL: &str = "curl";

fn main() {
    let bench = Bench::start(&[]);
    let args = ["--silent", "--noproxy", "*"].map(String::from).into();
    let curl = Tool { name: CURL, program: "curl".into(), args, path: "/version" };
    let tools = [Tool::built(OURS, "cold_client"), Tool::built(UREQ, "cold_ureq"), curl];
    stay_on_one_processor();
    let server = Server::start();
    let compared = tools::compare_time(&bench, &server, &tools);
    compared.time(OURS, UREQ, Goal::AtMost(1.10));
    compared.time(OURS, CURL, Goal::AtMost(1.0));
    let memory = tools::compare_memory(&bench, &server, &tools, "VmHWM");
    memory.memory(OURS, UREQ, Goal::AtMost(1.10));
    memory.memory(OURS, CURL, Goal::AtMost(1.0));
    tools::compare_memory(&bench, &server, &tools, "RssAnon").memory(OURS, UREQ, Goal::Told);
}
