//! Kills instances, and deletes sequences, during clean-up.

use std::time::Duration;

use scramjet_client_core::flow::{DeleteByForce, Deleted, Kill};
use scramjet_client_core::{DeleteSequence, InstanceId, KillInstance, KillOptions, SequenceId};

use crate::client::Client;
use crate::client::flow_driver::FOREGROUND_LIMIT;
use crate::error::Error;
use crate::limits::cancel::CancelToken;
use crate::support::threads;

/// Upper bound for clean-up. The flows end sooner: a hub of 1.x takes 15 seconds to remove a
/// process that does not react, and keeps the instance for another 15.
pub(crate) const CLEANUP_LIMIT: Duration = Duration::from_secs(60);

/// Kills an instance within 10 seconds, whatever its state. Ignores the limits of the client. An
/// instance that is already gone counts as killed.
pub(crate) fn kill(client: &Client, id: &InstanceId) -> Result<(), Error> {
    kill_within_limits(&client.detached(CLEANUP_LIMIT), id)
}

/// Like [`kill`], but continues in the background if the token is cancelled.
pub(crate) fn kill_unless(
    token: &CancelToken,
    client: &Client,
    id: &InstanceId,
) -> Result<(), Error> {
    let mut client = client.detached(CLEANUP_LIMIT);
    client.options.cancel = Some(token.clone());
    kill_within_limits(&client, id)
}

fn kill_within_limits(client: &Client, id: &InstanceId) -> Result<(), Error> {
    let call = client.describe(&KillInstance {
        id,
        options: &KillOptions::new(),
    });
    let flow = Kill::new(client.known_endpoint()?, id.clone());
    client.drive(call, flow)
}

/// Like [`kill`]. If a limit of the client is already reached, waits for at most
/// [`FOREGROUND_LIMIT`], and then continues in the background.
pub(crate) fn kill_or_detach(client: &Client, id: &InstanceId) -> Result<(), Error> {
    let options = &KillOptions::new();
    if client.begin(&KillInstance { id, options }).is_ok() {
        return kill(client, id);
    }
    let (thread_client, thread_id) = (client.clone(), id.clone());
    let work = move || kill(&thread_client, &thread_id);
    match threads::start_and_wait("scramjet-kill", FOREGROUND_LIMIT, work) {
        Ok(result) => result.unwrap_or(Ok(())),
        Err(_) => kill(client, id),
    }
}

/// Deletes a sequence with its instances, within the limits of the client.
pub(crate) fn delete_by_force(client: &Client, id: &SequenceId) -> Result<(), Error> {
    delete(client, id, |flow| flow).map(drop)
}

/// Deletes a sequence with its instances within [`CLEANUP_LIMIT`]. Ignores the limits of the
/// client. If the hub can finish the deletion without the client, does not wait for that. A
/// sequence that is already gone counts as deleted.
pub(crate) fn delete_or_hand_over(client: &Client, id: &SequenceId) -> Result<Deleted, Error> {
    let client = client.detached(CLEANUP_LIMIT);
    match delete(&client, id, DeleteByForce::hand_over) {
        Err(error) if error.is_not_found_by_hub() => Ok(Deleted::Gone),
        result => result,
    }
}

fn delete(
    client: &Client,
    id: &SequenceId,
    configure: impl FnOnce(DeleteByForce) -> DeleteByForce,
) -> Result<Deleted, Error> {
    let client = client.fix_deadline();
    let call = client.describe(&DeleteSequence { id, force: false });
    let flow = DeleteByForce::new(client.known_endpoint()?, id.clone())?;
    client.drive(call, configure(flow))
}
