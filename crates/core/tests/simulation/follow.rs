//! Tests following logs across lost connections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scramjet_client_core::flow::{FlowError, Follow, Followed};
use scramjet_client_core::{JsonLines, LogLine};
use scramjet_client_testing::model::{Exit, ProcessContext, ProgramSpec};

use crate::for_seeds;
use crate::network::{Driven, Faults, LATENCY};
use crate::world::{SEQUENCE, World};

pub(crate) const LINES: usize = 12;

/// Returns a program that writes numbered lines to its log and ends. Each instance has its own
/// pause between lines.
pub(crate) fn counting(pause: Duration) -> ProgramSpec {
    let instances = AtomicU64::new(0);
    ProgramSpec::new(move || {
        let number = instances.fetch_add(1, Ordering::Relaxed);
        let pause = pause + Duration::from_millis(7) * u32::try_from(number).unwrap();
        let (mut next, mut at) = (0, None);
        Box::new(move |process: &mut ProcessContext<'_>| {
            process.begin();
            loop {
                let due = *at.get_or_insert_with(|| process.now() + pause);
                if process.now() < due {
                    return process.wake_at(due);
                }
                if next == LINES {
                    return process.exit(Exit::Process(0));
                }
                process.log("INFO", &format!("line {next}"));
                next += 1;
                at = Some(due + pause);
            }
        })
    })
}

/// Returns the numbered lines, the number of gaps and the result.
fn follow(
    world: &mut World,
    flow: Follow<JsonLines<LogLine>>,
    stop_after: Option<&str>,
) -> (Vec<String>, usize, Result<(), FlowError>) {
    let mut driven = Driven::new(flow, &world.hub, world.faults);
    let (mut lines, mut gaps) = (Vec::new(), 0);
    let result = loop {
        match world.drive(&mut driven, Duration::from_secs(400)) {
            Ok(Followed::Opened) => {}
            Ok(Followed::Item(line)) if line.msg.starts_with("line ") => {
                let stop = stop_after == Some(line.msg.as_str());
                lines.push(line.msg);
                if stop {
                    break Ok(());
                }
            }
            Ok(Followed::Item(_)) => {}
            Ok(Followed::Gap { .. }) => gaps += 1,
            Ok(Followed::End) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    driven.close(&mut world.hub);
    (lines, gaps, result)
}

fn check(
    world: &World,
    lines: &[String],
    gaps: usize,
    result: &Result<(), FlowError>,
    too_late: bool,
) {
    let numbers: Vec<usize> = lines
        .iter()
        .map(|line| line[5..].parse().unwrap())
        .collect();
    assert!(
        numbers.is_sorted_by(|a, b| a < b),
        "repeated or out of order: {numbers:?}"
    );
    let all = numbers.len() == LINES;
    match result {
        Ok(()) => assert!(all || gaps > 0, "lost without a gap: {numbers:?}"),
        Err(error) => assert!(
            (world.faults != Faults::NONE || too_late) && numbers.is_empty(),
            "{error}"
        ),
    }
}

#[test]
fn follow_instance_log_yields_each_line_once_and_ends_with_the_instance() {
    for_seeds("follow instance log", |seed| {
        let mut world = World::new(seed, |_| Vec::new());
        let pause = world.chance.millis(1200) + Duration::from_millis(20);
        world.hub.program("steps", counting(pause));
        let (id, key) = world.instance();
        let arrival = world.hub.now() + Duration::from_millis(LATENCY);
        let flow = Follow::instance_log(world.endpoint(), id).unwrap();
        let (lines, gaps, result) = follow(&mut world, flow, None);
        // A hub of 0.18 removes an instance as soon as it ends.
        let too_late = !world.is_v1() && world.died_at(key).is_some_and(|died| died <= arrival);
        check(&world, &lines, gaps, &result, too_late);
        if result.is_ok() {
            assert!(world.is_dead(key), "it ended before the instance");
            if world.is_v1() {
                // The log of the hub repeats the lines that the log of the instance has only once.
                assert_eq!(lines.len(), LINES, "{lines:?}");
            }
        }
    });
}

#[test]
fn follow_hub_log_yields_each_line_once() {
    for_seeds("follow hub log", |seed| {
        let mut world = World::new(seed, |_| Vec::new());
        if !world.is_v1() {
            // The log of a hub of 0.18 has no lines of instances.
            return;
        }
        let pause = world.chance.millis(1200) + Duration::from_millis(20);
        world.hub.program("steps", counting(pause));
        let (_, _) = world.instance();
        assert!(world.hub.sequences().contains(&SEQUENCE.to_owned()));
        let flow = Follow::hub_log(world.endpoint());
        let last = format!("line {}", LINES - 1);
        let (lines, gaps, result) = follow(&mut world, flow, Some(&last));
        check(&world, &lines, gaps, &result, false);
        if result.is_ok() {
            assert_eq!(lines.len(), LINES, "{lines:?}");
        }
    });
}
