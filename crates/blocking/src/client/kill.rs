//! Kills instances, and deletes sequences, during clean-up.

use std::time::Duration;

use scramjet_client_core::flow::{DeleteByForce, Deleted, Kill};
use scramjet_client_core::{DeleteSequence, InstanceId, KillInstance, KillOptions, SequenceId};

use crate::client::Client;
use crate::client::flow_driver::FOREGROUND_LIMIT;
use crate::error::Error;
use crate::limits::cancel::CancelToken;
use crate::support::threads;

/// An upper bound for clean-up. The flows are over sooner: a hub of 1.x takes 15 seconds to remove a
/// process that does not react, and keeps the instance for 15 more.
pub(crate) const CLEANUP_LIMIT: Duration = Duration::from_secs(60);

/// Kills an instance, whatever its state, within 10 seconds and apart from the limits of the client.
/// An instance that is already gone counts as killed.
pub(crate) fn kill(client: &Client, id: &InstanceId) -> Result<(), Error> {
    kill_by(&client.detached(CLEANUP_LIMIT), id)
}

/// Like [`kill`], but goes on in the background if the token is cancelled.
pub(crate) fn kill_unless(
    over: &CancelToken,
    client: &Client,
    id: &InstanceId,
) -> Result<(), Error> {
    let mut client = client.detached(CLEANUP_LIMIT);
    client.options.cancel = Some(over.clone());
    kill_by(&client, id)
}

fn kill_by(client: &Client, id: &InstanceId) -> Result<(), Error> {
    let about = client.describe(&KillInstance {
        id,
        options: &KillOptions::new(),
    });
    let flow = Kill::new(client.known_endpoint()?, id.clone());
    client.drive(about, flow)
}

/// Like [`kill`], but goes on in the background if it takes longer than a moment and the limits of
/// the client are reached.
pub(crate) fn kill_or_detach(client: &Client, id: &InstanceId) -> Result<(), Error> {
    let options = &KillOptions::new();
    if client.limits_of(&KillInstance { id, options }).is_ok() {
        return kill(client, id);
    }
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let (killer, victim) = (client.clone(), id.clone());
    let started = threads::start("scramjet-kill", move || {
        // The caller may have gone on.
        let _ = tell.try_send(kill(&killer, &victim));
    });
    match started {
        Ok(()) => told.recv_timeout(FOREGROUND_LIMIT).unwrap_or(Ok(())),
        Err(_) => kill(client, id),
    }
}

/// Deletes a sequence with its instances, within the limits of the client.
pub(crate) fn delete_by_force(client: &Client, id: &SequenceId) -> Result<(), Error> {
    delete(client, id, |flow| flow).map(drop)
}

/// Deletes a sequence with its instances within [`CLEANUP_LIMIT`], apart from the limits of the
/// client. The hub does it alone if it can. A sequence that is already gone counts as deleted.
pub(crate) fn delete_or_hand_over(client: &Client, id: &SequenceId) -> Result<Deleted, Error> {
    match delete(
        &client.detached(CLEANUP_LIMIT),
        id,
        DeleteByForce::hand_over,
    ) {
        Err(error) if error.is_not_found_by_hub() => Ok(Deleted::Gone),
        result => result,
    }
}

fn delete(
    client: &Client,
    id: &SequenceId,
    how: impl FnOnce(DeleteByForce) -> DeleteByForce,
) -> Result<Deleted, Error> {
    let client = client.fix_deadline();
    let about = client.describe(&DeleteSequence { id, force: false });
    let flow = DeleteByForce::new(client.known_endpoint()?, id.clone())?;
    client.drive(about, how(flow))
}
