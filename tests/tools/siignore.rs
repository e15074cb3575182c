//! `.siignore` leaves out what git would ignore with the same rules.

use std::env;
use std::fs;
use std::process::Command;

use scramjet_client_blocking::Package;
use scramjet_client_blocking::pack::PackOptions;

use crate::helpers::Folder;
use crate::package_folder::{add, paths, sequence};

/// Returns the packed files, without `package.json` and `index.js`.
fn kept(folder: &Folder) -> Vec<String> {
    let package = Package::from_dir(&folder.0).unwrap_or_else(|error| panic!("{error:?}"));
    paths(&package)
        .into_iter()
        .filter(|path| !["package.json", "index.js"].contains(&path.as_str()))
        .collect()
}

/// Returns the files that git does not ignore, or `None` without git.
fn not_ignored_by_git(folder: &Folder) -> Option<Vec<String>> {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(args)
            .current_dir(&folder.0)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        // Removes variables of a git hook that may run these tests.
        for (name, _) in
            env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_"))
        {
            if name != "GIT_CONFIG_GLOBAL" && name != "GIT_CONFIG_NOSYSTEM" {
                git.env_remove(name);
            }
        }
        git.output()
    };
    if !folder.0.join(".git").exists() {
        git(&["init", "-q"]).ok()?;
    }
    let output = git(&[
        "ls-files",
        "-z",
        "--others",
        "--exclude-per-directory=.siignore",
    ])
    .ok()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let other = |path: &&str| {
        !path.is_empty()
            && !path.ends_with(".siignore")
            && !["package.json", "index.js"].contains(path)
    };
    let mut kept: Vec<_> = text.split('\0').filter(other).map(str::to_owned).collect();
    kept.sort();
    Some(kept)
}

const FILES: [(&str, &str); 19] = [
    ("#hash", "."),
    ("!bang", "."),
    (".env", "."),
    ("a b ", "."),
    ("deep/er/logs/x.log", "."),
    ("deep/er/secret.env", "."),
    ("deep/keep.log", "."),
    ("deep/logs", "."),
    ("dist/app.js", "."),
    ("dist/app.min.js", "."),
    ("docs/a/b/c.md", "."),
    ("docs/a/c.md", "."),
    ("docs/c.md", "."),
    ("logs/today.log", "."),
    ("logs/keep.log", "."),
    ("node_modules/m/index.ts", "."),
    ("secret.env", "."),
    ("file[1].txt", "."),
    ("ä.txt", "."),
];

/// A rule, and the files that it leaves out.
const RULES: [(&str, &[&str]); 32] = [
    ("", &[]),
    ("# logs\n\n   \n", &[]),
    ("logs # comment", &[]),
    ("node_modules/", &["node_modules/m/index.ts"]),
    (
        "logs/",
        &["deep/er/logs/x.log", "logs/keep.log", "logs/today.log"],
    ),
    (
        "logs",
        &[
            "deep/er/logs/x.log",
            "deep/logs",
            "logs/keep.log",
            "logs/today.log",
        ],
    ),
    ("/logs", &["logs/keep.log", "logs/today.log"]),
    ("/secret.env", &["secret.env"]),
    ("secret.env\r\n", &["deep/er/secret.env", "secret.env"]),
    ("er/secret.env", &[]),
    ("**/er/secret.env", &["deep/er/secret.env"]),
    ("deep/**/secret.env", &["deep/er/secret.env"]),
    (
        "*.log",
        &[
            "deep/er/logs/x.log",
            "deep/keep.log",
            "logs/keep.log",
            "logs/today.log",
        ],
    ),
    ("/*.log", &[]),
    (
        "*.log\n!keep.log",
        &["deep/er/logs/x.log", "logs/today.log"],
    ),
    ("!keep.txt", &[]),
    (
        "logs/\n!logs/keep.log",
        &["deep/er/logs/x.log", "logs/keep.log", "logs/today.log"],
    ),
    ("/logs/*\n!/logs/keep.log", &["logs/today.log"]),
    ("logs/**", &["logs/keep.log", "logs/today.log"]),
    ("docs/*.md", &["docs/c.md"]),
    (
        "docs/**/c.md",
        &["docs/a/b/c.md", "docs/a/c.md", "docs/c.md"],
    ),
    ("docs/**/b", &["docs/a/b/c.md"]),
    ("docs/*/c.md", &["docs/a/c.md"]),
    ("do*/?/c.md", &["docs/a/c.md"]),
    ("app.[jm]s", &["dist/app.js"]),
    ("app.*.js", &["dist/app.min.js"]),
    ("[!a-z.]*", &["!bang", "#hash", "ä.txt"]),
    ("\\#hash\n\\!bang", &["!bang", "#hash"]),
    ("a b\\ ", &["a b "]),
    ("a b ", &[]),
    ("file\\[1].txt", &["file[1].txt"]),
    (
        "[[:alpha:]]*\n!dist\n!*.js",
        &[
            "a b ",
            "deep/er/logs/x.log",
            "deep/er/secret.env",
            "deep/keep.log",
            "deep/logs",
            "docs/a/b/c.md",
            "docs/a/c.md",
            "docs/c.md",
            "file[1].txt",
            "logs/keep.log",
            "logs/today.log",
            "node_modules/m/index.ts",
            "secret.env",
        ],
    ),
];

