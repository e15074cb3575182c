//! Tests starting instances until they are ready.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use scramjet_client_core::flow::{
    Command, Flow, FlowError, Input, OutageTolerance, Readiness, StartUntilReady,
};
use scramjet_client_core::{EventName, RetryPolicy, StartOptions};
use scramjet_client_testing::model::{Exit, Step};
use serde_json::json;

use crate::for_seeds;
use crate::network::Faults;
use crate::world::{Chance, Turn, World};

fn program(chance: &mut Chance) -> Vec<Step> {
    let wait = Step::Wait(chance.millis(3000));
    match chance.of(8) {
        0 => vec![Step::Exit(Exit::FailedToLoad)],
        1 => vec![Step::Exit(Exit::Threw)],
        2 => vec![wait, Step::Exit(Exit::Uncaught)],
        3 => vec![wait, Step::Emit("error", Some(json!("no")))],
        4 => vec![
            Step::Wait(Duration::from_secs(60)),
            Step::Emit("ready", Some(json!("late"))),
        ],
        5 => vec![Step::Emit("ready", Some(json!("at once")))],
        _ => vec![wait, Step::Emit("ready", Some(json!("soon")))],
    }
}

/// Returns `true` if the error means that an instance may still be running.
fn may_leave_instance(error: &FlowError) -> bool {
    match error {
        FlowError::Attempts(errors) => errors.iter().any(may_leave_instance),
        FlowError::Failed(_) | FlowError::Reply(..) => true,
        _ => false,
    }
}

#[test]
fn start_until_ready_leaves_no_unknown_instance() {
    for_seeds("start until ready", |seed| {
        let mut world = World::new(seed, program);
        if world.chance.one_in(4) {
            world.hub.set_overloaded(true);
            let at = world.chance.millis(10_000);
            world.at(at, Turn::Overload(false));
        }
        let cancelled = world.chance.one_in(4);
        if cancelled {
            let at = world.chance.millis(8000);
            world.at(at, Turn::Cancel);
        }
        let name = |name| EventName::new(name).unwrap();
        let timeout = Some(Duration::from_secs(20));
        let readiness = Readiness {
            ready: vec![name("ready")],
            failed: vec![name("error")],
            timeout,
        };
        let policy = RetryPolicy::exponential(Duration::from_millis(500)).max_attempts(3);
        let seeds = (world.chance.next(), world.chance.next());
        let options = StartOptions::new().arg(seed);
        let flow = StartUntilReady::new(world.endpoint(), world.sequence(), options, seeds);
        let mut flow = flow
            .unwrap()
            .until(readiness)
            .outage_tolerance(OutageTolerance::ENDLESS);
        if world.chance.one_in(2) {
            flow = flow.retrying(policy);
        }
        if world.chance.one_in(3) {
            flow = flow.when_available();
        }
        let give_up = world.hub.now() + Duration::from_secs(300);
        world.at(give_up, Turn::Cancel);
        let (result, driven) = world.run(flow, Duration::from_secs(320));
        let story = || format!("{result:?}: {:#?}", driven.sent);

        // Each start is processed at most once, and an instance ends at most 20 seconds after the
        // next one starts.
        let starts = driven
            .sent
            .iter()
            .filter(|sent| sent.line.ends_with("/start"));
        let reached = starts.filter(|sent| sent.reached).count();
        let mut lives: Vec<_> = world
            .hub
            .records()
            .map(|(_, record)| {
                (
                    record.started,
                    record.ended.unwrap_or(Duration::MAX),
                    record.id.clone(),
                )
            })
            .collect();
        assert!(lives.len() <= reached, "{}", story());
        lives.sort();
        for pair in lives.windows(2) {
            assert_ne!(pair[0].2, pair[1].2, "started twice: {}", story());
            let ends_in_time = pair[0].1 <= pair[1].0 + Duration::from_secs(20);
            assert!(ends_in_time, "two instances ran at once: {}", story());
        }

        // By then, delayed starts are processed and killed instances are gone.
        world.pass(Duration::from_secs(60));
        let running = world.hub.running();
        match &result {
            Ok(ready) => {
                let event = ready.event.as_ref().expect("the event");
                assert_eq!(event.name, "ready");
                assert!(
                    !driven.cancelled,
                    "ready after it was cancelled: {}",
                    story()
                );
                let known = ready.started.id.as_str();
                assert!(
                    running.iter().all(|id| id == known),
                    "still running: {running:?}: {}",
                    story()
                );
            }
            Err(error) => {
                let unknown_id = !world.is_v1() && world.faults != Faults::NONE;
                let excused =
                    unknown_id || (world.faults != Faults::NONE && may_leave_instance(error));
                assert!(
                    running.is_empty() || excused,
                    "still running: {running:?}: {}",
                    story()
                );
            }
        }
    });
}

#[test]
fn start_until_ready_waits_forever_if_the_retry_after_overflows() {
    let world = World::new(0, |_| Vec::new());
    let sequence = "a-sequence".try_into().unwrap();
    let options = StartOptions::new();
    let flow = StartUntilReady::new(world.endpoint(), sequence, options, (1, 2));
    let mut flow = flow.unwrap().when_available();
    let now = Duration::from_secs(5);
    let Command::Send(send) = flow.poll(now) else {
        panic!("no request")
    };
    let id = send.id;
    let mut headers = HeaderMap::new();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(u64::MAX));
    let head = Input::Head {
        id,
        status: StatusCode::from_u16(419).unwrap(),
        reason: "",
        headers: &headers,
    };
    flow.handle(now, head);
    flow.handle(now, Input::End { id });
    match flow.poll(now) {
        Command::Wait { until } => assert_eq!(until, Some(Duration::MAX)),
        other => panic!("{other:?}"),
    }
}
