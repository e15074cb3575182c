//! A hub and a few sequences for examples and experiments.
//!
//! [`hub`] returns the hub of `SCRAMJET_HUB_URL`, or starts a fake one. The packages of the
//! sequences contain JavaScript for a real hub. A fake hub runs Rust functions that do the same.
//!
//! ```
//! use scramjet_client_blocking::{HostClient, StartOptions};
//! use scramjet_client_testing::demo;
//!
//! let hub = demo::hub();
//! let deployment = HostClient::new(hub.url())?.deploy(demo::shout())?;
//! let run = deployment.run(&StartOptions::new().arg("!"), "some text")?;
//! assert_eq!(run.output, b"SOME TEXT!\n");
//! deployment.close()?;
//! # Ok::<(), scramjet_client_blocking::Error>(())
//! ```

mod programs;

use crate::fake_hub::{FakeHub, FakeHubBuilder, Generation, Package, Times};

/// Returns the hub of the environment variable `SCRAMJET_HUB_URL`. If that is not set or empty,
/// starts [a fake hub](fake_hub) of 1.x.
#[must_use]
pub fn hub() -> Hub {
    match std::env::var("SCRAMJET_HUB_URL") {
        Ok(url) if !url.is_empty() => Hub { url, fake: None },
        _ => {
            let fake = fake_hub(Generation::V1);
            Hub {
                url: fake.url(),
                fake: Some(fake),
            }
        }
    }
}

/// The hub that [`hub`] returns. Dropping it shuts a fake hub down.
#[derive(Clone, Debug)]
pub struct Hub {
    url: String,
    fake: Option<FakeHub>,
}

impl Hub {
    /// Returns the base URL for clients.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns `true` if this is a fake hub, which has no other users.
    #[must_use]
    pub fn is_fake(&self) -> bool {
        self.fake.is_some()
    }
}

/// Starts a fake hub that runs the sequences of this module, with the times of
/// [`fake_hub_builder`].
#[must_use]
pub fn fake_hub(generation: Generation) -> FakeHub {
    let hub = fake_hub_builder(generation).start();
    add_programs(&hub);
    hub
}

/// Returns a builder for a fake hub that keeps the order of events, and takes at most a tenth of
/// the time of a real hub.
///
/// The pauses of programs are in real time.
pub fn fake_hub_builder(generation: Generation) -> FakeHubBuilder {
    FakeHub::builder(generation).settings(|settings| {
        let Times {
            connect,
            load,
            starting,
            completed,
            exit,
            forced_exit,
            notice,
            notice_failure,
            lingering,
            extension,
            first_health_report,
            stalled_upload,
            ..
        } = &mut settings.times;
        let short = [connect, load, starting, exit, notice, notice_failure];
        for time in short
            .into_iter()
            .chain([completed, forced_exit, first_health_report])
        {
            *time /= 10;
        }
        *stalled_upload = stalled_upload.map(|time| time / 10);
        *lingering /= 100;
        *extension /= 20;
    })
}

/// Adds the programs of the sequences to a fake hub that the caller has started with other options.
pub fn add_programs(hub: &FakeHub) {
    programs::add(hub);
}

/// Returns the package in the folder `demo/<name>`.
macro_rules! package {
    ($name:literal) => {{
        let mut package = Package::named($name);
        let manifest = include_str!(concat!("demo/", $name, "/package.json"));
        let program = include_str!(concat!("demo/", $name, "/index.js"));
        for (path, text) in [("package.json", manifest), ("index.js", program)] {
            package.files.insert(path.to_owned(), text.into());
        }
        package.to_archive()
    }};
}

/// Returns the package of a sequence that performs the steps in the member `steps` of its
/// configuration, one after another.
///
/// - `{"emit": event, "data": value}` emits an event.
/// - `{"wait": ms}` pauses.
/// - `{"log": text}` writes to the log, and `{"print": text}` to the output.
/// - `{"exit": code}` ends the process, `{"throw": text}` fails, and `{"end": true}` completes.
///
/// The file `index.js` in the package lists the others. After the last step, the instance runs
/// until it is stopped or killed.
#[must_use]
pub fn acts() -> Vec<u8> {
    package!("acts")
}

/// Returns the package of a sequence that emits the event `ready`, and answers each event `ping`
/// with an event `pong` that has the same data.
#[must_use]
pub fn events() -> Vec<u8> {
    package!("events")
}

/// Returns the package of a sequence that emits the event `ready`, and answers each line of text
/// with the line in capitals.
///
/// Its first argument is appended to each line. The member `greeting` of its configuration is
/// inserted before each line.
#[must_use]
pub fn shout() -> Vec<u8> {
    package!("shout")
}

/// Returns the package of a sequence that emits the event `ready`, and answers each line of JSON
/// `{"text": "two words"}` with a line `{"words": 2}`.
///
/// The member `pause` of a line delays the answer by that number of milliseconds.
#[must_use]
pub fn words() -> Vec<u8> {
    package!("words")
}
