//! Follows the logs of all instances of a hub, or of some of them, until Ctrl-C.
//!
//! `cargo run --release --example follow_logs -- [--hub URL] [INSTANCE…]`
//!
//! Prints each log line with the id of its instance, and a message for each gap. Without `--hub` or
//! `SCRAMJET_HUB_URL`, it starts a hub and some instances on this machine, and ends with them.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::env;
use std::error::Error;
use std::thread;

use scramjet_client_blocking::{CancelToken, Followed, HostClient, StartOptions};
use scramjet_client_tests::{hub, package};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = env::args().skip(1).collect();
    let (url, ids) = match args.as_slice() {
        [name, url, ids @ ..] if name == "--hub" => (Some(url.clone()), ids),
        ids => (None, ids),
    };
    let is_own = url.is_none() && env::var_os("SCRAMJET_HUB_URL").is_none();
    let hub = hub::resolve(url)?;

    let stop = CancelToken::new();
    ctrlc::set_handler({
        let stop = stop.clone();
        move || stop.cancel()
    })?;
    let host = HostClient::new(hub.url())?;
    let writers = is_own.then(|| {
        let (host, stop) = (host.clone(), stop.clone());
        thread::spawn(move || {
            let result = log_and_end(&host);
            stop.cancel();
            result
        })
    });

    let host = host.with_cancel(&stop);
    let logs = match ids {
        [] => host.follow_logs()?,
        ids => host.follow_logs_of(ids)?,
    };
    for item in logs {
        match item {
            Ok(Followed::Item(log)) => {
                let from = log.line.from.unwrap_or_default();
                println!("{:.8} {from:>14}: {}", log.instance.as_str(), log.line.msg);
            }
            Ok(Followed::Gap(gap)) => println!("-- lines may be missing: {}", gap.error),
            Err(_) if stop.is_cancelled() => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(writers) = writers {
        writers
            .join()
            .map_err(|_| "the writing thread panicked")??;
    }
    Ok(())
}

/// Starts three instances one after another. Each logs some lines and ends.
fn log_and_end(host: &HostClient) -> Result<(), scramjet_client_blocking::Error> {
    let deployment = host.deploy(package::sequence("acts"))?;
    for name in ["one", "two", "three"] {
        let log = |text| json!({ "log": format!("{name} {text}") });
        let wait = json!({ "wait": 600 });
        let steps =
            json!([log("begins"), wait, log("works"), wait, log("ends"), wait, { "exit": 0 }]);
        let options = StartOptions::new().app_config(json!({ "steps": steps }));
        deployment.start(&options)?.wait_ended()?;
    }
    deployment.close()?;
    Ok(())
}
