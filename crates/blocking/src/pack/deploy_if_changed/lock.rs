//! Runs that use the same state file come one after the other.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use fs4::fs_std::FileExt;

use super::error::DeployError;
use crate::call::context::CallContext;
use crate::client::Client;
use crate::transport::error::Phase;

/// Between two looks at a lock that somebody has: nothing beside an upload.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock of the operating system, which ends with the process that has it, however that ends. The file stays: deleting it would let in
/// one who has opened it before and one who makes it anew.
pub(super) struct Lock(#[expect(dead_code, reason = "holds the lock until it is closed")] File);

impl Lock {
    /// Waits for its turn, within the limits of the client.
    pub(super) fn take(state_file: &Path, client: &Client) -> Result<Self, DeployError> {
        let file = open(state_file).map_err(DeployError::state(state_file))?;
        let call = CallContext::without_request("deploy if changed");
        let call = client.options.begin(call, Duration::ZERO)?;
        while !file
            .try_lock_exclusive()
            .map_err(DeployError::state(state_file))?
        {
            call.pause(PAUSE, Phase::Connect)?;
        }
        Ok(Self(file))
    }
}

fn open(state_file: &Path) -> io::Result<File> {
    let mut name = state_file
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_os_string();
    name.push(".lock");
    if let Some(folder) = state_file.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(state_file.with_file_name(name))
}
