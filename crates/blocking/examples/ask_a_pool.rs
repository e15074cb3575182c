//! Distributes jobs over an instance pool: four instances count the words of 200 texts.
//!
//! `cargo run -p scramjet-client-blocking --example ask_a_pool`
//!
//! Prints the progress after every 50 texts, and then the total number of words. Uses the hub of
//! `SCRAMJET_HUB_URL`, or a fake hub. Deletes everything it created, even if a step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, MapOptions, PoolOptions, Readiness, StartOptions};
use scramjet_client_testing::demo;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Job {
    text: String,
}

#[derive(Deserialize)]
struct Answer {
    words: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let hub = demo::hub();
    let host = HostClient::new(hub.url())?;
    let deployment = host.deploy(demo::words())?;

    let pool = PoolOptions::new(4)
        .concurrency(4)
        .readiness(Readiness::event("ready").timeout(Duration::from_secs(30)))
        .replace(true)
        .start([(*deployment).clone()], |_| StartOptions::new())?;

    let jobs = (1..=200).map(|number| Job {
        text: "word ".repeat(number),
    });
    let options = MapOptions::new().pipelined(2).on_progress(|progress| {
        if progress.finished % 50 == 0 {
            println!("{} texts are done", progress.finished);
        }
    });
    let mut words = 0;
    for (index, answer) in pool.map::<Job, Answer>(jobs, options)? {
        match answer {
            Ok(answer) => words += answer.words,
            // Includes the errors of all attempts.
            Err(error) => println!("text {index}: {error:?}"),
        }
    }
    println!("{words} words");

    drop(pool);
    deployment.close()?;
    Ok(())
}
