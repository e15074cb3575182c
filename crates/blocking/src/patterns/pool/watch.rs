use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use scramjet_client_core::{InstanceId, ListInstances};

use crate::error::Error;
use crate::handles::host::HostClient;
use crate::patterns::pool::members::Shared;
use crate::support::panics::ignore_panic;

/// Interval for checking which instances are alive.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Timeout for listing the instances of a hub.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Marks instances on a hub as lost when they have ended, until the pool is closed.
pub(super) fn watch(pool: &Shared, host: &HostClient) {
    let host = host.with_cancel(&pool.closed);
    while pool.pause(POLL_INTERVAL).is_ok() {
        // A panic of an observer or a transport must not end the thread.
        ignore_panic(catch_unwind(AssertUnwindSafe(|| check(pool, &host))));
    }
}

fn check(pool: &Shared, host: &HostClient) {
    // Collected before the request: the response may lack an instance that starts meanwhile.
    let members: Vec<_> = pool.members().collect();
    // After an error, the instances stay in the pool until the next check.
    let Ok(alive) = alive(host) else { return };
    for member in members
        .into_iter()
        .filter(|member| member.instance.host().base_url() == host.base_url())
    {
        if !alive.contains(member.instance.id()) {
            // Claimed, because an instance that has ended need not be killed.
            let _ = member.claim();
            pool.lost.notify();
            pool.available.notify();
        }
    }
}

fn alive(host: &HostClient) -> Result<Vec<InstanceId>, Error> {
    let client = host.client.tightened(Some(LIST_TIMEOUT));
    let instances = client.call(&ListInstances)?.into_iter();
    Ok(instances
        .filter(|info| info.ended.is_none() && info.terminated.is_none())
        .map(|info| info.id)
        .collect())
}
