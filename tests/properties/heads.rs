//! The transport's parser for response heads, which runs in addition to ureq's, fed any bytes.
//!
//! - Nothing panics.
//! - A head found in a prefix is also found in all bytes, with the same status and reason phrase.
//! - A status has at most three digits, and a complete head ends within the bytes.

#[path = "../../crates/blocking/src/transport/ureq/response_head.rs"]
#[allow(dead_code, unreachable_pub)]
mod response_head;

use response_head::{ResponseHead, final_head, first_head};

pub(crate) fn check(input: &[u8]) {
    let mut found: Option<ResponseHead> = None;
    let mut interim: Option<ResponseHead> = None;
    // Every prefix, as from a slow server. For long inputs only some prefixes.
    let step = input.len() / 512 + 1;
    for end in (0..=input.len()).filter(|end| end % step == 0 || *end == input.len()) {
        let head = final_head(&input[..end]);
        compare("answer", found.as_ref(), head.as_ref(), &input[..end]);
        assert!(
            head.as_ref().is_none_or(|head| head.status >= 200),
            "{head:?} is no answer"
        );
        found = head;
        let head = first_head(&input[..end]);
        compare("first head", interim.as_ref(), head.as_ref(), &input[..end]);
        if let Some(length) = head.as_ref().and_then(|head| head.length) {
            assert!(input[..length].ends_with(b"\n\r\n") || input[..length].ends_with(b"\n\n"));
        }
        interim = head;
    }
}

/// Compares the results for a prefix and for a longer one.
fn compare(what: &str, before: Option<&ResponseHead>, now: Option<&ResponseHead>, input: &[u8]) {
    match (before, now) {
        (Some(before), _) if before.length.is_some() => {
            assert_eq!(Some(before), now, "the {what} ends at another position")
        }
        (Some(before), Some(now)) => assert_eq!(
            (before.status, &before.reason),
            (now.status, &now.reason),
            "another {what}"
        ),
        (Some(_), None) => panic!("the {what} is gone"),
        (None, _) => {}
    }
    if let Some(head) = now {
        assert!(
            head.status <= 999 && head.length.is_none_or(|length| length <= input.len()),
            "{head:?}"
        );
    }
}
