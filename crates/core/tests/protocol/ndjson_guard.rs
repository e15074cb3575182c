//! `NdjsonGuard` stops at a line `null` and passes everything else at once.

use scramjet_client_core::{NdjsonGuard, NullLine};

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

fn trim(line: &[u8]) -> &[u8] {
    let start = line
        .iter()
        .position(|byte| !is_space(byte))
        .unwrap_or(line.len());
    let end = line
        .iter()
        .rposition(|byte| !is_space(byte))
        .map_or(start, |last| last + 1);
    &line[start..end]
}

/// Returns the expected output for a complete input, and the number of the refused line.
fn complete(input: &[u8]) -> (Vec<u8>, Option<u64>) {
    let mut passed = 0;
    for (line, number) in input.split(|byte| *byte == b'\n').zip(1..) {
        if trim(line) == b"null" {
            let before = line.iter().take_while(|byte| is_space(byte)).count();
            return (input[..passed + before].to_vec(), Some(number));
        }
        passed += line.len() + 1;
    }
    (input.to_vec(), None)
}

/// Returns the expected output for an input that may continue: all but a possible line `null`.
fn so_far(input: &[u8]) -> (Vec<u8>, Option<u64>) {
    let last = input
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let (out, refused) = complete(&input[..last]);
    if refused.is_some() {
        return (out, refused);
    }
    let before = input[last..]
        .iter()
        .take_while(|byte| is_space(byte))
        .count();
    let start = &input[last + before..];
    let held = if b"null".starts_with(start) || start.starts_with(b"null") && trim(start) == b"null"
    {
        start.len()
    } else {
        0
    };
    (input[..input.len() - held].to_vec(), None)
}

/// Returns the output for the pieces, and the refused line. Checks the output after each piece.
fn guarded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Option<u64>) {
    let (mut guard, mut fed, mut out) = (NdjsonGuard::default(), Vec::new(), Vec::new());
    for piece in pieces {
        fed.extend_from_slice(piece);
        let result = guard.pass(piece, &mut out);
        let text = String::from_utf8_lossy(&fed);
        assert_eq!(
            (out.clone(), result.err().map(|refused| refused.line)),
            so_far(&fed),
            "{text:?}, in pieces"
        );
        if let Err(refused) = result {
            assert_eq!(
                guard.pass(b"more\n", &mut out),
                Err(refused),
                "the guard returned data after the refused line"
            );
            assert_eq!(guard.end(&mut out), Err(refused));
            assert_eq!(out, so_far(&fed).0);
            return (out, Some(refused.line));
        }
    }
    let end = guard.end(&mut out);
    (out, end.err().map(|refused| refused.line))
}

fn every_cut(input: &[u8]) -> (Vec<u8>, Option<u64>) {
    let expected = complete(input);
    let text = String::from_utf8_lossy(input);
    assert_eq!(guarded([input]), expected, "{text:?} whole");
    assert_eq!(guarded(input.chunks(1)), expected, "{text:?} byte by byte");
    for at in 0..=input.len() {
        let (left, right) = input.split_at(at);
        assert_eq!(
            guarded([left, &[], right]),
            expected,
            "{text:?} cut at {at}"
        );
    }
    expected
}

#[test]
fn ndjson_guard_refuses_a_line_null() {
    for (input, passed, line) in [
        ("null", "", 1),
        ("null\n", "", 1),
        ("null\r\n1\n", "", 1),
        ("1\n\n null\t \n2\n", "1\n\n ", 3),
        ("{\"a\":null}\r\n\t\r null", "{\"a\":null}\r\n\t\r ", 2),
        ("nulll\nnul\nnull\n", "nulll\nnul\n", 3),
    ] {
        assert_eq!(
            every_cut(input.as_bytes()),
            (passed.as_bytes().to_vec(), Some(line)),
            "{input:?}"
        );
    }
}

#[test]
fn ndjson_guard_passes_everything_else_unchanged() {
    for input in [
        "",
        "\n\n",
        " ",
        "n",
        "nul",
        "nullx\n",
        "\"null\"\n",
        " null ,\n",
        "null 1",
        "[null]\n",
        "Null\nNULL\n",
        "nu\nll\n",
        "n ull\n",
        "null\u{b}\n",
        "\u{feff}null\n",
        "null\0",
        "1 null\n{}\nnu",
    ] {
        assert_eq!(
            every_cut(input.as_bytes()),
            (input.as_bytes().to_vec(), None),
            "{input:?}"
        );
    }
    every_cut(b"\xff\nnul\xff\n\xffnull\n");
}

/// Combines up to five of the relevant parts.
#[test]
fn ndjson_guard_handles_every_short_input() {
    const PARTS: [&str; 9] = ["null", "nul", "l", "n", " ", "\r", "\t", "\n", "x"];
    let mut inputs = vec![String::new()];
    for length in 1..=5 {
        let longer = |start: &String| PARTS.map(|part| start.clone() + part);
        inputs = inputs.iter().flat_map(longer).collect();
        for input in &inputs {
            if length < 5 {
                every_cut(input.as_bytes());
            } else {
                assert_eq!(
                    guarded([input.as_bytes()]),
                    complete(input.as_bytes()),
                    "{input:?}"
                );
                assert_eq!(
                    guarded(input.as_bytes().chunks(1)),
                    complete(input.as_bytes()),
                    "{input:?} byte by byte"
                );
            }
        }
    }
}

#[test]
fn ndjson_guard_buffers_no_more_than_its_limit() {
    let most = format!("null{}", " ".repeat(NdjsonGuard::LIMIT - 4));
    for (input, passes) in [
        (format!("{most}x"), true),
        (format!("{most} x"), false),
        (format!("{most}\n"), false),
        (most, false),
    ] {
        for piece in [1, 100, input.len()] {
            let (mut guard, mut out) = (NdjsonGuard::default(), Vec::new());
            let passed = input
                .as_bytes()
                .chunks(piece)
                .try_for_each(|bytes| guard.pass(bytes, &mut out));
            let result = passed.and_then(|()| guard.end(&mut out));
            assert_eq!(result.is_ok(), passes, "{} bytes", input.len());
            assert_eq!(
                out,
                if passes { input.as_bytes() } else { b"" },
                "{} bytes in pieces of {piece}",
                input.len()
            );
        }
    }
}

/// Takes too long if the guard looks at a byte again and again.
#[test]
fn ndjson_guard_passes_megabytes() {
    let one_line = vec![b'n'; 32 << 20];
    let short_lines = b"{\"i\":1}\n".repeat(1 << 20);
    let blank = b" \r\n".repeat(1 << 20);
    for input in [&one_line, &short_lines, &blank] {
        let (mut guard, mut out) = (NdjsonGuard::default(), Vec::with_capacity(input.len()));
        guard.pass(input, &mut out).expect("no line is null");
        assert!(out == *input, "all of it, without the end");
        let (mut guard, mut out) = (NdjsonGuard::default(), Vec::new());
        for byte in input[..1 << 20].chunks(1) {
            guard.pass(byte, &mut out).expect("no line is null");
        }
        guard.end(&mut out).expect("no line is null");
        assert!(out == input[..1 << 20]);
    }
}

#[test]
fn null_line_display_names_a_remedy() {
    let refused: NullLine = NdjsonGuard::default()
        .pass(b"1\n\nnull\n", &mut Vec::new())
        .expect_err("the third line");
    assert_eq!(
        refused.to_string(),
        "line 3 is `null`, which ends the input of an instance, so nothing after it would \
             arrive; leave it out, or wrap it in an object"
    );
}
