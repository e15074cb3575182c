//! Reads and writes JSON like JavaScript.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// Parses JSON; `None` if it is malformed.
pub(super) fn parse(text: &[u8]) -> Option<Value> {
    let value = serde_json::from_slice(&escape_lone_surrogates(text)).ok()?;
    Some(as_javascript(value))
}

/// Writes JSON.
pub(super) fn write(value: &Value) -> String {
    restore_lone_surrogates(value.to_string())
}

/// Sets a member of an object.
pub(super) fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// Rounds numbers to doubles. Integers are written without a fraction: `1.0` becomes `1`.
pub(super) fn as_javascript(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(rounded(number)),
        Value::Array(values) => values.into_iter().map(as_javascript).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, as_javascript(value)))
            .collect(),
        other => other,
    }
}

fn rounded(number: Number) -> Number {
    let Some(double) = number.as_f64() else {
        return number;
    };
    // JavaScript writes the same significant digits, followed by zeros.
    let digits = double.to_string();
    let signed = digits.parse::<i64>().map(Number::from);
    signed
        .or_else(|_| digits.parse::<u64>().map(Number::from))
        .unwrap_or_else(|_| Number::from_f64(double).unwrap_or(number))
}

/// Replaces lone surrogates, which JavaScript accepts and `serde_json` rejects, by a marker that
/// [`restore_lone_surrogates`] recognizes.
fn escape_lone_surrogates(body: &[u8]) -> Cow<'_, [u8]> {
    if !body
        .windows(3)
        .any(|three| matches!(three, [b'\\', b'u', b'd' | b'D']))
    {
        return body.into();
    }
    let code = |at: usize| {
        let escape = body.get(at..at + 6)?.strip_prefix(br"\u")?;
        u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
    };
    let mut escaped = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        let step = match (byte, code(at)) {
            (b'\\', Some(0xd800..=0xdbff)) if matches!(code(at + 6), Some(0xdc00..=0xdfff)) => 12,
            (b'\\', Some(lone @ 0xd800..=0xdfff)) => {
                escaped.extend_from_slice(format!(r"\uffff{MARK}{lone:04x}").as_bytes());
                at += 6;
                continue;
            }
            (b'\\', _) => 2,
            _ => 1,
        };
        escaped.extend_from_slice(body.get(at..at + step).unwrap_or_default());
        at += step;
    }
    escaped.into()
}

/// The marker of a lone surrogate, after U+FFFF.
const MARK: &str = "lone-surrogate-";

/// Replaces the markers by lone surrogates as JavaScript writes them: `"\ud83d"`.
fn restore_lone_surrogates(json: String) -> String {
    let mark = format!("\u{ffff}{MARK}");
    if json.contains(&mark) {
        json.replace(&mark, r"\u")
    } else {
        json
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lone_surrogates_are_kept() {
        let body = br#"{"a":["x\ud83d","\ud83d\udc22","\\ud83d","\udc22\ud83dy"]}"#;
        let value = parse(body).unwrap_or_default();
        assert_eq!(value.pointer("/a/1"), Some(&json!("\u{1f422}")));
        assert_eq!(
            write(&value),
            r#"{"a":["x\ud83d","🐢","\\ud83d","\udc22\ud83dy"]}"#
        );
    }

    #[test]
    fn numbers_are_rounded_as_in_javascript() {
        let body = b"[9007199254740993,1.0,-0.0,0.5,123456789012345678,-9007199254740993,1e300]";
        let written = write(&parse(body).unwrap_or_default());
        let rounded = "[9007199254740992,1,0,0.5,123456789012345680,-9007199254740992,1e+300]";
        assert_eq!(written, rounded);
        assert_eq!(
            parse(b"18446744073709551615"),
            Some(json!(1.844_674_407_370_955_2e19))
        );
    }
}
