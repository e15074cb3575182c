//! Tests waiting for events, and for the end of an instance.

use std::time::Duration;

use scramjet_client_core::flow::{
    Command, Delivery, Flow, FlowError, Input, OutageTolerance, Since, WaitForEnd, WaitForEvent,
};
use scramjet_client_core::http::{HeaderMap, StatusCode};
use scramjet_client_core::{Ended, EventName, InstanceId, RunnerExit};
use scramjet_client_testing::model::Step;
use serde_json::{Value, json};

use crate::for_seeds;
use crate::network::{Faults, LATENCY};
use crate::world::{Chance, Turn, World, end};

fn data(chance: &mut Chance) -> Option<Value> {
    match chance.of(6) {
        0 => None,
        1 => Some(json!(null)),
        2 => Some(json!(0)),
        3 => Some(json!({ "x": 1 })),
        4 => Some(json!({ "opStatus": 409, "x": 2 })),
        _ => Some(json!("text")),
    }
}

/// Returns a program that emits `wanted` at some time or never, and the data of the event.
fn program(chance: &mut Chance) -> (Vec<Step>, Option<Option<Value>>) {
    let emitted = (!chance.one_in(4)).then(|| data(chance));
    let mut steps = Vec::new();
    if chance.one_in(2) {
        steps.push(Step::Emit("other", Some(json!("no"))));
    }
    if chance.one_in(2) {
        steps.push(Step::Wait(chance.millis(5000)));
    }
    steps.extend(emitted.clone().map(|data| Step::Emit("wanted", data)));
    steps.extend(end(chance));
    (steps, emitted)
}

/// Returns the data that a client receives if nothing is lost.
fn visible(emitted: &Option<Value>) -> Value {
    emitted.clone().unwrap_or_default()
}

#[test]
fn wait_for_event_returns_the_event_or_the_end() {
    for_seeds("wait for event", |seed| {
        let mut emitted = None;
        let mut world = World::new(seed, |chance| {
            let (steps, event) = program(chance);
            emitted = event;
            steps
        });
        let (id, key) = world.instance();
        let late = world.chance.millis(3000);
        world.pass(late);
        if world.chance.one_in(3) {
            let at = world.hub.now() + world.chance.millis(8000);
            let turn = if world.chance.one_in(4) {
                Turn::Restart
            } else {
                Turn::Crash
            };
            world.at(at, turn);
        }
        let cancel_at = world.hub.now() + Duration::from_secs(200);
        world.at(cancel_at, Turn::Cancel);

        let names = ["wanted", "never"].map(|name| EventName::new(name).unwrap());
        let endpoint = world.endpoint();
        let tolerance = match world.faults {
            Faults::NONE => OutageTolerance::new(),
            _ => OutageTolerance::ENDLESS,
        };
        let flow = WaitForEvent::new(endpoint, id, names.into(), Since::Start, tolerance).unwrap();
        // Events that are emitted before the first requests arrive count as early, too.
        let early = world.hub.now() + Duration::from_millis(LATENCY);
        let was_gone = world.is_dead(key) && !world.is_v1();
        let (result, driven) = world.run(flow, Duration::from_secs(201));
        let fired = world.last_event(key, "wanted");
        let fired_early = world.emitted_by(key, "wanted", early);
        match result {
            Ok(event) => {
                assert_eq!(event.name, "wanted");
                let data = visible(&emitted.clone().expect("an event that was emitted"));
                let falsy = fired.as_ref().is_some_and(is_falsy);
                let missed = falsy || fired_early || world.faults != Faults::NONE;
                let lost = missed && world.is_v1();
                assert!(event.data == data || lost, "{:?} of {data:?}", event.data);
            }
            Err(FlowError::Ended(ended)) => {
                assert!(world.is_dead(key), "it is alive: {ended:?}");
                // The event was visible at some time. Hubs of 1.x hide events with falsy data.
                let hidden = |data: &Option<Value>| world.is_v1() && is_falsy(data);
                let missed = fired.as_ref().is_some_and(|data| !hidden(data));
                // On 0.18 and after a restart, the hub forgets the event with the instance.
                let forgets = was_gone || world.restarted || !world.is_v1();
                let last_request = driven
                    .sent
                    .iter()
                    .rfind(|sent| sent.line.ends_with("/event/wanted"));
                let unanswered = last_request.is_some_and(|sent| sent.silent);
                let excused = was_gone || unanswered || (forgets && world.faults != Faults::NONE);
                assert!(
                    !missed || excused || world.restarted,
                    "missed: {:#?}",
                    driven.sent
                );
            }
            Err(FlowError::Cancelled) => {
                let hidden = fired_early && world.is_v1() && fired.as_ref().is_some_and(is_falsy);
                let never = fired.is_none() && !world.is_dead(key);
                // An event with falsy data that is emitted while the stream is closed is lost.
                let in_gap = world.faults != Faults::NONE
                    && world.is_v1()
                    && fired.as_ref().is_some_and(is_falsy);
                assert!(
                    hidden || never || in_gap,
                    "it missed the event: {:#?}",
                    driven.sent
                );
            }
            Err(error) => panic!("{error}: {:#?}", driven.sent),
        }
    });
}