/// Keeps the required files for every rule.
const NEEDED: &str = "\n!/package.json\n!/index.js\n";

#[test]
#[cfg(unix)]
fn siignore_rules_match_like_git() {
    let folder = sequence("rules", &FILES);
    let mut compared = 0;
    for (rule, left_out) in RULES {
        fs::write(folder.0.join(".siignore"), format!("{rule}{NEEDED}")).unwrap();
        let mut expected: Vec<_> = FILES
            .iter()
            .map(|(path, _)| *path)
            .filter(|path| !left_out.contains(path))
            .collect();
        expected.sort_unstable();
        assert_eq!(kept(&folder), expected, "{rule:?}");
        if let Some(not_ignored_by_git) = not_ignored_by_git(&folder) {
            assert_eq!(not_ignored_by_git, expected, "git: {rule:?}");
            compared += 1;
        }
    }
    if compared == 0 {
        eprintln!("SKIPPED the comparison with git: there is none");
    }
}

/// A random number generator with a fixed seed.
struct Random(u64);

impl Random {
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        &from[usize::try_from(self.0 >> 33).unwrap() % from.len()]
    }
}

/// Replaces `**` after a letter or star by `*`. According to its documentation git treats them the
/// same, but it takes them for `**` if only letters precede them.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    for piece in line.split_inclusive('/') {
        let name = piece.trim_end_matches('/');
        let end = &piece[name.len()..];
        let is_double = name.len() > 1
            && name
                .trim_start_matches('!')
                .chars()
                .all(|character| character == '*');
        let single = || {
            name.split("**")
                .collect::<Vec<_>>()
                .join("*")
                .replace("**", "*")
        };
        plain += &if is_double { name.to_owned() } else { single() };
        plain += end;
    }
    plain
}

