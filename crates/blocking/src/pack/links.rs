//! Where symbolic links lead to, as if the package were unpacked already: nothing of the disk is asked.

use std::path::Path;

use super::entry::{EntryKind, Found};
use super::error::PackError;

/// As many as Linux follows.
pub(crate) const MAX_LINKS: usize = 40;

pub(crate) const CIRCLE: &str = "it leads into a loop, or through more than 40 links";

const OUTSIDE: &str = "it leads out of the folder";

/// Links are packed as links: what a package manager has linked together works on the hub as it does here. Each must lead to something in
/// the package, by way of it.
///
/// If links out of the folder are followed, those that are left lead to nothing.
pub(crate) fn check_links(found: &Found, follows: bool) -> Result<(), PackError> {
    for source in found.values() {
        if let EntryKind::Link { target } = &source.entry.kind {
            let problem = |problem| PackError::Link {
                path: source.disk.clone(),
                target: target.clone(),
                problem: match problem {
                    OUTSIDE if follows => "its target does not exist",
                    OUTSIDE => "it leads out of the folder, and follow_outside_links is not set",
                    problem => problem,
                },
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
                at.pop().ok_or(OUTSIDE)?;
                continue;
            }
            name => at.push(name),
        }
        if let Some(EntryKind::Link { target }) =
            found.get(&at.join("/")).map(|source| &source.entry.kind)
        {
            links += 1;
            if links > MAX_LINKS {
                return Err(CIRCLE);
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
        Err("its target is not in the package")
    }
}

/// The last one first.
fn steps<'a>(folder: &'a str, target: &'a str) -> Result<Vec<&'a str>, &'static str> {
    if is_absolute(target) {
        return Err("it is absolute, but the hub has other folders");
    }
    Ok(folder.split('/').chain(target.split('/')).rev().collect())
}

/// On Windows also with a drive.
pub(crate) fn is_absolute(target: &str) -> bool {
    target.starts_with('/') || Path::new(target).is_absolute()
}
