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
    ["GetVersion", "get-version", "version", "accept-not-acceptable", "+version", "accept-not-acceptable", "the_hub_tells_about_itself"],
    ["GetStatus", "get-status", NONE, NONE, "status", NONE, "what_came_later_works_or_says_since_when_it_would"],
    ["GetConfig", "get-config", NONE, "config", "+config", NONE, "what_came_later_works_or_says_since_when_it_would"],
    ["GetLoadCheck", "get-load-check", "load-check", NONE, "load-check", NONE, "the_hub_tells_about_itself"],
    ["ListEntities", "list-entities", NONE, "entities", "entities", NONE, "what_came_later_works_or_says_since_when_it_would"],
    ["ReadLog", "read-log", "hub-log", NONE, NONE, "stream-accept-not-acceptable", "the_hub_tells_about_itself"],
    ["ReadAudit", "read-audit", NONE, "audit", "audit", NONE, "what_came_later_works_or_says_since_when_it_would"],
    ["ListSequences", "list-sequences", "+sequences-list", NONE, "sequences-list", NONE, "sequences_are_found_by_the_name_of_their_package"],
    ["SendSequence", "send-sequence", "sequence-upload", "sequence-upload-garbage", "sequence-upload-chunked", "sequence-upload-empty", "a_package_comes_from_anywhere"],
    ["GetSequence", "get-sequence", "+sequence-get", "sequence-get-unknown", "+sequence-get", "sequence-get-unknown", "info_keeps_all_that_the_hub_says"],
    ["OverwriteSequence", "overwrite-sequence", NONE, "sequence-overwrite", "sequence-overwrite", "sequence-overwrite-in-use", "a_sequence_without_instances_is_overwritten"],
    ["DeleteSequence", "delete-sequence-force", "+sequence-delete", "sequence-delete-unknown", "sequence-delete-force", "+sequence-delete-in-use", "a_sequence_in_use_is_deleted_by_force_alone"],
    ["StartSequence", "start-sequence-every-option", "start-with-config-and-args", "start-overloaded", "+start", "start-two-engines", "a_sequence_gets_the_configuration_and_arguments_as_they_were_given"],
    ["ListSequenceInstances", "list-sequence-instances", "sequence-instances", "+sequence-instances-unknown", "sequence-instances", "+sequence-instances-unknown", "instances_are_found_from_everywhere"],
    ["ListInstances", "list-instances", "instances-list", NONE, "instances-list", NONE, "instances_are_found_from_everywhere"],
    ["GetInstance", "get-instance", "instance-info-running", "instance-unknown", "instance-info-killed", "instance-accept-not-acceptable", "instances_are_found_from_everywhere"],
    ["GetInstanceHealth", "get-instance-health", "+instance-health", "health-ended", "instance-health", NONE, "instances_are_found_from_everywhere"],
    ["StopInstance", "stop-instance-0.18-1s-keepalive", "stop-with-keepalive", "stop-object-body", "stop", "stop-invalid-timeout", "stop_waits_for_its_timeout_and_the_instance_is_gone"],
    ["KillInstance", "kill-instance", "kill-again", "kill-ended", "+kill", "kill-while-starting", "kill_ends_what_does_not_stop"],
    ["SetMonitoringRate", "set-monitoring-rate", "monitoring-rate", "monitoring-rate-bad", "monitoring-rate", "monitoring-rate-bad", "events_are_sent_and_streamed"],
    ["SendEvent", "send-event-object", "event-send-string", "event-send-object", "event-send-object", "event-send-no-name", "events_are_sent_and_streamed"],
    ["NextEvent", "next-event", "event-once-object", NONE, "event-once-object", "event-once-op-status-bogus", "the_last_event_is_there_and_the_next_is_waited_for"],
    ["LastEvent", "last-event", "event-last-string", NONE, "event-last-string", "event-last-op-status-not-found", "the_last_event_is_there_and_the_next_is_waited_for"],
    ["ReadEvents", "read-events", "event-stream", "event-stream-ended", "event-stream", NONE, "events_are_sent_and_streamed"],
    ["ReadStream", "read-stream-output", "stream-output", "stream-output-ended", "stream-stderr", NONE, "what_an_instance_prints_is_read_to_its_end"],
    ["SendInput", "send-input-ndjson", "input-end", "input-ended", "input-chunked-keep-open", NONE, "every_line_is_answered_before_the_next_is_sent"],
    ["InOut", "in-out-ndjson", NONE, NONE, "inout", NONE, "what_came_later_works_or_says_since_when_it_would"],
    ["SendStdin", "send-stdin", "stdin-end", "stdin-wrong-content-type", "stdin-end", "stdin-wrong-content-type", "standard_input_reaches_the_process"],
    ["ListTopics", "list-topics", "topics-list", NONE, "topics-list", NONE, "what_is_written_to_a_topic_is_read_from_it"],
    ["CreateTopic", "create-topic-ndjson", NONE, "topic-create", "+topic-create", "topic-create-duplicate", "what_came_later_works_or_says_since_when_it_would"],
    ["DeleteTopic", "delete-topic", NONE, "topic-delete", "topic-delete", "+topic-delete-unknown", "what_came_later_works_or_says_since_when_it_would"],
    ["SendTopic", "send-topic-ndjson", "topic-send", NONE, "topic-send", "topic-send-content-type-mismatch", "what_is_written_to_a_topic_is_read_from_it"],
    ["ReadTopic", "read-topic-ndjson", "topic-read", "topic-read-bad-accept", "topic-read", "topic-read-bad-content-type", "what_is_written_to_a_topic_is_read_from_it"],
    ["ListHubs", "list-hubs", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["GetLoad", "get-load", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["GetManagerConfig", "get-manager-config", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["ListAllSequences", "list-all-sequences", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["ListManagerTopics", "list-manager-topics", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["ListStoreItems", "list-store-items", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["PutStoreItem", "put-store-item-id", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["DeleteStoreItem", "delete-store-item", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["ClearStore", "clear-store", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["DisconnectHubs", "disconnect-hubs-every-option", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["DeleteHub", "delete-hub-force", NONE, NONE, NONE, NONE, "a_manager_answers_on_all_its_routes"],
    ["ListManagers", "list-managers", NONE, NONE, NONE, NONE, "a_multi_manager_answers_on_all_its_routes"],
    ["GetMultiManagerInfo", "get-multi-manager-info", NONE, NONE, NONE, NONE, "a_multi_manager_answers_on_all_its_routes"],
    ["StartManager", "start-manager", NONE, NONE, NONE, NONE, "a_multi_manager_answers_on_all_its_routes"],
    ["ListSpaces", "list-spaces", NONE, NONE, NONE, NONE, "a_hub_is_reached_through_middleware_and_manager"],
    ["ListAccessKeys", "list-access-keys", NONE, NONE, NONE, NONE, "a_middleware_answers_on_all_its_routes"],
    ["CreateAccessKey", "create-access-key", NONE, NONE, NONE, NONE, "a_middleware_answers_on_all_its_routes"],
    ["RevokeAccessKey", "revoke-access-key", NONE, NONE, NONE, NONE, "a_middleware_answers_on_all_its_routes"],
    ["RevokeAllAccessKeys", "revoke-all-access-keys", NONE, NONE, NONE, NONE, "a_middleware_answers_on_all_its_routes"],
];

#[test]
fn every_operation_has_golden_requests_recordings_and_a_live_test() {
    let tests: String = ["hub", "live", "platform"]
        .map(|file| {
            fs::read_to_string(here(&format!("blocking/{file}.rs"))).expect("the tests with a hub")
        })
        .concat();
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

#[test]
fn readme_table_matches_coming_from_api_client() {
    let rows = |file| {
        let text = fs::read_to_string(here(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        text.lines()
            .filter(|line| line.starts_with('|'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rows("../README.md"),
        rows("../crates/blocking/src/coming_from_api_client.md")
    );
}
