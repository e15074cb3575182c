use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use scramjet_client_core::RequestError;

use crate::client::kill;
use crate::error::Error;
use crate::handles::sequence::SequenceClient;
use crate::patterns::pool::members::{Member, Shared, Slot};
use crate::patterns::pool::placement::{least_loaded, limits_of};
use crate::support::panics::ignore_panic;
use crate::support::sync::lock;

/// Interval for checking if instances are lost, and the delay after a failed replacement.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Replaces lost instances until the pool is closed. Runs on a thread of its own, because a start
/// may take long.
pub(super) fn replace(pool: &Shared) {
    // Closing the pool cancels their calls.
    let sequences: Vec<_> = pool
        .sequences
        .iter()
        .map(|sequence| sequence.with_cancel(&pool.closed))
        .collect();
    while !pool.closed.is_cancelled() {
        let count = pool.lost.count();
        // A panic of an observer or a transport must not end the thread.
        let replaced = catch_unwind(AssertUnwindSafe(|| replace_lost(pool, &sequences)));
        if ignore_panic(replaced) == Some(true) {
            pool.lost.wait(count, Instant::now() + POLL_INTERVAL);
        } else {
            // Sleeps the whole interval even if more instances are lost: their replacement would
            // probably fail too.
            let _ = pool.pause(POLL_INTERVAL);
        }
    }
}

/// Replaces all instances that are lost now. Returns `false` if one could not be replaced.
fn replace_lost(pool: &Shared, sequences: &[SequenceClient]) -> bool {
    let mut all = true;
    for (index, slot) in pool.slots.iter().enumerate() {
        let member = slot.member();
        if member.is_lost() && !pool.closed.is_cancelled() {
            let successor = successor(pool, sequences, index, &member).map_err(Arc::new);
            let error = successor.as_ref().err().map(Arc::clone);
            all &= error.is_none();
            *lock(&pool.replace_error) = error;
            successor
                .into_iter()
                .for_each(|member| slot.replace(member));
            pool.available.notify();
        }
    }
    all
}

fn successor(
    pool: &Shared,
    sequences: &[SequenceClient],
    index: usize,
    member: &Member,
) -> Result<Member, Error> {
    if !member.claimed.load(Ordering::Relaxed) {
        // An evicted instance may still run. Closing the pool does not wait for this kill, because
        // it kills unclaimed instances again.
        let client = &member.instance.host.client;
        kill::kill_unless(&pool.closed, client, member.instance.id())?;
        member.claimed.store(true, Ordering::Relaxed);
    }
    // A panic of the caller's function must not end the thread.
    let options = catch_unwind(AssertUnwindSafe(|| (pool.start)(index)));
    let options = ignore_panic(options).ok_or_else(|| {
        RequestError::option("start", "the function that makes the options panicked")
    })?;
    let alive: Vec<_> = pool.slots.iter().filter_map(Slot::alive).collect();
    let used_hubs: Vec<_> = alive.iter().map(|other| other.host().base_url()).collect();
    let pick = |loads: &[_]| least_loaded(loads, &used_hubs);
    let sequence = pool.options.choose(sequences, index, pick)?;
    let mut instance = pool.options.start_one(sequence, &options)?;
    instance.host.client.options = limits_of(&pool.sequences, &instance);
    Ok(Member::new(instance))
}
