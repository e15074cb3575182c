//! Decoders, fed any bytes.
//!
//! These properties hold for every decoder and all bytes:
//!
//! - Nothing panics. There is at most one item or error for each byte, and one for the end.
//! - Items and errors do not depend on how the bytes are split, with or without empty pieces.
//! - A truncated body returns the first items of the whole body, and no end.
//! - A decoder at its end stays there.
//! - Memory in use is bounded by the decoder's limit and the fed piece, not by the body. JSON takes
//!   additional memory for one value at a time. The sum of all allocations grows linearly with the
//!   body.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hasher};

use scramjet_client_core::{
    AuditRecord, Chunks, Decode, Dialect, Discard, EventName, HubConfig, InstanceId, InstanceInfo,
    Json, JsonLines, LastEvent, Lines, LogLine, NdjsonGuard, Operation, ReadEvents, Receipt,
    ReplyError, SequenceInfo, Started, Step, StopReply, TextLines, Version,
};
use serde_json::Value;

/// A way to split a body into pieces.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    /// Pieces of this length.
    Every(usize),
    /// Pieces of this length, and an empty piece after each.
    EveryWithEmpty(usize),
    /// Pieces of varying lengths, derived from this seed.
    Ragged(u32),
}

impl Cut {
    fn pieces(self, body: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut rest = body;
        let mut state = match self {
            Self::Ragged(seed) => seed | 1,
            _ => 0,
        };
        let mut empty = false;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            if empty && matches!(self, Self::EveryWithEmpty(_)) {
                empty = false;
                return Some(&[][..]);
            }
            empty = true;
            let length = match self {
                Self::Whole => rest.len(),
                Self::Every(length) | Self::EveryWithEmpty(length) => length,
                Self::Ragged(_) => {
                    // Xorshift: mostly short pieces, sometimes one of some kB.
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    (state as usize % 17).min(rest.len()) << (state >> 28)
                }
            };
            let (piece, after) = rest.split_at(length.clamp(1, rest.len()));
            rest = after;
            Some(piece)
        })
    }
}

/// Items and errors as text, and `true` if the end was reached.
type Outcome = (Vec<Result<String, String>>, bool);

/// Feeds the pieces, pulls after each, and ends the body if `whole`. Calls `view` with each item.
fn drive<'a, D: Decode>(
    decoder: &mut D,
    pieces: impl Iterator<Item = &'a [u8]>,
    whole: bool,
    mut view: impl FnMut(Result<D::Item, ReplyError>),
) -> bool {
    let mut fed = 0;
    let mut results = 0;
    let mut failed = false;
    let mut pull = |decoder: &mut D, fed: usize, ended: bool| loop {
        match decoder.next_item() {
            Ok(Step::NeedData) => {
                assert!(!ended, "a complete body needs no more data");
                return false;
            }
            Ok(Step::End) => {
                assert!(ended || failed, "an end before the end of the body");
                return true;
            }
            Ok(Step::Item(item)) => view(Ok(item)),
            Err(error) => {
                failed = true;
                view(Err(error));
            }
        }
        results += 1;
        assert!(results <= fed + 1, "more items than bytes");
    };
    for piece in pieces {
        fed += piece.len();
        decoder.feed(piece);
        if pull(decoder, fed, false) {
            break;
        }
    }
    if !whole {
        return false;
    }
    decoder.end();
    assert!(pull(decoder, fed, true));
    for _ in 0..3 {
        assert!(
            matches!(decoder.next_item(), Ok(Step::End)),
            "a decoder at its end stays there"
        );
    }
    true
}

fn outcome<D: Decode<Item: Debug>>(decoder: &mut D, body: &[u8], cut: Cut, whole: bool) -> Outcome {
    let mut results = Vec::new();
    let ended = drive(decoder, cut.pieces(body), whole, |result| {
        results.push(
            result
                .map(|item| format!("{item:?}"))
                .map_err(|error| format!("{error:?}: {error}")),
        );
    });
    (results, ended)
}

