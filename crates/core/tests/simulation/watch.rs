//! Tests watching instances.

use std::time::Duration;

use scramjet_client_core::flow::WatchInstances;

use crate::events::check_end;
use crate::for_seeds;

#[test]
fn watch_instances_reports_only_instances_that_have_ended() {
    for_seeds("watch instances", |seed| {
        check_end(seed, Duration::from_secs(2), |world, id| {
            let mut flow = WatchInstances::new(world.endpoint());
            flow.watch(Duration::ZERO, &id);
            flow
        });
    });
}
