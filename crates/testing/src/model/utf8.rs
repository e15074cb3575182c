//! Decodes streams as UTF-8.

/// A decoder that turns a stream into valid UTF-8. Invalid bytes become U+FFFD. Characters may be
/// split between chunks.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8 {
    carried: Vec<u8>,
}

impl Utf8 {
    pub(super) fn decode(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.carried);
        bytes.extend_from_slice(chunk);
        let complete = bytes.utf8_chunks().last().map_or(bytes.len(), |last| {
            let tail = last.invalid();
            // An incomplete character may continue in the next chunk.
            let cut = !tail.is_empty()
                && std::str::from_utf8(tail).is_err_and(|e| e.error_len().is_none());
            bytes.len() - if cut { tail.len() } else { 0 }
        });
        self.carried = bytes.split_off(complete);
        String::from_utf8_lossy(&bytes).into_owned().into_bytes()
    }

    /// Ends the stream. An incomplete character becomes U+FFFD.
    pub(super) fn flush(&mut self) -> Option<&'static str> {
        let carried = std::mem::take(&mut self.carried);
        (!carried.is_empty()).then_some("\u{fffd}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_joins_split_characters_and_replaces_invalid_bytes() {
        let mut utf8 = Utf8::default();
        let text = "a żółw 🐢 b".as_bytes();
        let decoded: Vec<u8> = text
            .chunks(1)
            .flat_map(|chunk| utf8.decode(chunk))
            .collect();
        assert_eq!(decoded, text);
        assert_eq!(utf8.decode(b"a\xffb\xc5"), "a\u{fffd}b".as_bytes());
        assert_eq!(utf8.decode(b"x\xc5"), "\u{fffd}x".as_bytes());
        assert_eq!((utf8.flush(), utf8.flush()), (Some("\u{fffd}"), None));
    }
}
