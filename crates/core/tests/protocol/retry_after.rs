//! `ApiError::is_transient`, `retry_after` and `retry_at`.

use crate::helpers::{Head, refusal};

#[test]
fn api_error_is_transient_if_the_hub_is_busy_or_unreachable() {
    let passes = |status: &u16| refusal(&Head::new(*status, "x"), b"").is_transient();
    let expected: Vec<u16> = [408, 425, 429]
        .into_iter()
        .chain(502..=504)
        .chain(520..=530)
        .collect();
    assert_eq!((400..600).filter(passes).collect::<Vec<_>>(), expected);
}

#[test]
fn api_error_reads_retry_after() {
    for (value, seconds) in [
        ("120", Some(120)),
        (" 7 ", Some(7)),
        ("0", Some(0)),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("Fri, 31 Dec 2027 23:59:59", None),
        ("99999999999999999999999", None),
    ] {
        for status in [419, 429, 503] {
            let error = refusal(&Head::new(status, "x").header("retry-after", value), b"");
            assert_eq!(error.retry_after, seconds, "{status} {value:?}");
            assert_eq!(error.retry_at, None, "{status} {value:?}");
        }
    }
}

#[test]
fn retry_after_with_a_date_counts_from_the_date_of_the_response() {
    let now = "Fri, 31 Dec 2027 23:58:29 GMT";
    for (value, seconds) in [
        ("Fri, 31 Dec 2027 23:59:59 GMT", 90),
        ("Friday, 31-Dec-27 23:59:59 GMT", 90),
        ("Fri Dec 31 23:59:59 2027", 90),
        ("Sat, 01 Jan 2028 00:00:00 GMT", 91),
        ("Fri, 31 Dec 2027 23:58:29 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
    ] {
        let head = Head::new(503, "x").header("retry-after", value);
        let error = refusal(&head.clone().header("date", now), b"");
        assert_eq!(error.retry_after, Some(seconds), "{value:?}");
        let without = refusal(&head, b"");
        assert_eq!(without.retry_after, None, "there is no clock");
        assert!(without.retry_at.is_some() && without.retry_at == error.retry_at);
    }
}
