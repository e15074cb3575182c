mod upload;

use std::ops::Deref;

use scramjet_client_core::flow::Deleted;

use crate::body::upload::Upload;
use crate::client::kill;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::sequence::SequenceClient;
use crate::support::drop_guard::DropGuard;

/// A sequence that is deleted with all its instances when this guard is dropped. Made by
/// [`HostClient::deploy`].
///
/// Dereferences to [`SequenceClient`]. The drop takes as long as [`close`](Self::close), and
/// ignores errors. [`keep`](Self::keep) leaves the sequence on the hub. To wait until a hub of 1.x
/// has removed the sequence, call [`force_delete`](SequenceClient::force_delete) on the handle that
/// `keep` returns.
#[derive(Debug)]
#[must_use = "the sequence is deleted when this is dropped"]
pub struct Deployment(DropGuard<SequenceClient>);

/// The result of [`HostClient::deploy_and_run`].
#[derive(Debug)]
#[must_use = "the function and the clean-up may have failed"]
#[non_exhaustive]
pub struct Ran<T> {
    /// Return value of the function.
    pub result: T,
    /// Result of the deletion, see [`Deployment::close`].
    pub cleanup: Result<Deleted, Error>,
}

impl HostClient {
    /// Uploads a package (`POST /sequence`) as a sequence that is deleted when the returned
    /// [`Deployment`] is dropped.
    ///
    /// If a limit of the handle is reached before the hub has responded, the call returns within a
    /// second. A hub keeps every package that it has received in full. Therefore a background
    /// thread waits up to 20 seconds for the response, and deletes the sequence. If the handle has
    /// a limit, a separate thread reads the package.
    ///
    /// # Errors
    /// Like [`send_sequence`](Self::send_sequence). After an error, the sequence may be on the hub
    /// if the response was lost ([`Error::phase`] is
    /// [`Phase::Wait`](crate::transport::Phase::Wait) or later, and the hub has not refused the
    /// package) or arrives after the 20 seconds. [`sequence_ids`](Self::sequence_ids) finds it by
    /// the name in its `package.json`.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{HostClient, StartOptions, Upload};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let deployment = host.deploy(Upload::path("package.tar.gz"))?;
    /// let run = deployment.run(&StartOptions::new(), "some text")?;
    /// deployment.close()?;
    /// # Ok::<(), scramjet_client_blocking::Error>(())
    /// ```
    pub fn deploy(&self, package: impl Into<Upload>) -> Result<Deployment, Error> {
        let sequence = upload::send_sequence(self, package.into())?;
        Ok(Deployment(DropGuard::new(sequence, |sequence| {
            // A destructor cannot report an error.
            drop(delete(sequence));
        })))
    }

    /// Uploads a package, calls a function with its sequence, and deletes the sequence with all its
    /// instances, even if the function fails or panics.
    ///
    /// # Errors
    /// Like [`deploy`](Self::deploy). If this returns an error, the function was not called.
    ///
    /// ```no_run
    /// # use scramjet_client_blocking::{Error, HostClient, StartOptions, Upload};
    /// # let host = HostClient::new("http://localhost:8000/api/v1")?;
    /// let ran = host.deploy_and_run(Upload::path("package.tar.gz"), |sequence| {
    ///     sequence.run(&StartOptions::new(), "some text")
    /// })?;
    /// if let Err(error) = ran.cleanup {
    ///     eprintln!("the sequence is still there: {error}");
    /// }
    /// println!("{}", ran.result?.ended);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn deploy_and_run<T>(
        &self,
        package: impl Into<Upload>,
        run: impl FnOnce(&SequenceClient) -> T,
    ) -> Result<Ran<T>, Error> {
        let deployment = self.deploy(package)?;
        let result = run(&deployment);
        let cleanup = deployment.close();
        Ok(Ran { result, cleanup })
    }
}

/// Deletes the sequence. Ignores the limits of the handle, so that an expired limit leaves no
/// sequence on the hub.
fn delete(sequence: &SequenceClient) -> Result<Deleted, Error> {
    kill::delete_or_hand_over(&sequence.host.client, sequence.id())
}

impl Deployment {
    /// Deletes the sequence with all its instances (`GET /sequence/:id/instances`,
    /// `POST /instance/:id/_kill`, `DELETE /sequence/:id`). A sequence that no longer exists counts
    /// as deleted.
    ///
    /// A hub of 0.18 takes up to half a second, or 11 seconds if a process does not react to the
    /// kill. A hub of 1.x refuses to delete a sequence for 15 seconds after its last instance has
    /// ended. If there was an instance in this time, the call leaves the deletion to the hub, and
    /// returns [`Deleted::HandedOver`] after some 50 milliseconds, or longer if the hub is far
    /// away. If the hub does not respond, the call fails after at most a minute.
    ///
    /// # Errors
    /// The hub refused a request, or did not respond. The sequence may still be on the hub.
    pub fn close(mut self) -> Result<Deleted, Error> {
        self.0.disarm();
        delete(&self.0.value)
    }

    /// Returns the handle of the sequence.
    #[must_use]
    pub fn sequence(&self) -> &SequenceClient {
        &self.0.value
    }

    /// Leaves the sequence on the hub and returns its handle.
    #[must_use]
    pub fn keep(mut self) -> SequenceClient {
        self.0.disarm();
        self.0.value.clone()
    }
}

impl Deref for Deployment {
    type Target = SequenceClient;

    fn deref(&self) -> &SequenceClient {
        self.sequence()
    }
}
