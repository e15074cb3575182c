//! The default transport's parser of response heads, with arbitrary bytes.
//!
//! - nothing panics;
//! - what was found in the beginning of the bytes is found in all of them, however they are cut: the same status, the same reason;
//! - a status has three digits at most, and a head that is found ends within the bytes.

#[path = "../../crates/blocking/src/transport/ureq/response_head.rs"]
#[allow(dead_code, unreachable_pub)]
mod response_head;

use response_head::{ResponseHead, final_head, first_head};

pub(crate) fn check(input: &[u8]) {
    let mut found: Option<ResponseHead> = None;
    let mut interim: Option<ResponseHead> = None;
    // Byte by byte, as a slow server sends it; of a long one, the beginning and some places.
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

/// What was read before, and what is read now that there is more.
fn compare(what: &str, before: Option<&ResponseHead>, now: Option<&ResponseHead>, input: &[u8]) {
    match (before, now) {
        (Some(before), _) if before.length.is_some() => {
            assert_eq!(Some(before), now, "the {what} was whole at another place")
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
