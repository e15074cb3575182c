//! What is in a folder.

use std::collections::BTreeMap;
use std::fs::{self, FileType, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::ignore::{self, Rules};
use super::links::check_links;
use super::{EntryKind, PackEntry, PackError, PackOptions};

/// What is packed, by its path.
pub(crate) type Found = BTreeMap<String, Source>;

/// An entry, and by what to know that its file is still the same.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) entry: PackEntry,
    pub(crate) modified: Option<SystemTime>,
}

struct Walk<'a> {
    root: &'a Path,
    options: &'a PackOptions,
    of_options: Rules,
    /// Of the folders from the root to where it is.
    rules: Vec<Rules>,
    found: Found,
    bytes: u64,
}

/// Everything in the folder that is not left out.
pub(crate) fn walk(root: &Path, options: &PackOptions) -> Result<Found, PackError> {
    if !fs::metadata(root).map_err(PackError::read(root))?.is_dir() {
        return Err(PackError::NotAFolder { path: root.into() });
    }
    let of_options = Rules::of_options(&options.ignore)?;
    let mut walk = Walk {
        root,
        options,
        of_options,
        rules: Vec::new(),
        found: Found::new(),
        bytes: 0,
    };
    walk.folder(root, "")?;
    check_links(root, &walk.found)?;
    Ok(walk.found)
}

impl Walk<'_> {
    /// Whether there is something in it, be it left out. `base` is its path with a slash.
    fn folder(&mut self, folder: &Path, base: &str) -> Result<bool, PackError> {
        let entries = fs::read_dir(folder).map_err(PackError::read(folder))?;
        let entries = entries
            .collect::<Result<Vec<_>, _>>()
            .map_err(PackError::read(folder))?;
        let has_rules = entries
            .iter()
            .any(|entry| entry.file_name() == ignore::FILE);
        if has_rules {
            self.rules.push(Rules::read(folder, base)?);
        }
        for entry in &entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(PackError::read(&path))?;
            // A name that is not UTF-8 can be left out all the same.
            let os_name = entry.file_name();
            let name = os_name.to_string_lossy();
            let at = format!("{base}{name}");
            if ignore::leaves_out(&self.rules, &self.of_options, &at, &name, kind.is_dir()) {
                continue;
            }
            if os_name.to_str().is_none() {
                return Err(PackError::Name { path });
            }
            self.entry(path, at, kind)?;
        }
        if has_rules {
            self.rules.pop();
        }
        Ok(!entries.is_empty())
    }

    fn entry(&mut self, path: PathBuf, at: String, kind: FileType) -> Result<(), PackError> {
        if kind.is_dir() {
            // One with something in it comes about with that, and one of which everything is left out is left out itself.
            let is_empty = !self.folder(&path, &format!("{at}/"))?;
            return if is_empty {
                self.add(at, EntryKind::EmptyFolder, None)
            } else {
                Ok(())
            };
        }
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(PackError::read(&path))?;
            let Some(target) = target.to_str() else {
                return Err(PackError::Name { path });
            };
            let target = if cfg!(windows) {
                target.replace('\\', "/")
            } else {
                target.to_owned()
            };
            return self.add(at, EntryKind::Link { target }, None);
        }
        if !kind.is_file() {
            return Err(PackError::Special {
                path,
                what: special(kind),
            });
        }
        let metadata = fs::symlink_metadata(&path).map_err(PackError::read(&path))?;
        let kind = EntryKind::File {
            size: metadata.len(),
            executable: is_executable(&metadata),
        };
        self.add(at, kind, metadata.modified().ok())
    }

    fn add(
        &mut self,
        path: String,
        kind: EntryKind,
        modified: Option<SystemTime>,
    ) -> Result<(), PackError> {
        let entry = PackEntry { path, kind };
        self.bytes = self.bytes.saturating_add(entry.size());
        self.found
            .insert(entry.path.clone(), Source { entry, modified });
        let count = u64::try_from(self.found.len()).unwrap_or(u64::MAX);
        for (unit, is, limit) in [
            ("bytes", self.bytes, self.options.max_bytes),
            ("files", count, self.options.max_files),
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

/// The only one of a file's permissions that is kept. Windows does not know it.
pub(crate) fn is_executable(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = metadata.is_dir();
    executable
}

pub(super) fn special(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;

        if kind.is_fifo() {
            return "named pipe";
        }
        if kind.is_socket() {
            return "socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "device";
        }
    }
    let _ = kind;
    "special file"
}
