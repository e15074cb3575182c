//! Helpers that create folders to pack and read packages.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Command;

use flate2::read::GzDecoder;
use scramjet_client_blocking::Package;
use tar::{Archive, EntryType};

use crate::helpers::Folder;

pub(crate) const MANIFEST: &str =
    r#"{ "name": "a-package", "version": "1.2.3", "main": "index.js" }"#;

/// Creates a valid sequence folder with these additional files.
pub(crate) fn sequence(test: &str, files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new(test);
    add(
        &folder,
        &[
            ("package.json", MANIFEST),
            ("index.js", "module.exports = async () => {};\n"),
        ],
    );
    add(&folder, files);
    folder
}

/// Creates a named pipe without a writer.
#[cfg(unix)]
pub(crate) fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

pub(crate) fn add(folder: &Folder, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = folder.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// Returns the paths in a package, in its order.
pub(crate) fn paths(package: &Package) -> Vec<String> {
    package.entries().map(|entry| entry.path.clone()).collect()
}

pub(crate) fn packed(dir: &Path) -> Vec<u8> {
    bytes_of(&Package::from_dir(dir).unwrap())
}

pub(crate) fn bytes_of(package: &Package) -> Vec<u8> {
    let mut bytes = Vec::new();
    package.reader().read_to_end(&mut bytes).unwrap();
    bytes
}

/// An entry of an archive.
#[derive(Debug, PartialEq)]
pub(crate) struct Unpacked {
    pub(crate) path: PathBuf,
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    pub(crate) link: Option<PathBuf>,
    pub(crate) content: Vec<u8>,
}

/// Reads a package. Its entries must not reveal where and when it was made.
pub(crate) fn unpacked(package: &[u8]) -> Vec<Unpacked> {
    assert_eq!(
        package[..10],
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255],
        "a head without name, time and system"
    );
    let mut archive = Archive::new(GzDecoder::new(package));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (
                header.mtime().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap()
            ),
            (0, 0, 0)
        );
        assert_eq!(
            (header.username().unwrap(), header.groupname().unwrap()),
            (Some(""), Some(""))
        );
        let (kind, mode) = (header.entry_type(), header.mode().unwrap());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let link = entry.link_name().unwrap().map(|link| link.into_owned());
        Unpacked {
            path: entry.path().unwrap().into_owned(),
            kind,
            mode,
            link,
            content,
        }
    });
    entries.collect()
}
