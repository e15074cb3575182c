//! Rules in the format of `.gitignore` files.

use std::fs;
use std::path::Path;

use crate::pack::error::PackError;
use crate::pack::glob::Glob;
use crate::pack::source::special_kind;
use crate::support::small_file;

pub(crate) const FILE_NAME: &str = ".siignore";

/// Upper bound for the size of a `.siignore` file, which is held in memory.
const MAX_BYTES: u64 = 1 << 20;

/// The rules for a folder and its subfolders.
#[derive(Debug)]
pub(crate) struct RuleSet {
    /// The path of the folder in the package with a slash at the end, empty for the root.
    base: String,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    glob: Glob,
    /// The pattern has a slash, so it is matched against the path, not only against the name.
    matches_path: bool,
    /// The rule ends with a slash.
    only_folders: bool,
    /// The rule begins with `!`.
    includes: bool,
}

impl RuleSet {
    /// Reads the `.siignore` file of a folder.
    pub(crate) fn read(folder: &Path, base: &str) -> Result<Self, PackError> {
        let path = folder.join(FILE_NAME);
        let text = read(&path)?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let mut rules = Vec::new();
        for (number, line) in (1_usize..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let origin = || format!("line {number} of {}", path.display());
            rules.extend(Rule::new(line, origin)?);
        }
        let base = base.into();
        Ok(Self { base, rules })
    }

    /// Parses rules of the options or of this library.
    pub(super) fn new(lines: &[impl AsRef<str>]) -> Result<Self, PackError> {
        let rules = lines
            .iter()
            .map(|line| Rule::new(line.as_ref().as_bytes(), || "the options".into()))
            .filter_map(Result::transpose);
        Ok(Self {
            base: String::new(),
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    /// Returns `Some(true)` if the last matching rule excludes the path, and `Some(false)` if that
    /// rule includes it.
    pub(super) fn is_excluded(&self, path: &str, name: &str, is_folder: bool) -> Option<bool> {
        let relative = path.strip_prefix(&self.base)?;
        let matching = self.rules.iter().rfind(|rule| {
            let text = if rule.matches_path { relative } else { name };
            (is_folder || !rule.only_folders) && rule.glob.matches(text.as_bytes())
        })?;
        Some(!matching.includes)
    }
}

/// Reads a `.siignore` file, or the target of a link. Refuses pipes and devices, from which data
/// may come without end or never.
fn read(path: &Path) -> Result<Vec<u8>, PackError> {
    let metadata = fs::metadata(path).map_err(PackError::read(path))?;
    if !metadata.is_file() {
        return Err(PackError::Special {
            path: path.into(),
            what: special_kind(metadata.file_type()),
        });
    }
    small_file::read(path, MAX_BYTES).map_err(PackError::read(path))
}

impl Rule {
    /// Parses a line. Returns `None` for an empty line or a comment.
    fn new(line: &[u8], origin: impl FnOnce() -> String) -> Result<Option<Self>, PackError> {
        if line.starts_with(b"#") {
            return Ok(None);
        }
        let line = trim_end(line);
        let include = line.strip_prefix(b"!");
        let rest = include.unwrap_or(line);
        let folders = rest.strip_suffix(b"/");
        let rest = folders.unwrap_or(rest);
        let pattern = rest.strip_prefix(b"/").unwrap_or(rest);
        if pattern.is_empty() {
            return Ok(None);
        }
        let glob = Glob::new(pattern).map_err(|problem| PackError::Rule {
            origin: origin(),
            rule: String::from_utf8_lossy(line).into_owned(),
            problem,
        })?;
        Ok(Some(Self {
            glob,
            matches_path: rest.contains(&b'/'),
            only_folders: folders.is_some(),
            includes: include.is_some(),
        }))
    }
}

/// Removes spaces at the end, except a space after a backslash.
fn trim_end(line: &[u8]) -> &[u8] {
    let (mut end, mut is_escaped) = (0, false);
    for (at, byte) in line.iter().enumerate() {
        if *byte != b' ' || is_escaped {
            end = at + 1;
        }
        is_escaped = *byte == b'\\' && !is_escaped;
    }
    line.get(..end).unwrap_or(line)
}
