//! Parses JSON: the only place that does.

use alloc::string::String;

use serde::de::DeserializeOwned;

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
}
