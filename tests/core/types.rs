//! Types keep members and values that they do not know, so later hubs lose no data.

use std::fmt::Debug;

use scramjet_client_core::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Checks that JSON is equal after decoding and encoding. Every object in it has an unknown member
/// `later`.
fn survives<T: DeserializeOwned + Serialize + Debug>(sent: Value) {
    let decoded: T =
        serde_json::from_value(sent.clone()).unwrap_or_else(|error| panic!("{sent}: {error}"));
    let kept = serde_json::to_value(&decoded).expect("a JSON value");
    assert_eq!(kept, sent, "{decoded:?}");
}

#[test]
fn types_round_trip_unknown_members() {
    let config = || {
        json!({ "name": "n", "version": "1", "engines": { "node": ">=16" },
        "type": "wasm", "entrypointPath": "x", "later": [1] })
    };
    let sequence = || {
        json!({ "id": "s", "config": config(), "instances": ["i"], "location": "STH",
        "later": {} })
    };
    let time = "2026-11-23T19:31:57.434Z";
    let instance = || {
        json!({ "id": "i", "sequence": sequence(), "status": "frozen", "appConfig": { "a": 1 },
            "args": [null], "created": time, "started": time,
            "ended": time, "terminated": { "exitcode": 77, "reason": "r", "later": 1 },
                "provides": "", "later": 1 })
    };
    survives::<HubVersion>(
        json!({ "version": "9.9.9", "service": "s", "apiVersion": "v9", "build": "b", "later": 1 }),
    );
    survives::<HubStatus>(
        json!({ "cpm": { "connected": true, "cpmId": "c", "later": 1 }, "later": 1 }),
    );
    survives::<HubConfig>(
        json!({ "host": { "apiBase": "/", "hostname": "h", "port": "8300", "id": "i", "later": 1 },
            "runtimeAdapter": "wasm",
        "logLevel": "trace", "later": 1 }),
    );
    let disk =
        json!({ "fs": "/", "size": 1.5, "used": 2.5, "available": 3.5, "use": 0.5, "later": 1 });
    survives::<LoadCheck>(
        json!({ "avgLoad": 1.5, "currentLoad": 2.5, "memFree": 3.5, "memUsed": 4.5,
            "fsSize": [disk], "later": 1 }),
    );
    let mount = json!({ "fs": "/dev/sda1", "size": 1.5, "used": 2.5, "available": 3.5, "use": 50.0,
        "mount": "/" });
    survives::<LoadCheck>(
        json!({ "avgLoad": 1.5, "currentLoad": 99.5, "memFree": 3.5, "memUsed": 4.5,
            "fsSize": [mount] }),
    );
    let data = json!([1, null, "x"]);
    survives::<LogLine>(
        json!({ "level": "NOTICE", "msg": "m", "ts": 1, "from": "Host", "Host": {}, "data": data,
            "id": "i", "error": {}, "later": 1 }),
    );
    let limits = json!({ "memory": 512, "later": 1 });
    survives::<AuditRecord>(
        json!({ "opState": "PAUSED", "opCode": 10117, "requestId": "r", "requestorId": "system",
            "objectId": "s",
        "rx": 1, "tx": 2, "receivedAt": 3, "limits": limits, "later": 1 }),
    );
    survives::<SequenceInfo>(sequence());
    survives::<InstanceInfo>(instance());
    survives::<InstanceInfo>(json!({ "id": "i", "sequence": "s", "later": 1 }));
    let topic = || json!({ "topicName": "t", "contentType": "text/plain", "later": 1 });
    survives::<Entities>(
        json!({ "sequences": [sequence()], "instances": [instance()], "topics": [topic()],
            "later": 1 }),
    );
    survives::<TopicInfo>(topic());
    survives::<CreatedTopic>(
        json!({ "id": "t", "contentType": "text/plain", "state": "s", "later": 1 }),
    );
    survives::<SentSequence>(json!({ "id": "s", "later": 1 }));
    survives::<Started>(json!({ "id": "i", "status": "frozen", "later": 1 }));
    survives::<InstanceHealth>(json!({ "healthy": false, "processId": 1, "later": 1 }));
    survives::<InstanceHealth>(
        json!({ "healthy": true, "containerId": "c", "cpuTotalUsage": 1.0, "memoryUsage": 2.0,
        "memoryMaxUsage": 3.0, "limit": 4.0, "networkRx": 5.0, "networkTx": 6.0, "later": 1 }),
    );
    survives::<StopReply>(instance());
    survives::<StopReply>(json!({ "opStatus": "OK", "later": 1 }));
    survives::<StopReply>(Value::Null);
    survives::<HubInfo>(
        json!({ "id": "h", "healthy": true, "selfHosted": true, "isConnectionActive": true,
            "description": "d", "later": 1 }),
    );
    survives::<ManagerConfig>(json!({ "config": { "later": 1 }, "later": 1 }));
    survives::<ManagerTopic>(json!({ "name": "t", "contentType": "c", "later": 1 }));
    let hub = json!({ "sthId": "h", "reason": 6, "later": 1 });
    survives::<Disconnected>(
        json!({ "opStatus": "OK", "managerId": "m", "disconnected": [hub], "later": 1 }),
    );
    survives::<StoreItem>(json!({ "id": "s", "name": "n", "version": "1", "later": 1 }));
    survives::<ManagerInfo>(json!({ "id": "m", "later": 1 }));
    survives::<MultiManagerInfo>(
        json!({ "id": "m", "apiBase": "/", "managersCount": 1, "later": 1 }),
    );
    survives::<SpaceInfo>(json!({ "id": "s", "later": 1 }));
    survives::<AccessKeys>(
        json!({ "accessKeys": [{ "created": time, "description": "d", "later": 1 }], "later": 1 }),
    );
    survives::<RevokedAccessKeys>(json!({ "keysRevoked": 2, "later": 1 }));
}

