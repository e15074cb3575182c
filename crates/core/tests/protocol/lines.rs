//! The decoders `Lines`, `TextLines` and `JsonLines`.

use std::fmt::Debug;

use scramjet_client_core::{Decode, JsonLines, Lines, ReplyError, Step, TextLines};
use serde_json::{Value, json};

/// Returns the items and errors of a body fed in pieces of this length.
fn outcome<D: Decode + Default>(
    body: &[u8],
    piece: usize,
    ended: bool,
) -> Vec<Result<D::Item, String>> {
    let mut decoder = D::default();
    let mut outcome = Vec::new();
    let mut pull = |decoder: &mut D| {
        loop {
            match decoder.next_item() {
                Ok(Step::Item(item)) => outcome.push(Ok(item)),
                Ok(Step::NeedData) => return false,
                Ok(Step::End) => return true,
                Err(error) => outcome.push(Err(error_text(&error))),
            }
            assert!(outcome.len() < 1000, "it does not end");
        }
    };
    for bytes in body.chunks(piece) {
        decoder.feed(bytes);
        assert!(!pull(&mut decoder), "the end of a body that has not ended");
    }
    if ended {
        decoder.end();
        assert!(pull(&mut decoder), "no end");
        assert!(pull(&mut decoder), "the end remains the end");
    }
    outcome
}

