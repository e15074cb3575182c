//! Uploads a package only if it differs from the deployed one.

pub(crate) mod deployed;
pub(crate) mod error;
pub(crate) mod key;
mod lock;
mod run;
mod state;

use super::package::Package;
use super::write::resolve_links;
use crate::handles::host::HostClient;
use crate::handles::sequence::SequenceClient;
use deployed::Deployed;
use error::DeployError;
use key::DeployKey;
use lock::StateLock;
use run::DeployRun;
use state::State;

impl HostClient {
    /// Deploys a package, and uploads it only if the hub does not have the same package already.
    /// For build scripts, and for programs that run repeatedly.
    ///
    /// The state file of the key stores the id of the deployed sequence and the
    /// [`digest`](Package::digest) of its package. If the file contains a sequence for the key and
    /// this hub, the call asks the hub for the sequence (`GET /sequence/:id`). Then:
    ///
    /// - **If there is no sequence,** the call uploads the package (`POST /sequence`).
    /// - **If the sequence has the same package,** the call uploads nothing. The digest must be
    ///   equal to the stored one, and the hub must report the same name, version, `main` and size
    ///   as after the last upload (hubs of 0.18 report no size). Hubs store no digest, so the call
    ///   does not notice if somebody else replaces the package by one with the same values.
    /// - **If the sequence has another package,** the call replaces it in place on hubs since
    ///   0.38.0 (`PUT /sequence/:id`). The id stays the same. Files that the new package does not
    ///   contain may remain in the sequence's folder on the hub, see [`DeployKey::never_in_place`].
    ///
    ///   If the hub is older, or still lists instances of the sequence, the call uploads the
    ///   package as a new sequence (`POST /sequence`). Hubs of 1.x list an instance for some
    ///   minutes after its end. The old sequence stays on the hub, unless [`DeployKey::remove_old`]
    ///   is set: then the call deletes it if it is not in use (`DELETE /sequence/:id`).
    ///
    /// After an upload, the call asks the hub for the sequence (`GET /sequence/:id`), and stores
    /// its name, version, `main` and size.
    ///
    /// # Concurrent and killed runs
    ///
    /// Calls with the same state file run one after another, even in different processes. A killed
    /// process releases its lock. The deadline of this handle includes the wait for the lock.
    ///
    /// If a process is killed while it replaces a package in place, the next call replaces it
    /// again. If a process is killed after the hub has received a new sequence and before the state
    /// file is written, the next call uploads the package again, and the first sequence stays on
    /// the hub. To find it, look for the name in `package.json` in
    /// [`list_sequences`](Self::list_sequences).
    ///
    /// # State file
    ///
    /// The state file is written atomically. The state file, its lock file and its temporary files
    /// are not packed, even if they are in the sequence folder. If the state file is a symbolic
    /// link, the call uses the target. If the state file is lost, the call uploads the package, and
    /// the earlier sequence stays on the hub.
    ///
    /// # Errors
    /// See [`DeployError`]. After an error, the next call continues from the saved state.
    ///
    /// ```no_run
    /// use scramjet_client_blocking::pack::DeployChange;
    /// use scramjet_client_blocking::{DeployKey, HostClient, Package};
    ///
    /// let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let package = Package::from_dir("sequence")?;
    /// let key = DeployKey::new("shout", "target/deployed.json").remove_old();
    /// let deployed = host.deploy_if_changed(&package, &key)?;
    /// match deployed.change {
    ///     DeployChange::Unchanged => println!("{} is up to date", deployed.sequence.id()),
    ///     _ => println!("uploaded {}", deployed.sequence.id()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deploy_if_changed(
        &self,
        package: &Package,
        key: &DeployKey,
    ) -> Result<Deployed, DeployError> {
        let host = Self::with(self.client.fix_deadline());
        let unusable = || DeployError::state(&key.state_file);
        let state_file = resolve_links(&key.state_file).map_err(unusable())?;
        let lock = StateLock::acquire(&state_file, &host.client)?;
        // Excludes the file, and the link to it if there is one.
        let package = package
            .without(&key.state_file)
            .and_then(|package| package.without(&state_file))
            .map_err(unusable())?;
        let mut run = DeployRun {
            host: &host,
            package: &package,
            key,
            digest: package.digest()?,
            state: State::read(&state_file)?,
            state_file,
        };
        let (change, mut record) = run.deploy()?;
        if key.remove_old {
            run.remove_old(&mut record)?;
        }
        drop(lock);
        // Made from `self`, because the deadline of `host` is that of this call.
        Ok(Deployed {
            sequence: SequenceClient::new(record.sequence, self)?,
            change,
            remaining: record.left,
        })
    }
}
