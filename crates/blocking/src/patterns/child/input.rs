use std::time::Duration;

use crate::body::input::Input;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::handles::instance::wait::ended;
use crate::support::channel::Receiver;
use crate::transport::error::Phase;

/// Upper bound for the wait until the sequence is loaded. The client then sends the input anyway,
/// because a hub may omit the line that reports this from the log.
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Upper bound for the wait for the end of an instance that has closed its input.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends the input of a run. If `loaded` is set, first waits for a message, the end of its sender,
/// or [`LOAD_TIMEOUT`].
///
/// # Errors
/// The input could not be sent, although neither the instance nor the run has ended.
pub(super) fn send(
    instance: &InstanceClient,
    input: Input,
    loaded: Option<Receiver<()>>,
) -> Result<(), Error> {
    let _ = loaded.map(|loaded| loaded.recv_timeout(LOAD_TIMEOUT));
    match instance.send_input(input) {
        Err(error) if !is_end_of_instance(instance, &error) => Err(error),
        _ => Ok(()),
    }
}

/// Returns `true` if the input could not be sent because the instance or the run has ended.
fn is_end_of_instance(instance: &InstanceClient, error: &Error) -> bool {
    let client = &instance.host.client;
    match error.kind() {
        // The run has the same limits, and reports them itself.
        ErrorKind::Cancelled { .. } | ErrorKind::Deadline { .. } | ErrorKind::Ended(_) => true,
        ErrorKind::Transport(error) if error.phase >= Phase::Send => {
            let mut instance = instance.clone();
            instance.host.client = client.tightened(Some(END_TIMEOUT));
            let ended = instance.wait_ended();
            ended.map_or_else(|error| error.is_cancelled(), |_| true)
        }
        ErrorKind::Reply(_) => ended(client, instance.id()).is_ok_and(|ended| ended.is_some()),
        _ => false,
    }
}
