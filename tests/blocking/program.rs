//! One program in the API's own words, run on a real hub and on the recordings of others: it must not see the difference.

use std::io::Read;
use std::time::Duration;

use scramjet_client_blocking::core::{EventName, LastEvent};
use scramjet_client_blocking::types::SequenceRef;
use scramjet_client_blocking::{
    Error, HostClient, Input, KillOptions, StartOptions, StopOptions, Upload,
};
use scramjet_client_tests::package;
use serde_json::json;

/// What the program found out. The same on every hub.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) main: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) instance_of_a_sequence: bool,
    pub(crate) healthy: bool,
    pub(crate) event: (String, serde_json::Value),
    pub(crate) sent: u64,
    pub(crate) output: Vec<String>,
}

impl Seen {
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

/// Uploads, starts, asks, feeds, reads, stops, kills, deletes.
pub(crate) fn run(host: &HostClient) -> Result<Seen, Error> {
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
    // One request, and not a wait that goes several ways.
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

    // The sequence calls no keepAlive: it is killed when the time is over.
    instance.stop(&StopOptions::new(Duration::from_millis(300)).can_call_keepalive(true))?;
    match instance.kill(&KillOptions::new()) {
        // It may be gone by now.
        Err(error) if error.api().is_some() => {}
        other => drop(other?),
    }
    sequence.force_delete()?;

    Ok(Seen {
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
