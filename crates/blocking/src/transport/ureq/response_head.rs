//! Parses the heads of responses.
//!
//! ureq parses them too, but it drops the reason phrase, reads nothing during an upload and ignores
//! the timeout that a server announces for idle connections.

use std::time::Duration;

/// The head of a response: the status line, and the headers about the connection.
#[derive(Debug, PartialEq)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) reason: String,
    /// The length of the head in bytes, if all of it was received.
    pub(super) length: Option<usize>,
    /// Time for which the server keeps an idle connection (`Keep-Alive: timeout`).
    pub(super) keep_alive: Option<Duration>,
    /// The server has announced `Connection: keep-alive`.
    pub(super) stays_open: bool,
}

/// Parses the head of the final response, after any interim responses (1xx). `None` if its status
/// line is incomplete or malformed.
pub(super) fn final_head(mut input: &[u8]) -> Option<ResponseHead> {
    for _ in 0..=MAX_INTERIM {
        let head = first_head(input)?;
        if head.status >= 200 {
            return Some(head);
        }
        input = input.get(head.length?..)?;
    }
    None
}

/// Upper bound for the interim responses that [`final_head`] skips. Hubs send at most one. Without
/// a bound, a server that never stops sending them would cause quadratic work.
const MAX_INTERIM: usize = 16;

/// Upper bound for the headers of a response, as in ureq.
const MAX_HEADERS: usize = 128;

/// Parses the first head, interim or final. `None` if its status line is incomplete or malformed.
pub(super) fn first_head(input: &[u8]) -> Option<ResponseHead> {
    // A thread that waits for a head must not occupy memory for the headers.
    if input.is_empty() {
        return None;
    }
    parse(input)
}

#[inline(never)]
fn parse(input: &[u8]) -> Option<ResponseHead> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = httparse::ParserConfig::default()
        .ignore_invalid_headers_in_responses(true)
        .parse_response(&mut response, input)
        .ok()
        .and_then(|parsed| match parsed {
            httparse::Status::Complete(length) => Some(length),
            httparse::Status::Partial => None,
        });
    let mut head = ResponseHead {
        status: response.code?,
        // `None` until the status line is complete.
        reason: response.reason?.to_owned(),
        length,
        keep_alive: None,
        stays_open: false,
    };
    if length.is_some() {
        head.keep_alive = response.headers.iter().find_map(keep_alive);
        head.stays_open = response.headers.iter().any(stays_open);
    }
    Some(head)
}

/// Returns the status and length of the first head, interim or final, if it is complete.
pub(super) fn first_complete(input: &[u8]) -> Option<(u16, usize)> {
    first_head(input).and_then(|head| Some((head.status, head.length?)))
}

/// Returns the timeout of a header such as `Keep-Alive: timeout=5, max=100`.
fn keep_alive(header: &httparse::Header<'_>) -> Option<Duration> {
    let parameters = Some(header.value)
        .filter(|_| header.name.eq_ignore_ascii_case("keep-alive"))
        .and_then(|value| std::str::from_utf8(value).ok())?;
    let timeout = parameters
        .split(',')
        .find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    // A u32, so that the time can be multiplied without an overflow.
    Some(Duration::from_secs(
        timeout.trim().parse::<u32>().ok()?.into(),
    ))
}

/// Returns `true` for the header `Connection: keep-alive` or `Proxy-Connection: keep-alive`.
fn stays_open(header: &httparse::Header<'_>) -> bool {
    let names = ["connection", "proxy-connection"];
    let value = String::from_utf8_lossy(header.value);
    let mut options = value.split(',');
    names
        .iter()
        .any(|name| header.name.eq_ignore_ascii_case(name))
        && options.any(|option| option.trim().eq_ignore_ascii_case("keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_head_needs_a_complete_status_line() {
        let read = |text: &str| {
            final_head(text.as_bytes())
                .map(|head| (head.status, head.reason, head.length.is_some()))
        };
        assert_eq!(
            read("HTTP/1.1 400 Could not parse content\r\nDate"),
            Some((400, "Could not parse content".into(), false))
        );
        assert_eq!(
            read("HTTP/1.0 200\r\n\r\n"),
            Some((200, String::new(), true))
        );
        assert_eq!(read("HTTP/1.1 200 \r\n"), Some((200, String::new(), false)));
        assert_eq!(read("HTTP/1.1 400 Could not par"), None);
        assert_eq!(read("garbage\r\n"), None);
        for none in ["abc", "99", "1000", "65535", "+20", "20a", "²00", ""] {
            assert_eq!(read(&format!("HTTP/1.1 {none} OK\r\n")), None, "{none:?}");
        }
        assert_eq!(read(""), None);
    }

    #[test]
    fn final_head_reads_the_keep_alive_timeout() {
        let read = |header: &str| {
            let head = final_head(
                format!("HTTP/1.1 200 OK\r\nDate: today\r\n{header}\r\n\r\n").as_bytes(),
            );
            head.and_then(|head| head.keep_alive)
                .map(|limit| limit.as_secs())
        };
        assert_eq!(read("Keep-Alive: timeout=5"), Some(5));
        assert_eq!(read("keep-alive:max=100, timeout=1"), Some(1));
        assert_eq!(read("Keep-Alive: timeout=0"), Some(0));
        for other in [
            "X-Keep-Alive: timeout=5",
            "Connection: keep-alive",
            "Keep-Alive: max=5",
            "Keep-Alive: timeout=-1",
            "Keep-Alive: timeout=x",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn final_head_reads_connection_keep_alive() {
        let stays_open = |header: &str| {
            let head = final_head(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n").as_bytes());
            head.is_some_and(|head| head.stays_open)
        };
        for header in [
            "Connection: keep-alive",
            "connection:Keep-Alive\r\nDate: today",
            "Connection: x, keep-alive",
            "Proxy-Connection: keep-alive",
        ] {
            assert!(stays_open(header), "{header}");
        }
        for header in [
            "Connection: close",
            "Keep-Alive: timeout=5",
            "X: keep-alive",
        ] {
            assert!(!stays_open(header), "{header}");
        }
    }

    #[test]
    fn first_head_returns_the_length_of_a_complete_head() {
        let read = |text: &str| first_head(text.as_bytes()).map(|head| (head.status, head.length));
        assert_eq!(
            read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
            Some((100, Some(25)))
        );
        assert_eq!(
            read("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
            Some((103, Some(37)))
        );
        assert_eq!(
            read("HTTP/1.1 103 Early Hints\nLink: x\n\n"),
            Some((103, Some(34)))
        );
        assert_eq!(
            read("HTTP/1.1 103 Early Hints\r\nLink: x\r\n"),
            Some((103, None))
        );
        assert_eq!(read("garbage\r\n\r\n"), None);
    }

    #[test]
    fn final_head_skips_interim_responses() {
        let read = |text: &str| final_head(text.as_bytes()).map(|head| head.status);
        assert_eq!(read("HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(
            read(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
                 HTTP/1.1 202 Accepted\r\n"
            ),
            Some(202)
        );
        assert_eq!(
            read("HTTP/1.1 100 Continue\r\nX: y\r\nHTTP/1.1 202 Accepted\r\n"),
            None
        );
        let after = |interim: usize| {
            read(&("HTTP/1.1 100 Continue\r\n\r\n".repeat(interim) + "HTTP/1.1 202 Accepted\r\n"))
        };
        assert_eq!(
            (after(MAX_INTERIM), after(MAX_INTERIM + 1)),
            (Some(202), None)
        );
    }
}
