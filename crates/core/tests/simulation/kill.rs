//! Tests killing instances.

use std::time::Duration;

use scramjet_client_core::flow::Kill;
use scramjet_client_testing::model::{Output, Step};

use crate::for_seeds;
use crate::network::Faults;
use crate::world::{Turn, World, end};

#[test]
fn kill_returns_in_time_and_the_instance_dies() {
    for_seeds("kill", |seed| {
        let mut world = World::new(seed, |chance| match chance.of(4) {
            0 => vec![Step::KeepAlive],
            1 => vec![
                Step::Write(Output::Output, "up\n"),
                Step::Wait(chance.millis(1)),
                Step::Hang,
            ],
            _ => end(chance),
        });
        let (id, key) = world.instance();
        if world.chance.one_in(4) {
            let at = world.hub.now() + world.chance.millis(500);
            world.at(at, Turn::Crash);
        }
        let begin = world.hub.now();
        let limit = Duration::from_secs(11);
        let (result, driven) = world.run(Kill::new(world.endpoint(), id), limit);
        if world.faults == Faults::NONE {
            let took = world.hub.now() - begin;
            assert!(
                took < Duration::from_secs(4),
                "it took {took:?}: {:#?}",
                driven.sent
            );
            result.as_ref().unwrap();
        }
        // The hub kills an unresponsive process by force.
        world.pass(Duration::from_secs(20));
        assert!(
            world.is_dead(key) || result.is_err(),
            "it is alive: {:#?}",
            driven.sent
        );
    });
}
