//! Packages contain the whole folder, and nothing specific to the machine.

use std::fs::{self, File};
use std::io::{self, Read};
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use scramjet_client_blocking::pack::{EntryKind, PackOptions};
use scramjet_client_blocking::{HostClient, Package, StartOptions};
use scramjet_client_tests::on_each_hub;
use tar::EntryType;

use crate::helpers::{Folder, Numbered, within};
use crate::package_folder::{MANIFEST, add, bytes_of, packed, paths, sequence, unpacked};

#[cfg(unix)]
fn set_mode(folder: &Folder, path: &str, mode: u32) {
    fs::set_permissions(folder.0.join(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
#[cfg(unix)]
fn from_dir_packs_files_at_the_root_and_keeps_executables() {
    let folder = sequence(
        "all",
        &[
            ("bin/run", "#!/bin/sh\n"),
            ("lib/deep/x.js", "x"),
            ("empty", ""),
        ],
    );
    set_mode(&folder, "bin/run", 0o700);
    set_mode(&folder, "lib/deep/x.js", 0o600);
    fs::create_dir(folder.0.join("data")).unwrap();
    let package = Package::from_dir(&folder.0).unwrap();
    assert_eq!(
        (package.name(), package.version(), package.main()),
        ("a-package", "1.2.3", "index.js")
    );
    assert_eq!(package.dir(), folder.0);

    let entries = unpacked(&bytes_of(&package));
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| (entry.path.to_str().unwrap(), entry.kind, entry.mode))
        .collect();
    let file = EntryType::Regular;
    let expected = [
        ("bin/run", file, 0o755),
        ("data/", EntryType::Directory, 0o755),
        ("empty", file, 0o644),
        ("index.js", file, 0o644),
        ("lib/deep/x.js", file, 0o644),
        ("package.json", file, 0o644),
    ];
    assert_eq!(seen, expected);
    for entry in entries.iter().filter(|entry| entry.kind == file) {
        assert_eq!(entry.content, fs::read(folder.0.join(&entry.path)).unwrap());
    }
    // `entries` returns the same.
    assert_eq!(
        paths(&package),
        expected.map(|(path, ..)| path.trim_end_matches('/'))
    );
    let size: usize = entries.iter().map(|entry| entry.content.len()).sum();
    assert_eq!(package.size(), u64::try_from(size).unwrap());
    let executable = |kind: &EntryKind| {
        matches!(
            kind,
            EntryKind::File {
                executable: true,
                ..
            }
        )
    };
    assert_eq!(
        package
            .entries()
            .filter(|entry| executable(&entry.kind))
            .count(),
        1
    );
}

#[test]
#[cfg(unix)]
fn digest_depends_only_on_the_content() {
    let files = [("b/c", "c"), ("b.txt", "b"), ("a", "a"), ("b-d", "d")];
    let one = sequence("same-one", &files);
    let other = Folder::new("same-other");
    // Other order, times and permissions.
    add(
        &other,
        &[
            ("index.js", "module.exports = async () => {};\n"),
            ("a", "a"),
            ("b-d", "d"),
            ("b.txt", "b"),
            ("b/c", "c"),
        ],
    );
    add(&other, &[("package.json", MANIFEST)]);
    for path in ["a", "b/c", "package.json"] {
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options()
            .write(true)
            .open(other.0.join(path))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    set_mode(&other, "a", 0o640);
    set_mode(&other, "b", 0o700);
    assert_eq!(packed(&one.0), packed(&other.0));
    let digest = |folder: &Folder| Package::from_dir(&folder.0).unwrap().digest().unwrap();
    assert_eq!(digest(&one), digest(&other));

    // Any other change gives another digest.
    let before = digest(&other);
    let changes: [&dyn Fn(); 5] = [
        &|| set_mode(&other, "a", 0o755),
        &|| add(&other, &[("a", "b")]),
        &|| fs::rename(other.0.join("a"), other.0.join("A")).unwrap(),
        &|| fs::create_dir(other.0.join("empty")).unwrap(),
        &|| fs::remove_file(other.0.join("b-d")).unwrap(),
    ];
    let mut seen = vec![before];
    for change in changes {
        change();
        let digest = digest(&other);
        assert!(!seen.contains(&digest));
        seen.push(digest);
    }
}

/// The digest must be the same on all machines and in later versions. A change would deploy all
/// packages again.
#[test]
#[cfg(unix)]
fn digest_is_stable() {
    let folder = sequence(
        "golden",
        &[
            ("bin/run", "#!/bin/sh\n"),
            (&format!("{}/{}", "d".repeat(120), "f".repeat(120)), "long"),
        ],
    );
    set_mode(&folder, "bin/run", 0o755);
    symlink("bin/run", folder.0.join("link")).unwrap();
    fs::create_dir(folder.0.join("empty")).unwrap();
    let package = Package::from_dir(&folder.0).unwrap();
    let digest = package.digest().unwrap();
    assert_eq!(
        digest.to_string(),
        "7368fa198e1b985176e7549b5ab022cc05c43d8951faab18a9d44727608bbc68"
    );
    assert_eq!(format!("{digest:?}"), format!("Digest({digest})"));

    // It is the SHA-256 hash of the uncompressed archive.
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(bytes_of(&package).as_slice())
        .read_to_end(&mut tar)
        .unwrap();
    assert_eq!(tar.len() % 512, 0);
    assert_eq!(hmac_sha256::Hash::hash(&tar), *digest.as_bytes());
}

#[test]
#[cfg(unix)]
fn from_dir_keeps_links_within_the_folder() {
    let folder = sequence(
        "links",
        &[("node_modules/.store/m/index.js", "m"), ("lib/x.js", "x")],
    );
    symlink(".store/m", folder.0.join("node_modules/m")).unwrap();
    fs::create_dir(folder.0.join("node_modules/.bin")).unwrap();
    symlink("../m/index.js", folder.0.join("node_modules/.bin/m")).unwrap();
    symlink("..", folder.0.join("lib/up")).unwrap();
    symlink("lib/up/lib/x.js", folder.0.join("around")).unwrap();
    let entries = unpacked(&packed(&folder.0));
    let links: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some((entry.path.to_str()?, entry.link.as_ref()?.to_str()?)))
        .collect();
    let expected = [
        ("around", "lib/up/lib/x.js"),
        ("lib/up", ".."),
        ("node_modules/.bin/m", "../m/index.js"),
        ("node_modules/m", ".store/m"),
    ];
    assert_eq!(links, expected);
    assert!(
        entries
            .iter()
            .filter(|entry| entry.link.is_some())
            .all(|entry| (entry.kind, entry.mode) == (EntryType::Symlink, 0o777))
    );
}

#[test]
#[cfg(unix)]
fn from_dir_packs_paths_of_any_length() {
    let long = format!(
        "{}/{}/{}.js",
        "a".repeat(100),
        "b".repeat(200),
        "c".repeat(200)
    );
    let target = format!(
        "./{}../index.js",
        "sub/../sub/../sub/../"
            .repeat(10)
            .replace("sub", &"s".repeat(20))
            + &format!("{}/", "s".repeat(20))
    );
    let names = [
        "with blank",
        "ümlaut",
        "-dash",
        "new\nline",
        "back\\slash",
        "%41",
        "ends.",
        long.as_str(),
    ];
    let sizes = [
        "",
        ".",
        &"x".repeat(511),
        &"x".repeat(512),
        &"x".repeat(513),
        &"x".repeat(100_000),
    ];
    let mut files: Vec<_> = names.into_iter().zip(sizes.into_iter().cycle()).collect();
    let keep = format!("{}/keep", "s".repeat(20));
    files.push((&keep, "."));
    let folder = sequence("paths", &files);
    symlink(&target, folder.0.join("far")).unwrap();
    let entries = unpacked(&packed(&folder.0));
    for (name, content) in files {
        let entry = entries
            .iter()
            .find(|entry| entry.path.to_str() == Some(name))
            .unwrap_or_else(|| panic!("{name:?} is missing"));
        assert!(entry.content == content.as_bytes(), "{name:?}");
    }
    let link = entries
        .iter()
        .find(|entry| entry.path.to_str() == Some("far"))
        .unwrap()
        .link
        .clone()
        .unwrap();
    assert!(
        target.len() > 100
            && folder.0.join(&link).canonicalize().unwrap()
                == folder.0.join("index.js").canonicalize().unwrap()
    );
}

#[test]
#[cfg(unix)]
fn from_dir_finds_main_like_a_hub() {
    for main in [
        "index.js",
        "index",
        "./index.js",
        "lib/../index.js",
        "lib/",
        "lib/link.js",
    ] {
        let folder = sequence(
            "main",
            &[
                ("package.json", &format!(r#"{{"main":{main:?}}}"#)),
                ("lib.js", "."),
                ("lib/x", "."),
            ],
        );
        symlink("../index.js", folder.0.join("lib/link.js")).unwrap();
        let result = Package::from_dir(&folder.0);
        assert_eq!(result.is_ok(), main != "lib/", "{main}: {result:?}");
        assert!(
            result.is_err()
                || result.is_ok_and(|package| package.main() == main && package.name().is_empty())
        );
    }
}

#[test]
fn write_to_writes_the_whole_package_or_nothing() {
    let folder = sequence("write", &[]);
    let target = Folder::new("write-target");
    let path = target.0.join("package.tar.gz");
    let package = Package::from_dir(&folder.0).unwrap();
    let size = package.write_to(&path).unwrap();
    let written = fs::read(&path).unwrap();
    assert_eq!(
        (u64::try_from(written.len()).unwrap(), &written),
        (size, &bytes_of(&package))
    );

    add(&folder, &[("index.js", "changed")]);
    let error = package.write_to(&path).unwrap_err();
    let text = format!(
        "{} changed while it was being packed; pack it again when nothing writes to it",
        folder.0.join("index.js").display()
    );
    assert_eq!(error.to_string(), text);
    assert_eq!(fs::read(&path).unwrap(), written, "what was there is there");
    assert_eq!(
        fs::read_dir(&target.0).unwrap().count(),
        1,
        "nothing is left beside it"
    );

    let nowhere = target.0.join("missing/package.tar.gz");
    let error = Package::from_dir(&folder.0)
        .unwrap()
        .write_to(&nowhere)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot write {}", nowhere.display())
    );
    assert!(
        format!("{error:?}").contains("caused by: No such file"),
        "{error:?}"
    );
}

#[test]
fn concurrent_write_to_succeeds() {
    let folder = sequence("written-at-once", &[]);
    let out = Folder::new("written-at-once-out");
    let package = Package::from_dir(&folder.0).unwrap();
    let path = out.0.join("package.tar.gz");
    within("writing", {
        let path = path.clone();
        move || {
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            package.write_to(&path).unwrap();
                        }
                    });
                }
            });
        }
    });
    let left = fs::read_dir(&out.0).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["package.tar.gz"]);
}