/// Checks that every split has the same outcome, and a truncated body the beginning of it.
fn every_cut<D: Decode<Item: Debug>>(make: impl Fn() -> D, body: &[u8], seed: u8) {
    let whole = outcome(&mut make(), body, Cut::Whole, true);
    let seed = u32::from(seed);
    let cuts = [
        Cut::Whole,
        Cut::Every(1),
        Cut::EveryWithEmpty(1),
        Cut::Every(1 + seed as usize),
        Cut::Ragged(seed),
        Cut::Ragged(seed.wrapping_mul(0x9e37_79b9)),
    ];
    for cut in cuts {
        assert_eq!(outcome(&mut make(), body, cut, true), whole, "{cut:?}");
    }
    let at = body.len() * seed as usize / 255;
    let (some, _) = outcome(&mut make(), &body[..at], Cut::Ragged(seed), false);
    assert!(
        whole.0.starts_with(&some),
        "cut off at {at}: {some:?}, of {whole:?}"
    );
}

/// The memory that a decoder may use: bytes, and bytes for each byte of the longest part of the
/// body that it decodes at once.
struct Allowance {
    limit: usize,
    of_each_byte: usize,
}

/// For a decoder that never keeps more than `limit`.
const fn keeps(limit: usize) -> Allowance {
    Allowance {
        limit,
        of_each_byte: 0,
    }
}

/// For a decoder that returns copies of lines.
const fn returns_lines(limit: usize) -> Allowance {
    Allowance {
        limit,
        of_each_byte: 1,
    }
}

/// For a decoder that parses lines to small values. Besides a copy of the line, the parser's error
/// messages quote it.
const fn parses_values(limit: usize) -> Allowance {
    Allowance {
        limit,
        of_each_byte: 1 + GROWTH,
    }
}

/// For a decoder that parses JSON. An empty object in a list is 3 bytes in a body and hundreds in
/// memory.
const fn parses_json(limit: usize) -> Allowance {
    Allowance {
        limit,
        of_each_byte: 300,
    }
}

/// A growing buffer has at most twice the size of its contents, and is copied from the old one.
const GROWTH: usize = 3;

/// Bytes for errors and small buffers.
const SMALL: usize = 16 << 10;

/// Checks memory in use and the sum of allocations for some splits.
fn bounded<D: Decode>(make: impl Fn() -> D, body: &[u8], seed: u8, allowance: &Allowance) {
    let seed = u32::from(seed);
    for cut in [Cut::Whole, Cut::Every(1 + (seed as usize) * 64)] {
        let longest = cut.pieces(body).map(<[u8]>::len).max().unwrap_or(0);
        let pieces = cut.pieces(body).count();
        let mut decoder = make();
        let used = allocation_counter::measure(|| {
            drive(&mut decoder, cut.pieces(body), true, drop);
        });
        let json = allowance.of_each_byte * body.len().min(allowance.limit + longest);
        let most = GROWTH * (allowance.limit.min(body.len()) + longest) + json + SMALL;
        assert!(
            used.bytes_max <= most as u64,
            "{cut:?}: {} bytes at once, where {most} are enough",
            used.bytes_max
        );
        let all = (4 * GROWTH + 2 * allowance.of_each_byte) * body.len() + 64 * pieces + 2 * SMALL;
        let errors_and_lines = 1200 * body.len();
        assert!(
            used.bytes_total <= (all + errors_and_lines) as u64,
            "{cut:?}: {} bytes in all",
            used.bytes_total
        );
    }
}

