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
    /// Default limit for the total size of the files: 256 MiB. Most packages have less than 1 MiB.
    /// Hubs of 0.18 abort an upload after five minutes.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// Default limit for the number of entries: 50,000, about as many as a very large
    /// `node_modules`.
    pub const MAX_FILES: u64 = 50_000;

    /// Creates the default options: no rules except the default ones, the limits
    /// [`MAX_BYTES`](Self::MAX_BYTES) and [`MAX_FILES`](Self::MAX_FILES), and no links out of the
    /// folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule that excludes files, in the form of a line in `.siignore`. With `!` at the
    /// beginning, it includes them.
    ///
    /// Rules of the options override those of all `.siignore` files. A later rule overrides an
    /// earlier one.
    pub fn ignore(mut self, rule: impl Into<String>) -> Self {
        self.ignore.push(rule.into());
        self
    }

    /// Sets the upper bound for the total size of the files in bytes, before compression.
    /// [`MAX_BYTES`](Self::MAX_BYTES) by default.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Sets the upper bound for the number of entries. [`MAX_FILES`](Self::MAX_FILES) by default.
    ///
    /// The number of folders, including those without entries, has the same bound, but at least
    /// `MAX_FILES`.
    pub fn max_files(mut self, max_files: u64) -> Self {
        self.max_files = max_files;
        self
    }

    /// Replaces symbolic links that lead out of the folder by their targets. By default, such a
    /// link is an error. This includes links that are absolute, and links whose paths leave the
    /// folder and come back.
    ///
    /// Set it for workspaces of npm and other package managers, which link the packages of the
    /// workspace into `node_modules`. On the hub, such a package finds dependencies only in its own
    /// `node_modules` and in that of the sequence. A link to a folder that contains the link is an
    /// error.
    pub fn follow_outside_links(mut self) -> Self {
        self.follow_outside_links = true;
        self
    }
}