#[test]
fn random_siignore_rules_match_like_git() {
    const PIECES: [&str; 22] = [
        "a", "b", "ab", "*", "**", "?", "/", "/", "/", "**/", "/**", "!", "[ab]", "[!a]", "[a-c]",
        "\\a", ".", "a*", "*b", "[]a]", "***", "[^b-]",
    ];
    const NAMES: [&str; 6] = ["a", "b", "ab", "aab", "c", ".a"];
    let folder = sequence("any-rules", &[]);
    for one in NAMES {
        for two in NAMES {
            add(
                &folder,
                &[
                    (&format!("{one}/{two}/b"), "."),
                    (&format!("{one}/{two}/ab"), "."),
                    (&format!("{one}/x{two}"), "."),
                ],
            );
        }
    }
    let mut dice = Random(42);
    let mut left_out = 0;
    for round in 0..400 {
        let mut rules = || {
            let lines = *dice.pick(&[1, 2, 3]);
            let line = |dice: &mut Random| {
                let line: String = (0..*dice.pick(&[1, 2, 3, 4, 5]))
                    .map(|_| *dice.pick(&PIECES))
                    .collect();
                plain(&line.replace("//", "/"))
            };
            (0..lines)
                .map(|_| line(&mut dice) + "\n")
                .collect::<String>()
        };
        let (root, below) = (rules(), rules());
        fs::write(folder.0.join(".siignore"), format!("{root}{NEEDED}")).unwrap();
        fs::write(folder.0.join("a/.siignore"), &below).unwrap();
        let Some(expected) = not_ignored_by_git(&folder) else {
            return eprintln!("SKIPPED random_siignore_rules_match_like_git: there is no git");
        };
        let kept = kept(&folder);
        assert_eq!(
            kept, expected,
            "round {round}: {root:?}, and in a {below:?}"
        );
        left_out += usize::from(kept.len() < 100);
    }
    assert!(left_out > 100, "only {left_out} rounds ignore a file");
}

#[test]
fn from_dir_never_packs_git_folders_and_siignore() {
    let folder = sequence(
        "never",
        &[
            (".git/config", "."),
            ("sub/.git", "gitdir: elsewhere"),
            ("sub/.siignore", "x"),
            ("sub/x", "."),
            ("sub/y", "."),
            (".gitignore", "y"),
            (".siignore", "!.git\n!.siignore"),
        ],
    );
    assert_eq!(kept(&folder), [".gitignore", "sub/y"]);
}

#[test]
fn siignore_may_have_a_byte_order_mark_and_crlf() {
    let folder = sequence(
        "mark",
        &[
            ("a", "."),
            ("b", "."),
            ("c", "."),
            (".siignore", "\u{feff}a\r\nb\r\n"),
        ],
    );
    assert_eq!(kept(&folder), ["c"]);
}

#[test]
fn pack_options_rules_override_siignore() {
    let folder = sequence(
        "options",
        &[
            ("a/x", "."),
            ("a/y", "."),
            ("b", "."),
            (".siignore", "b"),
            ("a/.siignore", "!x"),
        ],
    );
    let options = PackOptions::new()
        .ignore("# nothing")
        .ignore("x")
        .ignore("/a/y")
        .ignore("!y")
        .ignore("!b");
    let package = Package::from_dir_with(&folder.0, &options).unwrap();
    assert_eq!(paths(&package), ["a/y", "b", "index.js", "package.json"]);
}

#[test]
fn from_dir_omits_a_folder_whose_files_are_all_ignored() {
    let folder = sequence(
        "emptied",
        &[("logs/a/b.log", "."), (".siignore", "logs/**")],
    );
    fs::create_dir_all(folder.0.join("data/empty")).unwrap();
    assert_eq!(kept(&folder), ["data/empty"]);
}

#[test]
fn invalid_siignore_rule_is_an_error() {
    for (rule, problem) in [
        (
            "file[1.txt",
            "it has a [ without a ]; write \\[ for the character itself",
        ),
        (
            "[a-",
            "it has a [ without a ]; write \\[ for the character itself",
        ),
        ("[[:letter:]]", "it has a [:class:] with an unknown name"),
        (
            "a\\",
            "it ends with a backslash, which must be followed by a character",
        ),
    ] {
        let folder = sequence(
            "bad-rule",
            &[("sub/.siignore", &format!("# mine\n{rule}\n"))],
        );
        let error = Package::from_dir(&folder.0).unwrap_err();
        let path = folder.0.join("sub/.siignore");
        assert_eq!(
            error.to_string(),
            format!(
                "invalid rule {rule:?} in line 2 of {}: {problem}",
                path.display()
            )
        );
        fs::remove_file(path).unwrap();

        let error =
            Package::from_dir_with(&folder.0, &PackOptions::new().ignore(rule)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("invalid rule {rule:?} in the options: {problem}")
        );
    }
}
