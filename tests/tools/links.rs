//! Deeply nested folders, and links out of the folder.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;

use scramjet_client_blocking::Package;
use scramjet_client_blocking::pack::{EntryKind, PackEntry, PackError, PackOptions};

use crate::helpers::{Folder, in_child_of, within};
use crate::package_folder::{add, bytes_of, paths, sequence, unpacked};

/// More than this test's small stack and limit of open files allow, if a level takes one of them.
const LEVELS: usize = 400;

#[test]
fn from_dir_packs_deeply_nested_folders() {
    if let Ok(folder) = env::var("TEST_NESTED_FOLDER") {
        let package = thread::Builder::new()
            .stack_size(128 << 10)
            .spawn(move || Package::from_dir(folder).unwrap())
            .unwrap()
            .join()
            .unwrap();
        let longest = paths(&package).iter().map(String::len).max();
        assert_eq!(longest, Some("d/".len() * LEVELS + "leaf.js".len()));
        let archive = unpacked(&bytes_of(&package));
        assert!(
            archive
                .iter()
                .any(|entry| entry.path.components().count() == LEVELS + 1)
        );
        return;
    }
    let folder = sequence("nested", &[]);
    let leaf = "d/".repeat(LEVELS) + "leaf.js";
    add(&folder, &[(leaf.as_str(), "."), ("d/d/.siignore", "*.log")]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap());
    in_child_of(shell, &[("TEST_NESTED_FOLDER", folder.0.to_str().unwrap())]);
}

#[test]
fn siignore_rules_apply_below_their_folder_only() {
    let folder = sequence(
        "rules-below",
        &[
            ("a/.siignore", "*.log"),
            ("a/x.log", "."),
            ("a/b/.siignore", "!kept.log"),
            ("a/b/kept.log", "."),
            ("a/b/x.log", "."),
            ("a/c/kept.log", "."),
            ("a/c/x", "."),
            ("b/x.log", "."),
            ("z/x.log", "."),
        ],
    );
    let package = Package::from_dir(&folder.0).unwrap();
    assert_eq!(
        paths(&package),
        [
            "a/b/kept.log",
            "a/c/x",
            "b/x.log",
            "index.js",
            "package.json",
            "z/x.log"
        ]
    );
}

fn followed(dir: &Path) -> Result<Package, PackError> {
    let dir = dir.to_path_buf();
    within("packing with links", move || {
        Package::from_dir_with(dir, &PackOptions::new().follow_outside_links())
    })
}

/// Creates an npm workspace: a sequence in `app`, and a library in `lib` that is linked into
/// `app/node_modules`.
fn workspace(test: &str) -> Folder {
    let folder = Folder::new(test);
    add(
        &folder,
        &[
            ("app/package.json", r#"{"name":"app","main":"index.js"}"#),
            ("app/index.js", "require('@o/lib');"),
            ("app/node_modules/dep/index.js", "."),
            ("lib/package.json", r#"{"name":"@o/lib","main":"index.js"}"#),
            ("lib/index.js", "module.exports = 1;"),
            ("lib/.npmrc", "token"),
            ("lib/dist/a.js", "."),
            ("lib/dist/a.map", "."),
            ("lib/.siignore", "*.map"),
            ("shared.js", "."),
        ],
    );
    fs::create_dir(folder.0.join("app/node_modules/@o")).unwrap();
    symlink("../../../lib", folder.0.join("app/node_modules/@o/lib")).unwrap();
    folder
}

#[test]
fn follow_outside_links_packs_the_targets() {
    let folder = workspace("workspace");
    let app = folder.0.join("app");
    let error = Package::from_dir(&app).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot pack the link {} -> ../../../lib: it leads out of the folder, and \
             follow_outside_links is not set; fix it, or exclude it in .siignore",
            app.join("node_modules/@o/lib").display()
        )
    );
    symlink("../shared.js", app.join("shared.js")).unwrap();
    symlink(folder.0.join("lib/dist"), app.join("absolute")).unwrap();
    // Links within their folder stay links, also in a followed folder.
    symlink("index.js", app.join("inner.js")).unwrap();
    symlink("dist/a.js", folder.0.join("lib/inner.js")).unwrap();

    let package = followed(&app).unwrap();
    assert_eq!(
        paths(&package),
        [
            "absolute/a.js",
            "absolute/a.map",
            "index.js",
            "inner.js",
            "node_modules/@o/lib/dist/a.js",
            "node_modules/@o/lib/index.js",
            "node_modules/@o/lib/inner.js",
            "node_modules/@o/lib/package.json",
            "node_modules/dep/index.js",
            "package.json",
            "shared.js",
        ]
    );
    let links = package
        .entries()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Link { target, .. } => Some((entry.path.as_str(), target.as_str())),
            _ => None,
        })
        .collect::<Vec<_>>();
    assert_eq!(
        links,
        [
            ("inner.js", "index.js"),
            ("node_modules/@o/lib/inner.js", "dist/a.js")
        ]
    );
    let archive = unpacked(&bytes_of(&package));
    let lib = archive
        .iter()
        .find(|entry| entry.path.ends_with("lib/index.js"))
        .unwrap();
    assert_eq!(lib.content, b"module.exports = 1;");
    // Files outside are checked for changes as well.
    fs::write(folder.0.join("lib/index.js"), "module.exports = 22;").unwrap();
    assert!(matches!(
        package.digest().unwrap_err(),
        PackError::Changed { path, .. }
            if path == fs::canonicalize(folder.0.join("lib/index.js")).unwrap()
    ));
}

