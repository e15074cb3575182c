//! Tests waiting for a hub.

use std::time::Duration;

use scramjet_client_core::flow::WaitForHub;

use crate::for_seeds;
use crate::world::World;

#[test]
fn wait_for_hub_retries_until_the_hub_answers() {
    for_seeds("wait for hub", |seed| {
        let mut world = World::new(seed, |_| Vec::new());
        let flow = WaitForHub::new(world.endpoint());
        let (result, driven) = world.run(flow, Duration::from_secs(150));
        match result {
            Ok(version) => assert_eq!(version.version, world.generation.version()),
            Err(error) => panic!("{error}: {:#?}", driven.sent),
        }
    });
}
