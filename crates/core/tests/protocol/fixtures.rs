//! The exchanges in `tests/fixtures` of this repository.

use std::fs;
use std::path::{Path, PathBuf};

use scramjet_client_testing::replay::RecordedExchange;
use serde_json::Value;

/// Loads the exchange of this name. `generation` is a folder in `tests/fixtures`: `"0.18.7"`,
/// `"composed/1.0.1"`.
pub(crate) fn load(generation: &str, name: &str) -> RecordedExchange {
    let exchange = RecordedExchange::load(folder(generation), name)
        .unwrap_or_else(|error| panic!("no fixture {generation}/{name}: {error}"));
    assert!(
        exchange.request.complete,
        "fixture {generation}/{name}.request is not a whole request"
    );
    exchange
}

/// Returns the names of all exchanges of a generation, sorted.
pub(crate) fn names(generation: &str) -> Vec<String> {
    RecordedExchange::names(folder(generation))
        .unwrap_or_else(|error| panic!("no fixtures for {generation}: {error}"))
}

fn folder(generation: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(generation)
}

#[test]
fn recorded_exchange_load_counts_interim_responses() {
    let response = load("0.18.7", "sequence-upload-expect-continue").response;
    assert_eq!(response.interim, 2);
    assert_eq!(response.status.expect("a response"), 200);
}

#[test]
fn index_json_lists_the_recorded_exchanges() {
    for generation in ["0.18.7", "1.0.1"] {
        let index = fs::read(folder(generation).join("index.json")).expect("an index");
        let index: Value = serde_json::from_slice(&index).expect("an index in JSON");
        let entries = index["exchanges"].as_array().expect("a list of exchanges");
        let listed: Vec<_> = entries
            .iter()
            .filter_map(|entry| entry["name"].as_str())
            .collect();
        assert_eq!(listed, names(generation));
        for entry in entries {
            let exchange = load(generation, entry["name"].as_str().expect("a name"));
            let name = format!("{generation}/{}", exchange.name);
            assert_eq!(
                entry["method"].as_str(),
                Some(exchange.request.method.as_str()),
                "{name}"
            );
            assert_eq!(
                entry["path"].as_str().unwrap_or_default(),
                exchange.request.target,
                "{name}"
            );
            assert_eq!(
                entry["status"].as_u64().unwrap_or(0),
                exchange
                    .response
                    .status
                    .map_or(0, |status| u64::from(status.as_u16())),
                "{name}"
            );
            assert_eq!(
                entry["response_complete"].as_bool(),
                Some(exchange.response.complete),
                "{name}"
            );
        }
    }
}

#[test]
fn composed_exchanges_keep_the_connection() {
    for generation in ["composed/0.18.7", "composed/1.0.1", "composed/proxy"] {
        for name in names(generation) {
            assert!(
                load(generation, &name).response.keeps_connection(),
                "{generation}/{name}"
            );
        }
    }
}
