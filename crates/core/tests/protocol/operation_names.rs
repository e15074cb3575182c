//! `operation_names` has all operations, so that the tests which use it miss none.

use std::collections::BTreeSet;

use scramjet_client_core::operation_names;

use crate::sans_io::{code, sources};

#[test]
fn operation_names_has_every_operation_of_the_sources() {
    let known: BTreeSet<_> = operation_names().map(str::to_owned).collect();
    let mut declared = BTreeSet::new();
    for (_, text) in sources() {
        declared.extend(code(&text).filter_map(|(_, line)| declared_name(line).map(str::to_owned)));
    }
    let missing: Vec<_> = declared.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "{missing:?} are missing in `operations!` of their modules"
    );
    assert_eq!(declared, known, "left: found in the sources");
}

/// Returns the name in a line that declares the name of an operation.
fn declared_name(line: &str) -> Option<&str> {
    let declares = |start| line.strip_prefix(start)?.strip_suffix("\";");
    declares("const NAME: &'static str = \"").or_else(|| declares("NAME = \""))
}