/// Hashes the text that is written to it.
#[derive(Default)]
struct Digest(DefaultHasher);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Checks that some splits of a long body have the same outcome. Compares hashes, because the text
/// would be too long.
fn some_cuts<D: Decode<Item: Debug>>(make: impl Fn() -> D, body: &[u8], seed: u8) {
    let digest = |cut: Cut| {
        let mut digest = Digest::default();
        drive(&mut make(), cut.pieces(body), true, |result| {
            writeln!(digest, "{result:?}").expect("it takes everything")
        });
        digest.0.finish()
    };
    let whole = digest(Cut::Whole);
    let cuts = [
        Cut::Every(1 + usize::from(seed) * 64),
        Cut::Ragged(seed.into()),
    ];
    for cut in cuts {
        assert_eq!(digest(cut), whole, "{cut:?}");
    }
}

fn check_with<D: Decode<Item: Debug>>(
    make: impl Fn() -> D,
    body: &[u8],
    seed: u8,
    allowance: &Allowance,
) {
    if body.len() <= 4 << 10 {
        every_cut(&make, body, seed);
    } else {
        some_cuts(&make, body, seed);
    }
    bounded(&make, body, seed, allowance);
}

fn check_default<D: Decode<Item: Debug> + Default>(body: &[u8], seed: u8, allowance: &Allowance) {
    check_with(D::default, body, seed, allowance);
}

/// The items are pieces here, so only their concatenation is compared.
fn check_chunks(body: &[u8], seed: u8) {
    let cuts = [
        Cut::Whole,
        Cut::Every(1 + body.len() / 10_000),
        Cut::EveryWithEmpty(1 + body.len() / 10_000),
        Cut::Ragged(u32::from(seed)),
    ];
    for cut in cuts {
        let mut all = Vec::new();
        drive(&mut Chunks::default(), cut.pieces(body), true, |piece| {
            all.extend(piece.expect("every chunk is valid"))
        });
        assert_eq!(all, body, "{cut:?}");
    }
    bounded(Chunks::default, body, seed, &keeps(0));
}

/// Checks that the output is the input up to a line `null`.
fn check_guard(body: &[u8], seed: u8) {
    let passed = |cut: Cut| {
        let (mut guard, mut out) = (NdjsonGuard::default(), Vec::new());
        let mut held = 0;
        for piece in cut.pieces(body) {
            let before = out.len();
            held += piece.len();
            if let Err(refused) = guard.pass(piece, &mut out) {
                assert_eq!(
                    guard.pass(b"1\n", &mut out),
                    Err(refused),
                    "the guard returned data after the refused line"
                );
                return (out, Some(refused.line));
            }
            held -= out.len() - before;
            assert!(held <= NdjsonGuard::LIMIT, "{held} bytes are held back");
        }
        let end = guard.end(&mut out).err().map(|refused| refused.line);
        (out, end)
    };
    let (out, refused) = passed(Cut::Whole);
    for cut in [
        Cut::Every(1),
        Cut::EveryWithEmpty(1),
        Cut::Every(2),
        Cut::Ragged(u32::from(seed)),
    ] {
        assert_eq!(passed(cut), (out.clone(), refused), "{cut:?}");
    }
    assert!(body.starts_with(&out));
    let blank = |byte: &u8| b" \t\r".contains(byte);
    let is_null = |line: &[u8]| {
        let begin = line
            .iter()
            .position(|byte| !blank(byte))
            .unwrap_or(line.len());
        let after = line[begin..].strip_prefix(b"null");
        // A longer line than the guard can hold back counts as `null`.
        after.is_some_and(|after| after.iter().take(NdjsonGuard::LIMIT - 3).all(blank))
    };
    let first = body
        .split(|byte| *byte == b'\n')
        .position(is_null)
        .map(|line| line as u64 + 1);
    match refused {
        Some(line) => assert_eq!(Some(line), first),
        None => assert!(
            first.is_none() && out == body,
            "line {first:?} was let through"
        ),
    }
}

/// Returns a body with so many copies of one byte that it comes close to the limit or exceeds it.
fn expanded(input: &[u8], limit: usize) -> Vec<u8> {
    let [times, byte, rest @ ..] = input else {
        return Vec::new();
    };
    let (before, after) = rest.split_at(rest.len() * usize::from(times & 7) / 8);
    // From the limit plus the rest of the input up to some kB more, or three times the limit.
    let more = if *times >= 248 {
        2 * limit
    } else {
        usize::from(times >> 3) * 256
    };
    let many = vec![*byte; limit - rest.len().min(limit) + more];
    [before, &many, after].concat()
}

