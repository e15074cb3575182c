//! Resolves symbolic links within the package, as the hub does after unpacking it. Reads nothing
//! from the disk.

use std::path::Path;

use super::entry::EntryKind;
use super::error::PackError;
use super::source::Sources;

/// Upper bound for the number of links in a path. Linux has the same limit.
pub(crate) const MAX_LINKS: usize = 40;

pub(crate) const LOOP: &str = "it leads into a loop, or through more than 40 links";

const OUTSIDE: &str = "it leads out of the folder";

/// Checks that each link leads to an entry of the package, without leaving the package.
///
/// If `outside_is_followed`, links that lead out of the folder were replaced by their targets.
/// Those that remain have no target.
pub(crate) fn check_links(sources: &Sources, outside_is_followed: bool) -> Result<(), PackError> {
    for source in sources.values() {
        let EntryKind::Link { target } = &source.entry.kind else {
            continue;
        };
        let folder = source.entry.path.rsplit_once('/');
        let folder = folder.map_or("", |(folder, _)| folder);
        resolve(sources, folder, target).map_err(|problem| PackError::Link {
            path: source.disk_path.clone(),
            target: target.clone(),
            problem: match problem {
                OUTSIDE if outside_is_followed => "its target does not exist",
                OUTSIDE => "it leads out of the folder, and follow_outside_links is not set",
                problem => problem,
            },
        })?;
    }
    Ok(())
}

/// Resolves a target, relative to a folder of the package, to the path of an entry or of a folder
/// with entries. An error is a description of the problem.
pub(crate) fn resolve(
    sources: &Sources,
    folder: &str,
    target: &str,
) -> Result<String, &'static str> {
    let mut resolved: Vec<&str> = Vec::new();
    let mut remaining: Vec<&str> = reversed_names(folder, target)?;
    let mut links = 0;
    while let Some(name) = remaining.pop() {
        match name {
            "" | "." => continue,
            ".." => {
                resolved.pop().ok_or(OUTSIDE)?;
                continue;
            }
            name => resolved.push(name),
        }
        let source = sources.get(&resolved.join("/"));
        if let Some(EntryKind::Link { target }) = source.map(|source| &source.entry.kind) {
            links += 1;
            if links > MAX_LINKS {
                return Err(LOOP);
            }
            resolved.pop();
            remaining.extend(reversed_names("", target)?);
        }
    }
    let path = resolved.join("/");
    let prefix = format!("{path}/");
    let mut following = sources.range(prefix.clone()..);
    let is_folder = path.is_empty()
        || following
            .next()
            .is_some_and(|(first, _)| first.starts_with(&prefix));
    if is_folder || sources.contains_key(&path) {
        Ok(path)
    } else {
        Err("its target is not in the package")
    }
}

/// Returns the names in the path of a target, last one first.
fn reversed_names<'a>(folder: &'a str, target: &'a str) -> Result<Vec<&'a str>, &'static str> {
    if is_absolute(target) {
        return Err("it is absolute, but the hub has other folders");
    }
    Ok(folder.split('/').chain(target.split('/')).rev().collect())
}

/// Returns `true` if a target begins with a slash, or with a drive on Windows.
pub(crate) fn is_absolute(target: &str) -> bool {
    target.starts_with('/') || Path::new(target).is_absolute()
}