fn error_text(error: &ReplyError) -> String {
    match error {
        ReplyError::TooLarge { limit, .. } => format!("longer than {limit}"),
        other => other
            .to_string()
            .split(';')
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Checks that all splits have the same outcome, and returns it.
fn every_cut<D>(body: &[u8], ended: bool) -> Vec<Result<D::Item, String>>
where
    D: Decode<Item: Debug + PartialEq> + Default,
{
    let whole = outcome::<D>(body, body.len().max(1), ended);
    for piece in 1..body.len().min(40) {
        assert_eq!(
            outcome::<D>(body, piece, ended),
            whole,
            "in pieces of {piece}"
        );
    }
    whole
}

#[test]
fn lines_split_at_lf_and_crlf() {
    for (body, lines) in [
        ("", &[][..]),
        ("\n", &[""]),
        ("a", &["a"]),
        ("a\nb", &["a", "b"]),
        ("a\r\n\r\nb\r\n", &["a", "", "b"]),
        ("a\rb\n\r", &["a\rb", ""]),
        ("zażółć\ngęślą\n", &["zażółć", "gęślą"]),
    ] {
        let expected: Vec<_> = lines
            .iter()
            .map(|line| Ok(line.as_bytes().to_vec()))
            .collect();
        assert_eq!(
            every_cut::<Lines>(body.as_bytes(), true),
            expected,
            "{body:?}"
        );
    }
}

#[test]
fn lines_drop_an_unterminated_line_if_the_body_is_cut_off() {
    let expected: Vec<Result<Vec<u8>, String>> = vec![Ok(b"a".to_vec())];
    assert_eq!(every_cut::<Lines>(b"a\nb", false), expected);
}

#[test]
fn lines_report_a_too_long_line_once_and_skip_it() {
    let longest = "x".repeat(Lines::LIMIT);
    let too_long = format!("longer than {}", Lines::LIMIT);
    for end in ["\n", "\r\n"] {
        let fits = format!("a\n{longest}{end}b\n");
        let read = outcome::<Lines>(fits.as_bytes(), 4096, true);
        assert_eq!(
            read.iter()
                .map(|line| line.as_ref().map(Vec::len))
                .collect::<Vec<_>>(),
            [Ok(1), Ok(Lines::LIMIT), Ok(1)]
        );
        for body in [
            format!("a\n{longest}x{end}b\n"),
            format!("a\n{longest}{longest}{longest}{end}b\n"),
        ] {
            for piece in [4096, 1_000_003, body.len()] {
                let read = outcome::<Lines>(body.as_bytes(), piece, true);
                assert_eq!(
                    read,
                    [Ok(b"a".to_vec()), Err(too_long.clone()), Ok(b"b".to_vec())],
                    "in pieces of {piece}"
                );
            }
        }
    }
    assert_eq!(
        outcome::<Lines>(format!("{longest}xx").as_bytes(), 4096, true),
        [Err(too_long)]
    );
}

#[test]
fn json_lines_continue_after_a_line_that_is_not_json() {
    let body = "{\"a\":1}\n\n  \r\nnonsense\n[1,\n\"s\"\nnull\n5";
    let outcome = every_cut::<JsonLines<Value>>(body.as_bytes(), true);
    let not_json = || Err("the response is not the expected JSON".to_owned());
    assert_eq!(
        outcome,
        [
            Ok(json!({ "a": 1 })),
            not_json(),
            not_json(),
            Ok(json!("s")),
            Ok(Value::Null),
            Ok(json!(5))
        ]
    );
}

#[test]
fn text_lines_continue_after_a_line_that_is_not_utf_8() {
    let body = b"za\xc5\xbc\xc3\xb3\r\n\xff\n\n\xc5\na\xc5\nb\n\xc5";
    let outcome = every_cut::<TextLines>(body, true);
    let text = |text: &str| Ok(text.to_owned());
    let not_text = || Err("the response is not UTF-8 text".to_owned());
    assert_eq!(
        outcome,
        [
            text("zażó"),
            not_text(),
            text(""),
            not_text(),
            not_text(),
            text("b"),
            not_text()
        ]
    );

    let mut decoder = TextLines::default();
    decoder.feed(&[&[b'x'; 500][..], b"\xff\n"].concat());
    let error = decoder.next_item().expect_err("not text");
    let ReplyError::Text { start, source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (start.as_str(), source.valid_up_to()),
        (format!("{}…", "x".repeat(120)).as_str(), 500)
    );
}

#[test]
fn text_lines_have_the_limit_of_lines() {
    let longest = "x".repeat(Lines::LIMIT);
    let read = outcome::<TextLines>(format!("{longest}\n{longest}x\nb").as_bytes(), 4096, true);
    assert_eq!(
        read,
        [
            Ok(longest),
            Err(format!("longer than {}", Lines::LIMIT)),
            Ok("b".to_owned())
        ]
    );
}

/// Returns more lines than a decoder reads at once, of many kinds, with `extra` among them.
fn many_lines(extra: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut extra = extra.iter().cycle();
    let line = |number: usize| match number % 7 {
        0 => format!("\"{}\"", "zażółć gęślą ".repeat(number % 40)).into_bytes(),
        1 => Vec::new(),
        2 if number % 3 == 0 => extra.next().map_or_else(Vec::new, |line| line.to_vec()),
        _ => format!(
            "{{\"number\":{number},\"text\":\"{}\"}}",
            "x".repeat(number % 200)
        )
        .into_bytes(),
    };
    (0..700).map(line).collect()
}

/// Checks that lines decoded together are equal to lines decoded one by one.
#[track_caller]
fn assert_same_as_one_by_one<D: Decode<Item: Debug + PartialEq> + Default>(
    lines: &[Vec<u8>],
    end: &[u8],
) {
    let one_by_one: Vec<_> = lines
        .iter()
        .flat_map(|line| outcome::<D>(&[line, end].concat(), usize::MAX, true))
        .collect();
    let body: Vec<u8> = lines.iter().flat_map(|line| [line, end].concat()).collect();
    assert!(body.len() > 60_000);
    for piece in [1, 100, 4095, 4097, 16 << 10, 50_000, body.len()] {
        assert!(
            outcome::<D>(&body, piece, true) == one_by_one,
            "fed in pieces of {piece}"
        );
    }
}

#[test]
fn lines_decoded_in_batches_equal_lines_decoded_one_by_one() {
    let extra_lines: [&[&[u8]]; 3] = [
        &[],
        &[b"\xff"],
        &[b"nonsense", b"\"\xc5", b"\xbc\"", b"a\rb", b"\r"],
    ];
    for extra in extra_lines {
        for end in [&b"\n"[..], b"\r\n"] {
            let lines = many_lines(extra);
            assert_same_as_one_by_one::<Lines>(&lines, end);
            assert_same_as_one_by_one::<TextLines>(&lines, end);
            assert_same_as_one_by_one::<JsonLines<Value>>(&lines, end);
        }
    }
}

#[test]
fn json_lines_continue_after_a_line_that_is_not_utf_8() {
    // Also in a member that the program may never read.
    let outcome = every_cut::<JsonLines<Value>>(b"1\n{\"a\":\"\xff\"}\n2\n", true);
    assert_eq!(
        outcome,
        [
            Ok(json!(1)),
            Err("the response is not UTF-8 text".to_owned()),
            Ok(json!(2))
        ]
    );
}
