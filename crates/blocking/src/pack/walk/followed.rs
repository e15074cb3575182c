//! Follows links that lead out of the folder that is packed.

use std::fs;
use std::iter::successors;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::pack::error::PackError;
use crate::pack::links::{LOOP, MAX_LINKS, is_absolute};
use crate::pack::write::folder_of;

/// A link that was replaced by its target. The paths contain no links.
pub(super) struct FollowedLink {
    pub(super) target: PathBuf,
    /// The folder that contains the link.
    folder: PathBuf,
    /// The link that was followed before.
    before: Option<Arc<FollowedLink>>,
}

/// Follows a link that leads out of `root`, or out of the target of the link that was followed
/// before.
///
/// Returns `None` for other links, and for a link without a target. The latter is an error later.
pub(super) fn follow_outside(
    root: &Path,
    before: Option<&Arc<FollowedLink>>,
    link: &Path,
    target: &str,
) -> Result<Option<FollowedLink>, PackError> {
    let Ok(leads_to) = fs::canonicalize(link) else {
        return Ok(None);
    };
    let canonical = |path: &Path| fs::canonicalize(path).map_err(PackError::read(path));
    let packed = match before {
        Some(before) => before.target.clone(),
        None => canonical(root)?,
    };
    let folder = canonical(folder_of(link))?;
    if leads_to.starts_with(&packed) && stays_within(&packed, &folder, target) {
        return Ok(None);
    }
    let earlier = || successors(before, |link| link.before.as_ref());
    let is_loop =
        folder.starts_with(&leads_to) || earlier().any(|link| link.folder.starts_with(&leads_to));
    if is_loop || earlier().count() >= MAX_LINKS {
        return Err(PackError::Link {
            path: link.into(),
            target: target.into(),
            problem: LOOP,
        });
    }
    Ok(Some(FollowedLink {
        target: leads_to,
        folder,
        before: before.cloned(),
    }))
}

/// Returns `true` if a target, relative to `folder`, never leaves the folder `within`. A target
/// that leaves the folder and comes back would lead to something else on the hub.
fn stays_within(within: &Path, folder: &Path, target: &str) -> bool {
    let depth = folder
        .strip_prefix(within)
        .map_or(0, |relative| relative.components().count());
    let end = target.split('/').try_fold(depth, |depth, name| match name {
        "" | "." => Some(depth),
        ".." => depth.checked_sub(1),
        _ => Some(depth + 1),
    });
    end.is_some() && !is_absolute(target)
}
