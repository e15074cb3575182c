//! The example that handles Ctrl-C.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scramjet_client_blocking::HostClient;
use scramjet_client_tests::on_each_hub;

/// Builds the example, unless that is done already, and returns the program.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(|deps| deps.parent()).unwrap();
    let build = Command::new(env!("CARGO"))
        // With the whole workspace, the features are those of `cargo test --workspace`.
        .args(["build", "--workspace", "--example", "ctrl_c"])
        .arg("--target-dir")
        .arg(built.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(build.unwrap().success());
    built.join("examples/ctrl_c")
}

on_each_hub!(ctrl_c_example_exits_and_leaves_nothing_on_the_hub);
fn ctrl_c_example_exits_and_leaves_nothing_on_the_hub(host: HostClient) {
    let mut child = Command::new(example())
        .env("SCRAMJET_HUB_URL", host.base_url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first word is the instance id.
    let first = lines.next().unwrap().unwrap();
    let id = first.split(' ').next().unwrap();
    let sequence = host.instance_info(id).unwrap().sequence.unwrap();
    let sequence = sequence.id().clone();
    let signal = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signal.unwrap().success());
    let last = lines.last().unwrap().unwrap();
    assert!(child.wait().unwrap().success(), "{last}");
    println!("{}: {last}", host.base_url());
    assert!(last.starts_with("cleaned up in "), "{last}");
    // A hub of 1.x finishes the deletion in the background.
    let begin = Instant::now();
    while !host
        .sequence_info(&sequence)
        .is_err_and(|error| error.is_not_found())
    {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "the sequence still exists"
        );
    }
}
