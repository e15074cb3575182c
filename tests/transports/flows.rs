//! The flows of core have the same results in the blocking client and in an async driver, on hubs
//! of both generations.

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

/// Options for an instance that emits `ready`, then `later`, then `tick` repeatedly.
fn ticking() -> StartOptions {
    acts(json!([
        { "emit": "ready", "data": "r" },
        { "wait": 100 },
        { "emit": "later", "data": "l" },
        { "every": 50, "emit": "tick" },
    ]))
}

/// A client that runs the flows.
trait FlowClient {
    /// Returns the data of the ready event and the instance ID, or the error as text.
    fn start(&self, options: StartOptions) -> Result<(String, InstanceId), String>;
    fn wait_event(&self, id: &InstanceId) -> Result<String, String>;
    /// Reads `tick` events until one follows a gap. Returns the number of gaps.
    fn follow(&self, id: &InstanceId) -> usize;
    /// Kills an instance, which the hub still lists for a while.
    fn kill(&self, id: &InstanceId);
    /// Kills an instance and removes it from the hub at once.
    fn kill_and_remove(&self, id: &InstanceId);
    /// Returns how the instance exited, if the hub reports it.
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

fn error_text(error: &ErrorKind) -> String {
    match error {
        ErrorKind::Ended(ended) => exit(ended.exit),
        ErrorKind::Failed(event) => format!("{} {}", event.name, event.data),
        other => format!("{other:?}"),
    }
}

fn exit(exit: impl Debug) -> String {
    format!("ended {exit:?}")
}

impl FlowClient for Blocking {
    fn start(&self, options: StartOptions) -> Result<(String, InstanceId), String> {
        let readiness = Readiness::event("ready").fails_on("error");
        match self.0.start_and_wait(&options, &readiness) {
            Ok(ready) => Ok((ready.event.data.to_string(), ready.instance.id().clone())),
            Err(error) => Err(error_text(error.kind())),
        }
    }

    fn wait_event(&self, id: &InstanceId) -> Result<String, String> {
        let event = self.instance(id).wait_event("later");
        event
            .map(|event| event.data.to_string())
            .map_err(|error| error_text(error.kind()))
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

    fn kill_and_remove(&self, id: &InstanceId) {
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

/// Formats an error of a flow like one of the blocking client.
fn flow_error(error: &crate::core_reqwest::Failure) -> String {
    match error.downcast_ref() {
        Some(FlowError::Ended(ended)) => exit(ended.exit),
        Some(FlowError::FailedEvent(event)) => format!("{} {}", event.name, event.data),
        _ => format!("{error:?}"),
    }
}

impl FlowClient for Async {
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
            Err(error) => Err(flow_error(&error)),
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
            .map_err(|error| flow_error(&error))
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

    fn kill_and_remove(&self, id: &InstanceId) {
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

/// Runs all flows and returns the results. `fake` can cut connections.
fn run_flows(client: impl FlowClient, fake: Option<&FakeHub>) -> Vec<String> {
    let mut results = Vec::new();
    let (ready, id) = client.start(ticking()).unwrap();
    results.push(ready);
    results.push(client.wait_event(&id).unwrap());
    if let Some(hub) = fake {
        hub.fault(Fault::cut_after(60).on("GET", "instance/*/events/tick"));
        results.push(format!("{} gaps", client.follow(&id)));
    }
    client.kill(&id);
    results.push(client.wait_ended(&id));

    let fails = acts(json!([{ "wait": 50 }, { "emit": "error", "data": "e" }, { "wait": 60_000 }]));
    results.push(client.start(fails).unwrap_err());
    let exits = acts(json!([{ "wait": 200 }, { "exit": 3 }]));
    results.push(client.start(exits).unwrap_err());
    let (_, id) = client.start(ticking()).unwrap();
    // Hubs of 1.x refuse to kill an instance that is still starting.
    client.wait_event(&id).unwrap();
    client.kill_and_remove(&id);
    client.delete();
    results
}

fn compare(url: &str, fake: Option<&FakeHub>) -> Vec<String> {
    let over_tcp = run_flows(Blocking::new(url, Arc::new(Tcp)), fake);
    assert_eq!(run_flows(Async::new(url), fake), over_tcp);
    over_tcp
}

#[test]
fn flows_have_the_same_results_on_a_hub() {
    let Some(hub) = shared() else { return };
    let results = compare(hub.url(), None);
    assert_eq!(results[..2], [r#""r""#, r#""l""#]);
    assert_eq!(results[3], r#"error "e""#);
}

#[test]
fn flows_have_the_same_results_on_fake_hubs() {
    for (generation, killed, exited) in [
        (Generation::V0_18, "None", "None"),
        (Generation::V1, "Some(Killed)", "Some(Other(213))"),
    ] {
        let hub = programs::fake_hub(generation);
        let results = compare(&hub.url(), Some(&hub));
        let expected = [
            r#""r""#,
            r#""l""#,
            "1 gaps",
            &format!("ended {killed}"),
            r#"error "e""#,
            &format!("ended {exited}"),
        ];
        assert_eq!(results, expected, "{generation:?}");
    }
}
