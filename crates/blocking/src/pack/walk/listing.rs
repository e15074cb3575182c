//! The entries of a folder, with limits for their number and size.

use std::collections::BTreeMap;
use std::path::Path;

use crate::pack::error::PackError;
use crate::pack::options::PackOptions;
use crate::pack::source::{SourceFile, Sources};

/// The entries that were found so far. Adding one fails if a limit is exceeded.
pub(super) struct Listing<'a> {
    root: &'a Path,
    options: &'a PackOptions,
    pub(super) sources: Sources,
    bytes: u64,
    folders: u64,
}

impl<'a> Listing<'a> {
    pub(super) fn new(root: &'a Path, options: &'a PackOptions) -> Self {
        Self {
            root,
            options,
            sources: Sources::new(),
            bytes: 0,
            folders: 0,
        }
    }

    /// Counts a folder. Fails if a limit is exceeded.
    pub(super) fn add_folder(&mut self) -> Result<(), PackError> {
        self.folders += 1;
        self.check_limits()
    }

    pub(super) fn add(&mut self, source: SourceFile) -> Result<(), PackError> {
        self.bytes = self.bytes.saturating_add(source.entry.size());
        self.sources.insert(source.entry.path.clone(), source);
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), PackError> {
        let files = u64::try_from(self.sources.len()).unwrap_or(u64::MAX);
        let (max_bytes, max_files) = (self.options.max_bytes, self.options.max_files);
        // Folders whose content is excluded are not entries, but listing them takes time.
        let max_folders = max_files.max(PackOptions::MAX_FILES);
        for (unit, count, limit) in [
            ("bytes", self.bytes, max_bytes),
            ("files", files, max_files),
            ("folders", self.folders, max_folders),
        ] {
            if count > limit {
                return Err(PackError::LimitExceeded {
                    path: self.root.into(),
                    limit,
                    unit,
                    largest: self.largest_share(unit == "bytes"),
                });
            }
        }
        Ok(())
    }

    /// Returns the name at the top level with the most bytes or entries.
    fn largest_share(&self, of_bytes: bool) -> String {
        let mut shares = BTreeMap::<&str, u64>::new();
        for SourceFile { entry, .. } in self.sources.values() {
            let top = entry.path.split('/').next().unwrap_or_default();
            *shares.entry(top).or_default() += if of_bytes { entry.size() } else { 1 };
        }
        let largest = shares.into_iter().max_by_key(|(_, share)| *share);
        largest.map_or(String::new(), |(top, _)| top.to_owned())
    }
}
