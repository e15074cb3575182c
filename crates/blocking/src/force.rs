//! Deleting a sequence by force on a hub that cannot.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use scramjet_client_core::{
    DeleteSequence, KillInstance, KillOptions, ListSequenceInstances, SequenceId,
};

use crate::client::Client;
use crate::{Error, Phase};

/// A hub removes an instance by force 11 seconds after it was killed, if its process has not gone by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// Processes that obey are gone in some tens of milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// One call to the caller, within the limits of one.
pub(crate) fn kill_and_delete(client: &Client, id: &SequenceId) -> Result<(), Error> {
    let client = client.begin();
    let deletion = DeleteSequence { id, force: false };
    let deadline = Instant::now() + PATIENCE;
    let mut killed = BTreeSet::new();
    let mut pause = FIRST_PAUSE;
    loop {
        let conflict = match client.call(&deletion) {
            Err(error) if error.is_conflict() => error,
            result => return result,
        };
        // Again each time: somebody may have started another one.
        for instance in client.call(&ListSequenceInstances { id })? {
            if !killed.contains(&instance) {
                match client.call(&KillInstance {
                    id: &instance,
                    options: &KillOptions::new(),
                }) {
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => drop(killed.insert(instance)),
                }
            }
        }
        if Instant::now() + pause > deadline {
            return Err(conflict);
        }
        client.pause_in(Phase::Wait, &deletion, pause)?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
