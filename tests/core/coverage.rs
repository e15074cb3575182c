//! The tests for each operation. Fails for an operation without a row, and for a row whose test
//! does not exist.

use std::{collections::BTreeSet, fs};

use crate::drive::here;

/// Hubs of that version have no such route, or refuse it only with errors common to all requests.
const NONE: &str = "-";

/// Rows: operation; golden request; recorded success and refusal of 0.18.7; the same of 1.0.1 (`+`:
/// composed, not recorded); test with a hub or a platform.
#[rustfmt::skip]
const ROWS: &[[&str; 7]] = &[
    ["GetVersion", "get-version", "version", "accept-not-acceptable", "+version",
        "accept-not-acceptable", "version_load_check_and_log_stream_describe_the_hub"],
    ["GetStatus", "get-status", NONE, NONE, "status", NONE,
        "config_status_inout_and_create_topic_work_or_name_the_required_version"],
    ["GetConfig", "get-config", NONE, "config", "+config", NONE,
        "config_status_inout_and_create_topic_work_or_name_the_required_version"],
    ["GetLoadCheck", "get-load-check", "load-check", NONE, "load-check", NONE,
        "version_load_check_and_log_stream_describe_the_hub"],
    ["ListEntities", "list-entities", NONE, "entities", "entities", NONE,
        "config_status_inout_and_create_topic_work_or_name_the_required_version"],
    ["ReadLog", "read-log", "hub-log", NONE, NONE, "stream-accept-not-acceptable",
        "version_load_check_and_log_stream_describe_the_hub"],
    ["ReadAudit", "read-audit", NONE, "audit", "audit", NONE,
        "config_status_inout_and_create_topic_work_or_name_the_required_version"],
    ["ListSequences", "list-sequences", "+sequences-list", NONE, "sequences-list", NONE,
        "sequence_ids_finds_sequences_by_package_name"],
    ["SendSequence", "send-sequence", "sequence-upload", "sequence-upload-garbage",
        "sequence-upload-chunked", "sequence-upload-empty",
        "send_sequence_accepts_every_kind_of_upload"],
    ["GetSequence", "get-sequence", "+sequence-get", "sequence-get-unknown", "+sequence-get",
        "sequence-get-unknown", "sequence_info_keeps_all_fields_of_the_response"],
    ["OverwriteSequence", "overwrite-sequence", NONE, "sequence-overwrite", "sequence-overwrite",
        "sequence-overwrite-in-use", "overwrite_replaces_a_sequence_without_instances"],
    ["DeleteSequence", "delete-sequence-force", "+sequence-delete", "sequence-delete-unknown",
        "sequence-delete-force", "+sequence-delete-in-use",
        "delete_of_a_sequence_in_use_is_a_conflict_and_force_delete_works"],
    ["StartSequence", "start-sequence-every-option", "start-with-config-and-args",
        "start-overloaded", "+start", "start-two-engines",
        "start_passes_app_config_and_args_unchanged"],
    ["ListSequenceInstances", "list-sequence-instances", "sequence-instances",
        "+sequence-instances-unknown", "sequence-instances", "+sequence-instances-unknown",
        "list_instances_and_instance_find_started_instances"],
    ["ListInstances", "list-instances", "instances-list", NONE, "instances-list", NONE,
        "list_instances_and_instance_find_started_instances"],
    ["GetInstance", "get-instance", "instance-info-running", "instance-unknown",
        "instance-info-killed", "instance-accept-not-acceptable",
        "list_instances_and_instance_find_started_instances"],
    ["GetInstanceHealth", "get-instance-health", "+instance-health", "health-ended",
        "instance-health", NONE, "list_instances_and_instance_find_started_instances"],
    ["StopInstance", "stop-instance-0.18-1s-keepalive", "stop-with-keepalive", "stop-object-body",
        "stop", "stop-invalid-timeout", "stop_ends_the_instance_after_its_timeout"],
    ["KillInstance", "kill-instance", "kill-again", "kill-ended", "+kill", "kill-while-starting",
        "kill_ends_an_instance_that_does_not_stop"],
    ["SetMonitoringRate", "set-monitoring-rate", "monitoring-rate", "monitoring-rate-bad",
        "monitoring-rate", "monitoring-rate-bad", "send_event_and_event_stream_exchange_events"],
    ["SendEvent", "send-event-object", "event-send-string", "event-send-object",
        "event-send-object", "event-send-no-name", "send_event_and_event_stream_exchange_events"],
    ["NextEvent", "next-event", "event-once-object", NONE, "event-once-object",
        "event-once-op-status-bogus", "last_event_returns_at_once_and_next_event_waits"],
    ["LastEvent", "last-event", "event-last-string", NONE, "event-last-string",
        "event-last-op-status-not-found", "last_event_returns_at_once_and_next_event_waits"],
    ["ReadEvents", "read-events", "event-stream", "event-stream-ended", "event-stream", NONE,
        "send_event_and_event_stream_exchange_events"],
    ["ReadStream", "read-stream-output", "stream-output", "stream-output-ended", "stream-stderr",
        NONE, "stream_reads_stdout_stderr_and_output_to_their_end"],
    ["SendInput", "send-input-ndjson", "input-end", "input-ended", "input-chunked-keep-open", NONE,
        "send_input_and_output_exchange_line_by_line"],
    ["InOut", "in-out-ndjson", NONE, NONE, "inout", NONE,
        "config_status_inout_and_create_topic_work_or_name_the_required_version"],
    ["SendStdin", "send-stdin", "stdin-end", "stdin-wrong-content-type", "stdin-end",
        "stdin-wrong-content-type", "send_stdin_reaches_the_process"],
    ["ListTopics", "list-topics", "topics-list", NONE, "topics-list", NONE,
        "topic_returns_the_data_of_send_topic"],
    ["CreateTopic", "create-topic-ndjson", NONE, "topic-create", "+topic-create",
        "topic-create-duplicate",
        "config_status_inout_and_create_topic_work_or_name_the_required_version"],
    ["DeleteTopic", "delete-topic", NONE, "topic-delete", "topic-delete", "+topic-delete-unknown",
        "config_status_inout_and_create_topic_work_or_name_the_required_version"],
    ["SendTopic", "send-topic-ndjson", "topic-send", NONE, "topic-send",
        "topic-send-content-type-mismatch", "topic_returns_the_data_of_send_topic"],
    ["ReadTopic", "read-topic-ndjson", "topic-read", "topic-read-bad-accept", "topic-read",
        "topic-read-bad-content-type", "topic_returns_the_data_of_send_topic"],
    ["ListHubs", "list-hubs", NONE, NONE, NONE, NONE, "manager_client_uses_all_its_routes"],
    ["GetLoad", "get-load", NONE, NONE, NONE, NONE, "manager_client_uses_all_its_routes"],
    ["GetManagerConfig", "get-manager-config", NONE, NONE, NONE, NONE,
        "manager_client_uses_all_its_routes"],
    ["ListAllSequences", "list-all-sequences", NONE, NONE, NONE, NONE,
        "manager_client_uses_all_its_routes"],
    ["ListManagerTopics", "list-manager-topics", NONE, NONE, NONE, NONE,
        "manager_client_uses_all_its_routes"],
    ["ListStoreItems", "list-store-items", NONE, NONE, NONE, NONE,
        "manager_client_uses_all_its_routes"],
    ["PutStoreItem", "put-store-item-id", NONE, NONE, NONE, NONE,
        "manager_client_uses_all_its_routes"],
    ["DeleteStoreItem", "delete-store-item", NONE, NONE, NONE, NONE,
        "manager_client_uses_all_its_routes"],
    ["ClearStore", "clear-store", NONE, NONE, NONE, NONE, "manager_client_uses_all_its_routes"],
    ["DisconnectHubs", "disconnect-hubs-every-option", NONE, NONE, NONE, NONE,
        "manager_client_uses_all_its_routes"],
    ["DeleteHub", "delete-hub-force", NONE, NONE, NONE, NONE, "manager_client_uses_all_its_routes"],
    ["ListManagers", "list-managers", NONE, NONE, NONE, NONE,
        "multi_manager_client_uses_all_its_routes"],
    ["GetMultiManagerInfo", "get-multi-manager-info", NONE, NONE, NONE, NONE,
        "multi_manager_client_uses_all_its_routes"],
    ["StartManager", "start-manager", NONE, NONE, NONE, NONE,
        "multi_manager_client_uses_all_its_routes"],
    ["ListSpaces", "list-spaces", NONE, NONE, NONE, NONE,
        "manager_host_reaches_a_hub_through_the_middleware"],
    ["ListAccessKeys", "list-access-keys", NONE, NONE, NONE, NONE,
        "middleware_client_uses_all_its_routes"],
    ["CreateAccessKey", "create-access-key", NONE, NONE, NONE, NONE,
        "middleware_client_uses_all_its_routes"],
    ["RevokeAccessKey", "revoke-access-key", NONE, NONE, NONE, NONE,
        "middleware_client_uses_all_its_routes"],
    ["RevokeAllAccessKeys", "revoke-all-access-keys", NONE, NONE, NONE, NONE,
        "middleware_client_uses_all_its_routes"],
];

