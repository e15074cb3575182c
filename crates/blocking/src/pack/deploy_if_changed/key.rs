//! The name and the state file of a deployment.

use std::path::PathBuf;

/// The name of a deployment, and the state file that stores what was deployed.
///
/// A state file stores any number of names, for any number of hubs. A lock file next to it, with
/// `.lock` appended to its name, makes concurrent runs wait for each other.
///
/// ```
/// # use scramjet_client_blocking::DeployKey;
/// let key = DeployKey::new("shout", "target/deployed.json").remove_old();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DeployKey {
    pub(crate) name: String,
    pub(crate) state_file: PathBuf,
    pub(crate) remove_old: bool,
    pub(crate) in_place: bool,
}

impl DeployKey {
    /// Returns a key with this name and state file. The file need not exist.
    pub fn new(name: impl Into<String>, state_file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            state_file: state_file.into(),
            remove_old: false,
            in_place: true,
        }
    }

    /// Deletes earlier sequences of this key that were not replaced in place. By default, they stay
    /// on the hub.
    ///
    /// A sequence that is in use stays on the hub, and the next run tries again to delete it.
    pub fn remove_old(mut self) -> Self {
        self.remove_old = true;
        self
    }

    /// Uploads a changed package as a new sequence, and never replaces it in place.
    ///
    /// When a hub replaces a package in place, it does not delete the files of the old package.
    /// Files that the new package does not contain may remain.
    pub fn never_in_place(mut self) -> Self {
        self.in_place = false;
        self
    }
}
