//! Distributes jobs over an instance pool: four instances count the words of 200 files.
//!
//! `cargo run --release --example ask_a_pool -- [--hub URL]`
//!
//! Prints the progress after every 50 files, and then the total number of words. Without `--hub` or
//! `SCRAMJET_HUB_URL`, it starts a hub on this machine. It deletes everything it created, even if a
//! step fails.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use scramjet_client_blocking::{HostClient, MapOptions, PoolOptions, Readiness, StartOptions};
use scramjet_client_tests::{fixture, hub, package};
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
    let hub = hub::from_args()?;
    let host = HostClient::new(hub.url())?;
    let deployment = host.deploy(package::sequence("words"))?;

    let pool = PoolOptions::new(4)
        .concurrency(4)
        .readiness(Readiness::event("ready").timeout(Duration::from_secs(30)))
        .replace(true)
        .start([(*deployment).clone()], |_| StartOptions::new())?;

    let files = files()?;
    let jobs = files.clone().into_iter().map(|path| Job {
        text: String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned(),
    });
    let options = MapOptions::new().pipelined(2).on_progress(|progress| {
        if progress.finished % 50 == 0 {
            println!("{} files are done", progress.finished);
        }
    });
    let mut words = 0;
    for (index, answer) in pool.map::<Job, Answer>(jobs, options)? {
        match answer {
            Ok(answer) => words += answer.words,
            Err(error) => println!("{}: {error:?}", files[index].display()),
        }
    }
    println!("{words} words in {} files", files.len());

    drop(pool);
    deployment.close()?;
    Ok(())
}

/// Returns up to 200 files of this repository.
fn files() -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(fixture::folder("0.18.7"))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.truncate(200);
    Ok(paths)
}
