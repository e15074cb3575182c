//! The cases of the suite. Each checks a rule of the contract.

mod connections;
mod limits;
mod requests;
mod responses;
mod uploads;

use super::{Capability, Case};

/// Lists cases: the capabilities that each one needs, its name, and its function.
macro_rules! cases {
    ($([$($need:ident),*] $name:literal => $run:path;)*) => {
        &[$(Case { name: $name, needs: &[$(Capability::$need),*], run: $run }),*]
    };
}

pub(super) const ALL: &[Case] = cases! {
    [] "every status is Ok, with its body" => responses::every_status_is_ok;
    [] "redirects are not followed" => responses::redirects_are_not_followed;
    [] "a response body is not decoded" => responses::response_bodies_are_not_decoded;
    [] "interim responses are skipped" => responses::interim_responses_are_skipped;
    [Reason] "the reason phrase is reported" => responses::reason_phrases_are_reported;
    [Reason] "the reason phrase is reported, however its bytes are split" =>
        responses::split_reason_phrases_are_reported;
    [] "a response body is read as it arrives" => responses::responses_are_streamed;
    [] "a response body is read as it arrives, in every framing" =>
        responses::framed_responses_are_streamed;
    [] "a long response body is read completely" => responses::long_responses_are_read_completely;
    [] "a truncated response body is an error" => responses::truncated_responses_are_errors;
    [] "a response body truncated within its framing is an error" =>
        responses::truncated_framing_is_an_error;
    [] "a connection closed without a response is an error" => responses::no_response_is_an_error;
    [] "a malformed or truncated head is an error" => responses::malformed_heads_are_errors;
    [] "requests are sent unchanged" => requests::requests_are_sent_unchanged;
    [] "a request without a body does not announce one" => requests::empty_bodies_are_not_announced;
    [] "request bodies are announced and sent" => requests::bodies_are_announced_and_sent;
    [] "a reader is read up to its announced length" => requests::a_reader_is_read_up_to_its_length;
    [] "an upload is sent as it is read" => uploads::uploads_are_streamed;
    [] "an upload of known length is sent as it is read" => uploads::sized_uploads_are_streamed;
    [] "a long upload arrives completely" => uploads::long_uploads_arrive_completely;
    [] "a reader that fails is an error, not the end of the upload" =>
        uploads::failing_readers_are_errors;
    [] "an upload continues after an early success" =>
        uploads::uploads_continue_after_an_early_success;
    [] "an early refusal is returned" => uploads::early_refusals_are_returned;
    [ResetRefusal] "a refusal is returned, even if the connection is reset" =>
        uploads::refusals_are_returned_despite_a_reset;
    [] "a refusal is returned, even if the server stops reading" =>
        uploads::refusals_are_returned_if_the_server_stops_reading;
    [] "requests do not wait for each other" => connections::requests_do_not_wait_for_each_other;
    [] "dropping a body closes its connection" =>
        connections::dropping_a_body_closes_the_connection;
    [] "a connection that the server closed is not used" =>
        connections::closed_connections_are_not_used;
    [Reuse] "connections are reused" => connections::connections_are_reused;
    [Reuse] "a retried request gets a new connection" =>
        connections::retried_requests_get_new_connections;
    [] "a request is sent once" => connections::requests_are_sent_once;
    [Phase] "errors say how far the request got" => connections::errors_say_how_far_the_request_got;
    [Deadline] "nothing is sent after the deadline" => limits::nothing_is_sent_after_the_deadline;
    [Deadline] "a deadline ends a wait for the response" => limits::deadlines_end_a_wait;
    [Deadline] "a deadline ends a response body" => limits::deadlines_end_a_body;
    [Deadline] "a deadline ends a response body that keeps arriving" =>
        limits::deadlines_end_a_body_that_keeps_arriving;
    [Deadline] "a deadline ends an upload" => limits::deadlines_end_an_upload;
    [Deadline, Reuse] "after a deadline, the connection is not reused" =>
        limits::connections_are_not_reused_after_a_deadline;
    [Idle] "an idle timeout ends a wait for the response" => limits::idle_timeouts_end_a_wait;
    [Idle] "an idle timeout ends an upload" => limits::idle_timeouts_end_an_upload;
    [Idle] "after an idle timeout, the body can be read further" =>
        limits::bodies_can_be_read_after_an_idle_timeout;
    [Idle] "after an idle timeout, no bytes are lost" =>
        limits::no_bytes_are_lost_after_an_idle_timeout;
    [Cancel] "nothing is sent after a cancellation" => limits::nothing_is_sent_after_a_cancellation;
    [Cancel] "cancellation ends a wait for the response" => limits::cancellation_ends_a_wait;
    [Cancel] "cancellation ends a response body" => limits::cancellation_ends_a_body;
    [Cancel] "cancellation ends an upload" => limits::cancellation_ends_an_upload;
    [Cancel] "a cancellation does not affect other requests" =>
        limits::cancellation_does_not_affect_other_requests;
};
