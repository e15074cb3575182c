//! Uploads a package, or packs a folder and uploads it, with a progress bar; without a terminal, as in CI, with a line now and then.
//!
//! `cargo run --release --example progress -- PACKAGE.tar.gz|FOLDER [--hub URL]`
//!
//! Without `--hub` or `SCRAMJET_HUB_URL` it starts a hub on this machine. It leaves nothing behind.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

use std::error::Error;
use std::io::{IsTerminal, stderr};
use std::ops::ControlFlow;
use std::path::Path;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use scramjet_client_blocking::stream::Progress;
use scramjet_client_blocking::{HostClient, Package, Upload};
use scramjet_client_tests::hub;

const USAGE: &str = "usage: progress PACKAGE.tar.gz|FOLDER [--hub URL]";

/// Without a terminal, and where the total is not known: how much goes by between two lines.
const STEP: u64 = 16 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut path, mut named) = (None, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--hub" => named = Some(args.next().ok_or(USAGE)?),
            arg if path.is_none() && !arg.starts_with("--") => path = Some(arg.to_owned()),
            _ => return Err(USAGE.into()),
        }
    }
    let path = path.ok_or(USAGE)?;
    // Whatever is wrong with it is told before the hub is asked.
    let upload = if Path::new(&path).is_dir() {
        Upload::from(Package::from_dir(&path)?)
    } else {
        Upload::path(&path)
    };

    let hub = hub::resolve(named)?;
    let host = HostClient::new(hub.url())?;
    let mut meter = Meter::new();
    let sequence = host.send_sequence(upload.progress(move |progress| meter.show(progress)))?;
    println!("sequence {}", sequence.id());
    sequence.delete()?;
    Ok(())
}

/// Shows how far it is. Goes with the upload, and ends with it.
struct Meter {
    /// None without a terminal: there is nothing to draw on.
    bar: Option<ProgressBar>,
    bytes: u64,
    said: u64,
}

impl Meter {
    fn new() -> Self {
        let bar = stderr().is_terminal().then(ProgressBar::no_length);
        Self {
            bar,
            bytes: 0,
            said: 0,
        }
    }

    fn show(&mut self, progress: Progress) -> ControlFlow<()> {
        if progress.bytes == 0 {
            self.begin(progress.total);
        }
        self.bytes = progress.bytes;
        match (&self.bar, progress.percent()) {
            (Some(bar), _) => bar.set_position(progress.bytes),
            (None, Some(percent)) => {
                let tenth = u64::from(percent) / 10;
                if tenth > self.said {
                    eprintln!(
                        "{:>3} % of {}",
                        tenth * 10,
                        HumanBytes(progress.total.unwrap_or(0))
                    );
                }
                self.said = tenth;
            }
            (None, None) => {
                let steps = progress.bytes / STEP;
                if steps > self.said {
                    eprintln!("{}", HumanBytes(progress.bytes));
                }
                self.said = steps;
            }
        }
        ControlFlow::Continue(())
    }

    fn begin(&self, total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        let template = match total {
            Some(total) => {
                bar.set_length(total);
                "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
            }
            // Packed while it is sent: nobody knows how much it will be.
            None => "{spinner} {bytes} {bytes_per_sec}",
        };
        // A template that is not one would leave the default.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        match &self.bar {
            // Where it is: that may be before the end.
            Some(bar) => bar.abandon(),
            None if self.bytes == 0 => {}
            None => eprintln!("sent {}", HumanBytes(self.bytes)),
        }
    }
}
