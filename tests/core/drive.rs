//! An endpoint, and paths of this repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use scramjet_client_core::Endpoint;

/// Returns an endpoint with default settings.
pub(crate) fn hub() -> Endpoint {
    Endpoint::new("http://hub.example:8000/api/v1").expect("a base URL")
}

/// Returns a path in this package.
pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// Returns the sources of the core: the path below `crates/core/src`, and the text.
pub(crate) fn core_sources() -> Vec<(String, String)> {
    let root = here("../crates/core/src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(&root)
                    .expect("below the root")
                    .display()
                    .to_string();
                sources.push((name, fs::read_to_string(&path).expect("a source in UTF-8")));
            }
        }
    }
    sources.sort();
    assert!(
        sources.len() > 10,
        "core was not found in {}",
        root.display()
    );
    sources
}
