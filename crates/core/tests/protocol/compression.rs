//! Compressed bodies, which the client never requests.

use scramjet_client_core::{
    DeleteSequence, Lines, ListSequences, OutputStream, ReadStream, ReplyError, SendStdin, Step,
};

use crate::helpers::{Head, every_split, hub, refusal};

const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x8b\x8e\x05\0)\xbbL\x0d\x02\0\0\0";

fn encoding_of(error: &ReplyError) -> &str {
    match error {
        ReplyError::Encoded { encoding, .. } => encoding,
        other => panic!("{other:?}"),
    }
}

#[test]
fn compressed_body_is_an_error_that_names_content_encoding() {
    let (id, sequence) = ("i".try_into().unwrap(), "s".try_into().unwrap());
    for encoding in ["gzip", "br", "x-gzip", "identity, gzip", "GZIP"] {
        let head = Head::new(200, "OK").header("content-encoding", encoding);
        let errors = [
            every_split(&head, &hub(), &ListSequences, GZIP, |_| ()).unwrap_err(),
            every_split(&head, &hub(), &ListSequences, b"[]", |_| ()).unwrap_err(),
            every_split(
                &head,
                &hub(),
                &SendStdin { id: &id, end: None },
                b"",
                |_| (),
            )
            .unwrap_err(),
            every_split(
                &head,
                &hub(),
                &DeleteSequence {
                    id: &sequence,
                    force: false,
                },
                GZIP,
                |_| (),
            )
            .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(encoding_of(&error), encoding);
            let text = error.to_string();
            let says = format!("(Content-Encoding: {encoding}), which the client did not request");
            assert!(
                text.contains(&says) && text.contains("turn off compression"),
                "{text}"
            );
            assert!(!error.is_transient());
        }
    }
}

#[test]
fn compressed_transfer_is_an_error_that_names_transfer_encoding() {
    for (encoding, is_plain) in [
        ("gzip, chunked", false),
        ("deflate", false),
        ("chunked", true),
        ("Identity, Chunked", true),
    ] {
        let head = Head::new(200, "OK").header("transfer-encoding", encoding);
        let body = if is_plain { b"[]" } else { GZIP };
        match every_split(&head, &hub(), &ListSequences, body, |_| ()) {
            Ok(()) => assert!(is_plain, "{encoding}"),
            Err(error) => {
                assert_eq!(encoding_of(&error), encoding);
                let says =
                    format!("the response is encoded (Transfer-Encoding: {encoding}), which");
                assert!(!is_plain && error.to_string().starts_with(&says), "{error}");
            }
        }
    }
    let head = Head::new(404, "Not Found").header("transfer-encoding", "gzip, chunked");
    assert_eq!(refusal(&head, GZIP).to_string(), "404 NOT_FOUND: Not Found");
}

#[test]
fn compressed_read_stream_fails_before_its_first_byte() {
    let id = "i".try_into().unwrap();
    let stream = ReadStream {
        id: &id,
        stream: OutputStream::Output,
    };
    let head = Head::new(200, "OK").header("content-encoding", "gzip");
    let mut reply = head.reply(&hub(), &stream);
    assert!(!reply.is_success());
    assert_eq!(encoding_of(&reply.next_item().unwrap_err()), "gzip");
    assert_eq!(reply.next_item().unwrap(), Step::End, "once");
    // A replaced decoder does not read it either.
    let mut reply = head.reply(&hub(), &stream).with_decoder(Lines::default());
    assert_eq!(encoding_of(&reply.next_item().unwrap_err()), "gzip");
    let mut lost = head.reply(&hub(), &stream);
    assert_eq!(encoding_of(&lost.cut_off()), "gzip");
}

#[test]
fn identity_encoding_and_empty_bodies_are_accepted() {
    for encoding in ["", "identity", " Identity , identity", ","] {
        let head = Head::new(200, "OK").header("content-encoding", encoding);
        let list = every_split(&head, &hub(), &ListSequences, b"[]", |items| items[0].len());
        assert_eq!(list.unwrap(), 0, "{encoding:?}");
    }
    let id = "i".try_into().unwrap();
    let stdin = SendStdin { id: &id, end: None };
    let empty = Head::new(200, "OK")
        .header("content-encoding", "gzip")
        .header("content-length", "0");
    every_split(&empty, &hub(), &stdin, b"", |_| ()).unwrap();
}

#[test]
fn compressed_error_response_is_an_api_error() {
    let head = Head::new(404, "Not Found").header("content-encoding", "gzip");
    let error = refusal(&head, GZIP);
    assert_eq!(error.to_string(), "404 NOT_FOUND: Not Found");
    assert_eq!(error.body, GZIP);
}
