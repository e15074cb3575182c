//! A hub with one sequence, and random events in its life.

use std::fmt::{self, Debug};
use std::time::Duration;

use scramjet_client_core::flow::Flow;
use scramjet_client_core::http::Request;
use scramjet_client_core::{Endpoint, HubVersion, InstanceId, SequenceId};
use scramjet_client_testing::model::{
    Exit, Generation, InstanceKey, Model, Output, Package, ProgramSpec, Settings, Step, Steps,
};
use serde_json::{Value, json};

use crate::network::{Driven, Faults};

pub(crate) const SEQUENCE: &str = "the-sequence";

/// A random number generator with a seed, and the trace of the run.
pub(crate) struct Chance {
    state: u64,
    traces: bool,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        let traces = std::env::var_os("SCRAMJET_SIM_SEED").is_some();
        let mut chance = Self {
            state: seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37,
            traces,
        };
        chance.next();
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`.
    pub(crate) fn of(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub(crate) fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.of(u64::try_from(limit).unwrap())).unwrap()
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.of(times) == 0
    }

    pub(crate) fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.of(limit))
    }

    /// Prints what happens if only one seed runs.
    pub(crate) fn trace(&self, hub: &Model, what: fmt::Arguments<'_>) {
        if self.traces {
            println!("{:>9.3} {what}", hub.now().as_secs_f64());
        }
    }
}

/// A hub and the network in front of it.
pub(crate) struct World {
    pub(crate) hub: Model,
    pub(crate) chance: Chance,
    pub(crate) faults: Faults,
    pub(crate) generation: Generation,
    /// The scheduled events.
    turns: Vec<(Duration, Turn)>,
    pub(crate) restarted: bool,
}

/// An event in the life of a hub or a flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Turn {
    Crash,
    Restart,
    Overload(bool),
    /// Another client starts an instance.
    Start,
    /// The caller cancels the flow.
    Cancel,
}

impl World {
    /// Creates a hub whose sequence performs these steps.
    pub(crate) fn new(seed: u64, steps: impl FnOnce(&mut Chance) -> Vec<Step>) -> Self {
        let mut chance = Chance::new(seed);
        let generation = [Generation::V0_18, Generation::V1][chance.index(2)];
        let mut settings = Settings::of(generation);
        settings.seed = seed;
        settings.refuses_failed_starts = chance.one_in(2);
        settings.times.connect = chance.millis(3000);
        settings.times.starting = chance.millis(300);
        let faults = match chance.of(4) {
            0 | 1 => Faults::NONE,
            2 => Faults {
                per_mille: 60,
                until: Duration::from_secs(120),
            },
            _ => Faults {
                per_mille: 350,
                until: Duration::from_secs(120),
            },
        };
        let mut hub = Model::new(settings);
        let steps = steps(&mut chance);
        chance.trace(&hub, format_args!("{generation:?}, {faults:?}, {steps:?}"));
        hub.program(
            "steps",
            ProgramSpec::new(move || Box::new(Steps::new(steps.clone()))),
        );
        hub.add_sequence(SEQUENCE, Package::named("steps"));
        Self {
            hub,
            chance,
            faults,
            generation,
            turns: Vec::new(),
            restarted: false,
        }
    }

    pub(crate) fn is_v1(&self) -> bool {
        self.generation == Generation::V1
    }

    pub(crate) fn at(&mut self, time: Duration, turn: Turn) {
        self.turns.push((time, turn));
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let version = json!({ "version": self.generation.version() });
        let version: HubVersion = serde_json::from_value(version).unwrap();
        let endpoint = Endpoint::new("http://hub.invalid/api/v1").unwrap();
        endpoint.with_dialect(version.dialect())
    }

    pub(crate) fn sequence(&self) -> SequenceId {
        SequenceId::new(SEQUENCE).unwrap()
    }

    /// Adds an instance.
    pub(crate) fn instance(&mut self) -> (InstanceId, InstanceKey) {
        let id = "11111111-2222-4333-8444-555555555555";
        self.hub.add_instance(id, SEQUENCE, &json!({}));
        // The hub may have removed it already, but the record remains.
        let (key, _) = self.hub.records().next().expect("the instance");
        (InstanceId::new(id).unwrap(), key)
    }

    pub(crate) fn last_event(&self, key: InstanceKey, name: &str) -> Option<Option<Value>> {
        self.hub.record(key)?.last_event(name)
    }

    /// Returns `true` if the last event of this name was emitted by this time.
    pub(crate) fn emitted_by(&self, key: InstanceKey, name: &str, time: Duration) -> bool {
        let events = self.hub.record(key).map(|record| &record.events);
        let last = events.and_then(|events| events.iter().rfind(|(_, event, _)| event == name));
        last.is_some_and(|(at, ..)| *at <= time)
    }

    pub(crate) fn died_at(&self, key: InstanceKey) -> Option<Duration> {
        self.hub.record(key)?.ended
    }

    pub(crate) fn is_dead(&self, key: InstanceKey) -> bool {
        self.died_at(key).is_some()
    }

    /// Lets time pass without a flow.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.hub.now() + time;
        self.hub.advance(until);
    }

    /// Drives a flow to its result. Panics after `limit`.
    pub(crate) fn run<F: Flow>(&mut self, flow: F, limit: Duration) -> (F::Output, Driven<F>)
    where
        F::Output: Debug,
    {
        let mut driven = Driven::new(flow, &self.hub, self.faults);
        let output = self.drive(&mut driven, limit);
        driven.close(&mut self.hub);
        (output, driven)
    }

    /// Drives a flow to its next result.
    pub(crate) fn drive<F: Flow>(&mut self, driven: &mut Driven<F>, limit: Duration) -> F::Output
    where
        F::Output: Debug,
    {
        let ends = self.hub.now() + limit;
        loop {
            if let Some(output) = driven.poll(&mut self.hub, &mut self.chance) {
                return output;
            }
            let mut turned = false;
            while !driven.step(&mut self.hub, &mut self.chance) && !turned {
                let turn = self.turns.iter().map(|(at, _)| *at).min();
                let due = [driven.next_due(), self.hub.next_due(), turn];
                let next = due
                    .into_iter()
                    .flatten()
                    .min()
                    .expect("the time of the next action");
                assert!(
                    next <= ends,
                    "no result after {limit:?}: {:#?}",
                    driven.sent
                );
                self.hub.advance(next);
                turned = self.turn(driven);
            }
        }
    }

    /// Starts an instance without waiting for the response.
    fn start(&mut self) {
        let url = format!("{}/sequence/{SEQUENCE}/start", Model::BASE);
        let request = Request::post(url).header("content-type", "application/json");
        let id = self.hub.request(&request.body(()).unwrap());
        self.hub.upload(id, b"{}");
        self.hub.end_upload(id);
    }

    /// Performs the scheduled events that are due. Returns `true` if there were any.
    fn turn<F: Flow>(&mut self, driven: &mut Driven<F>) -> bool
    where
        F::Output: Debug,
    {
        let now = self.hub.now();
        let before = self.turns.len();
        while let Some(index) = self.turns.iter().position(|(at, _)| *at <= now) {
            let (_, turn) = self.turns.remove(index);
            self.chance.trace(&self.hub, format_args!("** {turn:?}"));
            match turn {
                Turn::Crash => {
                    let ids = self.hub.running();
                    let keys: Vec<_> = ids.iter().filter_map(|id| self.hub.instance(id)).collect();
                    keys.into_iter().for_each(|key| self.hub.crash(key));
                }
                Turn::Restart => {
                    self.restarted = true;
                    self.hub.restart(true);
                }
                Turn::Overload(overloaded) => self.hub.set_overloaded(overloaded),
                Turn::Start => self.start(),
                Turn::Cancel => driven.cancel(&self.hub),
            }
        }
        self.turns.len() < before
    }
}

/// Returns the last steps of a program, which ends in some way or keeps running.
pub(crate) fn end(chance: &mut Chance) -> Vec<Step> {
    let wait = Step::Wait(chance.millis(4000));
    match chance.of(6) {
        0 => vec![wait, Step::Exit(Exit::Completed)],
        1 => vec![wait, Step::Exit(Exit::Uncaught)],
        2 => vec![wait, Step::Exit(Exit::Process(3))],
        3 => vec![Step::Write(Output::Output, "up\n"), wait, Step::Hang],
        _ => Vec::new(),
    }
}
