//! Waiting for a hub.

use std::time::Duration;

use scramjet_client_core::flow::WaitForHub;

use crate::for_seeds;
use crate::world::World;

#[test]
fn wait_for_hub_goes_on_until_the_hub_answers() {
    for_seeds("wait for hub", |seed| {
        let mut world = World::new(seed, |_| Vec::new());
        // A dead link cannot be told from a slow hub: the caller's limit ends that.
        let flow = WaitForHub::new(world.endpoint());
        let give_up = world.hub.now() + Duration::from_secs(180);
        world.at(give_up, crate::world::Turn::GiveUp);
        let (result, driven) = world.run(flow, Duration::from_secs(181));
        let silent = driven
            .sent
            .last()
            .is_some_and(|sent| sent.at < Duration::from_secs(120));
        match result {
            Ok(version) => assert_eq!(version.version, world.generation.version()),
            Err(error) => assert!(silent, "{error}: {:#?}", driven.sent),
        }
    });
}
