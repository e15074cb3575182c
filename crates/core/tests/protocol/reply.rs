//! `Reply`: the length of a body, lost connections, statuses, and other decoders.

use scramjet_client_core::http::StatusCode;
use scramjet_client_core::{
    BodyLength, DeleteSequence, GetVersion, InstanceId, Lines, OutputStream, ReadStream,
    ReplyError, Step,
};

use crate::helpers::{Head, every_split, hub, read};

#[test]
fn reply_shorter_than_its_content_length_is_truncated() {
    let id = InstanceId::new("i").expect("an id");
    let whole = br#"{"version":"1.0.1"}"#;
    let head = Head::new(200, "OK").header("content-length", &whole.len().to_string());
    for cut in 0..whole.len() {
        let mut reply = head.reply(&hub(), &GetVersion);
        reply.feed(&whole[..cut]);
        assert!(
            matches!(reply.next_item(), Ok(Step::NeedData)),
            "cut at {cut}"
        );
        let error = reply.end().expect_err("it is not complete");
        let (sent, announced) = (
            u64::try_from(cut).expect("small"),
            u64::try_from(whole.len()).expect("small"),
        );
        assert!(
            matches!(error, ReplyError::Truncated { got, expected, .. } if (got, expected) == (sent,
                Some(announced))),
            "{error:?}"
        );
        assert!(
            matches!(reply.next_item(), Ok(Step::End)),
            "a truncated body gives no item"
        );
    }
    read(head.reply(&hub(), &GetVersion), [&whole[..]]).expect("a whole body");

    // Also for a stream, whose bytes have already been returned.
    let head = Head::new(200, "OK").header("content-length", "5");
    let mut reply = head.reply(
        &hub(),
        &ReadStream {
            id: &id,
            stream: OutputStream::Output,
        },
    );
    reply.feed(b"abc");
    assert!(matches!(reply.next_item(), Ok(Step::Item(piece)) if piece == b"abc"));
    assert_eq!(
        reply.end().expect_err("two bytes are missing").to_string(),
        "connection lost while reading the response (got 3 of 5 bytes)"
    );
}

