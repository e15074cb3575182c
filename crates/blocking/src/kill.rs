//! Ending instances that nobody wants any more.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use scramjet_client_core::{
    GetInstance, InstanceId, KillInstance, KillOptions, StopInstance, StopOptions,
};

use crate::Error;
use crate::client::Client;
use crate::instance::ended;

/// Cleaning up may not be held up by a hub that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long who has no time waits for that all the same: a hub that answers does so at once.
const COURTESY: Duration = Duration::from_secs(1);

/// A hub after 1.0.1 refuses to kill an instance that is about to start, for a moment.
const MOMENTS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_secs(1),
];

/// Kills an instance in whatever state it is, apart from the limits of the call that it belonged to. That it is gone is a success.
pub(crate) fn kill(client: &Client, id: &InstanceId) -> Result<(), Error> {
    let client = client.apart(PATIENCE);
    let operation = KillInstance {
        id,
        options: &KillOptions::new().remove_immediately(true),
    };
    for moment in MOMENTS {
        match client.call(&operation) {
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if error.api().is_some_and(|refusal| refusal.status == 400) => {
                if ended(&client, id)?.is_some() {
                    return Ok(());
                }
            }
            result => return result.map(drop),
        }
        client.pause(&operation, moment)?;
    }
    // One that is stopping, and does not, is ended by another stop alone.
    match client.call(&StopInstance {
        id,
        options: &StopOptions::new(Duration::ZERO),
    }) {
        Err(error) if error.is_not_found() => Ok(()),
        result => result.map(drop),
    }
}

/// The same, and where the limits of the call that it belonged to are reached, it is only begun.
pub(crate) fn give_up(client: &Client, id: &InstanceId) -> Result<(), Error> {
    match client.limits_of(&GetInstance { id }) {
        Ok(_) => kill(client, id),
        Err(_) => kill_behind(client, id),
    }
}

/// On a thread of its own, which goes on where it takes longer than a moment.
fn kill_behind(client: &Client, id: &InstanceId) -> Result<(), Error> {
    let (tell, told) = channel();
    let (killer, victim) = (client.clone(), id.clone());
    let thread = thread::Builder::new()
        .name("scramjet-kill".into())
        .spawn(move || {
            // Nobody is there to be told where it took too long.
            let _ = tell.send(kill(&killer, &victim));
        });
    match thread {
        Ok(_) => told.recv_timeout(COURTESY).unwrap_or(Ok(())),
        Err(_) => kill(client, id),
    }
}
