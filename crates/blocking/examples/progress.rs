//! Uploads a package or a folder, and shows the progress.
//!
//! ```text
//! cargo run -p scramjet-client-blocking --features pack --example progress -- \
//!     [PACKAGE.tar.gz|FOLDER]
//! ```
//!
//! Shows a progress bar on standard error, or some lines if it is no terminal (as in CI). Then it
//! prints the id of the sequence, and deletes it. Without an argument, it uploads a small package.
//! Uses the hub of `SCRAMJET_HUB_URL`, or a fake hub.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "examples print to the terminal"
)]

use std::error::Error;
use std::io::{IsTerminal, stderr};
use std::ops::ControlFlow;
use std::path::Path;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use scramjet_client_blocking::stream::Progress;
use scramjet_client_blocking::{HostClient, Package, Upload};
use scramjet_client_testing::demo;

/// Amount of data between two lines, if there is no terminal and the total is unknown.
const STEP: u64 = 16 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let upload = match std::env::args().nth(1) {
        None => demo::shout().into(),
        // Problems in the folder are reported before any request.
        Some(path) if Path::new(&path).is_dir() => Package::from_dir(path)?.into(),
        Some(path) => Upload::path(path),
    };

    let hub = demo::hub();
    let host = HostClient::new(hub.url())?;
    let mut meter = Meter::new();
    let sequence = host.send_sequence(upload.progress(move |progress| meter.show(progress)))?;
    println!("sequence {}", sequence.id());
    sequence.delete()?;
    Ok(())
}

/// Shows the progress of an upload. It is dropped when the upload ends.
struct Meter {
    /// `None` without a terminal.
    bar: Option<ProgressBar>,
    bytes: u64,
    reported: u64,
}

impl Meter {
    fn new() -> Self {
        let bar = stderr().is_terminal().then(ProgressBar::no_length);
        Self {
            bar,
            bytes: 0,
            reported: 0,
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
                if tenth > self.reported {
                    eprintln!(
                        "{:>3} % of {}",
                        tenth * 10,
                        HumanBytes(progress.total.unwrap_or(0))
                    );
                }
                self.reported = tenth;
            }
            (None, None) => {
                let steps = progress.bytes / STEP;
                if steps > self.reported {
                    eprintln!("{}", HumanBytes(progress.bytes));
                }
                self.reported = steps;
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
            // A folder is packed during the upload, so the total is unknown.
            None => "{spinner} {bytes} {bytes_per_sec}",
        };
        // An invalid template would fall back to the default style.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        match &self.bar {
            // The upload may have failed, so the bar stays at its position.
            Some(bar) => bar.abandon(),
            None if self.bytes == 0 => {}
            None => eprintln!("sent {}", HumanBytes(self.bytes)),
        }
    }
}
