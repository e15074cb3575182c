//! The core does no IO: it is `no_std` and has only reviewed dependencies.

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the sources of the core: the path below `src`, and the text.
pub(crate) fn sources() -> Vec<(String, String)> {
    let root = package().join("src");
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

#[test]
fn core_is_no_std() {
    let sources = sources();
    let (_, root) = sources
        .iter()
        .find(|(name, _)| name == "lib.rs")
        .expect("lib.rs");
    assert!(
        root.lines().any(|line| line == "#![no_std]"),
        "lib.rs has to say #![no_std], without a condition"
    );
    for (name, text) in &sources {
        for (number, line) in code(text) {
            let words: Vec<&str> = line
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty())
                .collect();
            let place = format!("{name}:{number}: {line}");
            assert!(!words.contains(&"std"), "{place}: core has no std");
            assert!(
                !words.windows(2).any(|pair| pair == ["extern", "crate"])
                    || words == ["extern", "crate", "alloc"],
                "{place}"
            );
        }
    }
}

/// Returns the lines of code with their numbers, without comments, doc examples and the test
/// module, which ends a file.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text
        .lines()
        .map(|line| line.split(" // ").next().unwrap_or_default().trim())
        .zip(1..);
    lines
        .map(|(line, number)| (number, line))
        .filter(|(_, line)| !line.starts_with("//"))
        .take_while(|(_, line)| *line != "mod tests {")
}

#[test]
fn code_finds_std_in_code_but_not_in_comments_and_tests() {
    let seen = |text: &str| code(text).any(|(_, line)| line.contains("std"));
    assert!(seen("extern crate std;"));
    assert!(seen("let x = std::time::Instant::now(); // why"));
    assert!(seen(r#"let x = ("http://x", std::env::args());"#));
    assert!(!seen(
        "/// let x = std::env::args();\n// std::net\n#[cfg(test)]\nmod tests {\nuse std::fs;\n}"
    ));
}

#[test]
fn core_parses_json_only_in_json_rs() {
    for (name, text) in sources() {
        for (number, line) in code(&text) {
            let parses = line.contains("serde_json::from_") && !line.contains("from_value");
            assert!(name == "json.rs" || !parses, "{name}:{number}: {line}");
        }
    }
}

#[test]
fn core_has_only_known_dependencies() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "-p",
        "scramjet-client-core",
        "-e",
        "normal",
        "--prefix",
        "none",
        "--offline",
        "--locked",
    ]);
    let output = tree.current_dir(package()).output().expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).expect("a tree in UTF-8");
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect();
    let names: String = names.iter().map(|name| format!("{name}\n")).collect();
    let file = package().join("tests/protocol/deps.txt");
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&file, &names).expect("the list is written");
    }
    let committed = fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; BLESS=1 writes it", file.display()));
    assert_eq!(
        names, committed,
        "left: the tree, right: deps.txt; BLESS=1 takes the new one, if it is right that \
             core needs it"
    );
}
