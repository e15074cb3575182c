//! The same flows over two drivers, on hubs of both generations: each gives the same.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use scramjet_client_blocking::{
    ErrorKind, Followed, HostClient, InstanceClient, KillOptions, Readiness, SequenceClient,
    StartOptions, Transport,
};
use scramjet_client_core::flow::{
    self, DeleteByForce, FlowError, Follow, Kill, OutageTolerance, Since, StartUntilReady,
    WaitForEnd, WaitForEvent,
};
use scramjet_client_core::{Endpoint, EventName, InstanceId, KillInstance};
use scramjet_client_testing::fake_hub::{FakeHub, Fault, Generation};
use scramjet_client_tests::hub::shared;
use scramjet_client_tests::{package, programs};
use serde_json::json;

use crate::core_reqwest::Hub;
use crate::tcp_transport::Tcp;

fn name(name: &str) -> EventName {
    EventName::new(name).unwrap()
}

fn acts(steps: serde_json::Value) -> StartOptions {
    StartOptions::new().app_config(json!({ "steps": steps }))
}

/// An instance that gets ready, emits another event, and a third for as long as it lives.
fn lives() -> StartOptions {
    acts(json!([
        { "emit": "ready", "data": "r" },
        { "wait": 100 },
        { "emit": "later", "data": "l" },
        { "every": 50, "emit": "tick" },
    ]))
}

/// A client that knows the lives of instances.
trait Drives {
    /// The event that tells that an instance is ready, and its id; or how it has failed.
    fn start(&self, options: StartOptions) -> Result<(String, InstanceId), String>;
    fn wait_event(&self, id: &InstanceId) -> Result<String, String>;
    /// Follows the ticks until one comes after a gap. Returns the number of gaps.
    fn follow(&self, id: &InstanceId) -> usize;
    /// Kills an instance that the hub shows for a while.
    fn kill(&self, id: &InstanceId);
    /// Kills an instance that the hub forgets at once.
    fn kill_for_good(&self, id: &InstanceId);
    /// The exit of the instance, if the hub tells.
    fn wait_ended(&self, id: &InstanceId) -> String;
    fn delete(self);
}

struct Blocking(SequenceClient);

impl Blocking {
    fn new(url: &str, transport: Arc<dyn Transport>) -> Self {
        let host = HostClient::builder(url).transport(transport).build();
        let sequence = host.unwrap().send_sequence(package::sequence("acts"));
        Self(sequence.unwrap())
    }

    fn instance(&self, id: &InstanceId) -> InstanceClient {
        self.0.host().instance(id.as_str()).unwrap()
    }
}

fn told(error: &ErrorKind) -> String {
    match error {
        ErrorKind::Ended(ended) => exit(ended.exit),
        ErrorKind::Failed(event) => format!("{} {}", event.name, event.data),
        other => format!("{other:?}"),
    }
}

fn exit(exit: impl Debug) -> String {
    format!("ended {exit:?}")
}

impl Drives for Blocking {
    fn start(&self, options: StartOptions) -> Result<(String, InstanceId), String> {
        let readiness = Readiness::event("ready").fails_on("error");
        match self.0.start_and_wait(&options, &readiness) {
            Ok(ready) => Ok((ready.event.data.to_string(), ready.instance.id().clone())),
            Err(error) => Err(told(error.kind())),
        }
    }

    fn wait_event(&self, id: &InstanceId) -> Result<String, String> {
        let event = self.instance(id).wait_event("later");
        event
            .map(|event| event.data.to_string())
            .map_err(|error| told(error.kind()))
    }

    fn follow(&self, id: &InstanceId) -> usize {
        let mut gaps = 0;
        let mut events = self.instance(id).follow_events("tick").unwrap();
        loop {
            match events.next().unwrap().unwrap() {
                Followed::Gap(_) => gaps += 1,
                Followed::Item(_) if gaps > 0 => return gaps,
                Followed::Item(_) => {}
            }
        }
    }

    fn kill(&self, id: &InstanceId) {
        self.instance(id).kill(&KillOptions::new()).unwrap();
    }

    fn kill_for_good(&self, id: &InstanceId) {
        let options = KillOptions::new().remove_immediately(true);
        self.instance(id).kill(&options).unwrap();
    }

    fn wait_ended(&self, id: &InstanceId) -> String {
        exit(self.instance(id).wait_ended().unwrap().exit)
    }

    fn delete(self) {
        self.0.force_delete().unwrap();
    }
}

struct Async {
    runtime: tokio::runtime::Runtime,
    hub: Hub,
    sequence: scramjet_client_core::SequenceId,
}