#[cfg(unix)]
on_each_hub!(send_sequence_accepts_a_package_on_a_hub);
#[cfg(unix)]
fn send_sequence_accepts_a_package_on_a_hub(host: HostClient) {
    let folder = sequence(
        "linked",
        &[
            (
                "package.json",
                r#"{ "name": "linked", "main": "bin/start", "engines": { "node": ">=16" } }"#,
            ),
            (
                &format!("lib/{}/real.js", "long".repeat(40)),
                "module.exports = async function () { return [`it runs\\n`]; };\n",
            ),
        ],
    );
    fs::create_dir(folder.0.join("bin")).unwrap();
    symlink(
        format!("../lib/{}/real.js", "long".repeat(40)),
        folder.0.join("bin/start.js"),
    )
    .unwrap();
    let sequence = host
        .send_sequence(Package::from_dir(&folder.0).unwrap())
        .unwrap();
    assert_eq!(sequence.info().unwrap().config.name, "linked");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    let mut output = String::new();
    instance
        .output()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert!(output.contains("it runs"), "{output:?}");
    sequence.force_delete().unwrap();
}

/// The reader must not read all files in advance, so it notices the deletion of a later one.
#[test]
fn package_reader_streams() {
    let folder = sequence("streamed", &[("z", "the last")]);
    io::copy(
        &mut Numbered::new().take(64 << 20),
        &mut File::create(folder.0.join("a")).unwrap(),
    )
    .unwrap();
    let mut reader = Package::from_dir(&folder.0).unwrap().reader();
    reader.read_exact(&mut [0; 1024]).unwrap();
    fs::remove_file(folder.0.join("z")).unwrap();
    let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(folder.0.join("z").to_str().unwrap()),
        "{error}"
    );
}

/// Prints the time of each step.
#[test]
fn from_dir_packs_a_thousand_files() {
    let folder = sequence("thousand", &[]);
    for number in 0..1000 {
        let path = folder
            .0
            .join(format!("node_modules/m{:02}/f{number}.js", number % 50));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        io::copy(
            &mut Numbered::new().take(8 << 10),
            &mut File::create(path).unwrap(),
        )
        .unwrap();
    }
    let begin = Instant::now();
    let package = Package::from_dir_with(&folder.0, &PackOptions::new()).unwrap();
    let listed = begin.elapsed();
    let digest = package.digest().unwrap();
    let digested = begin.elapsed() - listed;
    let bytes = bytes_of(&package);
    let packed = begin.elapsed() - listed - digested;
    assert_eq!(
        (package.entries().len(), unpacked(&bytes).len()),
        (1002, 1002)
    );
    println!(
        "{} entries, {} bytes, packed {} bytes: listed in {listed:?}, digest in {digested:?}, \
             packed in {packed:?}; {digest}",
        package.entries().len(),
        package.size(),
        bytes.len()
    );
}
