//! The result of a deployment.

use scramjet_client_core::SequenceId;

use crate::handles::sequence::SequenceClient;

/// The result of [`HostClient::deploy_if_changed`](crate::HostClient::deploy_if_changed).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deployed {
    /// The sequence with the content of the package.
    pub sequence: SequenceClient,
    /// The difference to the earlier deployment.
    pub change: DeployChange,
    /// Earlier sequences of the key that still exist, because they are in use, the hub refuses to
    /// delete them, or [`DeployKey::remove_old`](crate::DeployKey::remove_old) is not set.
    pub remaining: Vec<SequenceId>,
}

/// The difference between a package and the earlier deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeployChange {
    /// The hub had the same package. Nothing was uploaded.
    Unchanged,
    /// There was no sequence of the key on the hub. The package was uploaded.
    Created,
    /// There was a sequence with another package. The new package was uploaded, under the same id
    /// or under a new one.
    Updated,
}