/// Checks a decoder near its limit. The first byte selects the decoder, the second the split. The
/// rest is expanded to a long body.
pub(crate) fn check_limits(input: &[u8]) {
    let [which, seed, body @ ..] = input else {
        return;
    };
    let (seed, line) = (*seed, Lines::LIMIT);
    assert_eq!(Discard::LIMIT, line);
    let body = &expanded(body, line);
    match which % 8 {
        0 => check_default::<Discard>(body, seed, &keeps(0)),
        1 => check_default::<Lines>(body, seed, &returns_lines(line)),
        2 => check_default::<TextLines>(body, seed, &returns_lines(line)),
        3 => check_chunks(body, seed),
        4 => check_default::<Receipt>(body, seed, &keeps(1024)),
        5 => check_default::<JsonLines<u8>>(body, seed, &parses_values(line)),
        6 => check_default::<JsonLines<String>>(body, seed, &parses_values(line)),
        _ => check_guard(body, seed),
    }
}

/// Checks a decoder. The first byte selects it, the second the split. The rest is the body.
pub(crate) fn check(input: &[u8]) {
    let [which, seed, body @ ..] = input else {
        return;
    };
    let seed = *seed;
    let (json, line) = (Json::<Value>::LIMIT, Lines::LIMIT);
    let id = InstanceId::new("i").expect("an id");
    let name = EventName::new("e").expect("a name");
    let [old, new] = [Dialect::of(Version::new(0, 18, 7)), Dialect::LATEST];
    match which % 22 {
        0 => check_default::<Json<Value>>(body, seed, &parses_json(json)),
        1 => check_default::<Json<Vec<InstanceInfo>>>(body, seed, &parses_json(json)),
        2 => check_default::<Json<SequenceInfo>>(body, seed, &parses_json(json)),
        3 => check_default::<Json<Started>>(body, seed, &parses_json(json)),
        4 => check_default::<Json<StopReply>>(body, seed, &parses_json(json)),
        5 => check_default::<Json<HubConfig>>(body, seed, &parses_json(json)),
        6 => check_default::<Json<String>>(body, seed, &parses_json(json)),
        7 => check_default::<Discard>(body, seed, &keeps(0)),
        8 => check_default::<Receipt>(body, seed, &parses_json(1024)),
        9 => check_chunks(body, seed),
        10 => check_default::<Lines>(body, seed, &returns_lines(line)),
        11 => check_default::<TextLines>(body, seed, &returns_lines(line)),
        12 => check_default::<JsonLines<Value>>(body, seed, &parses_json(line)),
        13 => check_default::<JsonLines<LogLine>>(body, seed, &parses_json(line)),
        14 => check_default::<JsonLines<AuditRecord>>(body, seed, &parses_json(line)),
        15 => check_default::<JsonLines<f64>>(body, seed, &parses_json(line)),
        16 => check_with(
            || {
                ReadEvents {
                    id: &id,
                    name: &name,
                }
                .decoder(old)
            },
            body,
            seed,
            &parses_json(line),
        ),
        17 => check_with(
            || {
                ReadEvents {
                    id: &id,
                    name: &name,
                }
                .decoder(new)
            },
            body,
            seed,
            &parses_json(line),
        ),
        18 => check_with(
            || {
                LastEvent {
                    id: &id,
                    name: &name,
                }
                .decoder(old)
            },
            body,
            seed,
            &parses_json(json),
        ),
        19 => check_with(
            || {
                LastEvent {
                    id: &id,
                    name: &name,
                }
                .decoder(new)
            },
            body,
            seed,
            &parses_json(json),
        ),
        _ => check_guard(body, seed),
    }
}
