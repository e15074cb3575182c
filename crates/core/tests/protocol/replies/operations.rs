//! The operations of the recorded requests.

use scramjet_client_core::{
    ContentType, CreateTopic, DeleteSequence, DeleteTopic, EventName, GetConfig, GetInstance,
    GetInstanceHealth, GetLoadCheck, GetSequence, GetStatus, GetVersion, InOut, KillInstance,
    KillOptions, LastEvent, ListEntities, ListInstances, ListSequenceInstances, ListSequences,
    ListTopics, NextEvent, OverwriteSequence, ReadAudit, ReadEvents, ReadLog, ReadStream,
    ReadTopic, SendEvent, SendInput, SendSequence, SendStdin, SendTopic, SetMonitoringRate,
    StartOptions, StartSequence, StopInstance, StopOptions, TopicName,
};
use serde_json::Value;

use super::row::{Row, keep};

pub(super) fn version(_: &Row) -> GetVersion {
    GetVersion
}

pub(super) fn list_sequences(_: &Row) -> ListSequences {
    ListSequences
}

pub(super) fn list_instances(_: &Row) -> ListInstances {
    ListInstances
}

pub(super) fn get_sequence(row: &Row) -> GetSequence<'static> {
    GetSequence { id: row.sequence() }
}

pub(super) fn instances_of(row: &Row) -> ListSequenceInstances<'static> {
    ListSequenceInstances { id: row.sequence() }
}

pub(super) fn upload(_: &Row) -> SendSequence {
    SendSequence
}

pub(super) fn overwrite(row: &Row) -> OverwriteSequence<'static> {
    OverwriteSequence { id: row.sequence() }
}

pub(super) fn delete(row: &Row) -> DeleteSequence<'static> {
    DeleteSequence {
        id: row.sequence(),
        force: false,
    }
}

pub(super) fn delete_by_force(row: &Row) -> DeleteSequence<'static> {
    DeleteSequence {
        id: row.sequence(),
        force: true,
    }
}

pub(super) fn start(row: &Row) -> StartSequence<'static> {
    StartSequence {
        id: row.sequence(),
        options: keep(Ok(StartOptions::new())),
    }
}

pub(super) fn get_instance(row: &Row) -> GetInstance<'static> {
    GetInstance { id: row.instance() }
}

pub(super) fn health(row: &Row) -> GetInstanceHealth<'static> {
    GetInstanceHealth { id: row.instance() }
}

pub(super) fn kill(row: &Row) -> KillInstance<'static> {
    KillInstance {
        id: row.instance(),
        options: keep(Ok(KillOptions::new())),
    }
}

pub(super) fn stop(row: &Row) -> StopInstance<'static> {
    StopInstance {
        id: row.instance(),
        options: keep(Ok(StopOptions::default())),
    }
}

pub(super) fn input(row: &Row) -> SendInput<'static> {
    SendInput {
        id: row.instance(),
        content_type: ContentType::Ndjson,
        end: None,
    }
}

pub(super) fn in_out(row: &Row) -> InOut<'static> {
    InOut {
        id: row.instance(),
        content_type: ContentType::Ndjson,
    }
}

pub(super) fn stdin(row: &Row) -> SendStdin<'static> {
    SendStdin {
        id: row.instance(),
        end: None,
    }
}

pub(super) fn stream(row: &Row) -> ReadStream<'static> {
    row.read_stream()
}

pub(super) fn once(row: &Row) -> NextEvent<'static> {
    NextEvent {
        id: row.instance(),
        name: keep(EventName::new(row.id_after("once"))),
    }
}

pub(super) fn last(row: &Row) -> LastEvent<'static> {
    LastEvent {
        id: row.instance(),
        name: keep(EventName::new(row.id_after("event"))),
    }
}

pub(super) fn get_config(_: &Row) -> GetConfig {
    GetConfig
}

pub(super) fn get_status(_: &Row) -> GetStatus {
    GetStatus
}

pub(super) fn load_check(_: &Row) -> GetLoadCheck {
    GetLoadCheck
}

pub(super) fn entities(_: &Row) -> ListEntities {
    ListEntities
}

pub(super) fn read_log(_: &Row) -> ReadLog {
    ReadLog
}

pub(super) fn read_audit(_: &Row) -> ReadAudit {
    ReadAudit
}

pub(super) fn list_topics(_: &Row) -> ListTopics {
    ListTopics
}

pub(super) fn create_topic(_: &Row) -> CreateTopic<'static> {
    CreateTopic {
        name: keep(TopicName::new("cars")),
        content_type: ContentType::Ndjson,
    }
}

pub(super) fn delete_topic(row: &Row) -> DeleteTopic<'static> {
    DeleteTopic { name: row.topic() }
}

pub(super) fn send_topic(row: &Row) -> SendTopic<'static> {
    SendTopic {
        name: row.topic(),
        content_type: ContentType::Ndjson,
        end: None,
    }
}

pub(super) fn read_topic(row: &Row) -> ReadTopic<'static> {
    ReadTopic {
        name: row.topic(),
        content_type: ContentType::Ndjson,
    }
}

pub(super) fn send_event(row: &Row) -> SendEvent<'static> {
    SendEvent {
        id: row.instance(),
        name: "ev",
        data: keep(Ok(Value::String("s".into()))),
    }
}

pub(super) fn read_events(row: &Row) -> ReadEvents<'static> {
    ReadEvents {
        id: row.instance(),
        name: keep(EventName::new(row.id_after("events"))),
    }
}

pub(super) fn monitoring_rate(row: &Row) -> SetMonitoringRate<'static> {
    SetMonitoringRate {
        id: row.instance(),
        rate: 2,
    }
}