/// Returns `true` if the data is falsy in JavaScript.
fn is_falsy(data: &Option<Value>) -> bool {
    match data {
        None | Some(Value::Null) => true,
        Some(value) => *value == json!(0),
    }
}

/// A hub may be too busy to answer status requests.
#[test]
fn wait_for_event_continues_if_the_status_is_unknown() {
    let world = World::new(0, |_| Vec::new());
    let id = InstanceId::new("an-instance").unwrap();
    let (endpoint, names) = (world.endpoint(), vec![EventName::new("wanted").unwrap()]);
    let mut flow =
        WaitForEvent::new(endpoint, id, names, Since::Start, OutageTolerance::new()).unwrap();
    let (mut now, mut unanswered) = (Duration::ZERO, 0);
    while now < Duration::from_secs(30) {
        match flow.poll(now) {
            Command::Send(send) if send.request.uri().path().ends_with("/an-instance") => {
                unanswered += 1;
                let (id, delivery) = (send.id, Delivery::MayBeReceived);
                flow.handle(
                    now,
                    Input::Failed {
                        id,
                        delivery,
                        transient: true,
                    },
                );
            }
            Command::Send(_) | Command::Abort(_) => {}
            Command::Wait { until } => now = until.expect("another request"),
            Command::Done(result) => panic!("{result:?}"),
        }
    }
    assert!(unanswered > 5, "{unanswered}");
}

/// The connection of the first request may die before the hub has responded to it.
#[test]
fn wait_for_event_repeats_an_unanswered_request_when_the_hub_responds_again() {
    for since in [Since::Start, Since::Now] {
        let world = World::new(0, |_| Vec::new());
        let id = InstanceId::new("an-instance").unwrap();
        let (endpoint, names) = (world.endpoint(), vec![EventName::new("wanted").unwrap()]);
        let mut flow =
            WaitForEvent::new(endpoint, id, names, since, OutageTolerance::new()).unwrap();
        let (mut now, mut statuses, mut waiting) = (Duration::ZERO, 0, Vec::new());
        while now < Duration::from_secs(10) {
            match flow.poll(now) {
                Command::Send(send) if send.request.uri().path().ends_with("/an-instance") => {
                    statuses += 1;
                    let id = send.id;
                    if statuses == 1 {
                        let failed = Input::Failed {
                            id,
                            delivery: Delivery::MayBeReceived,
                            transient: true,
                        };
                        flow.handle(now, failed);
                        continue;
                    }
                    let head = Input::Head {
                        id,
                        status: StatusCode::OK,
                        reason: "OK",
                        headers: &HeaderMap::new(),
                    };
                    flow.handle(now, head);
                    let bytes = br#"{"id":"an-instance","sequence":"s"}"#;
                    flow.handle(now, Input::Body { id, bytes });
                    flow.handle(now, Input::End { id });
                }
                Command::Send(send) => waiting.push((send.id, statuses)),
                Command::Abort(id) => waiting.retain(|(open, _)| *open != id),
                Command::Wait { until } => now = until.expect("another request"),
                Command::Done(result) => panic!("{result:?}"),
            }
        }
        assert!(statuses > 2, "{since:?}");
        // Once: the hub responds to none of these requests before there is an event.
        assert!(
            !waiting.is_empty() && waiting.iter().all(|(_, statuses)| *statuses == 2),
            "{since:?}: {waiting:?}"
        );
    }
}

#[test]
fn wait_for_end_returns_only_when_the_instance_has_ended() {
    for_seeds("wait for end", |seed| {
        check_end(seed, Duration::from_secs(3), |world, id| {
            WaitForEnd::new(world.endpoint(), id, OutageTolerance::ENDLESS)
        });
    });
}

/// Checks that a flow returns when an instance has ended, and at most `latest` later.
pub(crate) fn check_end<F>(seed: u64, latest: Duration, flow: impl FnOnce(&World, InstanceId) -> F)
where
    F: Flow<Output = Result<Ended, FlowError>>,
{
    let mut world = World::new(seed, end);
    let (id, key) = world.instance();
    let crash = world.hub.now() + Duration::from_secs(1) + world.chance.millis(20_000);
    let turn = if world.chance.one_in(5) {
        Turn::Restart
    } else {
        Turn::Crash
    };
    world.at(crash, turn);
    let flow = flow(&world, id.clone());
    let (result, driven) = world.run(flow, Duration::from_secs(400));
    let ended = result.unwrap();
    assert_eq!(ended.id, id);
    assert!(
        world.is_dead(key),
        "it is alive: {ended:?}: {:#?}",
        driven.sent
    );
    if world.is_v1() && !world.restarted {
        let exit = ended.exit.expect("the exit code that a hub of 1.x reports");
        let code = world.hub.record(key).and_then(|record| record.exit_code);
        assert_eq!(Some(exit), code.map(RunnerExit::from), "{ended:?}");
    }
    if world.faults == Faults::NONE {
        let late = world.hub.now() - world.died_at(key).unwrap_or(crash);
        assert!(late < latest, "it returned {late:?} after the end");
    }
}
