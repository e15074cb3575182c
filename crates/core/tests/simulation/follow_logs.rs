//! Tests following the logs of several instances.

use std::collections::BTreeMap;
use std::time::Duration;

use scramjet_client_core::InstanceId;
use scramjet_client_core::flow::{FlowError, FollowLogs, Followed};
use serde_json::json;

use crate::follow::{LINES, counting};
use crate::for_seeds;
use crate::network::{Driven, Faults, LATENCY};
use crate::world::{SEQUENCE, Turn, World};

/// Upper bound for the time until a new instance is listed and its log is open.
const NOTICE_TIME: Duration = Duration::from_secs(8);

/// The numbered lines of each instance, and the instances of gaps.
#[derive(Debug, Default)]
struct Yielded {
    lines: BTreeMap<String, Vec<usize>>,
    gaps: Vec<Option<InstanceId>>,
}

impl Yielded {
    fn lines(&self, id: &str) -> &[usize] {
        self.lines.get(id).map_or(&[], Vec::as_slice)
    }

    fn has_gap(&self, id: &str) -> bool {
        let mut gaps = self.gaps.iter();
        gaps.any(|gap| gap.as_ref().is_none_or(|gap| gap.as_str() == id))
    }
}

fn world(seed: u64) -> World {
    let mut world = World::new(seed, |_| Vec::new());
    let pause = world.chance.millis(1200) + Duration::from_millis(20);
    world.hub.program("steps", counting(pause));
    world
}

/// Drives the flow to its end, and returns what it yielded.
fn collect(world: &mut World, flow: FollowLogs) -> (Yielded, Result<(), FlowError>) {
    let mut driven = Driven::new(flow, &world.hub, world.faults);
    let mut yielded = Yielded::default();
    let result = loop {
        match world.drive(&mut driven, Duration::from_secs(400)) {
            Ok(Followed::Opened) => {}
            Ok(Followed::Item(item)) => {
                assert!(item.line.is_about(&item.instance), "{item:?}");
                if let Some(number) = item.line.msg.strip_prefix("line ") {
                    let lines = yielded.lines.entry(item.instance.to_string()).or_default();
                    lines.push(number.parse().unwrap());
                }
            }
            Ok(Followed::Gap { instance, .. }) => yielded.gaps.push(instance),
            Ok(Followed::End) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    driven.close(&mut world.hub);
    (yielded, result)
}

/// Checks the lines of an instance that the flow has followed.
fn check(world: &World, yielded: &Yielded, id: &str) {
    let lines = yielded.lines(id);
    assert!(
        lines.is_sorted_by(|a, b| a < b),
        "repeated or out of order: {id}: {lines:?}"
    );
    // The log of a hub of 1.x keeps all lines until the hub restarts.
    let excused = world.restarted || (!world.is_v1() && yielded.has_gap(id));
    assert!(
        lines.len() == LINES || excused,
        "{id} lost lines: {yielded:?}"
    );
}

#[test]
fn follow_logs_of_yields_each_line_once_and_ends_with_the_last_instance() {
    for_seeds("follow logs of instances", |seed| {
        let mut world = world(seed);
        let count = 1 + world.chance.of(3);
        let ids: Vec<_> = (0..count)
            .map(|n| format!("{n}1111111-2222-4333-8444-555555555555"))
            .collect();
        for id in &ids {
            world.hub.add_instance(id, SEQUENCE, &json!({}));
        }
        // An instance that the flow does not follow.
        let other = "91111111-2222-4333-8444-555555555555";
        world.hub.add_instance(other, SEQUENCE, &json!({}));
        if world.chance.one_in(5) {
            let at = world.hub.now() + world.chance.millis(20_000);
            world.at(at, Turn::Restart);
        }
        let arrival = world.hub.now() + Duration::from_millis(LATENCY);
        let of = ids.iter().map(|id| InstanceId::new(id.as_str()).unwrap());
        let flow = FollowLogs::of(world.endpoint(), of).unwrap();
        let (yielded, result) = collect(&mut world, flow);
        assert_eq!(
            yielded.lines(other),
            [0; 0],
            "lines of an instance that is not followed"
        );
        let died = world.hub.records().map(|(_, record)| record.ended);
        let died: Vec<_> = died.take(ids.len()).collect();
        match result {
            Ok(()) => {
                assert!(
                    died.iter().all(Option::is_some),
                    "it ended before the instances"
                );
                ids.iter().for_each(|id| check(&world, &yielded, id));
            }
            Err(error) => {
                // A hub of 0.18 removes an instance as soon as it ends.
                let too_late = world.restarted
                    || (!world.is_v1() && died.iter().flatten().any(|died| *died <= arrival * 2));
                let excused = world.faults != Faults::NONE || too_late;
                assert!(excused && yielded.lines.is_empty(), "{error}: {yielded:?}");
            }
        }
    });
}

#[test]
fn follow_logs_all_yields_the_lines_of_new_instances() {
    for_seeds("follow logs of all", |seed| {
        let mut world = world(seed);
        let first = "01111111-2222-4333-8444-555555555555";
        world.hub.add_instance(first, SEQUENCE, &json!({}));
        let began = world.hub.now();
        let mut at = began;
        for _ in 0..1 + world.chance.of(4) {
            at += world.chance.millis(9000);
            world.at(at, Turn::Start);
            if world.chance.one_in(8) {
                let after = at + world.chance.millis(9000);
                world.at(after, Turn::Restart);
            }
        }
        world.faults.until = world.faults.until.min(Duration::from_secs(60));
        // With faults, the flow needs time to notice dead connections.
        let seconds = if world.faults == Faults::NONE {
            75
        } else {
            160
        };
        world.at(began + Duration::from_secs(seconds), Turn::Cancel);
        let flow = FollowLogs::all(world.endpoint()).unwrap();
        let (yielded, result) = collect(&mut world, flow);
        match result {
            Err(FlowError::Cancelled) => {}
            Err(error) => {
                let excused = world.faults != Faults::NONE && yielded.lines.is_empty();
                return assert!(excused, "{error}: {yielded:?}");
            }
            Ok(()) => panic!("it ended: {yielded:?}"),
        }
        for (_, record) in world.hub.records() {
            let lived = record
                .ended
                .unwrap()
                .saturating_sub(record.started.max(began));
            let noticed = world.faults == Faults::NONE && !world.restarted && lived > NOTICE_TIME;
            if world.is_v1() || noticed || !yielded.lines(&record.id).is_empty() {
                check(&world, &yielded, &record.id);
            }
        }
    });
}
