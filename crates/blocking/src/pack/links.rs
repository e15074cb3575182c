//! Where symbolic links lead to, as if the package were unpacked already: nothing of the disk is asked.

use std::path::Path;

use super::walk::Found;
use super::{EntryKind, PackError};

/// As many as Linux follows.
const MOST: usize = 40;

/// Links are packed as links: what a package manager has linked together works on the hub as it does here. Each must lead to something in
/// the package, by way of it.
pub(crate) fn check_links(root: &Path, found: &Found) -> Result<(), PackError> {
    for source in found.values() {
        if let EntryKind::Link { target } = &source.entry.kind {
            let problem = |problem| PackError::Link {
                path: root.join(&source.entry.path),
                target: target.clone(),
                problem,
            };
            let folder = source
                .entry
                .path
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            resolve(found, folder, target).map_err(problem)?;
        }
    }
    Ok(())
}

/// What `target` is, seen from a folder.
pub(crate) fn resolve(found: &Found, folder: &str, target: &str) -> Result<String, &'static str> {
    let mut at: Vec<&str> = Vec::new();
    let mut ahead: Vec<&str> = steps(folder, target)?;
    let mut links = 0;
    while let Some(step) = ahead.pop() {
        match step {
            "" | "." => continue,
            ".." => {
                at.pop().ok_or("it leads out of the folder")?;
                continue;
            }
            name => at.push(name),
        }
        if let Some(EntryKind::Link { target }) =
            found.get(&at.join("/")).map(|source| &source.entry.kind)
        {
            links += 1;
            if links > MOST {
                return Err("it leads in a circle");
            }
            at.pop();
            ahead.extend(steps("", target)?);
        }
    }
    let path = at.join("/");
    let below = format!("{path}/");
    let is_folder = path.is_empty()
        || found
            .range(below.clone()..)
            .next()
            .is_some_and(|(first, _)| first.starts_with(&below));
    if is_folder || found.contains_key(&path) {
        Ok(path)
    } else {
        Err("what it leads to is not in the package")
    }
}

/// The last one first.
fn steps<'a>(folder: &'a str, target: &'a str) -> Result<Vec<&'a str>, &'static str> {
    // On Windows also what has a drive.
    if target.starts_with('/') || Path::new(target).is_absolute() {
        return Err("it is absolute, and the hub has other folders");
    }
    Ok(folder.split('/').chain(target.split('/')).rev().collect())
}