#[test]
fn every_operation_has_golden_requests_recordings_and_a_live_test() {
    let tests: String = fs::read_dir(here("blocking"))
        .expect("the tests with a hub")
        .map(|file| fs::read_to_string(file.expect("a file").path()).expect("tests"))
        .collect();
    for [operation, golden, old, old_refusal, new, new_refusal, live] in ROWS {
        assert!(
            here(&format!("fixtures/requests/{golden}.http")).is_file(),
            "{operation}: no golden request {golden}"
        );
        for (version, name) in [
            ("0.18.7", old),
            ("0.18.7", old_refusal),
            ("1.0.1", new),
            ("1.0.1", new_refusal),
        ] {
            let file = match name.strip_prefix('+') {
                Some(composed) => format!("fixtures/composed/{version}/{composed}.http"),
                None => format!("fixtures/{version}/{name}.http"),
            };
            // The tables in `replies` check that each fixture has a row there.
            assert!(
                *name == NONE || here(&file).is_file(),
                "{operation}: no recording {file}"
            );
        }
        let is_test = ["#[test]\nfn {}()", "on_each_hub!({});"]
            .map(|text| text.replace("{}", live))
            .iter()
            .any(|text| tests.contains(text));
        assert!(is_test, "{operation}: no test {live}");
    }
    assert_eq!(
        crate::requests::implemented(),
        ROWS.iter()
            .map(|row| row[0].to_owned())
            .collect::<BTreeSet<_>>()
    );
    assert_eq!(
        ROWS.len(),
        crate::requests::implemented().len(),
        "an operation has two rows"
    );
}
