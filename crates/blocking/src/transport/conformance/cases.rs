//! The cases: a sentence of the contract, or a part of one, each.

mod connections;
mod limits;
mod replies;
mod requests;
mod uploads;

use super::{Ability, Case, Checked};
use crate::transport::conformance::stage::Stage;

const fn case(name: &'static str, run: fn(&Stage) -> Checked) -> Case {
    Case {
        name,
        needs: &[],
        run,
    }
}

const fn needs(needs: &'static [Ability], name: &'static str, run: fn(&Stage) -> Checked) -> Case {
    Case { name, needs, run }
}

pub(super) const ALL: &[Case] = &[
    case(
        "every status is Ok, with its body",
        replies::every_status_is_ok,
    ),
    case(
        "redirects are not followed",
        replies::redirects_are_not_followed,
    ),
    case("a reply is not decoded", replies::replies_are_not_decoded),
    case(
        "interim answers are passed over",
        replies::interim_answers_are_passed_over,
    ),
    needs(
        &[Ability::Reason],
        "the reason phrase is told",
        replies::reason_phrases_are_told,
    ),
    needs(
        &[Ability::Reason],
        "the reason phrase is told, however its bytes are cut",
        replies::cut_reason_phrases_are_told,
    ),
    case("a reply is read as it comes", replies::replies_are_streamed),
    case(
        "a reply is read as it comes, in every framing",
        replies::framed_replies_are_streamed,
    ),
    case(
        "a long reply is read whole",
        replies::long_replies_are_read_whole,
    ),
    case(
        "a reply that is cut off is an error",
        replies::cut_replies_are_errors,
    ),
    case(
        "a reply that is cut off between its bytes is an error",
        replies::cut_framing_is_an_error,
    ),
    case("no answer is an error", replies::no_answer_is_an_error),
    case(
        "a head that is none, or is cut off, is an error",
        replies::broken_heads_are_errors,
    ),
    case(
        "requests go out as they are",
        requests::requests_go_out_as_they_are,
    ),
    case(
        "no body is not announced",
        requests::no_body_is_not_announced,
    ),
    case(
        "bodies are announced and sent",
        requests::bodies_are_announced_and_sent,
    ),
    case(
        "a reader is read up to its announced length",
        requests::a_reader_is_read_up_to_its_length,
    ),
    case(
        "an upload is sent as it is read",
        uploads::uploads_are_streamed,
    ),
    case(
        "an upload of known length is sent as it is read",
        uploads::sized_uploads_are_streamed,
    ),
    case(
        "a long upload arrives whole",
        uploads::long_uploads_arrive_whole,
    ),
    case(
        "an upload that cannot be read is an error, and not its end",
        uploads::unreadable_uploads_are_errors,
    ),
    case(
        "an upload goes on after an early success",
        uploads::uploads_go_on_after_an_early_success,
    ),
    case(
        "an early refusal is what is returned",
        uploads::early_refusals_are_returned,
    ),
    needs(
        &[Ability::ResetRefusal],
        "an early refusal wins over a reset connection",
        uploads::refusals_win_over_resets,
    ),
    case(
        "an early refusal wins over an upload that stands still",
        uploads::refusals_win_over_standstill,
    ),
    case(
        "requests do not wait for each other",
        connections::requests_do_not_wait_for_each_other,
    ),
    case(
        "dropping a body closes its connection",
        connections::dropping_a_body_closes_the_connection,
    ),
    case(
        "a closed connection is not used",
        connections::closed_connections_are_not_used,
    ),
    needs(
        &[Ability::Reuse],
        "connections are used again",
        connections::connections_are_used_again,
    ),
    needs(
        &[Ability::Reuse],
        "a request that was sent in vain has a new connection",
        connections::fresh_connections_are_made,
    ),
    case(
        "a request is sent once",
        connections::requests_are_sent_once,
    ),
    needs(
        &[Ability::Phase],
        "errors say how far the request got",
        connections::errors_say_how_far_the_request_got,
    ),
    needs(
        &[Ability::Deadline],
        "a deadline that has passed sends nothing",
        limits::passed_deadlines_send_nothing,
    ),
    needs(
        &[Ability::Deadline],
        "a deadline ends a wait for the answer",
        limits::deadlines_end_a_wait,
    ),
    needs(
        &[Ability::Deadline],
        "a deadline ends a body",
        limits::deadlines_end_a_body,
    ),
    needs(
        &[Ability::Deadline],
        "a deadline ends a body that keeps coming",
        limits::deadlines_end_a_body_that_comes,
    ),
    needs(
        &[Ability::Deadline],
        "a deadline ends an upload",
        limits::deadlines_end_an_upload,
    ),
    needs(
        &[Ability::Deadline, Ability::Reuse],
        "after a deadline another connection is used",
        limits::spent_connections_are_not_used,
    ),
    needs(
        &[Ability::Idle],
        "an idle timeout ends a wait for the answer",
        limits::silence_ends_a_wait,
    ),
    needs(
        &[Ability::Idle],
        "an idle timeout ends an upload",
        limits::silence_ends_an_upload,
    ),
    needs(
        &[Ability::Idle],
        "after an idle timeout a body is read on",
        limits::bodies_are_read_on_after_silence,
    ),
    needs(
        &[Ability::Idle],
        "after an idle timeout nothing is lost",
        limits::nothing_is_lost_after_silence,
    ),
    needs(
        &[Ability::Cancel],
        "what was cancelled before sends nothing",
        limits::cancelled_before_sends_nothing,
    ),
    needs(
        &[Ability::Cancel],
        "cancelling ends a wait for the answer",
        limits::cancelling_ends_a_wait,
    ),
    needs(
        &[Ability::Cancel],
        "cancelling ends a body",
        limits::cancelling_ends_a_body,
    ),
    needs(
        &[Ability::Cancel],
        "cancelling ends an upload",
        limits::cancelling_ends_an_upload,
    ),
    needs(
        &[Ability::Cancel],
        "what was cancelled spoils nothing else",
        limits::others_go_on,
    ),
];