#[test]
fn content_length_is_ignored_if_invalid_or_chunked() {
    for head in [
        Head::new(200, "OK"),
        Head::new(200, "OK").header("content-length", "many"),
        Head::new(200, "OK").header("content-length", "-1"),
        Head::new(200, "OK")
            .header("content-length", "99")
            .header("transfer-encoding", "chunked"),
    ] {
        let mut reply = head.reply(&hub(), &GetVersion);
        reply.feed(br#"{"version":"1.0.1"}"#);
        reply
            .end()
            .unwrap_or_else(|error| panic!("{head:?}: {error}"));
        assert!(matches!(reply.next_item(), Ok(Step::Item(_))), "{head:?}");
    }
}

#[test]
fn cut_off_returns_truncated_or_the_api_error() {
    let mut reply = Head::new(200, "OK").reply(&hub(), &GetVersion);
    reply.feed(br#"{"version":"1.0.1"}"#);
    let error = reply.cut_off();
    assert!(
        matches!(
            error,
            ReplyError::Truncated {
                got: 19,
                expected: None,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        matches!(reply.next_item(), Ok(Step::End)),
        "a lost connection gives no item, even if the body looks complete"
    );
    reply.feed(b"x");
    reply.end().expect("an end after the end");
    assert!(matches!(reply.next_item(), Ok(Step::End)));

    // A truncated error response is still an API error.
    let head = Head::new(404, "Not Found").header("content-length", "100");
    let mut reply = head.reply(&hub(), &GetVersion);
    reply.feed(b"no such");
    let error = reply.cut_off();
    assert_eq!(
        error
            .api()
            .map(|error| (error.status, error.message.as_str())),
        Some((StatusCode::NOT_FOUND, "no such"))
    );
    assert!(matches!(reply.next_item(), Ok(Step::End)));
    let error = read(head.reply(&hub(), &GetVersion), [&b"no such"[..]]).expect_err("a refusal");
    assert_eq!(
        error.api().map(|error| error.status),
        Some(StatusCode::NOT_FOUND)
    );
}

#[test]
fn reply_is_success_for_2xx_only() {
    for (status, success) in [
        (200, true),
        (202, true),
        (204, true),
        (299, true),
        (300, false),
        (302, false),
        (404, false),
        (500, false),
    ] {
        assert_eq!(
            Head::new(status, "")
                .reply(&hub(), &GetVersion)
                .is_success(),
            success,
            "{status}"
        );
    }
}

#[test]
fn with_decoder_reads_the_rest_and_counts_the_whole_body() {
    let head = Head::new(200, "OK").header("content-length", "10");
    let mut reply = head.reply(&hub(), &GetVersion);
    reply.feed(b"lost\n");
    let mut reply = reply.with_decoder(Lines::default());
    assert_eq!(reply.length().received(), 5);
    reply.feed(b"kept");
    let error = reply.end().expect_err("a byte is missing");
    assert!(
        matches!(
            error,
            ReplyError::Truncated {
                got: 9,
                expected: Some(10),
                ..
            }
        ),
        "{error:?}"
    );
    assert!(matches!(reply.next_item(), Ok(Step::End)));

    let mut reply = head
        .reply(&hub(), &GetVersion)
        .with_decoder(Lines::default());
    reply.feed(b"kept\nlines");
    reply.end().expect("all of it");
    for line in ["kept", "lines"] {
        assert!(matches!(reply.next_item(), Ok(Step::Item(item)) if item == line.as_bytes()));
    }
    assert!(matches!(reply.next_item(), Ok(Step::End)));

    let reply = Head::new(404, "").reply(&hub(), &GetVersion);
    let error = read(reply.with_decoder(Lines::default()), [&b"no such"[..]]);
    let error = error.expect_err("a refusal stays one");
    assert_eq!(error.api().expect("a refusal").message, "no such");
    let mut lost = Head::new(200, "OK").reply(&hub(), &GetVersion);
    lost.cut_off();
    let mut lost = lost.with_decoder(Lines::default());
    assert!(matches!(lost.next_item(), Ok(Step::End)), "over stays over");
}

#[test]
fn body_length_end_fails_if_announced_bytes_are_missing() {
    let headers = Head::new(200, "").header("content-length", "5").headers;
    let mut length = BodyLength::new(StatusCode::OK, &headers);
    assert_eq!((length.received(), length.announced()), (0, Some(5)));
    length.add(3);
    for error in [
        length.end().expect_err("2 bytes are missing"),
        length.cut_off(),
    ] {
        assert!(
            matches!(
                error,
                ReplyError::Truncated {
                    got: 3,
                    expected: Some(5),
                    ..
                }
            ),
            "{error:?}"
        );
    }
    length.add(2);
    length.end().expect("complete");
    length.add(usize::MAX);
    assert_eq!(length.received(), u64::MAX, "it does not wrap around");
}

#[test]
fn content_length_reserves_no_memory() {
    let head = Head::new(200, "OK").header("content-length", &u64::MAX.to_string());
    let mut reply = head.reply(&hub(), &GetVersion);
    reply.feed(b"{");
    let error = reply.end().expect_err("it was announced longer");
    assert!(
        matches!(
            error,
            ReplyError::Truncated {
                got: 1,
                expected: Some(u64::MAX),
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn content_length_is_ignored_for_statuses_without_a_body() {
    let sequence = "s".try_into().unwrap();
    let delete = DeleteSequence {
        id: &sequence,
        force: false,
    };
    let head = Head::new(204, "No Content")
        .header("content-length", "5")
        .header("content-encoding", "gzip");
    every_split(&head, &hub(), &delete, b"", |_| ()).unwrap();
    for status in [100, 204, 304] {
        let head = Head::new(status, "x").header("content-length", "5");
        let reply = head.reply(&hub(), &GetVersion);
        assert_eq!(reply.length().announced(), Some(0), "{status}");
    }
    // 205 may have a body, so the announced bytes are missing.
    let head = Head::new(205, "x").header("content-length", "5");
    let error = read(head.reply(&hub(), &delete), []).unwrap_err();
    assert!(matches!(error, ReplyError::Truncated { .. }), "{error:?}");
}
