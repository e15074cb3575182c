use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::client::kill;
use crate::handles::instance::InstanceClient;
use crate::support::panics::ignore_panic;
use crate::support::sync::{into_inner, lock};
use crate::support::threads;

/// Upper bound for the number of threads that stop or kill instances at the same time.
const MAX_WORKERS: usize = 32;

/// Calls a function for each instance on several threads. Returns the results in order.
///
/// # Errors
/// The first panic, after the function was called for all instances.
pub(super) fn for_all<T: Send>(
    instances: Vec<InstanceClient>,
    act: impl Fn(InstanceClient) -> T + Sync,
) -> std::thread::Result<Vec<T>> {
    let workers = instances.len().min(MAX_WORKERS);
    let results = Mutex::new(instances.iter().map(|_| None).collect::<Vec<_>>());
    let remaining = Mutex::new(instances.into_iter().enumerate());
    let next = || lock(&remaining).next();
    let finished = threads::share(workers, &|| {
        while let Some((index, instance)) = next() {
            // A panic must not keep the thread from the other instances.
            let result = catch_unwind(AssertUnwindSafe(|| act(instance)));
            if let Some(slot) = lock(&results).get_mut(index) {
                *slot = Some(result);
            }
        }
    });
    let results = into_inner(results);
    finished.and_then(|()| results.into_iter().flatten().collect())
}

/// Kills instances. Ignores errors.
pub(super) fn kill_all(instances: Vec<InstanceClient>) {
    let kill = |instance: InstanceClient| kill::kill(&instance.host.client, instance.id());
    // The caller may be unwinding already.
    ignore_panic(for_all(instances, |instance| drop(kill(instance))));
}
