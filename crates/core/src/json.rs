//! Parses JSON from hubs. No other module parses JSON.

use alloc::string::String;

use serde::de::{DeserializeOwned, IgnoredAny};

/// Parses JSON as JavaScript writes it.
///
/// JavaScript writes half of a surrogate pair as an escape, `"\ud83d"`, but a Rust string cannot
/// hold it. Such an escape becomes U+FFFD.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|error| match replace_lone_surrogates(text) {
        Some(text) => serde_json::from_str(&text),
        None => Err(error),
    })
}

/// Like [`parse`], but replaces values that are nested too deep for the parser by `null`.
///
/// The arguments of an instance can be nested without a limit. They must not make a list of
/// instances unreadable.
pub(crate) fn parse_cut<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    parse(text).or_else(|error| match cut_deep_values(text) {
        Some(text) => parse(&text).map_err(|_| error),
        None => Err(error),
    })
}

/// Like [`parse`], for bytes. Returns `None` if they cannot be parsed or are not UTF-8.
pub(crate) fn parse_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    parse(core::str::from_utf8(bytes).ok()?).ok()
}

/// Replaces each escape of a lone surrogate by `\ufffd`. `None` if there are none.
///
/// Both escapes have the same length, so the positions in the parser's errors stay correct.
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

/// Maximum depth of nested arrays and objects that serde_json parses.
const MAX_DEPTH: usize = 127;

/// Replaces arrays and objects that are nested deeper than [`MAX_DEPTH`] by `null`. Returns `None`
/// if there are none, or if the text is not JSON.
#[cold]
fn cut_deep_values(text: &str) -> Option<String> {
    // `IgnoredAny` has no depth limit, because the parser skips ignored values without recursion.
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
    fn parse_replaces_lone_surrogates() {
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
    fn parse_replaces_lone_surrogates_in_member_names() {
        let value = parse::<Value>(r#"{"a\ud83d":[1,"\udc22"],"b":null}"#).ok();
        let expected = serde_json::json!({ "a\u{fffd}": [1, "\u{fffd}"], "b": null });
        assert_eq!(value, Some(expected));
    }

    #[test]
    fn parse_reports_other_errors_unchanged() {
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
    fn parse_limits_numbers_nesting_and_repeated_members() {
        // JavaScript parses these numbers as infinity, and writes infinity as `null`.
        assert!(parse::<Value>("1e400").is_err());
        assert!(parse::<Value>("-1e400").is_err());
        assert_eq!(parse::<Value>("1e308").ok(), Some(1e308.into()));

        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse::<Value>(&nested(127)).is_ok());
        let error = parse::<Value>(&nested(128)).err();
        let text = error.map(|error| alloc::string::ToString::to_string(&error));
        assert!(text.is_some_and(|text| text.starts_with("recursion limit exceeded")));

        // The last one counts, as in JavaScript. A member that has a field in a struct must be
        // unique.
        let value = parse::<Value>(r#"{"a":1,"a":2}"#).ok();
        assert_eq!(value, Some(serde_json::json!({ "a": 2 })));
        let text = r#"{"version":"1","version":"2"}"#;
        assert!(parse::<crate::HubVersion>(text).is_err());
    }

    #[test]
    fn parse_cut_replaces_values_that_are_nested_too_deep() {
        let nested = |depth: usize, inner: &str| {
            let (open, close) = (r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
            alloc::format!("{open}{inner}{close}")
        };
        // The inner array is at the depth 127.
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
        // Invalid JSON yields the error for the original text.
        for text in [nested(200, "1x"), nested(200, "") + "]", nested(200, "\"]")] {
            let message = |error: serde_json::Error| alloc::string::ToString::to_string(&error);
            let error = parse_cut::<Value>(&text).map_err(message);
            assert_eq!(error, parse::<Value>(&text).map_err(message));
            assert!(error.is_err(), "{text}");
        }
    }
}