#[test]
fn enums_keep_unknown_values_as_text() {
    for (text, known) in [
        ("process", Adapter::Process),
        ("docker", Adapter::Docker),
        ("kubernetes", Adapter::Kubernetes),
    ] {
        assert_eq!(
            (Adapter::from(text.to_owned()), known.as_str()),
            (known.clone(), text)
        );
    }
    assert_eq!(Adapter::from("wasm".to_owned()).as_str(), "wasm");
    for text in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NOTICE"] {
        let level = LogLevel::from(text.to_owned());
        assert_eq!(
            (level.as_str(), matches!(level, LogLevel::Other(_))),
            (text, text == "NOTICE")
        );
    }
    for text in ["START", "ACTIVE", "END", "ERROR", "", "PAUSED"] {
        let state = AuditState::from(text.to_owned());
        assert_eq!(
            (state.as_str(), matches!(state, AuditState::Other(_))),
            (text, text == "PAUSED")
        );
    }
    for text in [
        "initializing",
        "starting",
        "running",
        "stopping",
        "killing",
        "completed",
        "errored",
        "gone",
        "frozen",
    ] {
        let status = InstanceStatus::from(text.to_owned());
        assert_eq!(
            (status.as_str(), matches!(status, InstanceStatus::Other(_))),
            (text, text == "frozen")
        );
    }
}

#[test]
fn runner_exit_maps_the_exit_codes_of_hubs() {
    use RunnerExit::*;
    let codes = [
        (-1, Completed),
        (0, Completed),
        (10, UnpackFailed),
        (20, InvalidConfig),
        (21, InvalidEntrypoint),
        (22, FailedOnStart),
        (23, FailedDuringExecution),
        (24, LimitReached),
        (137, Killed),
        (138, Stopped),
        (101, Other(101)),
        (213, Other(213)),
    ];
    for (code, exit) in codes {
        let terminated: Terminated =
            serde_json::from_value(json!({ "exitcode": code, "reason": "r" }))
                .expect("a termination");
        assert_eq!(terminated.exit(), Some(exit));
        assert_eq!(
            exit.is_success(),
            matches!(exit, Completed | Killed | Stopped),
            "{exit:?}"
        );
    }
}

#[test]
fn dialect_supports_features_by_version() {
    type Capability = fn(Dialect) -> bool;
    let capabilities: [(Capability, Version); 7] = [
        (Dialect::remembers_ended_instances, Version::new(0, 27, 0)),
        (Dialect::supports_instance_ids, Version::new(0, 31, 4)),
        (Dialect::supports_force_delete, Version::new(0, 34, 4)),
        (Dialect::supports_topic_management, Version::new(0, 35, 0)),
        (Dialect::supports_overwrite, Version::new(0, 38, 0)),
        (Dialect::supports_json_event_data, Version::new(0, 39, 0)),
        (Dialect::supports_binary_data, Version::new(1, 0, 1)),
    ];
    for (has, since) in capabilities {
        assert!(has(Dialect::of(since)) && has(Dialect::LATEST), "{since}");
        assert!(!has(Dialect::of(Version::new(0, 18, 7))), "{since}");
    }
}
