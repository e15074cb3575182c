//! Decoders fed byte by byte. Their time has to be linear: ten times the bytes in ten times the
//! time.
//!
//! `cargo bench --bench decoders`

use std::hint::black_box;

use scramjet_client_core::http::{HeaderMap, StatusCode};
use scramjet_client_core::{
    Chunks, Decode, Discard, Endpoint, EventBody, EventLines, GetVersion, Json, JsonLines, Lines,
    NdjsonGuard, Receipt, Step, TextLines,
};
use scramjet_client_tests::bench::server::lines;
use scramjet_client_tests::bench::{Bench, Cost, Goal, Unit, side};
use serde_json::Value;

const SIZE: usize = 1 << 20;

fn main() {
    let bench = Bench::start(&[]);
    // One line of the maximum length, which contains one string.
    let one_line = |size: usize| format!("\"{}\"", "x".repeat(size - 2)).into_bytes();
    let short_lines = |size: usize| lines().into_iter().take(size).collect::<Vec<_>>();
    let empty_lines = |size: usize| vec![b'\n'; size];
    let list = |size: usize| format!("[{}1]", "1,".repeat(size / 2 - 1)).into_bytes();
    // Lines of twice the maximum length. The decoder buffers the first half and skips the second.
    // The size changes their number and not their length, because skipping is cheaper than
    // buffering.
    let long_lines = |size: usize| {
        [vec![b'x'; 2 * Lines::LIMIT - 1], vec![b'\n']]
            .concat()
            .repeat(size / SIZE)
    };

    linear::<Lines>(&bench, "Lines, of short lines", short_lines, SIZE);
    linear::<Lines>(&bench, "Lines, of one line", one_line, SIZE);
    linear::<Lines>(&bench, "Lines, of empty lines", empty_lines, SIZE);
    linear::<Lines>(
        &bench,
        "Lines, of lines that are too long",
        long_lines,
        10 * SIZE,
    );
    linear::<TextLines>(&bench, "TextLines, of short lines", short_lines, SIZE);
    linear::<TextLines>(&bench, "TextLines, of one line", one_line, SIZE);
    linear::<JsonLines<Value>>(&bench, "JsonLines, of short lines", short_lines, SIZE);
    linear::<JsonLines<Value>>(&bench, "JsonLines, of one line", one_line, SIZE);
    linear::<JsonLines<Value>>(&bench, "JsonLines, of empty lines", empty_lines, SIZE);
    linear::<EventLines>(&bench, "EventLines, of short lines", short_lines, SIZE);
    linear::<EventLines>(&bench, "EventLines, of one line", one_line, SIZE);
    linear::<EventBody>(&bench, "EventBody, a list", list, SIZE);
    linear::<EventBody>(&bench, "EventBody, a string", one_line, SIZE);
    linear::<Json<Value>>(&bench, "Json, a list", list, SIZE);
    linear::<Json<Value>>(&bench, "Json, a string", one_line, SIZE);
    linear::<Chunks>(&bench, "Chunks", short_lines, SIZE);
    linear::<Discard>(&bench, "Discard", short_lines, SIZE);
    linear::<Receipt>(&bench, "Receipt", short_lines, SIZE);

    let guard = |bytes: &[u8]| {
        let (mut guard, mut out) = (NdjsonGuard::default(), Vec::new());
        for byte in bytes {
            guard.pass(&[*byte], &mut out).unwrap();
            out.clear();
        }
        guard.end(&mut out).unwrap();
    };
    compare(
        &bench,
        "NdjsonGuard, of short lines",
        short_lines,
        SIZE,
        &guard,
    );
    compare(&bench, "NdjsonGuard, of one line", one_line, SIZE, &guard);

    // Within the limit for error bodies, because the reply does not wait for more.
    let endpoint = Endpoint::new("http://127.0.0.1:8000/api/v1").unwrap();
    let refusal = |size: usize| format!(r#"{{"error":"{}"}}"#, "x".repeat(size - 12)).into_bytes();
    compare(&bench, "Reply, a refusal", refusal, 60 << 10, &|bytes| {
        let mut reply = endpoint.reply(
            &GetVersion,
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error",
            &HeaderMap::new(),
        );
        for byte in bytes {
            assert!(matches!(reply.next_item(), Ok(Step::NeedData)));
            reply.feed(&[*byte]);
        }
        reply.end().unwrap();
        black_box(reply.next_item().unwrap_err());
    });
}

fn linear<D: Decode + Default>(
    bench: &Bench,
    name: &str,
    bytes: impl Fn(usize) -> Vec<u8>,
    size: usize,
) {
    compare(bench, name, bytes, size, &|bytes| {
        let mut decoder = D::default();
        for byte in bytes {
            decoder.feed(&[*byte]);
            pull(&mut decoder);
        }
        decoder.end();
        pull(&mut decoder);
    });
}

/// Reads all items and errors that the decoder has.
fn pull<D: Decode>(decoder: &mut D) {
    loop {
        match decoder.next_item() {
            Ok(Step::Item(item)) => drop(black_box(item)),
            Ok(Step::NeedData | Step::End) => return,
            Err(error) => {
                black_box(error);
            }
        }
    }
}

/// Measures `work` with both sizes. It is `dyn`, so that the compiler optimizes both alike.
fn compare(
    bench: &Bench,
    name: &str,
    bytes: impl Fn(usize) -> Vec<u8>,
    size: usize,
    work: &dyn Fn(&[u8]),
) {
    const MUCH: &str = "ten times as much";
    const LITTLE: &str = "a tenth of it, ten times";
    if !bench.wants(name) {
        return;
    }
    let (much, little) = (bytes(size), bytes(size / 10));
    let times = bench.repeats(Cost::of(|| work(&much)).0);
    let compared = bench.compare(
        &format!(
            "{name}: {} and {} bytes, byte by byte, {times} times",
            much.len(),
            little.len()
        ),
        Unit::Whole,
        vec![
            side(MUCH, || Cost::of(|| (0..times).for_each(|_| work(&much))).0),
            side(LITTLE, || {
                Cost::of(|| (0..10 * times).for_each(|_| work(&little))).0
            }),
        ],
    );
    // At most 1.1: allows eleven times the time for ten times the bytes.
    compared.time(MUCH, LITTLE, Goal::AtMost(1.1));
    compared.cpu(MUCH, LITTLE, Goal::None);
}
