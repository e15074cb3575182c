use alloc::string::String;

use crate::RequestError;

/// A path below the base URL, built one segment at a time.
///
/// A value cannot add a segment, change the route or lead to another host.
///
/// Hubs do not percent-decode paths, so an id with a space, a slash or a character outside ASCII
/// cannot be addressed, not even escaped. Such a value is an error
/// ([`RequestError::PathSegment`]), which [`Endpoint::request`](crate::Endpoint::request) returns.
#[derive(Debug)]
pub struct Path {
    text: Result<String, RequestError>,
}

impl Path {
    /// Creates a path that begins with the given literal, for example `sequence`.
    #[must_use]
    pub fn new(literal: &'static str) -> Self {
        // Most paths continue with an id and one more literal.
        let mut text = String::with_capacity(literal.len() + 64);
        text.push_str(literal);
        Self { text: Ok(text) }
    }

    /// Appends a fixed segment of the route, for example `start`.
    #[must_use]
    pub fn literal(mut self, literal: &'static str) -> Self {
        if let Ok(text) = &mut self.text {
            text.push('/');
            text.push_str(literal);
        }
        self
    }

    /// Appends a value. `what` names it in the error if it cannot be addressed, for example
    /// `sequence id`.
    #[must_use]
    pub fn value(self, what: &'static str, value: &str) -> Self {
        self.checked(what, value, check_segment)
    }

    /// Like [`value`](Self::value), with another check.
    pub(crate) fn checked(mut self, what: &'static str, value: &str, check: Check) -> Self {
        if let Ok(text) = &mut self.text {
            match check(what, value) {
                Ok(()) => {
                    text.push('/');
                    text.push_str(value);
                }
                Err(error) => self.text = Err(error),
            }
        }
        self
    }

    pub(crate) fn into_text(self) -> Result<String, RequestError> {
        self.text
    }
}

/// Checks a value that is called `what` in the error.
pub(crate) type Check = fn(what: &'static str, value: &str) -> Result<(), RequestError>;

/// Checks that a hub can find `value` as one segment of a path, and that no proxy on the way can
/// read it differently.
pub(crate) fn check_segment(what: &'static str, value: &str) -> Result<(), RequestError> {
    if !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        // The fast path: nearly all ids are UUIDs.
        return Ok(());
    }
    let problem = if value.is_empty() {
        "it is empty"
    } else if value == "." || value == ".." {
        "it would change the path of the request"
    } else if value.contains(['/', '\\', '?', '#']) {
        "it contains a character that ends a path segment (one of / \\ ? #)"
    } else if has_percent_escape(value) {
        // A hub reads the escape literally, but a proxy in front of it may decode it.
        "it contains a percent-escape, which hubs and proxies decode differently"
    } else if !value.bytes().all(is_addressable) {
        "it contains a character that hubs do not accept in a path \
         (only letters, digits and -._~!$&'()*+,;=:@%)"
    } else {
        return Ok(());
    };
    Err(RequestError::PathSegment {
        what,
        value: value.into(),
        problem,
    })
}

fn is_addressable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte)
}

fn has_percent_escape(value: &str) -> bool {
    value
        .as_bytes()
        .windows(3)
        .any(|w| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_refuses_text_that_is_not_one_segment() {
        for value in [
            "",
            ".",
            "..",
            "../topics/x",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a b",
            "a\tb",
            "a\r\nb",
            "a\0b",
            "zażółć",
            "%2e%2e",
            "a%2Fb",
            "a|b",
            "\u{7f}",
        ] {
            assert!(
                Path::new("sequence")
                    .value("sequence id", value)
                    .into_text()
                    .is_err(),
                "{value:?}"
            );
        }
    }

    #[test]
    fn value_keeps_text_that_hubs_can_find() {
        for value in [
            "2d1cb1f0-81ea-4e33-a94d-ba8fe578a025",
            "a+b:c@d",
            "a!$&'()*,;=~",
            "100%",
            "50%-off",
            "...",
        ] {
            let text = Path::new("sequence")
                .value("sequence id", value)
                .literal("start")
                .into_text();
            assert_eq!(text.ok(), Some(alloc::format!("sequence/{value}/start")));
        }
    }
}