#[test]
fn follow_outside_links_refuses_cycles() {
    for (at, target) in [
        // To a parent folder.
        ("app/up", ".."),
        ("app/node_modules/up", "../../../"),
        // From the library to the application, which links to the library.
        ("lib/app", "../app"),
        ("lib/deep", ".."),
    ] {
        let folder = workspace("circle");
        symlink(target, folder.0.join(at)).unwrap();
        let result = followed(&folder.0.join("app"));
        let text = result.unwrap_err().to_string();
        assert!(text.contains(": it leads into a loop"), "{at}: {text}");
    }
    // A long chain without a cycle.
    let folder = workspace("chain");
    for number in 0..100 {
        add(&folder, &[(&format!("chain/{number}/x"), ".")]);
        symlink(
            format!("../{}", number + 1),
            folder.0.join(format!("chain/{number}/next")),
        )
        .unwrap();
    }
    fs::create_dir(folder.0.join("chain/100")).unwrap();
    symlink("../chain/0", folder.0.join("app/chain")).unwrap();
    let text = followed(&folder.0.join("app")).unwrap_err().to_string();
    assert!(text.contains(": it leads into a loop"), "{text}");
}

#[test]
fn follow_outside_links_refuses_missing_targets_and_devices() {
    let folder = workspace("nothing");
    let link = folder.0.join("app/link");
    for (target, says) in [
        ("../missing", "its target does not exist"),
        ("/dev/zero", "is a device, which cannot be packed"),
        ("link", "it leads into a loop"),
    ] {
        symlink(target, &link).unwrap();
        let text = followed(&folder.0.join("app")).unwrap_err().to_string();
        assert!(text.contains(says), "{target}: {text}");
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn follow_outside_links_packs_links_that_lead_back_inside() {
    let folder = workspace("back");
    let app = folder.0.join("app");
    symlink("../app/index.js", app.join("back.js")).unwrap();
    symlink("../../app/node_modules/dep", app.join("node_modules/back")).unwrap();
    symlink("../lib/index.js", folder.0.join("lib/back.js")).unwrap();
    // Through a link outside.
    symlink("app/index.js", folder.0.join("hop.js")).unwrap();
    symlink("../hop.js", app.join("hop.js")).unwrap();

    let text = Package::from_dir(&app).unwrap_err().to_string();
    assert!(text.contains("follow_outside_links is not set"), "{text}");
    let package = followed(&app).unwrap();
    let is_file = |entry: &PackEntry| matches!(entry.kind, EntryKind::File { .. });
    assert!(package.entries().all(is_file), "{:?}", paths(&package));
    let archive = unpacked(&bytes_of(&package));
    for (at, content) in [
        ("back.js", "require('@o/lib');"),
        ("hop.js", "require('@o/lib');"),
        ("node_modules/@o/lib/back.js", "module.exports = 1;"),
        ("node_modules/back/index.js", "."),
    ] {
        let entry = archive.iter().find(|entry| entry.path == Path::new(at));
        assert_eq!(entry.unwrap().content, content.as_bytes(), "{at}");
    }
}
