//! What is in a folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::entry::{EntryKind, Found, PackEntry, Source, is_executable, special};
use super::error::PackError;
use super::ignore::{self, Ignored, Rules};
use super::links::{CIRCLE, MAX_LINKS, check_links, is_absolute};
use super::options::PackOptions;

/// A folder that is still to be listed.
struct Folder {
    disk: PathBuf,
    /// Its path in the package, with a slash at the end; empty for the root.
    base: String,
    /// The number of `Walk::rules` that are those of the folders above it.
    rules: usize,
    /// The link that was followed to it, or to a folder above it.
    followed: Option<Arc<Followed>>,
}

/// A link that is packed as the folder that it leads to.
struct Followed {
    /// The folder, without links in its path.
    target: PathBuf,
    /// The folder that the link is in, without links in its path.
    from: PathBuf,
    /// The link that was followed before it, and how many there were.
    before: Option<Arc<Followed>>,
    depth: usize,
}

struct Walk<'a> {
    root: &'a Path,
    options: &'a PackOptions,
    ignored: Ignored,
    /// Of the folders from the root to where it is.
    rules: Vec<Rules>,
    /// Not a recursion: folders may be nested deeper than the stack allows. No folder is kept open,
    /// either.
    ahead: Vec<Folder>,
    folders: u64,
    found: Found,
    bytes: u64,
}

/// Everything in the folder that is not left out.
pub(crate) fn walk(root: &Path, options: &PackOptions) -> Result<Found, PackError> {
    if !fs::metadata(root).map_err(PackError::read(root))?.is_dir() {
        return Err(PackError::NotAFolder { path: root.into() });
    }
    let mut walk = Walk {
        root,
        options,
        ignored: Ignored::new(&options.ignore)?,
        rules: Vec::new(),
        ahead: vec![Folder {
            disk: root.into(),
            base: String::new(),
            rules: 0,
            followed: None,
        }],
        folders: 0,
        found: Found::new(),
        bytes: 0,
    };
    while let Some(folder) = walk.ahead.pop() {
        walk.folder(&folder)?;
    }
    check_links(&walk.found, options.follow_outside_links)?;
    Ok(walk.found)
}

