//! Tests deleting sequences with their instances.

use std::time::Duration;

use scramjet_client_core::flow::{DeleteByForce, Deleted, FlowError};
use scramjet_client_core::http::Request;
use scramjet_client_testing::model::{Output, Step};
use serde_json::json;

use crate::for_seeds;
use crate::network::Faults;
use crate::world::{SEQUENCE, Turn, World, end};

#[test]
fn delete_by_force_takes_at_most_17_seconds_and_leaves_nothing() {
    for_seeds("delete by force", |seed| {
        let mut hangs = false;
        let mut world = World::new(seed, |chance| {
            let steps = match chance.of(5) {
                0 => {
                    let wait = Step::Wait(Duration::from_millis(1));
                    vec![Step::Write(Output::Output, "up\n"), wait, Step::Hang]
                }
                1 => vec![Step::KeepAlive],
                _ => end(chance),
            };
            hangs = steps.contains(&Step::Hang);
            steps
        });
        for number in 0..world.chance.of(4) {
            let id = format!("11111111-2222-4333-8444-00000000000{number}");
            world.hub.add_instance(&id, SEQUENCE, &json!({}));
            let late = world.chance.millis(1000);
            world.pass(late);
        }
        // Another client has just killed one of them.
        let running = world.hub.running();
        if world.chance.one_in(2) && !running.is_empty() {
            let id = &running[world.chance.index(running.len())];
            let uri = format!("/api/v1/instance/{id}/_kill");
            let kill = Request::post(uri).header("content-type", "application/json");
            let exchange = world.hub.request(&kill.body(()).unwrap());
            world.hub.end_upload(exchange);
            let late = world.chance.millis(300);
            world.pass(late);
        }
        let cancelled = world.chance.one_in(5);
        if cancelled {
            let at = world.hub.now() + world.chance.millis(3000);
            world.at(at, Turn::Cancel);
        }
        let begin = world.hub.now();
        let mut flow = DeleteByForce::new(world.endpoint(), world.sequence()).unwrap();
        let hands_over = world.chance.one_in(2);
        if hands_over {
            flow = flow.hand_over();
        }
        let (result, driven) = world.run(flow, Duration::from_secs(52));
        let took = world.hub.now() - begin;
        let gone = world.hub.sequences().is_empty();
        if result.is_ok() {
            // The hub kills an unresponsive process by force after 15 seconds.
            world.pass(Duration::from_secs(16));
        }
        match &result {
            Ok(Deleted::Gone) => {
                assert!(gone && world.hub.running().is_empty(), "{:#?}", driven.sent);
            }
            Ok(Deleted::HandedOver) => assert!(hands_over && world.is_v1()),
            Err(FlowError::Cancelled) => assert!(cancelled),
            Err(FlowError::Reply(_, error)) if gone => {
                let refusal = error.api().filter(|refusal| refusal.is_from_hub());
                let not_found = refusal.is_some_and(|refusal| refusal.is_not_found());
                assert!(!not_found, "it was deleted: {:#?}", driven.sent);
            }
            Err(_) => assert!(world.faults != Faults::NONE || cancelled, "{result:?}"),
        }
        // The hub kills an unresponsive process after 15 seconds, and the instance blocks the
        // deletion for 15 more.
        if world.faults == Faults::NONE && !cancelled {
            let limit = Duration::from_secs(if hangs { 34 } else { 17 });
            assert!(took <= limit, "it took {took:?}: {:#?}", driven.sent);
        }
        let handed_over = matches!(result, Ok(Deleted::HandedOver));
        if handed_over && !cancelled && world.faults == Faults::NONE {
            assert!(took <= Duration::from_secs(2), "it took {took:?}");
        }
        if (cancelled && world.is_v1() || handed_over) && world.faults == Faults::NONE {
            // The hub continues with the deletion.
            world.pass(Duration::from_secs(240));
            assert!(
                world.hub.sequences().is_empty(),
                "the sequence still exists: {:#?}",
                driven.sent
            );
        }
    });
}
