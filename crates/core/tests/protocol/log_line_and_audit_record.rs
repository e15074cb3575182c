//! `LogLine` and `AuditRecord`: every recorded one is decoded without loss.

use std::{fmt::Debug, time::Duration};

use scramjet_client_core::{AuditRecord, AuditState, Decode, JsonLines, LogLevel, LogLine, Step};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::fixtures;

/// Decodes all complete lines of a recording, and checks that no member is lost.
fn recorded<T: DeserializeOwned + Serialize + Debug>(generation: &str, name: &str) -> Vec<T> {
    let body = fixtures::load(generation, name).response.body;
    let lines = items::<Value>(&body);
    let records = items::<T>(&body);
    assert_eq!(records.len(), lines.len(), "{generation}/{name}");
    for (record, line) in records.iter().zip(&lines) {
        assert_eq!(
            serde_json::to_value(record).expect("a JSON value"),
            *line,
            "{generation}/{name}: {record:?}"
        );
    }
    records
}

fn items<T: DeserializeOwned>(body: &[u8]) -> Vec<T> {
    let mut decoder = JsonLines::<T>::default();
    decoder.feed(body);
    let mut items = Vec::new();
    while let Step::Item(item) = decoder
        .next_item()
        .unwrap_or_else(|error| panic!("{error}"))
    {
        items.push(item);
    }
    items
}

#[test]
fn log_line_decodes_the_recorded_log_of_a_hub_of_0_18_7() {
    let lines: Vec<LogLine> = recorded("0.18.7", "hub-log");
    assert_eq!(lines.len(), 12);
    let first = &lines[0];
    assert_eq!(
        (&first.level, first.msg.as_str(), first.from.as_deref()),
        (&Some(LogLevel::Info), "Log Level", Some("Host"))
    );
    assert_eq!(
        (first.time_ms, first.since_unix_epoch()),
        (
            Some(1_795_462_004_340),
            Some(Duration::from_millis(1_795_462_004_340))
        )
    );
    assert_eq!(
        (&first.data, &first.extra["Host"]),
        (&vec![json!("DEBUG")], &json!({}))
    );
    assert_eq!(
        (&lines[1].level, &lines[1].data),
        (
            &Some(LogLevel::Trace),
            &vec![json!({ "version": "0.18.7" })]
        )
    );
    let bare = lines
        .iter()
        .find(|line| line.msg == "List Instances")
        .expect("a line without data");
    assert!(bare.data.is_empty());
}

#[test]
fn log_line_decodes_the_recorded_log_of_an_instance_of_1_0_1() {
    let lines: Vec<LogLine> = recorded("1.0.1", "stream-log");
    assert_eq!(lines.len(), 42);
    let id = json!({ "id": "108ffa66-5a0a-46ad-a008-71f1a2702150" });
    let first = &lines[0];
    assert_eq!(
        (first.msg.as_str(), first.from.as_deref()),
        ("Streams hooked and routed", Some("CSIController"))
    );
    assert_eq!(
        (&first.level, first.time_ms, &first.extra["CSIController"]),
        (&Some(LogLevel::Trace), Some(1_795_462_331_613), &id)
    );
    let through_two = lines
        .iter()
        .find(|line| line.from.as_deref() == Some("HostClient"))
        .expect("a line of the runner's client");
    assert!(through_two.extra["HostClient"] == id && through_two.extra["Runner"] == id);
    assert!(
        lines
            .iter()
            .any(|line| line.from.as_deref() == Some("Sequence")),
        "the sequence itself logs"
    );
}

#[test]
fn audit_record_decodes_the_recorded_audit_of_1_0_1() {
    let records: Vec<AuditRecord> = recorded("1.0.1", "audit");
    assert_eq!(records.len(), 36);
    let upload = &records[0];
    assert_eq!(
        (
            &upload.op_state,
            upload.op_code,
            upload.requestor_id.as_deref()
        ),
        (&AuditState::Start, 10100, Some("system"))
    );
    assert_eq!(
        (upload.rx, upload.tx, &upload.object_id),
        (Some(553), Some(0), &None)
    );
    assert_eq!(
        upload.since_unix_epoch(),
        Some(Duration::from_millis(1_795_462_719_136))
    );
    let end = records
        .iter()
        .find(|record| record.op_state == AuditState::End)
        .expect("an end");
    assert_eq!((&end.request_id, end.tx), (&upload.request_id, Some(223)));
    let created = &records[1];
    assert_eq!(
        (&created.op_state, created.op_code, created.rx),
        (&AuditState::Happened, 0, None)
    );
    assert_eq!(
        created.object_id.as_deref(),
        Some("c9826fd5-ea4f-4aac-8de2-99eb65e2f5c1")
    );
    let heartbeats: Vec<_> = records
        .iter()
        .filter(|record| record.is_heartbeat())
        .collect();
    assert_eq!(
        heartbeats
            .iter()
            .map(|record| record.op_code)
            .collect::<Vec<_>>(),
        [13010, 13012]
    );
    assert!(
        heartbeats
            .iter()
            .all(|record| record.op_state == AuditState::Active)
    );
    assert_eq!(
        (heartbeats[0].object_id.as_deref(), &heartbeats[1].limits),
        (Some(""), &Some(json!({ "memory": null })))
    );
}

#[test]
fn log_line_and_audit_record_need_no_member() {
    let line: LogLine = serde_json::from_value(json!({ "level": null })).expect("a line");
    assert_eq!(
        (line.msg.as_str(), &line.level, line.since_unix_epoch()),
        ("", &None, None)
    );
    let record: AuditRecord =
        serde_json::from_value(json!({ "opState": "", "opCode": -1 })).expect("a record");
    assert_eq!(
        (record.since_unix_epoch(), record.is_heartbeat()),
        (None, false)
    );
}