/// Names and kinds of what is in a folder. The folder is closed before this returns, which it is
/// not as long as there is a `DirEntry` of it.
fn list(folder: &Path) -> Result<Vec<(OsString, FileType)>, PackError> {
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
    fn folder(&mut self, folder: &Folder) -> Result<(), PackError> {
        self.folders += 1;
        self.check_limits()?;
        let entries = list(&folder.disk)?;
        self.rules.truncate(folder.rules);
        if entries.iter().any(|(name, _)| name == ignore::FILE) {
            self.rules.push(Rules::read(&folder.disk, &folder.base)?);
        }
        if entries.is_empty() && !folder.base.is_empty() {
            // Others are there by what they contain. If all of that is left out, so are they.
            let at = folder.base.trim_end_matches('/').to_owned();
            return self.add(at, EntryKind::EmptyFolder, folder.disk.clone(), None);
        }
        for (os_name, kind) in entries {
            let disk = folder.disk.join(&os_name);
            // A name that is not UTF-8 can be left out all the same.
            let name = os_name.to_string_lossy();
            let at = format!("{}{name}", folder.base);
            if self
                .ignored
                .leaves_out(&self.rules, &at, &name, kind.is_dir())
            {
                continue;
            }
            if os_name.to_str().is_none() {
                return Err(PackError::Name { path: disk });
            }
            self.entry(folder, disk, at, kind)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: &Folder,
        disk: PathBuf,
        at: String,
        kind: FileType,
    ) -> Result<(), PackError> {
        if kind.is_dir() {
            self.enter(disk, &at, folder.followed.clone());
            return Ok(());
        }
        if kind.is_symlink() {
            return self.link(folder, disk, at);
        }
        self.file(disk, at, kind)
    }

    /// Has a folder listed later, with the rules that hold now.
    fn enter(&mut self, disk: PathBuf, at: &str, followed: Option<Arc<Followed>>) {
        self.ahead.push(Folder {
            disk,
            base: format!("{at}/"),
            rules: self.rules.len(),
            followed,
        });
    }

    fn file(&mut self, disk: PathBuf, at: String, kind: FileType) -> Result<(), PackError> {
        if !kind.is_file() {
            return Err(PackError::Special {
                path: disk,
                what: special(kind),
            });
        }
        let metadata = fs::symlink_metadata(&disk).map_err(PackError::read(&disk))?;
        let kind = EntryKind::File {
            size: metadata.len(),
            executable: is_executable(&metadata),
        };
        self.add(at, kind, disk, metadata.modified().ok())
    }

    fn link(&mut self, folder: &Folder, disk: PathBuf, at: String) -> Result<(), PackError> {
        let target = fs::read_link(&disk).map_err(PackError::read(&disk))?;
        let Some(target) = target.to_str() else {
            return Err(PackError::Name { path: disk });
        };
        let target = if cfg!(windows) {
            target.replace('\\', "/")
        } else {
            target.to_owned()
        };
        if self.options.follow_outside_links {
            if let Some((outside, followed)) = self.outside(folder, &disk, &target)? {
                let metadata = fs::metadata(&outside).map_err(PackError::read(&outside))?;
                if metadata.is_dir() {
                    self.enter(outside, &at, Some(followed));
                    return Ok(());
                }
                return self.file(outside, at, metadata.file_type());
            }
        }
        self.add(at, EntryKind::Link { target }, disk, None)
    }

    /// Where the link leads to, if that is outside of the folder that is packed, or of the one that
    /// a link was followed to. A link to nothing stays a link, which is refused later.
    fn outside(
        &self,
        folder: &Folder,
        disk: &Path,
        target: &str,
    ) -> Result<Option<(PathBuf, Arc<Followed>)>, PackError> {
        let Ok(leads_to) = fs::canonicalize(disk) else {
            return Ok(None);
        };
        let canonical = |path: &Path| fs::canonicalize(path).map_err(PackError::read(path));
        let within = match &folder.followed {
            Some(followed) => followed.target.clone(),
            None => canonical(self.root)?,
        };
        let from = canonical(&folder.disk)?;
        if leads_to.starts_with(&within) && stays_within(&within, &from, target) {
            return Ok(None);
        }
        let mut earlier = folder.followed.as_ref();
        let mut is_circle = from.starts_with(&leads_to);
        while let Some(followed) = earlier {
            is_circle |= followed.from.starts_with(&leads_to);
            earlier = followed.before.as_ref();
        }
        let depth = folder
            .followed
            .as_ref()
            .map_or(1, |before| before.depth + 1);
        if is_circle || depth > MAX_LINKS {
            return Err(PackError::Link {
                path: disk.into(),
                target: target.into(),
                problem: CIRCLE,
            });
        }
        let followed = Followed {
            target: leads_to.clone(),
            from,
            before: folder.followed.clone(),
            depth,
        };
        Ok(Some((leads_to, Arc::new(followed))))
    }

    fn add(
        &mut self,
        path: String,
        kind: EntryKind,
        disk: PathBuf,
        modified: Option<SystemTime>,
    ) -> Result<(), PackError> {
        let may_be_secret = self.ignored.may_be_secret(&self.rules, &path);
        let entry = PackEntry {
            path,
            kind,
            may_be_secret,
        };
        self.bytes = self.bytes.saturating_add(entry.size());
        let source = Source {
            entry,
            disk,
            modified,
        };
        self.found.insert(source.entry.path.clone(), source);
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), PackError> {
        let files = u64::try_from(self.found.len()).unwrap_or(u64::MAX);
        for (unit, is, limit) in [
            ("bytes", self.bytes, self.options.max_bytes),
            ("files", files, self.options.max_files),
            // Folders of which everything is left out are no entries, but take time.
            (
                "folders",
                self.folders,
                self.options.max_files.max(PackOptions::MAX_FILES),
            ),
        ] {
            if is > limit {
                return Err(PackError::TooMuch {
                    path: self.root.into(),
                    limit,
                    unit,
                    most: self.most(unit == "bytes"),
                });
            }
        }
        Ok(())
    }

    /// What at the root has most of what was found so far.
    fn most(&self, bytes: bool) -> String {
        let mut shares = BTreeMap::<&str, u64>::new();
        for Source { entry, .. } in self.found.values() {
            let top = entry.path.split('/').next().unwrap_or_default();
            *shares.entry(top).or_default() += if bytes { entry.size() } else { 1 };
        }
        shares
            .into_iter()
            .max_by_key(|(_, share)| *share)
            .map(|(top, _)| top.to_owned())
            .unwrap_or_default()
    }
}

/// Checks if a target never leaves the folder `within`, seen from `from`. A link that leads out of
/// the folder and back leads elsewhere once the package is unpacked.
fn stays_within(within: &Path, from: &Path, target: &str) -> bool {
    let mut depth = from
        .strip_prefix(within)
        .map_or(0, |below| below.components().count());
    !is_absolute(target)
        && target.split('/').all(|step| {
            match step {
                "" | "." => {}
                ".." => match depth.checked_sub(1) {
                    Some(above) => depth = above,
                    None => return false,
                },
                _ => depth += 1,
            }
            true
        })
}
