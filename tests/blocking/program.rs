//! A small program that uses most of the API. It runs on a real hub and on recordings, with the
//! same outcome.

use std::io::Read;
use std::time::Duration;

use scramjet_client_blocking::core::{EventName, LastEvent};
use scramjet_client_blocking::types::SequenceRef;
use scramjet_client_blocking::{
    Error, HostClient, Input, KillOptions, StartOptions, StopOptions, Upload,
};
use scramjet_client_tests::{on_each_hub, package};
use serde_json::json;

use crate::program;

/// The results of the program. They are the same on every hub.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) main: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) instance_of_a_sequence: bool,
    pub(crate) healthy: bool,
    pub(crate) event: (String, serde_json::Value),
    pub(crate) sent: u64,
    pub(crate) output: Vec<String>,
}

impl Outcome {
    pub(crate) fn expected() -> Self {
        Self {
            main: Some("index.js".into()),
            node: Some(">=16".into()),
            instance_of_a_sequence: true,
            healthy: true,
            event: ("ev-string".into(), json!("s")),
            sent: 16,
            output: vec![
                r#"{"t":"object","v":{"a":1}}"#.into(),
                r#"{"t":"object","v":{"a":2}}"#.into(),
            ],
        }
    }
}

/// Uploads, starts, inspects, sends input, reads output, stops, kills and deletes.
pub(crate) fn run(host: &HostClient) -> Result<Outcome, Error> {
    let sequence = host.send_sequence(Upload::reader(std::io::Cursor::new(package::sequence(
        "types",
    ))))?;
    let config = sequence.info()?.config;

    let options = StartOptions::new().app_config(json!({ "a": 1 })).args([
        json!("x"),
        json!(1),
        json!({ "o": 2 }),
        json!(null),
    ]);
    let instance = sequence.start(&options)?;
    assert_eq!(
        instance.started().map(|started| &started.id),
        Some(instance.id())
    );
    assert!(!sequence.list_instances()?.is_empty());

    let info = instance.info()?;
    let health = instance.health()?;
    // `call` sends one request, while `wait_event` would send several.
    let event = instance.host().call(&LastEvent {
        id: instance.id(),
        name: &EventName::try_from("ev-string")?,
    })?;
    let sent = instance.send_input(Input::ndjson(b"{\"a\":1}\n{\"a\":2}\n".to_vec()))?;
    let mut output = String::new();
    instance
        .output()?
        .read_to_string(&mut output)
        .expect("a stream that ends");

    // The sequence does not call `keepAlive`, so the stop kills it after the timeout.
    instance.stop(&StopOptions::new(Duration::from_millis(300)).can_call_keepalive(true))?;
    match instance.kill(&KillOptions::new()) {
        // The instance may be gone already.
        Err(error) if error.api().is_some() => {}
        other => drop(other?),
    }
    sequence.force_delete()?;

    Ok(Outcome {
        main: config.main,
        node: config
            .engines
            .get("node")
            .and_then(|node| node.as_str().map(Into::into)),
        instance_of_a_sequence: info.sequence.as_ref().map(SequenceRef::id).is_some(),
        healthy: health.healthy,
        event: (event.name, event.data),
        sent: sent.bytes,
        output: output.lines().take(2).map(Into::into).collect(),
    })
}

on_each_hub!(program_runs_on_a_hub);
fn program_runs_on_a_hub(host: HostClient) {
    assert_eq!(program::run(&host).unwrap(), Outcome::expected());
}
