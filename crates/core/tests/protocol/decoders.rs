//! The decoders `Discard`, `Receipt` and `Chunks`, and rules for all decoders.

use std::iter;

use scramjet_client_core::{
    Chunks, Decode, DeleteSequence, Discard, GetVersion, NextEvent, Operation, OutputStream,
    ReadStream, Receipt, Reply, SendStdin, SingleItem, Step,
};

use crate::helpers::{Head, hub, ids, limit_of, read, single, spaces};

#[test]
fn discard_fails_over_its_limit() {
    single::<Discard>(&[]).expect("nothing");
    single::<Discard>(&spaces(Discard::LIMIT)).expect("it fits");
    assert_eq!(
        limit_of(single::<Discard>(&spaces(Discard::LIMIT + 1))),
        Discard::LIMIT
    );
    let mut decoder = Discard::default();
    decoder.feed(&spaces(Discard::LIMIT));
    assert_eq!(
        decoder.next_item().expect("it may still end"),
        Step::NeedData
    );
    decoder.feed(b"1");
    assert_eq!(
        limit_of(decoder.next_item()),
        Discard::LIMIT,
        "before the end, which may never come"
    );
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
}

#[test]
fn receipt_keeps_only_the_beginning_of_a_body() {
    let mut decoder = Receipt::default();
    for _ in 0..1000 {
        decoder.feed(&spaces(1000));
    }
    assert!(format!("{decoder:?}").len() < 10_000, "a megabyte was kept");
    decoder.end();
    assert_eq!(decoder.next_item().expect("it means yes"), Step::Item(()));
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
    for yes in [
        "",
        "OK",
        "\r\n",
        "{\"opStatus\":\"OK\"}",
        "note: fine",
        "{\"error\": 1}",
    ] {
        single::<Receipt>(yes.as_bytes()).unwrap_or_else(|error| panic!("{yes:?}: {error}"));
    }
}

#[test]
fn chunks_keep_only_unpulled_bytes() {
    let mut decoder = Chunks::default();
    decoder.feed(b"a");
    decoder.feed(b"");
    decoder.feed(b"bc");
    decoder.end();
    assert_eq!(
        decoder.next_item().expect("a piece"),
        Step::Item(b"a".to_vec())
    );
    assert_eq!(
        decoder.next_item().expect("a piece"),
        Step::Item(b"bc".to_vec())
    );
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
    assert_eq!(decoder.next_item().expect("the end"), Step::End);
    let mut decoder = Chunks::default();
    for _ in 0..1000 {
        decoder.feed(&spaces(1000));
        assert!(
            matches!(decoder.next_item(), Ok(Step::Item(piece)) if piece.len() == 1000),
            "pulled after each feed, it is empty"
        );
        assert_eq!(decoder.next_item().expect("nothing"), Step::NeedData);
    }
}

/// Feeds one MiB byte by byte and pulls after each byte. Takes too long if feeding or pulling gets
/// slower as the body grows.
#[test]
fn decoders_read_a_megabyte_byte_by_byte() {
    const LENGTH: usize = 1 << 20;
    let (sequence, id, name) = ids();
    let mut json = vec![b'x'; LENGTH];
    (json[0], json[LENGTH - 1]) = (b'"', b'"');
    fn bytes<D: Decode>(reply: Reply<D>, body: &[u8]) -> Vec<D::Item> {
        read(reply, body.chunks(1)).unwrap_or_else(|error| panic!("{error}"))
    }
    let ok = Head::new(200, "OK");
    let events = bytes(
        ok.reply(
            &hub(),
            &NextEvent {
                id: &id,
                name: &name,
            },
        ),
        &json,
    );
    assert_eq!(events[0].data.as_str().map(str::len), Some(LENGTH - 2));
    assert_eq!(
        bytes(
            ok.reply(
                &hub(),
                &ReadStream {
                    id: &id,
                    stream: OutputStream::Log
                }
            ),
            &json
        )
        .len(),
        LENGTH
    );
    assert_eq!(
        bytes(ok.reply(&hub(), &SendStdin { id: &id, end: None }), &json),
        [()]
    );
    assert_eq!(
        bytes(
            ok.reply(
                &hub(),
                &DeleteSequence {
                    id: &sequence,
                    force: false
                }
            ),
            &json
        ),
        [()]
    );
}

#[test]
fn single_item_decoders_wait_for_the_end_of_the_body() {
    let (sequence, id, name) = ids();
    fn waits<O: Operation<Decoder: SingleItem>>(operation: &O, body: &[u8]) {
        let mut reply = Head::new(200, "OK").reply(&hub(), operation);
        for piece in iter::once(&[][..]).chain(body.chunks(1)) {
            reply.feed(piece);
            assert!(
                matches!(reply.next_item(), Ok(Step::NeedData)),
                "{}",
                O::NAME
            );
        }
        reply.end().expect("a complete body");
        assert!(
            matches!(reply.next_item(), Ok(Step::Item(_))),
            "{}",
            O::NAME
        );
        assert!(matches!(reply.next_item(), Ok(Step::End)), "{}", O::NAME);
    }
    waits(&GetVersion, br#"{"version":"1"}"#);
    waits(
        &DeleteSequence {
            id: &sequence,
            force: true,
        },
        b"{}",
    );
    waits(&SendStdin { id: &id, end: None }, b"");
    waits(
        &NextEvent {
            id: &id,
            name: &name,
        },
        b"1",
    );
}
