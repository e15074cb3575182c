//! Watching instances.

use std::time::Duration;

use scramjet_client_core::RunnerExit;
use scramjet_client_core::flow::WatchInstances;

use crate::for_seeds;
use crate::network::Faults;
use crate::world::{Turn, World, end};

#[test]
fn watch_instances_tells_each_end_and_nothing_else() {
    for_seeds("watch instances", |seed| {
        let mut world = World::new(seed, end);
        let (id, key) = world.instance();
        let crash = world.hub.now() + Duration::from_secs(1) + world.chance.millis(20_000);
        let turn = if world.chance.one_in(5) {
            Turn::Restart
        } else {
            Turn::Crash
        };
        world.at(crash, turn);
        let mut flow = WatchInstances::new(world.endpoint());
        flow.watch(Duration::ZERO, &id);
        let (result, driven) = world.run(flow, Duration::from_secs(400));
        let ended = result.unwrap();
        assert_eq!(ended.id, id);
        assert!(
            world.is_dead(key),
            "it lives: {ended:?}: {:#?}",
            driven.sent
        );
        if world.is_v1() && !world.restarted {
            let exit = ended.exit.expect("a hub of 1.x tells how it has ended");
            let code = world.hub.record(key).and_then(|record| record.exit_code);
            assert_eq!(Some(exit), code.map(RunnerExit::from), "{ended:?}");
        }
        if world.faults == Faults::NONE {
            let late = world.hub.now() - world.died_at(key).unwrap_or(crash);
            assert!(late < Duration::from_secs(2), "told {late:?} after the end");
        }
    });
}
