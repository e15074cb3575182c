//! The routes of the hub itself: version, configuration, load, lists, log and audit.

use std::time::Duration;

use serde_json::{Value, json};

use super::instance::Instance;
use super::reply::{BYTES, Reply, stream_head};
use super::routes::RouteRequest;
use super::text::iso_8601;
use super::timer_events::TimerEvent;
use super::{Model, javascript};

pub(super) fn version(hub: &mut Model, _: &RouteRequest) -> Option<Reply> {
    let version = hub.generation.version();
    Some(ok(&match hub.generation.is_v1() {
        true => json!({
            "service": "@scramjet/host", "apiVersion": "v1", "version": version, "build": "source",
        }),
        false => json!({ "version": version }),
    }))
}

fn ok(value: &Value) -> Reply {
    Reply::json(200, value)
}

pub(super) fn config(hub: &mut Model, _: &RouteRequest) -> Option<Reply> {
    let extension = u64::try_from(hub.times.extension.as_millis()).unwrap_or(u64::MAX);
    Some(ok(&json!({
        "logLevel": "trace",
        "logColors": false,
        "customName": "",
        "description": "",
        "tags": [],
        "cpmUrl": "",
        "cpmId": "",
        "cpm": { "maxReconnections": 100, "reconnectionDelay": 2000 },
        "debug": false,
        "docker": {},
        "identifyExisting": false,
        "host": {
            "apiBase": Model::BASE,
            "infoFilePath": "/srv/sth-id.json",
            "instancesServerPort": 8001,
            "hostname": "127.0.0.1",
            "port": "8000",
            "federationControl": false,
        },
        "instanceRequirements": { "cpuLoad": 10, "freeMem": 256, "freeSpace": 128 },
        "safeOperationLimit": 512,
        "runtimeAdapter": "process",
        "startupConfig": "",
        "exitWithLastInstance": false,
        "timings": {
            "heartBeatInterval": 10_000,
            "instanceLifetimeExtensionDelay": extension,
            "instanceAdapterExitDelay": 9_000,
        },
        "telemetry": { "status": false },
        "platform": { "apiVersion": "v1" },
        "kubernetes": {},
    })))
}

pub(super) fn status(_: &mut Model, _: &RouteRequest) -> Option<Reply> {
    Some(ok(&json!({ "cpm": {} })))
}

pub(super) fn load_check(hub: &mut Model, _: &RouteRequest) -> Option<Reply> {
    let free = if hub.overloaded { 1 } else { 8_u64 << 30 };
    Some(ok(&match hub.generation.is_v1() {
        true => json!({
            "avgLoad": 0.5, "currentLoad": 0.25, "memFree": free, "memUsed": 2_u64 << 30,
            "fsSize": [{
                "fs": "/", "available": 64_u64 << 30, "size": 128_u64 << 30,
                "used": 32_u64 << 30, "use": 0.25,
            }],
        }),
        false => json!({
            "avgLoad": 0.5, "currentLoad": 12.5, "memFree": free, "memUsed": 2_u64 << 30,
            "fsSize": [{
                "fs": "/dev/sda1", "type": "ext4", "size": 128_u64 << 30, "used": 32_u64 << 30,
                "available": 64_u64 << 30, "use": 25, "mount": "/", "rw": true,
            }],
        }),
    }))
}

pub(super) fn sequences(hub: &mut Model, _: &RouteRequest) -> Option<Reply> {
    Some(ok(&hub.sequence_infos()))
}

pub(super) fn instances(hub: &mut Model, _: &RouteRequest) -> Option<Reply> {
    Some(ok(&hub.instance_infos()))
}

pub(super) fn entities(hub: &mut Model, _: &RouteRequest) -> Option<Reply> {
    let (sequences, instances) = (hub.sequence_infos(), hub.instance_infos());
    Some(ok(
        &json!({ "sequences": sequences, "instances": instances }),
    ))
}

pub(super) fn log(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    hub.stream(request.id, stream_head(200, Some(BYTES)), hub.log);
    None
}

pub(super) fn audit(hub: &mut Model, request: &RouteRequest) -> Option<Reply> {
    hub.stream(request.id, stream_head(200, Some(BYTES)), hub.audit);
    if !std::mem::replace(&mut hub.audit_heartbeat, true) {
        hub.schedule(hub.times.audit_interval, TimerEvent::AuditHeartbeat);
    }
    None
}

/// Never responds, like a hub without a Manager.
pub(super) fn platform(_: &mut Model, _: &RouteRequest) -> Option<Reply> {
    None
}

impl Model {
    fn sequence_infos(&self) -> Value {
        self.sequences
            .iter()
            .map(|sequence| self.sequence_info(sequence))
            .collect()
    }

    fn instance_infos(&self) -> Value {
        let short = |one: &Instance| json!({ "id": one.id, "sequence": one.sequence });
        match self.generation.is_v1() {
            true => self
                .instances
                .listed()
                .map(|one| self.instance_info(one))
                .collect(),
            false => self.instances.listed().map(short).collect(),
        }
    }

    pub(super) fn instance_info(&self, instance: &Instance) -> Value {
        let iso = |time| iso_8601(self.epoch + time);
        match self.generation.is_v1() {
            true => instance.info_v1(iso),
            false => instance.info_v0_18(iso),
        }
    }

    /// Returns the present time in milliseconds since the beginning of 1970.
    pub(super) fn timestamp(&self) -> u64 {
        u64::try_from((self.epoch + self.now).as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes a record about the state of a sequence or an instance to the audit of 1.x. The codes
    /// are 0 and 1 for a sequence that was added or deleted, and 4, 3 and 2 for an instance that
    /// has connected, has ended, or was forgotten.
    pub(super) fn audit_state(&mut self, code: u32, object: &str) {
        self.audit_record("", code, object, None);
    }

    pub(super) fn audit_start(&mut self, instance: &str) {
        self.audit_record("", 0, instance, Some(json!({ "memory": 512 })));
    }

    fn audit_record(&mut self, state: &str, code: u32, object: &str, limits: Option<Value>) {
        let mut record = json!({
            "opState": state, "opCode": code, "objectId": object,
            "requestorId": "system", "receivedAt": self.timestamp(),
        });
        if let Some(limits) = limits {
            javascript::set(&mut record, "limits", limits);
        }
        let line = javascript::write(&record) + "\n";
        self.pipes.write(self.audit, line.as_bytes());
    }

    /// Writes a record about the hub and each instance, while the audit has readers.
    pub(super) fn heartbeat(&mut self) {
        self.audit_heartbeat = self.pipes.has_readers(self.audit);
        if !self.audit_heartbeat {
            return;
        }
        self.audit_record("ACTIVE", 13_010, "", None);
        let listed: Vec<_> = self.instances.listed().map(|one| one.id.clone()).collect();
        for id in listed {
            let limits = json!({ "memory": null });
            self.audit_record("ACTIVE", 13_012, &id, Some(limits));
        }
        // An interval of zero would make `advance` loop forever.
        let heartbeat = self.times.audit_interval.max(Duration::from_millis(1));
        self.schedule(heartbeat, TimerEvent::AuditHeartbeat);
    }
}
