//! Exchanges recorded from real hubs, in `tests/fixtures`.

use std::path::PathBuf;

use scramjet_client_testing::replay::RecordedExchange;

/// Loads the exchange of this name. `generation` is a folder in `fixtures`: `"0.18.7"`,
/// `"composed/1.0.1"`.
///
/// # Panics
/// There is no such exchange, or its request was not recorded to its end.
pub fn load(generation: &str, name: &str) -> RecordedExchange {
    let exchange = RecordedExchange::load(folder(generation), name)
        .unwrap_or_else(|error| panic!("no fixture {generation}/{name}: {error}"));
    assert!(
        exchange.request.complete,
        "fixture {generation}/{name}.request is not a whole request"
    );
    exchange
}

/// Returns the folder of a generation.
pub fn folder(generation: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(generation)
}
