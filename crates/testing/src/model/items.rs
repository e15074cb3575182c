//! Decodes the input into items, as a sequence receives them.

use serde_json::Value;

use super::javascript;
use super::utf8::Utf8;

/// An item of the input, or the reason why there is none.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Item {
    /// The value of a line of NDJSON.
    Json(Value),
    /// A chunk of text, as the hub received it.
    Text(String),
    /// A chunk of bytes, as the hub received it.
    Bytes(Vec<u8>),
    /// No item yet.
    Pending,
    /// The end of the input.
    Ended,
}

/// The decoder of the input in the runner. Its kind depends on the content type of the first
/// request.
#[derive(Debug)]
pub(super) enum Decoder {
    Ndjson(NdjsonLines),
    Text(Utf8),
    Bytes,
    /// All input is lost without an error.
    Unsupported,
}

/// The result of decoding.
#[derive(Debug, PartialEq)]
pub(super) enum Decoded {
    Item(Item),
    /// More input is needed.
    Nothing,
    /// The sequence gets no more items.
    Cut,
    /// The process fails.
    Failed,
}

/// A buffer that splits NDJSON into lines.
#[derive(Debug, Default)]
pub(super) struct NdjsonLines {
    buffer: Vec<u8>,
    /// A line `null` was read.
    is_cut: bool,
    skips_errors: bool,
}

impl Decoder {
    // Rule 5.6
    pub(super) fn new(content_type: &str, is_v1: bool) -> Self {
        match content_type {
            "text/plain" => Self::Text(Utf8::default()),
            "application/octet-stream" => Self::Bytes,
            ndjson if ndjson.ends_with("x-ndjson") => Self::Ndjson(NdjsonLines {
                skips_errors: is_v1,
                ..NdjsonLines::default()
            }),
            _ => Self::Unsupported,
        }
    }

    /// Takes the next item from the buffered input.
    pub(super) fn next(&mut self) -> Decoded {
        match self {
            Self::Ndjson(lines) => lines.next(),
            Self::Text(_) | Self::Bytes | Self::Unsupported => Decoded::Nothing,
        }
    }

    /// Decodes a chunk of the input.
    pub(super) fn feed(&mut self, chunk: Vec<u8>) -> Decoded {
        match self {
            Self::Ndjson(lines) => {
                lines.buffer.extend(chunk);
                lines.next()
            }
            Self::Text(utf8) => {
                let text = String::from_utf8_lossy(&utf8.decode(&chunk)).into_owned();
                match text.is_empty() {
                    true => Decoded::Nothing,
                    false => Decoded::Item(Item::Text(text)),
                }
            }
            Self::Bytes => Decoded::Item(Item::Bytes(chunk)),
            Self::Unsupported => Decoded::Nothing,
        }
    }

    /// Decodes the end of the input.
    pub(super) fn end(&mut self) -> Decoded {
        match self {
            Self::Ndjson(lines) if !lines.buffer.is_empty() => {
                lines.buffer.push(b'\n');
                lines.next()
            }
            Self::Text(utf8) => utf8.flush().map_or(Decoded::Cut, |text| {
                Decoded::Item(Item::Text(text.to_owned()))
            }),
            // The sequence does not even receive the end.
            Self::Unsupported => Decoded::Nothing,
            Self::Ndjson(_) | Self::Bytes => Decoded::Cut,
        }
    }
}

impl NdjsonLines {
    fn next(&mut self) -> Decoded {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let rest = self.buffer.split_off(end + 1);
            let line = std::mem::replace(&mut self.buffer, rest);
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            match javascript::parse(&String::from_utf8_lossy(line).into_owned().into_bytes()) {
                _ if self.is_cut => {}
                Some(Value::Null) => self.is_cut = true,
                Some(value) => return Decoded::Item(Item::Json(value)),
                None if self.skips_errors => {}
                None => return Decoded::Failed,
            }
        }
        match self.is_cut {
            true => Decoded::Cut,
            false => Decoded::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Decodes chunks and the end.
    fn decode(content_type: &str, is_v1: bool, chunks: &[&[u8]]) -> Vec<Decoded> {
        let mut decoder = Decoder::new(content_type, is_v1);
        let mut all = Vec::new();
        let mut take = |decoder: &mut Decoder, first: Decoded| {
            let mut decoded = first;
            while matches!(decoded, Decoded::Item(_)) {
                all.push(std::mem::replace(&mut decoded, decoder.next()));
            }
            if decoded != Decoded::Nothing {
                all.push(decoded);
            }
        };
        for chunk in chunks {
            let first = decoder.feed(chunk.to_vec());
            take(&mut decoder, first);
        }
        let last = decoder.end();
        take(&mut decoder, last);
        all
    }

    fn values<const N: usize>(values: [Value; N]) -> Vec<Decoded> {
        values.map(|value| Decoded::Item(Item::Json(value))).into()
    }

    #[test]
    fn ndjson_is_split_into_values() {
        let chunks: [&[u8]; 3] = [b"{\"a\":1}\r\n\n0\nfal", b"se\n\"\"\n \n", b"[1.0]"];
        let all = [
            json!({ "a": 1 }),
            json!(0),
            json!(false),
            json!(""),
            json!([1]),
        ];
        for content_type in ["application/x-ndjson", "text/x-ndjson", "x-ndjson"] {
            let decoded = decode(content_type, true, &chunks);
            assert_eq!(decoded, values(all.clone()));
        }
    }

    #[test]
    fn a_line_null_cuts_the_input() {
        for is_v1 in [false, true] {
            let decoded = decode("text/x-ndjson", is_v1, &[b"1\nnull\n2\n", b"3\n"]);
            assert_eq!(decoded.first(), values([json!(1)]).first());
            assert!(decoded.iter().skip(1).all(|one| *one == Decoded::Cut));
        }
    }

    #[test]
    fn a_line_that_is_not_json_is_skipped_on_1_x_and_fails_on_0_18() {
        let decoded = decode("text/x-ndjson", false, &[b"1\nbad\n"]);
        assert_eq!(decoded.get(1), Some(&Decoded::Failed));
        let decoded = decode("text/x-ndjson", true, &[b"1\nbad\n2\n"]);
        assert_eq!(
            decoded.get(..2),
            Some(values([json!(1), json!(2)]).as_slice())
        );
    }

    #[test]
    fn other_types_return_chunks_as_received() {
        let text = |text: &str| Decoded::Item(Item::Text(text.to_owned()));
        let chunks: [&[u8]; 3] = [b"a\n\xc5", b"\xbc\n", b"\xc5"];
        let expected = [text("a\n"), text("ż\n"), text("\u{fffd}")];
        assert_eq!(decode("text/plain", true, &chunks), expected);
        let bytes = |bytes: &[u8]| Decoded::Item(Item::Bytes(bytes.to_vec()));
        let expected = [
            bytes(b"a\n\xc5"),
            bytes(b"\xbc\n"),
            bytes(b"\xc5"),
            Decoded::Cut,
        ];
        assert_eq!(decode("application/octet-stream", true, &chunks), expected);
        for lost in ["application/json", "text/plain; charset=utf-8", "undefined"] {
            assert_eq!(decode(lost, true, &chunks), []);
        }
    }
}
