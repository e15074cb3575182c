//! Watching instances.

use std::time::Duration;

use scramjet_client_core::flow::WatchInstances;

use crate::events::tells_the_end;
use crate::for_seeds;

#[test]
fn watch_instances_tells_each_end_and_nothing_else() {
    for_seeds("watch instances", |seed| {
        tells_the_end(seed, Duration::from_secs(2), |world, id| {
            let mut flow = WatchInstances::new(world.endpoint());
            flow.watch(Duration::ZERO, &id);
            flow
        });
    });
}
