//! Programs that start, ask for the version and exit: with the library, with ureq, and with curl.
//!
//! `cargo bench --bench cold`

mod tools;

use scramjet_client_tests::bench::process::pin_to_one_processor;
use scramjet_client_tests::bench::server::Server;
use scramjet_client_tests::bench::{Bench, Goal};

use self::tools::Tool;

const OURS: &str = "tool with scramjet-client";
const UREQ: &str = "tool with ureq";
const URL: &str = "tool with ureq and url";
const CURL: &str = "curl";

fn main() {
    let bench = Bench::start(&[]);
    let mut tools = vec![
        Tool::built(OURS, "cold_client"),
        Tool::built(UREQ, "cold_ureq"),
        Tool::built(URL, "cold_url"),
    ];
    let curl = Tool::curl();
    let has_curl = curl.is_some();
    tools.extend(curl);
    pin_to_one_processor();
    let server = Server::start();
    if bench.wants("cold time") {
        let compared = tools::compare_time(&bench, &server, &tools);
        compared.time(OURS, UREQ, Goal::AtMost(1.10));
        compared.time(OURS, URL, Goal::None);
        if has_curl {
            compared.time(OURS, CURL, Goal::AtMost(1.0));
        }
    }
    if bench.wants("cold VmHWM") {
        let compared = tools::compare_memory(&bench, &server, &tools, "VmHWM");
        compared.memory(OURS, UREQ, Goal::AtMost(1.10));
        compared.memory(OURS, URL, Goal::None);
        if has_curl {
            compared.memory(OURS, CURL, Goal::AtMost(1.0));
        }
    }
    if bench.wants("cold RssAnon") {
        let compared = tools::compare_memory(&bench, &server, &tools, "RssAnon");
        compared.memory(OURS, UREQ, Goal::None);
        compared.memory(OURS, URL, Goal::None);
    }
}
