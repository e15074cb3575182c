/// How a folder is packed. The defaults are for a folder as it should be.
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
    /// 256 MiB. Most packages have less than one, and a hub of 0.18 takes an upload for no longer than five minutes.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// 50,000: about as many as the largest `node_modules` has that anybody would want to send.
    pub const MAX_FILES: u64 = 50_000;

    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out what matches this rule, which has the form of a line of `.siignore`. It is stronger than all of those, and a later rule
    /// is stronger than an earlier one.
    pub fn ignore(mut self, rule: impl Into<String>) -> Self {
        self.ignore.push(rule.into());
        self
    }

    /// How many bytes the files may have together, before compression. Where it is not said, [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// How many entries there may be. Where it is not said, [`MAX_FILES`](Self::MAX_FILES).
    pub fn max_files(self, max_files: u64) -> Self {
        Self { max_files, ..self }
    }

    /// Packs files and folders outside of the folder if a symbolic link leads to them, in the place
    /// of the link, also if the link leaves the folder and comes back. By default, such a link is an
    /// error.
    ///
    /// This is for workspaces of npm and others, which link the packages of the workspace into
    /// `node_modules`. A package that is packed in this way finds only dependencies that are in its
    /// own `node_modules`, or in one of the sequence. Links that lead to a folder that they are in
    /// are an error.
    pub fn follow_outside_links(self) -> Self {
        Self {
            follow_outside_links: true,
            ..self
        }
    }
}
