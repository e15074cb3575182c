//! Waiting for events, and for the end of an instance.

use std::time::Duration;

use scramjet_client_core::flow::{
    Command, Flow, FlowError, Input, OutageTolerance, Progress, Since, WaitForEnd, WaitForEvent,
};
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

/// A program that emits `wanted` at some time, or never, and what it emits.
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

/// The data of the event as a client can see it at best.
fn visible(emitted: &Option<Value>) -> Value {
    emitted.clone().unwrap_or_default()
}

#[test]
fn wait_for_event_tells_what_happened() {
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
        let gives_up = world.hub.now() + Duration::from_secs(200);
        world.at(gives_up, Turn::GiveUp);

        let names = ["wanted", "never"].map(|name| EventName::new(name).unwrap());
        let endpoint = world.endpoint();
        let patience = match world.faults {
            Faults::NONE => OutageTolerance::new(),
            _ => OutageTolerance::ENDLESS,
        };
        let flow = WaitForEvent::new(endpoint, id, names.into(), Since::Start, patience).unwrap();
        // What fires while the first requests are on their way is early, too.
        let early = world.hub.now() + Duration::from_millis(LATENCY);
        let was_gone = world.is_dead(key) && !world.is_v1();
        let (result, driven) = world.run(flow, Duration::from_secs(201));
        let fired = world.last_event(key, "wanted");
        let fired_early = world.emitted_by(key, "wanted", early);
        match result {
            Ok(event) => {
                assert_eq!(event.name, "wanted");
                let data = visible(&emitted.clone().expect("an event that was emitted"));
                let nothing = fired.as_ref().is_some_and(is_nothing);
                let missed = nothing || fired_early || world.faults != Faults::NONE;
                let lost = missed && world.is_v1();
                assert!(event.data == data || lost, "{:?} of {data:?}", event.data);
            }
            Err(FlowError::Ended(ended)) => {
                assert!(world.is_dead(key), "it lives: {ended:?}");
                // Not if it was to be seen at any time: hubs of 1.x hide data that is nothing.
                let hidden = |data: &Option<Value>| world.is_v1() && is_nothing(data);
                let missed = fired.as_ref().is_some_and(|data| !hidden(data));
                // On 0.18, and with a restart, the event goes with the instance.
                let goes = was_gone || world.restarted || !world.is_v1();
                let last_ask = driven
                    .sent
                    .iter()
                    .rfind(|sent| sent.line.ends_with("/event/wanted"));
                let unheard = last_ask.is_some_and(|sent| sent.silent);
                let excused = was_gone || unheard || (goes && world.faults != Faults::NONE);
                assert!(
                    !missed || excused || world.restarted,
                    "missed: {:#?}",
                    driven.sent
                );
            }
            Err(FlowError::Cancelled) => {
                let hidden = fired_early && world.is_v1() && fired.as_ref().is_some_and(is_nothing);
                let never = fired.is_none() && !world.is_dead(key);
                // What fires while a stream is not open, and is nothing, nobody sees.
                let in_gap = world.faults != Faults::NONE
                    && world.is_v1()
                    && fired.as_ref().is_some_and(is_nothing);
                assert!(
                    hidden || never || in_gap,
                    "it waits in vain: {:#?}",
                    driven.sent
                );
            }
            Err(error) => panic!("{error}: {:#?}", driven.sent),
        }
    });
}

/// What JavaScript takes for false.
fn is_nothing(data: &Option<Value>) -> bool {
    match data {
        None | Some(Value::Null) => true,
        Some(value) => *value == json!(0),
    }
}

/// A hub may be too busy to say how an instance is doing.
#[test]
fn wait_for_event_does_not_end_because_nothing_is_known_of_the_instance() {
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
                let (id, progress, passes) = (send.id, Progress::MayBeReceived, true);
                flow.handle(
                    now,
                    Input::Failed {
                        id,
                        progress,
                        transient: passes,
                    },
                );
            }
            Command::Send(_) | Command::Abort(_) => {}
            Command::Wait { until } => now = until.expect("another question"),
            Command::Done(result) => panic!("{result:?}"),
        }
    }
    assert!(unanswered > 5, "{unanswered}");
}

#[test]
fn wait_for_end_tells_the_end_and_nothing_else() {
    for_seeds("wait for end", |seed| {
        tells_the_end(seed, Duration::from_secs(3), |world, id| {
            WaitForEnd::new(world.endpoint(), id, OutageTolerance::ENDLESS)
        });
    });
}

/// Plays a story in which the flow has to tell the end of an instance, and how late it may.
pub(crate) fn tells_the_end<F>(
    seed: u64,
    latest: Duration,
    flow: impl FnOnce(&World, InstanceId) -> F,
) where
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
        "it lives: {ended:?}: {:#?}",
        driven.sent
    );
    if world.is_v1() && !world.restarted {
        let exit = ended
            .exit
            .expect("a hub of 1.x tells how an instance has ended");
        let code = world.hub.record(key).and_then(|record| record.exit_code);
        assert_eq!(Some(exit), code.map(RunnerExit::from), "{ended:?}");
    }
    if world.faults == Faults::NONE {
        let late = world.hub.now() - world.died_at(key).unwrap_or(crash);
        assert!(late < latest, "told {late:?} after the end");
    }
}
