//! Parses JSON: the only place that does.

use alloc::string::String;

use serde::de::{DeserializeOwned, IgnoredAny};

/// Parses JSON as JavaScript writes it.
///
/// JavaScript writes half of a surrogate pair as an escape, `"\ud83d"`, but no Rust string can hold
/// it. Such a half becomes U+FFFD, and the rest of the value is kept.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|error| match replace_lone_surrogates(text) {
        Some(text) => serde_json::from_str(&text),
        None => Err(error),
    })
}

/// Like [`parse`], for a response with values that users of a hub have nested as deep as they like.
/// If they are nested deeper than the parser goes, those that are too deep become `null`, so that one
/// instance does not hide all others in a list.
pub(crate) fn parse_cut<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    parse(text).or_else(|error| match cut_deep_values(text) {
        Some(text) => parse(&text).map_err(|_| error),
        None => Err(error),
    })
}

/// Like [`parse`], for text that may not be UTF-8. `None` if it cannot be parsed.
pub(crate) fn parse_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    parse(core::str::from_utf8(bytes).ok()?).ok()
}

/// Replaces the escapes of lone surrogates by one of the same length, so that the positions in the
/// parser's errors stay right. `None` if there are none.
#[cold]
fn replace_lone_surrogates(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let code = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(r"\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut replaced, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = memchr::memchr(b'\\', bytes.get(at..)?) {
        at += found;
        match code(at) {
            Some(0xd800..=0xdbff) if matches!(code(at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => {
                replaced.push_str(text.get(copied..at)?);
                replaced.push_str(r"\ufffd");
                at += 6;
                copied = at;
            }
            _ => at = (at + 2).min(bytes.len()),
        }
    }
    replaced.push_str(text.get(copied..)?);
    (copied > 0).then_some(replaced)
}

/// The number of arrays and objects that the parser reads within each other.
const MAX_DEPTH: usize = 127;

/// Replaces the arrays and objects that are nested deeper than [`MAX_DEPTH`] by `null`. `None` if
/// there are none, or the text is not JSON.
#[cold]
fn cut_deep_values(text: &str) -> Option<String> {
    // Not a recursion: values that are ignored may be nested as deep as they like.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let (mut cut, mut copied) = (String::new(), 0);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                if depth == MAX_DEPTH {
                    cut.push_str(text.get(copied..at)?);
                    cut.push_str("null");
                }
                depth += 1;
            }
            b']' | b'}' => {
                depth -= 1;
                if depth == MAX_DEPTH {
                    copied = at + 1;
                }
            }
            _ => {}
        }
    }
    cut.push_str(text.get(copied..)?);
    (copied > 0).then_some(cut)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        for (text, value) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\uDC22x\uD83D""#, "\u{fffd}x\u{fffd}"),
            (r#""\ud83d\ud83d\udc22""#, "\u{fffd}\u{1f422}"),
            (r#""\udc22\ud83d\ud83d""#, "\u{fffd}\u{fffd}\u{fffd}"),
            (r#""\ud83d\u0041\\ud83d""#, "\u{fffd}A\\ud83d"),
            (r#""\ud83d\n\"ż""#, "\u{fffd}\n\"ż"),
            (r#""\ud83d\udc22""#, "\u{1f422}"),
            (r#""\\ud83d""#, r"\ud83d"),
        ] {
            assert_eq!(parse::<Value>(text).ok(), Some(value.into()), "{text}");
            assert_eq!(parse_bytes::<Value>(text.as_bytes()), Some(value.into()));
        }
    }

    #[test]
    fn names_of_members_are_mended_too() {
        let value = parse::<Value>(r#"{"a\ud83d":[1,"\udc22"],"b":null}"#).ok();
        let expected = serde_json::json!({ "a\u{fffd}": [1, "\u{fffd}"], "b": null });
        assert_eq!(value, Some(expected));
    }

    #[test]
    fn other_errors_stay() {
        for text in [
            "",
            r"\",
            r#""\"#,
            r#""\ud83"#,
            r"\ud83d",
            r#""\ud83d"#,
            r#""\ż\u""#,
        ] {
            assert!(parse::<Value>(text).is_err(), "{text}");
        }
        let position = |text| parse::<u8>(text).err().map(|error| error.column());
        assert_eq!(position(r#"["\ud83d"]"#), position(r#"["\ufffd"]"#));
        assert_eq!(parse_bytes::<Value>(b"\"\xff\""), None);
    }

    #[test]
    fn numbers_nesting_and_repeated_members_have_limits() {
        // JavaScript reads infinity, and writes `null` for it.
        assert!(parse::<Value>("1e400").is_err());
        assert!(parse::<Value>("-1e400").is_err());
        assert_eq!(parse::<Value>("1e308").ok(), Some(1e308.into()));

        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse::<Value>(&nested(127)).is_ok());
        let error = parse::<Value>(&nested(128)).err();
        let text = error.map(|error| alloc::string::ToString::to_string(&error));
        assert!(text.is_some_and(|text| text.starts_with("recursion limit exceeded")));

        // The last one counts, as in JavaScript; but a member that the library defines is one.
        let value = parse::<Value>(r#"{"a":1,"a":2}"#).ok();
        assert_eq!(value, Some(serde_json::json!({ "a": 2 })));
        let text = r#"{"version":"1","version":"2"}"#;
        assert!(parse::<crate::HubVersion>(text).is_err());
    }

    #[test]
    fn values_that_are_nested_too_deep_become_null() {
        let nested = |depth: usize, inner: &str| {
            let (open, close) = (r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
            alloc::format!("{open}{inner}{close}")
        };
        // 126 deep, and one more.
        let cut = nested(126, r#"[1,"\"[[\\",null,null,2]"#);
        for inner in [
            r#"[1,"\"[[\\",[2,[3]],{"b":"]}","c":{}},2]"#,
            r#"[1,"\"[[\\",[],{},2]"#,
            r#"[1,"\"[[\\",null,[[[["\ud83d"]]]],2]"#,
        ] {
            let text = nested(126, inner);
            assert!(parse::<Value>(&text).is_err(), "{text}");
            let value = parse_cut::<Value>(&text).ok();
            assert_eq!(value, parse::<Value>(&cut).ok(), "{text}");
            assert!(value.is_some());
        }
        assert!(parse_cut::<Value>(&nested(100_000, "")).is_ok());
        // The error of what was sent stays.
        for text in [nested(200, "1x"), nested(200, "") + "]", nested(200, "\"]")] {
            let message = |error: serde_json::Error| alloc::string::ToString::to_string(&error);
            let error = parse_cut::<Value>(&text).map_err(message);
            assert_eq!(error, parse::<Value>(&text).map_err(message));
            assert!(error.is_err(), "{text}");
        }
    }
}
