//! Reads `package.json`, and rejects values that hubs refuse, or because of which they never
//! respond.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::entry::EntryKind;
use super::error::PackError;
use super::links::resolve;
use super::source::Sources;
use crate::support::small_file;

const FILE_NAME: &str = "package.json";

/// Upper bound for the size of the file, which is read into memory. The largest ones in use have
/// some tens of kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// The values of `package.json` that are used here.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) main: String,
}

/// Checks that the folder contains a `package.json`.
pub(crate) fn check_exists(root: &Path) -> Result<(), PackError> {
    let path = root.join(FILE_NAME);
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
    pub(crate) fn read(root: &Path, sources: &Sources) -> Result<Self, PackError> {
        let path = root.join(FILE_NAME);
        let invalid = |problem| PackError::Manifest {
            path: path.clone(),
            problem,
        };
        check_is_packed(sources).map_err(|problem| invalid(problem.into()))?;
        let text = small_file::read(&path, MAX_BYTES).map_err(PackError::read(&path))?;
        parse(&text)
            .and_then(|manifest| Self::from_json(&manifest, sources))
            .map_err(invalid)
    }

    fn from_json(manifest: &Value, sources: &Sources) -> Result<Self, String> {
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
        check_main(&main, runner(manifest.get("engines"))?, sources)?;
        Ok(Self {
            name: text("name")?,
            version: text("version")?,
            main,
        })
    }
}

/// Checks that `package.json` is part of the package, and small enough to read.
fn check_is_packed(sources: &Sources) -> Result<(), &'static str> {
    match entry_kind(sources, FILE_NAME) {
        Ok(Some(EntryKind::File { size, .. })) if *size > MAX_BYTES => {
            Err("it is larger than 1 MiB")
        }
        Ok(Some(EntryKind::File { .. })) => Ok(()),
        Ok(Some(_)) => Err("it is not a file"),
        _ => Err("it is excluded by .siignore or by the options, but hubs need it"),
    }
}

/// Returns the kind of the entry to which a path leads. `None` if it is a folder with entries.
fn entry_kind<'a>(sources: &'a Sources, path: &str) -> Result<Option<&'a EntryKind>, &'static str> {
    let path = resolve(sources, "", path)?;
    Ok(sources.get(&path).map(|source| &source.entry.kind))
}

fn parse(text: &[u8]) -> Result<Value, String> {
    if text.starts_with(b"\xef\xbb\xbf") {
        let problem = "it begins with a byte order mark, which hubs reject as invalid JSON; \
                       save it as UTF-8 without one";
        return Err(problem.into());
    }
    serde_json::from_slice(text).map_err(|error| format!("it is not JSON: {error}"))
}

/// The program with which a hub runs a sequence.
#[derive(Clone, Copy)]
enum Runner {
    JavaScript,
    Python,
}

/// Checks that the runner finds the file that `main` names.
fn check_main(main: &str, runner: Runner, sources: &Sources) -> Result<(), String> {
    // The JavaScript runner of all hubs removes `.js` from the end of `main`, and appends it again.
    let started = match runner {
        Runner::JavaScript => format!("{}.js", main.strip_suffix(".js").unwrap_or(main)),
        Runner::Python => main.to_owned(),
    };
    let problem = match entry_kind(sources, &started) {
        Ok(Some(EntryKind::File { .. })) => return Ok(()),
        Ok(_) => "it is not a file",
        Err(problem) => problem,
    };
    Err(if started == main {
        format!(r#""main" is {main:?}: {problem}"#)
    } else {
        format!(
            "\"main\" is {main:?}, but hubs start only files that end in .js; \
             {started:?} must exist, or \"main\" must name another file"
        )
    })
}

/// Returns the runner for `engines`. More than one engine is an error.
fn runner(engines: Option<&Value>) -> Result<Runner, String> {
    let Some(engines) = engines else {
        return Ok(Runner::JavaScript);
    };
    let versions = engines
        .as_object()
        .filter(|engines| engines.values().all(Value::is_string));
    let versions = versions.ok_or_else(|| {
        format!(r#""engines" is {engines}; it should look like {{ "node": ">=16" }}"#)
    })?;
    // 0.18.7 never responds to the start of a sequence with several; 1.x responds with 400.
    if versions.len() > 1 {
        let names: Vec<_> = versions.keys().map(String::as_str).collect();
        return Err(format!(
            r#""engines" has several entries ({}), but hubs accept only one"#,
            names.join(", ")
        ));
    }
    let is_python = versions.keys().any(|name| name.starts_with("python"));
    Ok(if is_python {
        Runner::Python
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
    fn read_refuses_a_package_json_that_has_grown_since_it_was_listed() {
        let root = env::temp_dir().join(format!("scramjet-manifest-{}", process::id()));
        let write = || {
            fs::create_dir_all(&root)?;
            fs::write(root.join("index.js"), "")?;
            fs::write(root.join(FILE_NAME), r#"{"main":"index.js"}"#)?;
            let sources = walk::walk(&root, &PackOptions::new())?;
            let read = |sources| Manifest::read(&root, sources).map(|manifest| manifest.main);
            let before = read(&sources)?;
            let file = File::options().append(true).open(root.join(FILE_NAME))?;
            file.set_len(MAX_BYTES + 1)?;
            Ok::<_, io::Error>((before, read(&sources)))
        };
        let result = write();
        let _ = fs::remove_dir_all(&root);
        let (before, after) = result.unwrap_or_else(|error| unreachable!("{error:?}"));
        assert_eq!(before, "index.js");
        let text = format!("{:?}", after.err());
        assert!(text.contains("it is longer than 1 MiB"), "{text}");
    }
}
