//! What is left out: `.siignore` files, which are gitignore files by another name.

use std::fs;
use std::path::Path;

use super::entry::special;
use super::error::PackError;
use super::glob::Glob;
use crate::support::small_file;

pub(crate) const FILE: &str = ".siignore";

/// Never packed, whatever the rules say: neither says anything to a hub.
const ALWAYS: [&str; 2] = [FILE, ".git"];

/// Left out unless a rule keeps it: the files that `npm pack` ignores by default (npm's
/// documentation of `files` in package.json), except `node_modules`, because a hub installs
/// nothing.
const DEFAULTS: [&str; 17] = [
    "*.orig",
    ".*.swp",
    "._*",
    ".DS_Store",
    ".hg",
    ".lock-wscript",
    ".npmrc",
    ".svn",
    ".wafpickle-*",
    "CVS",
    "config.gypi",
    "npm-debug.log",
    "/package-lock.json",
    "/pnpm-lock.yaml",
    "/yarn.lock",
    "/bun.lockb",
    "/bun.lock",
];

/// Names that files with passwords and private keys have.
const SECRETS: [&str; 7] = [
    ".env",
    ".env.*",
    "!.env.example",
    "id_*",
    "!id_*.*",
    "*.pem",
    "*.key",
];

/// More than anybody writes by hand.
const LONGEST: u64 = 1 << 20;

/// What the file says, or the file that a link leads to. Of what is no file, nothing might come, or no end.
fn read(path: &Path) -> Result<Vec<u8>, PackError> {
    let kind = fs::metadata(path)
        .map_err(PackError::read(path))?
        .file_type();
    if !kind.is_file() {
        return Err(PackError::Special {
            path: path.into(),
            what: special(kind),
        });
    }
    small_file::read(path, LONGEST).map_err(PackError::read(path))
}

/// The rules for a folder and what is below it.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The folder's path with a slash, empty for the root.
    base: String,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    glob: Glob,
    /// It is matched against the path, and not against the name alone.
    of_path: bool,
    only_folders: bool,
    keeps: bool,
}

impl Rules {
    /// Those of the folder's own file, where it has one.
    pub(crate) fn read(folder: &Path, base: &str) -> Result<Self, PackError> {
        let path = folder.join(FILE);
        let text = read(&path)?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let mut rules = Vec::new();
        for (number, line) in (1_usize..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            rules.extend(Rule::new(line, || {
                format!("line {number} of {}", path.display())
            })?);
        }
        Ok(Self {
            base: base.into(),
            rules,
        })
    }

    /// Those of the options, and of this library.
    fn new(lines: &[impl AsRef<str>]) -> Result<Self, PackError> {
        let origin = || "the options".into();
        let rules = lines
            .iter()
            .map(|line| Rule::new(line.as_ref().as_bytes(), origin));
        let rules = rules
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            base: String::new(),
            rules,
        })
    }

    /// True if the last rule that says something of this leaves it out, false if that keeps it.
    fn verdict(&self, path: &str, name: &str, is_folder: bool) -> Option<bool> {
        let below = path.strip_prefix(&self.base)?;
        let matching = self.rules.iter().rfind(|rule| {
            let text = if rule.of_path { below } else { name };
            (is_folder || !rule.only_folders) && rule.glob.matches(text.as_bytes())
        })?;
        Some(!matching.keeps)
    }
}

impl Rule {
    /// `None` for a line that says nothing.
    fn new(line: &[u8], origin: impl FnOnce() -> String) -> Result<Option<Self>, PackError> {
        if line.starts_with(b"#") {
            return Ok(None);
        }
        let line = without_trailing_blanks(line);
        let (keeps, rest) = line
            .strip_prefix(b"!")
            .map_or((false, line), |rest| (true, rest));
        let (only_folders, rest) = rest
            .strip_suffix(b"/")
            .map_or((false, rest), |rest| (true, rest));
        let of_path = rest.contains(&b'/');
        let pattern = rest.strip_prefix(b"/").unwrap_or(rest);
        if pattern.is_empty() {
            return Ok(None);
        }
        let rule = || String::from_utf8_lossy(line).into_owned();
        let glob = Glob::new(pattern).map_err(|problem| PackError::Rule {
            origin: origin(),
            rule: rule(),
            problem,
        })?;
        Ok(Some(Self {
            glob,
            of_path,
            only_folders,
            keeps,
        }))
    }
}

/// A blank behind a backslash stays.
fn without_trailing_blanks(line: &[u8]) -> &[u8] {
    let (mut end, mut escaped) = (0, false);
    for (at, byte) in line.iter().enumerate() {
        if *byte != b' ' || escaped {
            end = at + 1;
        }
        escaped = *byte == b'\\' && !escaped;
    }
    line.get(..end).unwrap_or(line)
}

/// The rules that are no file's.
pub(crate) struct Ignored {
    options: Rules,
    defaults: Rules,
    secrets: Rules,
}

impl Ignored {
    pub(crate) fn new(options: &[String]) -> Result<Self, PackError> {
        Ok(Self {
            options: Rules::new(options)?,
            defaults: Rules::new(&DEFAULTS)?,
            secrets: Rules::new(&SECRETS)?,
        })
    }

    /// If this is left out. The options have the last word, then the rules further down.
    pub(crate) fn leaves_out(
        &self,
        rules: &[Rules],
        path: &str,
        name: &str,
        is_folder: bool,
    ) -> bool {
        let verdict = || {
            self.asked(rules, path, name, is_folder)
                .or_else(|| self.defaults.verdict(path, name, is_folder))
        };
        ALWAYS.contains(&name) || verdict().unwrap_or(false)
    }

    /// If a file is called like one that holds a secret, and no rule says that it is wanted.
    pub(crate) fn may_be_secret(&self, rules: &[Rules], path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.secrets.verdict(path, name, false) == Some(true)
            && self.asked(rules, path, name, false) != Some(false)
    }

    /// The verdict of the user's rules.
    fn asked(&self, rules: &[Rules], path: &str, name: &str, is_folder: bool) -> Option<bool> {
        [&self.options]
            .into_iter()
            .chain(rules.iter().rev())
            .find_map(|rules| rules.verdict(path, name, is_folder))
    }
}
