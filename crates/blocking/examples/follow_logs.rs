//! Follows the logs of all instances of a hub, or of some of them, until Ctrl-C.
//!
//! `cargo run -p scramjet-client-blocking --example follow_logs -- [INSTANCE…]`
//!
//! Prints each log line with the id of its instance, and a message for each gap. Uses the hub of
//! `SCRAMJET_HUB_URL`, or a fake hub with three instances, and ends with these.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::thread;

use scramjet_client_blocking::{CancelToken, Followed, HostClient, StartOptions};
use scramjet_client_testing::demo;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let ids: Vec<_> = std::env::args().skip(1).collect();
    let hub = demo::hub();
    let stop = CancelToken::new();
    ctrlc::set_handler({
        let stop = stop.clone();
        move || stop.cancel()
    })?;
    let host = HostClient::new(hub.url())?;
    let writers = hub.is_fake().then(|| {
        let (host, stop) = (host.clone(), stop.clone());
        thread::spawn(move || {
            let result = log_and_end(&host);
            stop.cancel();
            result
        })
    });

    let host = host.with_cancel(&stop);
    let logs = match ids.as_slice() {
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

/// Starts three instances, which log some lines and end.
fn log_and_end(host: &HostClient) -> Result<(), scramjet_client_blocking::Error> {
    let deployment = host.deploy(demo::acts())?;
    let mut instances = Vec::new();
    for name in ["one", "two", "three"] {
        let log = |text| json!({ "log": format!("{name} {text}") });
        let wait = json!({ "wait": 300 });
        let steps = json!([
            log("begins"), wait, log("works"), wait, log("ends"), wait, { "exit": 0 }
        ]);
        let options = StartOptions::new().app_config(json!({ "steps": steps }));
        instances.push(deployment.start(&options)?);
    }
    for instance in instances {
        instance.wait_ended()?;
    }
    deployment.close()?;
    Ok(())
}
