//! The head of an answer, as the transport looks for it beside the HTTP client's own reading, in any bytes.
//!
//! - nothing panics;
//! - what was found in the beginning of the bytes is found in all of them, however they are cut: the same status, the same reason;
//! - a status has three digits at most, and a head that is found ends within the bytes.

#[path = "../../crates/blocking/src/transport/ureq/status_line.rs"]
#[allow(dead_code, unreachable_pub)]
mod status_line;

use status_line::{find, first};

pub(crate) fn check(input: &[u8]) {
    let mut found = None;
    let mut interim = None;
    // Byte by byte, as a slow server sends it; of a long one, the beginning and some places.
    let step = input.len() / 512 + 1;
    for end in (0..=input.len()).filter(|end| end % step == 0 || *end == input.len()) {
        let head = find(&input[..end]).map(|head| (head.status, head.reason, head.whole));
        match (&found, &head) {
            (Some((_, _, true)), _) => assert_eq!(found, head, "a head that was whole at another place"),
            (Some((status, reason, false)), Some(head)) => assert!((status, reason) == (&head.0, &head.1), "another head at {end}"),
            (Some(_), None) => panic!("the head is gone at {end}"),
            (None, _) => {}
        }
        if let Some((status, ..)) = &head {
            assert!((200..=999).contains(status), "{status} is no status");
        }
        found = head;
        let head = first(&input[..end]);
        if interim.is_some() {
            assert_eq!(head, interim);
        }
        if let Some((status, length)) = head {
            assert!(status <= 999 && length <= end);
            assert!(input[..length].ends_with(b"\r\n\r\n"));
        }
        interim = head;
    }
}
