use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use scramjet_client_core::{InstanceId, ListInstances, RequestError};

use super::members::{Member, Shared, Slot, alive};
use super::place;
use crate::client::kill;
use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::sequence::SequenceClient;
use crate::limits::call_limits::{CallLimits, StopReason};
use crate::support::panics::ignore_panic;
use crate::support::sync::lock;

/// How often it is looked which instances still live.
const TICK: Duration = Duration::from_secs(1);

/// How long a hub has to answer before it is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Finds out which instances on this hub have ended, until the pool is over.
pub(super) fn watch(pool: &Shared, host: &HostClient) {
    let host = host.with_cancel(&pool.over);
    every_tick(pool, || {
        // What is started while the hub answers is not missing.
        let known: Vec<_> = pool.slots.iter().map(Slot::member).collect();
        // A hub that does not answer now may do so the next time.
        let Ok(living) = living(&host) else { return };
        for member in known
            .into_iter()
            .filter(|member| member.instance.host().base_url() == host.base_url())
        {
            if !living.contains(member.instance.id()) {
                // Nothing is left to be killed.
                let _ = member.take();
                pool.lost.ring();
                pool.free.ring();
            }
        }
    });
}

/// Replaces what is not handed out any more, until the pool is over. Apart from [`watch`], for a start may take long.
pub(super) fn replace(pool: &Shared) {
    // Their calls end with the pool.
    let sequences: Vec<_> = pool
        .sequences
        .iter()
        .map(|sequence| sequence.with_cancel(&pool.over))
        .collect();
    while !pool.over.is_cancelled() {
        let before = pool.lost.count();
        // An observer or a transport may panic: it is tried again all the same.
        let replaced = catch_unwind(AssertUnwindSafe(|| replace_lost(pool, &sequences)));
        if ignore_panic(replaced) == Some(true) {
            pool.lost.wait(before, Instant::now() + TICK);
        } else {
            // An instance that is lost meanwhile could not be replaced either.
            let _ = pause(pool);
        }
    }
}

/// Replaces what is lost now. True if that was possible.
fn replace_lost(pool: &Shared, sequences: &[SequenceClient]) -> bool {
    let mut all = true;
    for (index, slot) in pool.slots.iter().enumerate() {
        let member = slot.member();
        if member.is_out() && !pool.over.is_cancelled() {
            let successor = successor(pool, sequences, index, &member).map_err(Arc::new);
            let failure = successor.as_ref().err().map(Arc::clone);
            all &= failure.is_none();
            *lock(&pool.failure) = failure;
            successor
                .into_iter()
                .for_each(|member| slot.replace(member));
            pool.free.ring();
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
    if !member.gone.load(Ordering::Relaxed) {
        // It was passed over, and may live. The end of the pool, which kills it itself, does not
        // wait for this.
        let client = &member.instance.host.client;
        kill::kill_unless(&pool.over, client, member.instance.id())?;
        member.gone.store(true, Ordering::Relaxed);
    }
    // A panic is told where it happens, and must not be the end of all replacing.
    let options =
        ignore_panic(catch_unwind(AssertUnwindSafe(|| (pool.start)(index)))).ok_or_else(|| {
            RequestError::option("start", "the function that makes the options panicked")
        })?;
    let others: Vec<_> = pool
        .slots
        .iter()
        .filter_map(alive)
        .map(|other| other.host().base_url().to_owned())
        .collect();
    let others: Vec<_> = others.iter().map(String::as_str).collect();
    let sequence = pool
        .options
        .choose(sequences, index, |loads| place::least(loads, &others))?;
    let mut instance = pool.options.start_one(sequence, &options)?;
    instance.host.client.options = place::options_of(&pool.sequences, &instance);
    Ok(Member::new(instance))
}

fn living(host: &HostClient) -> Result<BTreeSet<InstanceId>, Error> {
    let instances = host
        .client
        .tightened(Some(PATIENCE))
        .call(&ListInstances)?
        .into_iter();
    Ok(instances
        .filter(|info| info.ended.is_none() && info.terminated.is_none())
        .map(|info| info.id)
        .collect())
}

fn every_tick(pool: &Shared, mut work: impl FnMut()) {
    while pause(pool).is_ok() {
        // An observer or a transport may panic: the next tick comes all the same.
        ignore_panic(catch_unwind(AssertUnwindSafe(&mut work)));
    }
}

/// Waits until the next time, or the end of the pool.
fn pause(pool: &Shared) -> Result<(), StopReason> {
    let limits = CallLimits {
        cancel: Some(pool.over.clone()),
        ..CallLimits::default()
    };
    limits.pause(TICK)
}
