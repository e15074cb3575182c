//! The head of an answer, as far as this needs to know it.

use std::time::Duration;

/// The beginning of the answer that counts.
#[derive(Debug, PartialEq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    /// How long it is, where the rest of it is there as well.
    pub(super) length: Option<usize>,
    /// How long the other side says that it keeps an idle connection.
    pub(super) keep_alive: Option<Duration>,
    /// If the other side says that the connection stays open.
    pub(super) stays_open: bool,
}

/// Reads `HTTP/1.1 400 Could not parse content`, where the whole line is there, after any interim answers (1xx).
pub(super) fn find(mut input: &[u8]) -> Option<Head> {
    for _ in 0..=MOST_INTERIM {
        let head = first(input)?;
        if head.status >= 200 {
            return Some(head);
        }
        input = input.get(head.length?..)?;
    }
    None
}

/// So many interim answers are looked through at a time. Hubs send one at most; a server that sends them without end is not to have each looked
/// at again for every one that follows.
const MOST_INTERIM: usize = 16;

/// As many headers as ureq takes.
const MAX_HEADERS: usize = 128;

/// The first head, interim or not.
pub(super) fn first(input: &[u8]) -> Option<Head> {
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
    let mut head = Head {
        status: response.code?,
        // There when the whole line is there.
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

/// Returns the status and the length of the first head, interim or not, if all of it is there.
pub(super) fn whole(input: &[u8]) -> Option<(u16, usize)> {
    first(input).and_then(|head| Some((head.status, head.length?)))
}

/// Reads `Keep-Alive: timeout=5, max=100`.
fn keep_alive(header: &httparse::Header<'_>) -> Option<Duration> {
    let parameters = Some(header.value)
        .filter(|_| header.name.eq_ignore_ascii_case("keep-alive"))
        .and_then(|value| std::str::from_utf8(value).ok())?;
    let timeout = parameters
        .split(',')
        .find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    // Longer than anything is kept, in any case.
    Some(Duration::from_secs(
        timeout.trim().parse::<u32>().ok()?.into(),
    ))
}

/// Reads `Connection: keep-alive`.
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
    fn status_lines_are_read_when_they_are_whole() {
        let read = |text: &str| {
            find(text.as_bytes()).map(|head| (head.status, head.reason, head.length.is_some()))
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
    fn the_time_that_connections_are_kept_is_read() {
        let read = |header: &str| {
            let head =
                find(format!("HTTP/1.1 200 OK\r\nDate: today\r\n{header}\r\n\r\n").as_bytes());
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
    fn a_connection_that_stays_open_is_announced() {
        let stays_open = |header: &str| {
            let head = find(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n").as_bytes());
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
    fn the_first_head_is_found_when_it_is_whole() {
        let read = |text: &str| first(text.as_bytes()).map(|head| (head.status, head.length));
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
    fn interim_answers_do_not_count() {
        let read = |text: &str| find(text.as_bytes()).map(|head| head.status);
        assert_eq!(read("HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(
            read(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 Accepted\r\n"
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
            (after(MOST_INTERIM), after(MOST_INTERIM + 1)),
            (Some(202), None)
        );
    }
}
