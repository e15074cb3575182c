//! Options for packing a folder.

/// Options for packing a folder.
///
/// ```no_run
/// use scramjet_client_blocking::Package;
/// use scramjet_client_blocking::pack::PackOptions;
///
/// let options = PackOptions::new().ignore("*.test.js").max_bytes(16 << 20);
/// let package = Package::from_dir_with("sequence", &options)?;
/// # Ok::<(), scramjet_client_blocking::pack::PackError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PackOptions {
    pub(super) ignore: Vec<String>,
    pub(super) max_bytes: u64,
    pub(super) max_files: u64,
    pub(super) follow_outside_links: bool,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self {
            ignore: Vec::new(),
            max_bytes: Self::MAX_BYTES,
            max_files: Self::MAX_FILES,
            follow_outside_links: false,
        }
    }
}

impl PackOptions {
    /// Default limit for the size of all files: 256 MiB. Most packages have less than 1 MiB, and
    /// hubs of 0.18 abort an upload after five minutes.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// Default limit for the number of entries: 50,000, about as many as a very large
    /// `node_modules`.
    pub const MAX_FILES: u64 = 50_000;

    /// Returns the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Excludes files that match a rule, which has the form of a line in `.siignore`.
    ///
    /// These rules override those of all `.siignore` files. A later rule overrides an earlier one.
    pub fn ignore(mut self, rule: impl Into<String>) -> Self {
        self.ignore.push(rule.into());
        self
    }

    /// Sets the upper bound for the size of all files in bytes, before compression. By default
    /// [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Sets the upper bound for the number of entries. By default [`MAX_FILES`](Self::MAX_FILES).
    pub fn max_files(mut self, max_files: u64) -> Self {
        self.max_files = max_files;
        self
    }

    /// Packs the target of a symbolic link that leads out of the folder in place of the link, also
    /// if its path leaves the folder and comes back. By default, such a link is an error.
    ///
    /// This is for workspaces of npm and other package managers, which link the packages of the
    /// workspace into `node_modules`. On the hub, such a package finds dependencies only in its own
    /// `node_modules` and in that of the sequence. A link to a folder that contains the link is an
    /// error.
    pub fn follow_outside_links(mut self) -> Self {
        self.follow_outside_links = true;
        self
    }
}
