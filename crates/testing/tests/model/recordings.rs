//! Compares the model with the recorded exchanges of real hubs.

mod compare;
mod setup;
mod v0_18;
mod v1;
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scramjet_client_testing::model::Generation;

use self::compare::BodyComparison;
use self::setup::Setup;
use self::wire::{read_request, read_response};

/// A recorded exchange, and how to compare it with the model.
pub(crate) struct Comparison {
    name: &'static str,
    /// Sets the hub up as it was during the recording.
    before: fn(&mut Setup),
    /// Called after the request was sent.
    after: fn(&mut Setup),
    body: BodyComparison,
}

/// Recorded exchanges with the same setup.
pub(crate) struct Comparisons(Vec<Comparison>);

/// Returns comparisons for exchanges. `names` separates them with spaces.
pub(crate) fn rows(before: fn(&mut Setup), names: &'static str) -> Comparisons {
    let row = |name| Comparison {
        name,
        before,
        after: |_| {},
        body: BodyComparison::Same,
    };
    Comparisons(names.split_whitespace().map(row).collect())
}

impl Comparisons {
    pub(crate) fn then(mut self, after: fn(&mut Setup)) -> Self {
        self.0.iter_mut().for_each(|row| row.after = after);
        self
    }

    pub(crate) fn compare(mut self, body: BodyComparison) -> Self {
        self.0.iter_mut().for_each(|row| row.body = body);
        self
    }
}

/// The names of exchanges that cannot be compared, and the reasons.
pub(crate) type Excluded = &'static [(&'static str, &'static str)];

fn folder(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    fixtures.join(name)
}

/// Time in which a response without a recorded end must not end in the model.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);

/// Upper bound for the time of all other responses.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

fn play(generation: Generation, folder: &Path, row: &Comparison) -> Vec<String> {
    let recorded = read_response(folder, row.name);
    let request = read_request(folder, row.name).expect("a request");
    let mut setup = Setup::new(generation, folder);
    (row.before)(&mut setup);
    let mut open = setup.send_request(&request);
    (row.after)(&mut setup);
    let limit = if recorded.complete {
        RESPONSE_TIMEOUT
    } else {
        STREAM_TIMEOUT
    };
    setup.driver.until_ended(&mut open, limit);
    compare::differences(&recorded, &open.response, row.body)
}

fn compare(generation: Generation, name: &str, table: Vec<Comparisons>, excluded: Excluded) {
    let folder = folder(name);
    let table: Vec<Comparison> = table.into_iter().flat_map(|rows| rows.0).collect();
    let mut wrong = Vec::new();
    for row in &table {
        let found = play(generation, &folder, row);
        if !found.is_empty() {
            wrong.push(format!("{}\n    {}", row.name, found.join("\n    ")));
        }
    }
    let mut unlisted: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .path()
                .file_name()?
                .to_str()
                .map(str::to_owned)
        })
        .filter_map(|file| file.strip_suffix(".http").map(str::to_owned))
        .collect();
    let names = table.iter().map(|row| row.name);
    for name in names.chain(excluded.iter().map(|(name, _)| *name)) {
        if !unlisted.remove(name) {
            wrong.push(format!("{name} is listed twice, or does not exist"));
        }
    }
    wrong.extend(unlisted.iter().map(|name| format!("{name} is not listed")));
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {}:\n{}",
        table.len(),
        wrong.join("\n")
    );
}

#[test]
fn responses_match_the_recordings_of_0_18() {
    compare(
        Generation::V0_18,
        "0.18.7",
        v0_18::recorded(),
        v0_18::EXCLUDED,
    );
}

#[test]
fn responses_match_the_recordings_of_1_x() {
    compare(Generation::V1, "1.0.1", v1::recorded(), v1::EXCLUDED);
}

#[test]
fn responses_match_the_composed_exchanges_of_0_18() {
    compare(Generation::V0_18, "composed/0.18.7", v0_18::composed(), &[]);
}

#[test]
fn responses_match_the_composed_exchanges_of_1_x() {
    let excluded = v1::EXCLUDED_COMPOSED;
    compare(Generation::V1, "composed/1.0.1", v1::composed(), excluded);
}
