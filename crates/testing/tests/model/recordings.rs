//! Compares the model with every exchange that was recorded from real hubs.

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

/// A recorded exchange that the model can be brought to.
pub(crate) struct Row {
    name: &'static str,
    /// Brings the hub to the state of the recording.
    before: fn(&mut Setup),
    /// Happens after the request was sent.
    after: fn(&mut Setup),
    body: BodyComparison,
}

/// Exchanges that share a scene.
pub(crate) struct Comparisons(Vec<Row>);

/// Lists the names of exchanges, with spaces between them.
pub(crate) fn rows(before: fn(&mut Setup), names: &'static str) -> Comparisons {
    let row = |name| Row {
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

/// Why an exchange cannot be compared, by its name.
pub(crate) type Excluded = &'static [(&'static str, &'static str)];

fn folder(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    fixtures.join(name)
}

/// The time in which a response that was not seen to end does not end in the model, either.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);

/// The time in which all other responses end.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

fn play(generation: Generation, folder: &Path, row: &Row) -> Vec<String> {
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
    let table: Vec<Row> = table.into_iter().flat_map(|rows| rows.0).collect();
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
            wrong.push(format!("{name} is listed twice, or is not there"));
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
fn the_model_answers_as_recorded_from_0_18() {
    compare(
        Generation::V0_18,
        "0.18.7",
        v0_18::recorded(),
        v0_18::EXCLUDED,
    );
}

#[test]
fn the_model_answers_as_recorded_from_1_x() {
    compare(Generation::V1, "1.0.1", v1::recorded(), v1::EXCLUDED);
}

#[test]
fn the_model_answers_as_composed_for_0_18() {
    compare(Generation::V0_18, "composed/0.18.7", v0_18::composed(), &[]);
}

#[test]
fn the_model_answers_as_composed_for_1_x() {
    let excluded = v1::EXCLUDED_COMPOSED;
    compare(Generation::V1, "composed/1.0.1", v1::composed(), excluded);
}
