//! Sequence packages: those of `tests/sequences` and of the module `demo`, and invalid ones.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use tar::{Builder, EntryType, Header};

/// Packs the contents of a folder as a gzip-compressed tar with the entries at its root.
///
/// The same contents give the same bytes: entries are sorted and have no times, owners or umask.
/// Symbolic links are followed.
pub fn pack_dir(dir: &Path) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(gzip());
    add_dir(&mut tar, dir, Path::new(""))?;
    tar.into_inner()?.finish()
}

/// Packs the folder of a sequence.
///
/// # Panics
/// There is no such sequence.
pub fn sequence(name: &str) -> Vec<u8> {
    let dir = sequence_dir(name);
    assert!(
        dir.join("package.json").is_file(),
        "no sequence {name:?}: {} has no package.json",
        dir.display()
    );
    pack_dir(&dir).unwrap_or_else(|error| panic!("cannot pack {}: {error}", dir.display()))
}

/// Returns the folder of a sequence, in `tests/sequences` or in `demo` of the crate for tests.
pub fn sequence_dir(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = root.join("../crates/testing/src/demo").join(name);
    if demo.is_dir() {
        demo
    } else {
        root.join("sequences").join(name)
    }
}

/// Returns invalid packages, which every hub refuses with 422, and what is wrong with each.
pub fn garbage_packages() -> Vec<(&'static str, Vec<u8>)> {
    let index: &[u8] = b"module.exports = async () => {};\n";
    let mut truncated = pack_files(&[
        ("package.json", br#"{"name":"cut","main":"index.js"}"#),
        ("index.js", index),
    ]);
    // Ends within the compressed data.
    truncated.truncate(truncated.len() / 2);

    vec![
        ("not a gzip", b"this is no package".to_vec()),
        ("truncated", truncated),
        ("empty tar", pack_files(&[])),
        ("no package.json", pack_files(&[("index.js", index)])),
        (
            "package.json without main",
            pack_files(&[
                ("package.json", br#"{"name":"no-main","version":"1.0.0"}"#),
                ("index.js", index),
            ]),
        ),
        (
            "package.json not JSON",
            pack_files(&[("package.json", b"name: not-json\n"), ("index.js", index)]),
        ),
    ]
}

fn gzip() -> GzEncoder<Vec<u8>> {
    // A gzip header also contains a time and an operating system.
    GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), Compression::default())
}

fn pack_files(files: &[(&str, &[u8])]) -> Vec<u8> {
    let pack = || {
        let mut tar = Builder::new(gzip());
        for (path, content) in files {
            tar.append_data(
                &mut header(EntryType::Regular, 0o644, content),
                path,
                *content,
            )?;
        }
        tar.into_inner()?.finish()
    };
    pack().unwrap_or_else(|error| panic!("cannot pack in memory: {error}"))
}

/// Adds the contents of `dir` under the name `at`.
fn add_dir(tar: &mut Builder<GzEncoder<Vec<u8>>>, dir: &Path, at: &Path) -> io::Result<()> {
    let mut names = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();

    for name in names {
        let (source, path) = (dir.join(&name), at.join(&name));
        let metadata = fs::metadata(&source)?;
        if metadata.is_dir() {
            tar.append_data(
                &mut header(EntryType::Directory, 0o755, &[]),
                &path,
                io::empty(),
            )?;
            add_dir(tar, &source, &path)?;
        } else if metadata.is_file() {
            let content = fs::read(&source)?;
            tar.append_data(
                &mut header(EntryType::Regular, mode(&metadata), &content),
                &path,
                content.as_slice(),
            )?;
        } else {
            return Err(io::Error::other(format!(
                "{} is neither a file nor a folder",
                source.display()
            )));
        }
    }
    Ok(())
}

/// Returns a header without path and checksum, which `append_data` sets.
fn header(kind: EntryType, mode: u32, content: &[u8]) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
    header
}

/// Returns 0o755 for folders and executable files, and 0o644 for others.
fn mode(metadata: &fs::Metadata) -> u32 {
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = metadata.is_dir();
    if executable { 0o755 } else { 0o644 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_dir_is_deterministic_with_files_at_its_root() {
        let package = sequence("shout");
        assert_eq!(package, sequence("shout"));

        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(package.as_slice()));
        let entries: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                (
                    entry.path().unwrap().into_owned(),
                    header.mode().unwrap(),
                    header.mtime().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            entries,
            [
                ("index.js".into(), 0o644, 0),
                ("package.json".into(), 0o644, 0)
            ]
        );
    }
}
