//! `package.json`: what a hub needs of it, and hangs or fails late without.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::entry::{EntryKind, Found};
use super::error::PackError;
use super::links::resolve;
use crate::support::small_file;

const FILE: &str = "package.json";

/// It is read whole. Those of the largest packages have some tens of kilobytes.
const LARGEST: u64 = 1 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) main: String,
}

/// That there is one at all.
pub(crate) fn expect(root: &Path) -> Result<(), PackError> {
    let path = root.join(FILE);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let problem =
                r#"it does not exist; a sequence needs one with a name and a "main""#.into();
            Err(PackError::Manifest { path, problem })
        }
        _ => Ok(()),
    }
}

impl Manifest {
    pub(crate) fn read(root: &Path, found: &Found) -> Result<Self, PackError> {
        let path = root.join(FILE);
        check(found).map_err(|problem| PackError::Manifest {
            path: path.clone(),
            problem: problem.into(),
        })?;
        let text = small_file::read(&path, LARGEST).map_err(PackError::read(&path))?;
        parse(&text)
            .and_then(|manifest| Self::of(&manifest, found))
            .map_err(|problem| PackError::Manifest { path, problem })
    }

    fn of(manifest: &Value, found: &Found) -> Result<Self, String> {
        let manifest = manifest.as_object().ok_or("it is not a JSON object")?;
        let text = |key| match manifest.get(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(format!("{key:?} is {other}, which is not a string")),
        };
        let main = text("main")?;
        if main.is_empty() {
            return Err(
                r#"it has no "main", the file that a hub runs; add one: "main": "index.js""#.into(),
            );
        }
        let engines = check_engines(manifest.get("engines"))?;
        check_main(&main, engines, found)?;
        Ok(Self {
            name: text("name")?,
            version: text("version")?,
            main,
        })
    }
}

fn check(found: &Found) -> Result<(), &'static str> {
    match resolve(found, "", FILE)
        .ok()
        .and_then(|file| found.get(&file))
        .map(|source| &source.entry.kind)
    {
        Some(EntryKind::File { size, .. }) if *size > LARGEST => Err("it is larger than 1 MiB"),
        Some(EntryKind::File { .. }) => Ok(()),
        Some(_) => Err("it is not a file"),
        None => Err("it is excluded by .siignore or by the options, but hubs need it"),
    }
}

fn parse(text: &[u8]) -> Result<Value, String> {
    if text.starts_with(b"\xef\xbb\xbf") {
        let problem = "it begins with a byte order mark, which hubs reject as invalid JSON; \
                       save it as UTF-8 without one";
        return Err(problem.into());
    }
    serde_json::from_slice(text).map_err(|error| format!("it is not JSON: {error}"))
}

/// Which runner of a hub starts the sequence.
#[derive(Clone, Copy)]
enum Runner {
    JavaScript,
    Other,
}

/// If the hub finds the file to start.
fn check_main(main: &str, runner: Runner, found: &Found) -> Result<(), String> {
    let is_file = |path: &str| {
        let path = resolve(found, "", path)?;
        match found.get(&path).map(|source| &source.entry.kind) {
            Some(EntryKind::File { .. }) => Ok(()),
            _ => Err("it is not a file"),
        }
    };
    // quirk: the runner takes `.js` from the end of `main` and adds it again.
    let started = match runner {
        Runner::JavaScript => format!("{}.js", main.strip_suffix(".js").unwrap_or(main)),
        Runner::Other => main.to_owned(),
    };
    is_file(&started).map_err(|problem| {
        if started == main {
            format!(r#""main" is {main:?}: {problem}"#)
        } else {
            format!(
                "\"main\" is {main:?}, but hubs start only files that end in .js; \
                 {started:?} must exist, or \"main\" must name another file"
            )
        }
    })
}

/// More than one engine is an error.
fn check_engines(engines: Option<&Value>) -> Result<Runner, String> {
    let Some(engines) = engines else {
        return Ok(Runner::JavaScript);
    };
    let versions = engines
        .as_object()
        .filter(|engines| engines.values().all(Value::is_string));
    let versions = versions.ok_or_else(|| {
        format!(r#""engines" is {engines}; it should look like {{ "node": ">=16" }}"#)
    })?;
    // quirk: 0.18.7 never answers the start of such a package.
    if versions.len() > 1 {
        let names: Vec<_> = versions.keys().map(String::as_str).collect();
        return Err(format!(
            r#""engines" has several entries ({}), but hubs accept only one"#,
            names.join(", ")
        ));
    }
    let is_other = versions.keys().any(|name| name.starts_with("python"));
    Ok(if is_other {
        Runner::Other
    } else {
        Runner::JavaScript
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::{env, io, process};

    use super::super::{PackOptions, walk};
    use super::*;

    #[test]
    fn a_package_json_that_has_grown_since_it_was_listed_is_not_read_further() {
        let root = env::temp_dir().join(format!("scramjet-manifest-{}", process::id()));
        let write = || {
            fs::create_dir_all(&root)?;
            fs::write(root.join("index.js"), "")?;
            fs::write(root.join(FILE), r#"{"main":"index.js"}"#)?;
            let found = walk::walk(&root, &PackOptions::new())?;
            let read = |found| Manifest::read(&root, found).map(|manifest| manifest.main);
            let before = read(&found)?;
            let file = File::options().append(true).open(root.join(FILE))?;
            file.set_len(LARGEST + 1)?;
            Ok::<_, io::Error>((before, read(&found)))
        };
        let result = write();
        let _ = fs::remove_dir_all(&root);
        let (before, after) = result.unwrap_or_else(|error| unreachable!("{error:?}"));
        assert_eq!(before, "index.js");
        let text = format!("{:?}", after.err());
        assert!(text.contains("it is longer than 1 MiB"), "{text}");
    }
}
