//! Files that are not packed by default, as in npm, and files that may be secrets.

use std::env;
use std::process::{Command, Stdio};

use scramjet_client_blocking::pack::PackOptions;
use scramjet_client_blocking::{Package, build};

use crate::package_folder::{add, paths, sequence};

/// `npm pack` ignores these according to its documentation.
const IGNORED: [(&str, &str); 17] = [
    (".npmrc", "//registry.npmjs.org/:_authToken=secret"),
    ("lib/.npmrc", "."),
    (".hg/store", "."),
    ("lib/.svn/entries", "."),
    ("CVS/Root", "."),
    (".DS_Store", "."),
    ("lib/.DS_Store", "."),
    ("._index.js", "."),
    (".index.js.swp", "."),
    ("index.js.orig", "."),
    ("npm-debug.log", "."),
    ("build/config.gypi", "."),
    (".lock-wscript", "."),
    (".wafpickle-7", "."),
    ("package-lock.json", "."),
    ("yarn.lock", "."),
    ("pnpm-lock.yaml", "."),
];

#[test]
fn from_dir_ignores_what_npm_ignores_unless_a_rule_keeps_it() {
    let folder = sequence(
        "npm",
        &[
            ("lib/a.js", "."),
            ("lib/package-lock.json", "."),
            ("node_modules/m/index.js", "."),
        ],
    );
    let before = Package::from_dir(&folder.0).unwrap();
    add(&folder, &IGNORED);
    let package = Package::from_dir(&folder.0).unwrap();
    let expected = [
        "index.js",
        "lib/a.js",
        "lib/package-lock.json",
        "node_modules/m/index.js",
        "package.json",
    ];
    assert_eq!(paths(&package), expected);
    // A file manager's files do not cause a deployment.
    assert_eq!(package.digest().unwrap(), before.digest().unwrap());

    add(
        &folder,
        &[(".siignore", "!.npmrc\n/lib/.npmrc\n!CVS\n!.DS_Store")],
    );
    let options = PackOptions::new()
        .ignore("!*.orig")
        .ignore("/lib/.DS_Store");
    let package = Package::from_dir_with(&folder.0, &options).unwrap();
    let mut kept = paths(&package);
    kept.retain(|path| !expected.contains(&path.as_str()));
    assert_eq!(kept, [".DS_Store", ".npmrc", "CVS/Root", "index.js.orig"]);
}

const SECRETS: [(&str, &str); 7] = [
    (".env", "PASSWORD=x"),
    (".env.production", "."),
    ("config/tls.key", "."),
    ("config/tls.pem", "."),
    ("id_ed25519", "."),
    ("id_rsa", "."),
    ("keys/id_rsa", "."),
];

const HARMLESS: [(&str, &str); 6] = [
    (".env.example", "."),
    ("env", "."),
    ("id_map.js", "."),
    ("id_rsa.pub", "."),
    ("key.js", "."),
    ("pem/x", "."),
];

fn warned(package: &Package) -> Vec<&str> {
    package
        .entries()
        .filter(|entry| entry.may_be_secret)
        .map(|entry| entry.path.as_str())
        .collect()
}

#[test]
fn entries_mark_possible_secrets_unless_a_rule_keeps_them() {
    let folder = sequence("secrets", &SECRETS);
    add(&folder, &HARMLESS);
    let package = Package::from_dir(&folder.0).unwrap();
    assert_eq!(warned(&package), SECRETS.map(|(path, _)| path));

    add(&folder, &[(".siignore", "!/config/tls.pem\n.env")]);
    let options = PackOptions::new().ignore("!id_*");
    let package = Package::from_dir_with(&folder.0, &options).unwrap();
    assert_eq!(warned(&package), [".env.production", "config/tls.key"]);
    assert!(!paths(&package).contains(&".env".to_owned()));
}

#[test]
#[cfg(unix)]
fn build_script_warns_about_possible_secrets() {
    if env::var_os("TEST_BUILD_WARNINGS").is_some() {
        build::sequence("sequence").pack().unwrap();
        return;
    }
    let folder = sequence("warnings", &[]);
    add(
        &folder,
        &[
            ("sequence/package.json", r#"{"main":"index.js"}"#),
            ("sequence/index.js", "."),
            ("sequence/.env", "."),
            ("sequence/a\ncargo::error=x.pem", "."),
            ("sequence/cert.pem", "."),
            ("sequence/.siignore", "!cert.pem"),
        ],
    );
    let output = Command::new(env::current_exe().unwrap())
        .args([
            "default_ignores::build_script_warns_about_possible_secrets",
            "--exact",
            "--nocapture",
        ])
        .envs([
            ("TEST_BUILD_WARNINGS", folder.0.as_os_str()),
            ("CARGO_MANIFEST_DIR", folder.0.as_os_str()),
            ("OUT_DIR", folder.0.as_os_str()),
        ])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let warnings: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("cargo::"))
        .collect();
    let rules = folder.0.join("sequence/.siignore");
    assert_eq!(
        warnings,
        [
            format!(
                "cargo::warning=\".env\" is packed and may contain a secret; \
                 exclude it in {rules:?}, or keep it with !/.env"
            ),
            format!(
                "cargo::warning=\"a\\ncargo::error=x.pem\" is packed and may contain a secret; \
                 exclude it in {rules:?}, or keep it with !/a\\ncargo::error=x.pem"
            ),
        ]
    );
}
