//! Lists the entries of a folder.

mod followed;
mod listing;

use std::ffi::OsString;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::entry::{EntryKind, PackEntry};
use super::error::PackError;
use super::ignore::IgnoreRules;
use super::ignore::rules::{self, RuleSet};
use super::links::check_links;
use super::options::PackOptions;
use super::source::{SourceFile, Sources, file_kind, special_kind};
use followed::{FollowedLink, follow_outside};
use listing::Listing;

/// A folder that is not listed yet.
struct Folder {
    disk_path: PathBuf,
    /// The path in the package with a slash at the end, empty for the root.
    base: String,
    /// The number of items in `Walk::rules` that apply to it.
    rules: usize,
    /// The followed link that led to it, or to a folder above it.
    followed: Option<Arc<FollowedLink>>,
}

/// A walk through a folder and its subfolders.
struct Walk<'a> {
    root: &'a Path,
    options: &'a PackOptions,
    ignored: IgnoreRules,
    /// The rules of `.siignore` files in the current folder and above it, outermost first.
    rules: Vec<RuleSet>,
    /// A stack instead of recursion, because folders may be nested deeper than the call stack
    /// allows. It does not keep folders open either.
    pending: Vec<Folder>,
    listing: Listing<'a>,
}

/// Lists everything in a folder that is not excluded, and checks links and limits.
pub(crate) fn walk(root: &Path, options: &PackOptions) -> Result<Sources, PackError> {
    if !fs::metadata(root).map_err(PackError::read(root))?.is_dir() {
        return Err(PackError::NotAFolder { path: root.into() });
    }
    let mut walk = Walk {
        root,
        options,
        ignored: IgnoreRules::new(&options.ignore)?,
        rules: Vec::new(),
        pending: vec![Folder {
            disk_path: root.into(),
            base: String::new(),
            rules: 0,
            followed: None,
        }],
        listing: Listing::new(root, options),
    };
    while let Some(folder) = walk.pending.pop() {
        walk.folder(&folder)?;
    }
    check_links(&walk.listing.sources, options.follow_outside_links)?;
    Ok(walk.listing.sources)
}

/// Returns the names and kinds of the files in a folder.
///
/// Collects them because every `DirEntry` keeps the folder open.
fn read_dir(folder: &Path) -> Result<Vec<(OsString, FileType)>, PackError> {
    let entries = fs::read_dir(folder).map_err(PackError::read(folder))?;
    entries
        .map(|entry| {
            let entry = entry.map_err(PackError::read(folder))?;
            let kind = entry.file_type().map_err(PackError::read(entry.path()))?;
            Ok((entry.file_name(), kind))
        })
        .collect()
}

impl Walk<'_> {
    /// Lists a folder, and queues its subfolders.
    fn folder(&mut self, folder: &Folder) -> Result<(), PackError> {
        self.listing.add_folder()?;
        let entries = read_dir(&folder.disk_path)?;
        self.rules.truncate(folder.rules);
        if entries.iter().any(|(name, _)| name == rules::FILE_NAME) {
            self.rules
                .push(RuleSet::read(&folder.disk_path, &folder.base)?);
        }
        if entries.is_empty() && !folder.base.is_empty() {
            // A folder whose content is excluded counts as not empty, so it has no entry.
            let path = folder.base.trim_end_matches('/').to_owned();
            return self.add(path, EntryKind::EmptyFolder, folder.disk_path.clone(), None);
        }
        for (os_name, kind) in entries {
            let disk_path = folder.disk_path.join(&os_name);
            // Rules also exclude names that are not UTF-8.
            let name = os_name.to_string_lossy();
            let path = format!("{}{name}", folder.base);
            let is_excluded = self
                .ignored
                .is_excluded(&self.rules, &path, &name, kind.is_dir());
            if is_excluded {
                continue;
            }
            if os_name.to_str().is_none() {
                return Err(PackError::Name { path: disk_path });
            }
            if kind.is_dir() {
                self.enter(disk_path, &path, folder.followed.clone());
            } else if kind.is_symlink() {
                self.link(folder, disk_path, path)?;
            } else {
                self.file(disk_path, path, kind)?;
            }
        }
        Ok(())
    }

    /// Queues a folder, with the rules that apply to the current one.
    fn enter(&mut self, disk_path: PathBuf, path: &str, followed: Option<Arc<FollowedLink>>) {
        self.pending.push(Folder {
            disk_path,
            base: format!("{path}/"),
            rules: self.rules.len(),
            followed,
        });
    }

    fn file(&mut self, disk_path: PathBuf, path: String, kind: FileType) -> Result<(), PackError> {
        if !kind.is_file() {
            return Err(PackError::Special {
                path: disk_path,
                what: special_kind(kind),
            });
        }
        let metadata = fs::symlink_metadata(&disk_path).map_err(PackError::read(&disk_path))?;
        let modified = metadata.modified().ok();
        self.add(path, file_kind(&metadata), disk_path, modified)
    }

    fn link(&mut self, folder: &Folder, disk_path: PathBuf, path: String) -> Result<(), PackError> {
        let target = fs::read_link(&disk_path).map_err(PackError::read(&disk_path))?;
        let Some(target) = target.to_str() else {
            return Err(PackError::Name { path: disk_path });
        };
        let target = if cfg!(windows) {
            target.replace('\\', "/")
        } else {
            target.to_owned()
        };
        if self.options.follow_outside_links {
            let before = folder.followed.as_ref();
            if let Some(followed) = follow_outside(self.root, before, &disk_path, &target)? {
                let outside = followed.target.clone();
                let metadata = fs::metadata(&outside).map_err(PackError::read(&outside))?;
                if metadata.is_dir() {
                    self.enter(outside, &path, Some(Arc::new(followed)));
                    return Ok(());
                }
                return self.file(outside, path, metadata.file_type());
            }
        }
        self.add(path, EntryKind::Link { target }, disk_path, None)
    }

    fn add(
        &mut self,
        path: String,
        kind: EntryKind,
        disk_path: PathBuf,
        modified: Option<SystemTime>,
    ) -> Result<(), PackError> {
        let may_be_secret = self.ignored.may_be_secret(&self.rules, &path);
        self.listing.add(SourceFile {
            entry: PackEntry {
                path,
                kind,
                may_be_secret,
            },
            disk_path,
            modified,
        })
    }
}