impl Async {
    fn new(url: &str) -> Self {
        let host = HostClient::new(url).unwrap();
        let sequence = host.send_sequence(package::sequence("acts")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut hub = Hub::new(url).unwrap();
        hub.endpoint.set_dialect(host.dialect().unwrap());
        Self {
            runtime,
            hub,
            sequence: sequence.id().clone(),
        }
    }

    fn endpoint(&self) -> Endpoint {
        self.hub.endpoint.clone()
    }

    fn run<T>(&self, flow: impl Future<Output = T>) -> T {
        self.runtime.block_on(flow)
    }
}

/// An error of a flow, as the blocking client names it.
fn told_by_flow(error: &crate::core_reqwest::Failure) -> String {
    match error.downcast_ref() {
        Some(FlowError::Ended(ended)) => exit(ended.exit),
        Some(FlowError::FailedEvent(event)) => format!("{} {}", event.name, event.data),
        _ => format!("{error:?}"),
    }
}

impl Drives for Async {
    fn start(&self, options: StartOptions) -> Result<(String, InstanceId), String> {
        let readiness = flow::Readiness {
            ready: vec![name("ready")],
            failed: vec![name("error")],
            timeout: None,
        };
        let seed = (rand(), rand());
        let flow = StartUntilReady::new(self.endpoint(), self.sequence.clone(), options, seed);
        let mut driver = self.hub.drive(flow.unwrap().until(readiness));
        match self.run(driver.next()) {
            Ok(ready) => Ok((ready.event.unwrap().data.to_string(), ready.started.id)),
            Err(error) => Err(told_by_flow(&error)),
        }
    }

    fn wait_event(&self, id: &InstanceId) -> Result<String, String> {
        let (id, names) = (id.clone(), vec![name("later")]);
        let flow = WaitForEvent::new(
            self.endpoint(),
            id,
            names,
            Since::Start,
            OutageTolerance::new(),
        );
        let mut driver = self.hub.drive(flow.unwrap());
        let event = self.run(driver.next());
        event
            .map(|event| event.data.to_string())
            .map_err(|error| told_by_flow(&error))
    }

    fn follow(&self, id: &InstanceId) -> usize {
        let flow = Follow::events(self.endpoint(), id.clone(), name("tick")).unwrap();
        let mut driver = self.hub.drive(flow);
        let mut gaps = 0;
        loop {
            match self.run(driver.next()).unwrap() {
                flow::Followed::Opened => {}
                flow::Followed::Gap { .. } => gaps += 1,
                flow::Followed::Item(_) if gaps > 0 => return gaps,
                flow::Followed::Item(_) => {}
                flow::Followed::End => panic!("the end"),
            }
        }
    }

    fn kill(&self, id: &InstanceId) {
        let options = &KillOptions::new();
        self.run(self.hub.call(&KillInstance { id, options }))
            .unwrap();
    }

    fn kill_for_good(&self, id: &InstanceId) {
        let flow = Kill::new(self.endpoint(), id.clone());
        self.run(self.hub.drive(flow).next()).unwrap();
    }

    fn wait_ended(&self, id: &InstanceId) -> String {
        let flow = WaitForEnd::new(self.endpoint(), id.clone(), OutageTolerance::new());
        exit(self.run(self.hub.drive(flow).next()).unwrap().exit)
    }

    fn delete(self) {
        let flow = DeleteByForce::new(self.endpoint(), self.sequence.clone()).unwrap();
        self.run(self.hub.drive(flow).next()).unwrap();
    }
}

fn rand() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}

/// All that a client finds out. `fake` can cut connections.
fn story(client: impl Drives, fake: Option<&FakeHub>) -> Vec<String> {
    let mut story = Vec::new();
    let (ready, id) = client.start(lives()).unwrap();
    story.push(ready);
    story.push(client.wait_event(&id).unwrap());
    if let Some(hub) = fake {
        hub.fault(Fault::cut_after(60).on("GET", "instance/*/events/tick"));
        story.push(format!("{} gaps", client.follow(&id)));
    }
    client.kill(&id);
    story.push(client.wait_ended(&id));

    let fails = acts(json!([{ "wait": 50 }, { "emit": "error", "data": "e" }, { "wait": 60_000 }]));
    story.push(client.start(fails).unwrap_err());
    let exits = acts(json!([{ "wait": 200 }, { "exit": 3 }]));
    story.push(client.start(exits).unwrap_err());
    let (_, id) = client.start(lives()).unwrap();
    // Hubs of 1.x refuse to kill an instance that is still starting.
    client.wait_event(&id).unwrap();
    client.kill_for_good(&id);
    client.delete();
    story
}

fn both(url: &str, fake: Option<&FakeHub>) -> Vec<String> {
    let over_tcp = story(Blocking::new(url, Arc::new(Tcp)), fake);
    assert_eq!(story(Async::new(url), fake), over_tcp);
    over_tcp
}

#[test]
fn two_drivers_give_the_same_on_a_hub() {
    let Some(hub) = shared() else { return };
    let told = both(hub.url(), None);
    assert_eq!(told[..2], [r#""r""#, r#""l""#]);
    assert_eq!(told[3], r#"error "e""#);
}

#[test]
fn two_drivers_give_the_same_on_fake_hubs() {
    for (generation, killed, exited) in [
        (Generation::V0_18, "None", "None"),
        (Generation::V1, "Some(Killed)", "Some(Other(213))"),
    ] {
        let hub = programs::fake_hub(generation);
        let told = both(&hub.url(), Some(&hub));
        let expected = [
            r#""r""#,
            r#""l""#,
            "1 gaps",
            &format!("ended {killed}"),
            r#"error "e""#,
            &format!("ended {exited}"),
        ];
        assert_eq!(told, expected, "{generation:?}");
    }
}
