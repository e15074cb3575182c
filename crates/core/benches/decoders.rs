//! Decoders that are fed byte by byte: ten times as much takes ten times as long, whatever the bytes are.
//!
//! `cargo bench --bench decoders`

use std::hint::black_box;

use scramjet_client_core::{Chunks, Decode, Discard, Json, JsonLines, Lines, NdjsonGuard, Receipt, Step, TextLines};
use scramjet_client_tests::bench::server::lines;
use scramjet_client_tests::bench::{Bench, Cost, Goal, Unit, side};
use serde_json::Value;

fn main() {
    let bench = Bench::start(&[]);
    let size = 1 << 20;
    // The longest line that there may be, and the longest string in it.
    let one_line = |size: usize| format!("\"{}\"", "x".repeat(size - 2)).into_bytes();
    let short_lines = |size: usize| lines().into_iter().take(size).collect::<Vec<_>>();
    let empty_lines = |size: usize| vec![b'\n'; size];
    let list = |size: usize| format!("[{}1]", "1,".repeat(size / 2 - 1)).into_bytes();

    linear::<Lines>(&bench, "Lines, of short lines", short_lines, size);
    linear::<Lines>(&bench, "Lines, of one line", one_line, size);
    linear::<Lines>(&bench, "Lines, of empty lines", empty_lines, size);
    linear::<TextLines>(&bench, "TextLines, of short lines", short_lines, size);
    linear::<TextLines>(&bench, "TextLines, of one line", one_line, size);
    linear::<JsonLines<Value>>(&bench, "JsonLines, of short lines", short_lines, size);
    linear::<JsonLines<Value>>(&bench, "JsonLines, of one line", one_line, size);
    linear::<JsonLines<Value>>(&bench, "JsonLines, of empty lines", empty_lines, size);
    linear::<Json<Value>>(&bench, "Json, a list", list, size);
    linear::<Json<Value>>(&bench, "Json, a string", one_line, size);
    linear::<Chunks>(&bench, "Chunks", short_lines, size);
    linear::<Discard>(&bench, "Discard", short_lines, size);
    linear::<Receipt>(&bench, "Receipt", short_lines, size);

    if bench.wants("NdjsonGuard") {
        let guard = |bytes: &[u8]| {
            let (mut guard, mut out) = (NdjsonGuard::default(), Vec::new());
            for byte in bytes {
                guard.pass(&[*byte], &mut out).unwrap();
                out.clear();
            }
            guard.end(&mut out).unwrap();
        };
        compare(&bench, "NdjsonGuard, of short lines", &short_lines(size), &short_lines(size / 10), guard);
        compare(&bench, "NdjsonGuard, of one line", &one_line(size), &one_line(size / 10), guard);
    }
}

fn linear<D: Decode + Default>(bench: &Bench, title: &str, bytes: impl Fn(usize) -> Vec<u8>, size: usize) {
    if bench.wants(title) {
        compare(bench, title, &bytes(size), &bytes(size / 10), |bytes| {
            let mut decoder = D::default();
            for byte in bytes {
                decoder.feed(&[*byte]);
                pull(&mut decoder);
            }
            decoder.end();
            pull(&mut decoder);
        });
    }
}

/// What there is.
fn pull<D: Decode>(decoder: &mut D) {
    while let Ok(Step::Item(item)) = decoder.next_item() {
        black_box(item);
    }
}

fn compare(bench: &Bench, title: &str, much: &[u8], little: &[u8], work: impl Fn(&[u8])) {
    const MUCH: &str = "ten times as much";
    const LITTLE: &str = "a tenth of it, ten times";
    let compared = bench.compare(
        &format!("{title}, {} and {} bytes, byte by byte", much.len(), little.len()),
        Unit::Whole,
        vec![side(MUCH, || Cost::of_best(|| work(much))), side(LITTLE, || Cost::of_best(|| (0..10).for_each(|_| work(little))))],
    );
    // Ten times the bytes in eleven times the time.
    compared.time(MUCH, LITTLE, Goal::AtMost(1.1));
}
