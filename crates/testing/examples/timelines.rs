//! Serves a fake hub of 0.18 or 1.x that runs the eighteen scenarios of
//! `tests/fixtures/timelines-*.json`. It prints the URL of the hub, and runs until standard input
//! ends.
//!
//! `cargo run -p scramjet-client-testing --example timelines -- 1.x`
//!
//! An instance id on standard input ends the process of that instance, like `SIGKILL`.

#![allow(clippy::print_stdout, reason = "an example prints its results")]

#[path = "../tests/model/timelines/scenarios.rs"]
#[allow(dead_code, reason = "the test uses all of it")]
mod scenarios;

use std::io;

use scramjet_client_testing::fake_hub::{FakeHub, Generation, Package, Process, ProgramResult};
use scramjet_client_testing::model::Step;

fn main() -> io::Result<()> {
    let generation = match std::env::args().nth(1).as_deref() {
        Some("0.18") => Generation::V0_18,
        Some("1.x") => Generation::V1,
        _ => return Err(io::Error::other("the argument is 0.18 or 1.x")),
    };
    let hub = FakeHub::new(generation);
    hub.find_programs(|package: &Package| {
        let file = package.files.get("index.js")?.as_slice();
        let mut scenarios = scenarios::all().into_iter();
        let scenario = scenarios.find(|scenario| scenario.index_js.as_bytes() == file)?;
        Some(move |process: &mut Process| run(process, &scenario.steps))
    });
    println!("{}", hub.url());
    for id in io::stdin().lines() {
        let id = id?;
        if !hub.crash(id.trim()) {
            println!("instance {id} does not exist");
        }
    }
    Ok(())
}

/// Runs the steps of a scenario, and then stays.
fn run(process: &mut Process, steps: &[Step]) -> ProgramResult {
    for step in steps {
        match step {
            Step::Wait(time) => process.sleep(*time)?,
            Step::Write(_, text) => process.write(text)?,
            Step::Shout => {
                while let Some(piece) = process.read()? {
                    process.write(String::from_utf8_lossy(&piece).to_uppercase())?;
                }
            }
            Step::Exit(exit) => return Err(exit.clone()),
            Step::Hang => process.hang()?,
            _ => unreachable!("no scenario has this step: {step:?}"),
        }
    }
    process.run_until_killed()
}
