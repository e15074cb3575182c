use alloc::string::String;

use crate::RequestError;

/// A path below the base URL, built one segment at a time so that no value can add a segment, change the route or reach another host.
///
/// Hubs do not percent-decode: an id with a space, a slash or a letter outside ASCII cannot be addressed, however it is escaped.
/// Such a value is therefore refused, and the refusal is reported when the request is built.
#[derive(Debug)]
pub struct Path {
    text: Result<String, RequestError>,
}

impl Path {
    /// A path that begins with the given literal, for example `sequence`.
    #[must_use]
    pub fn new(literal: &'static str) -> Self {
        // Room for an id and a literal behind it, as most paths have them.
        let mut text = String::with_capacity(literal.len() + 64);
        text.push_str(literal);
        Self { text: Ok(text) }
    }

    /// Appends a literal of the route, for example `start`.
    #[must_use]
    pub fn literal(mut self, literal: &'static str) -> Self {
        if let Ok(text) = &mut self.text {
            text.push('/');
            text.push_str(literal);
        }
        self
    }

    /// Appends a value; `what` names it in the error if it cannot be addressed, for example `sequence id`.
    #[must_use]
    pub fn value(self, what: &'static str, value: &str) -> Self {
        self.checked(what, value, check_segment)
    }

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

/// Tells why a value, which should be `what`, cannot stand in a path.
pub(crate) type Check = fn(what: &'static str, value: &str) -> Result<(), RequestError>;

/// Whether a hub can find `value` as one segment of a path, and nothing on the way there can take it for something else.
pub(crate) fn check_segment(what: &'static str, value: &str) -> Result<(), RequestError> {
    if !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        // As nearly all are.
        return Ok(());
    }
    let problem = if value.is_empty() {
        "it is empty"
    } else if value == "." || value == ".." {
        "it would change the path of the request"
    } else if value.contains(['/', '\\', '?', '#']) {
        "it contains a character that ends a path segment (one of / \\ ? #)"
    } else if has_percent_escape(value) {
        // A hub takes the escape literally, a proxy in front of it may decode it: the two would see different names.
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
    fn values_that_could_reach_another_route_are_refused() {
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
    fn values_that_hubs_can_find_are_sent_as_they_are() {
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
