//! Runs a package: uploads it, starts it, prints its output until it ends, and deletes it.
//!
//! ```text
//! cargo run -p scramjet-client-blocking --example deploy_and_run -- \
//!     [PACKAGE.tar.gz] [--arg TEXT ...] [--input TEXT]
//! ```
//!
//! Prints the output, standard output and standard error of the instance. Without a package, it
//! runs a sequence that answers in capitals. Uses the hub of `SCRAMJET_HUB_URL`, or a fake hub,
//! which can only run that sequence. Deletes everything it created, even if a step fails.

#![allow(clippy::print_stderr, reason = "examples print to the terminal")]

use std::error::Error;
use std::{io, thread};

use scramjet_client_blocking::types::InstanceStatus;
use scramjet_client_blocking::{
    ByteStream, HostClient, Input, InstanceClient, SequenceClient, StartOptions, Upload,
};
use scramjet_client_testing::demo;

const USAGE: &str = "usage: deploy_and_run [PACKAGE.tar.gz] [--arg TEXT ...] [--input TEXT]";

fn main() -> Result<(), Box<dyn Error>> {
    let (mut package, mut input) = (None, None);
    let mut options = StartOptions::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--arg" => options = options.arg(args.next().ok_or(USAGE)?),
            "--input" => input = Some(args.next().ok_or(USAGE)?),
            path if package.is_none() && !path.starts_with("--") => {
                package = Some(Upload::path(path));
            }
            _ => return Err(USAGE.into()),
        }
    }
    let package = package.unwrap_or_else(|| {
        input.get_or_insert("some text".to_owned());
        demo::shout().into()
    });

    let hub = demo::hub();
    let host = HostClient::new(hub.url())?;
    // Deletes the sequence with its instances, even if the function fails.
    let ran = host.deploy_and_run(package, |sequence| run(sequence, &options, input))?;
    ran.result?;
    ran.cleanup?;
    Ok(())
}

fn run(
    sequence: &SequenceClient,
    options: &StartOptions,
    input: Option<String>,
) -> Result<(), Box<dyn Error>> {
    let instance = sequence.start(options)?;
    eprintln!(
        "instance {} of sequence {} is running",
        instance.id(),
        sequence.id()
    );
    print_until_end(&instance, input)?;
    report(&instance)
}

/// Copies all streams in parallel. A stream that is open but not read would block the instance.
fn print_until_end(instance: &InstanceClient, input: Option<String>) -> Result<(), Box<dyn Error>> {
    let streams = || Ok((instance.stdout()?, instance.stderr()?, instance.output()?));
    let (stdout, stderr, output) =
        streams().map_err(|error: scramjet_client_blocking::Error| -> Box<dyn Error> {
            if error.is_not_found() {
                "the instance ended before its output could be read; check that the package loads"
                    .into()
            } else {
                error.into()
            }
        })?;
    thread::scope(|scope| {
        let stdout = scope.spawn(|| copy(stdout, io::stdout()));
        let stderr = scope.spawn(|| copy(stderr, io::stderr()));
        let output = scope.spawn(|| copy(output, io::stdout()));
        if let Some(input) = input {
            instance.send_input(Input::text(input))?;
        }
        for copying in [output, stdout, stderr] {
            copying.join().map_err(|_| "a copying thread panicked")??;
        }
        Ok(())
    })
}

/// Prints how the instance ended. Hubs of 0.18 forget instances when they end.
fn report(instance: &InstanceClient) -> Result<(), Box<dyn Error>> {
    match instance.info() {
        Err(error) if error.is_not_found() => eprintln!("the instance ended"),
        Err(error) => return Err(error.into()),
        Ok(info) => {
            let reason = info
                .terminated
                .and_then(|terminated| terminated.reason)
                .unwrap_or_else(|| "the instance ended".into());
            if info.status == Some(InstanceStatus::Errored) {
                return Err(reason.into());
            }
            eprintln!("{reason}");
        }
    }
    Ok(())
}

fn copy(mut from: ByteStream, mut to: impl io::Write) -> io::Result<u64> {
    io::copy(&mut from, &mut to)
}
