//! A lock, so that runs with the same state file run one after another.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use fs4::fs_std::FileExt;

use super::error::DeployError;
use crate::call::context::CallContext;
use crate::client::Client;
use crate::transport::error::Phase;

/// Delay between two attempts to acquire a lock. Short in comparison with an upload.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// A lock of the operating system on the lock file. The operating system releases it if the process
/// is killed.
///
/// The lock file stays. If it were deleted, two processes could hold a lock: one on the deleted
/// file, and one on a new file.
pub(super) struct StateLock(
    #[expect(dead_code, reason = "holds the lock until it is closed")] File,
);

impl StateLock {
    /// Waits for the lock, within the limits of the client.
    pub(super) fn acquire(state_file: &Path, client: &Client) -> Result<Self, DeployError> {
        let file = open(state_file).map_err(DeployError::state(state_file))?;
        let call = CallContext::without_request("deploy if changed");
        let call = client.options.begin(call, Duration::ZERO)?;
        while !file
            .try_lock_exclusive()
            .map_err(DeployError::state(state_file))?
        {
            call.pause(RETRY_DELAY, Phase::Connect)?;
        }
        Ok(Self(file))
    }
}

/// Opens the lock file, and creates it and its folder if necessary.
fn open(state_file: &Path) -> io::Result<File> {
    let name = state_file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = name.to_os_string();
    name.push(".lock");
    if let Some(folder) = state_file.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(state_file.with_file_name(name))
}
