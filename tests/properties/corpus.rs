//! Inputs from fuzzing: for each target, those that reach code which no other input reaches.
//! Failures name an input by its digest.

use std::fs::File;
use std::io::Read;
use std::panic::catch_unwind;
use std::path::Path;

use flate2::read::GzDecoder;
use tar::Archive;

use crate::{decoding, heads, replying, requesting};

/// Replays `fixtures/fuzz/<target>.tar.gz`, which must contain at least this many inputs.
fn replay(target: &str, at_least: usize, check: fn(&[u8])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/fuzz/{target}.tar.gz"));
    let archive = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut count = 0;
    for entry in Archive::new(GzDecoder::new(archive))
        .entries()
        .expect("an archive")
    {
        let mut entry = entry.expect("a whole entry");
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut input = Vec::new();
        entry.read_to_end(&mut input).expect("a whole input");
        let name = entry.path().expect("a name").display().to_string();
        assert!(
            catch_unwind(|| check(&input)).is_ok(),
            "{target}: {name}: {input:?}"
        );
        count += 1;
    }
    println!("{target}: {count} inputs");
    assert!(count >= at_least, "{target}: only {count} inputs");
}

#[test]
fn corpus_of_decoders() {
    replay("decoders", 1000, decoding::check);
}

#[test]
fn corpus_of_limits() {
    replay("limits", 20, decoding::check_limits);
}

#[test]
fn corpus_of_replies() {
    replay("replies", 1500, replying::check);
}

#[test]
fn corpus_of_requests() {
    replay("requests", 1000, requesting::check);
}

#[test]
fn corpus_of_heads() {
    replay("heads", 25, heads::check);
}
