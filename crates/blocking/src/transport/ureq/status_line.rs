//! The head of an answer, as far as this needs to know it.

use std::time::Duration;

/// The beginning of the answer that counts.
#[derive(Debug, PartialEq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    /// The rest of the head is there as well.
    pub(super) whole: bool,
    /// How long the other side says that it keeps an idle connection.
    pub(super) keep_alive: Option<Duration>,
}

/// Reads `HTTP/1.1 400 Could not parse content`, where the whole line is there, after any interim answers (1xx).
pub(super) fn find(mut input: &[u8]) -> Option<Head> {
    loop {
        let (status, reason) = line(input)?;
        let length = length(input);
        if status >= 200 {
            let keep_alive = length.and_then(|length| keep_alive(input.get(..length)?));
            return Some(Head { status, reason, whole: length.is_some(), keep_alive });
        }
        input = input.get(length?..)?;
    }
}

/// The first head, interim or not, where all of it is there: its status and its length.
pub(super) fn first(input: &[u8]) -> Option<(u16, usize)> {
    let (status, _) = line(input)?;
    Some((status, length(input)?))
}

fn length(input: &[u8]) -> Option<usize> {
    input.windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4)
}

/// Reads `Keep-Alive: timeout=5, max=100`.
fn keep_alive(head: &[u8]) -> Option<Duration> {
    const NAME: &[u8] = b"keep-alive:";
    let mut lines = head.split(|&byte| byte == b'\n');
    let line = lines.find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))?;
    let parameters = std::str::from_utf8(line.get(NAME.len()..)?).ok()?;
    let timeout = parameters.split(',').find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    // Longer than anything is kept, in any case.
    Some(Duration::from_secs(timeout.trim().parse::<u32>().ok()?.into()))
}

fn line(input: &[u8]) -> Option<(u16, String)> {
    let rest = input.strip_prefix(b"HTTP/1.")?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = String::from_utf8_lossy(rest.get(..end)?);
    let mut parts = line.trim_end().splitn(3, ' ').skip(1);
    let status = parts.next()?.parse().ok()?;
    Some((status, parts.next().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_read_when_they_are_whole() {
        let read = |text: &str| find(text.as_bytes()).map(|head| (head.status, head.reason, head.whole));
        assert_eq!(read("HTTP/1.1 400 Could not parse content\r\nDate"), Some((400, "Could not parse content".into(), false)));
        assert_eq!(read("HTTP/1.0 200\r\n\r\n"), Some((200, String::new(), true)));
        assert_eq!(read("HTTP/1.1 200 \r\n"), Some((200, String::new(), false)));
        assert_eq!(read("HTTP/1.1 400 Could not par"), None);
        assert_eq!(read("garbage\r\n"), None);
        assert_eq!(read("HTTP/1.1 abc\r\n"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn the_time_that_connections_are_kept_is_read() {
        let read = |header: &str| {
            let head = find(format!("HTTP/1.1 200 OK\r\nDate: today\r\n{header}\r\n\r\n").as_bytes());
            head.and_then(|head| head.keep_alive).map(|limit| limit.as_secs())
        };
        assert_eq!(read("Keep-Alive: timeout=5"), Some(5));
        assert_eq!(read("keep-alive:max=100, timeout=1"), Some(1));
        assert_eq!(read("Keep-Alive: timeout=0"), Some(0));
        for other in
            ["X-Keep-Alive: timeout=5", "Connection: keep-alive", "Keep-Alive: max=5", "Keep-Alive: timeout=-1", "Keep-Alive: timeout=x"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn the_first_head_is_found_when_it_is_whole() {
        assert_eq!(first(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), Some((100, 25)));
        assert_eq!(first(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), Some((103, 37)));
        assert_eq!(first(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n"), None);
        assert_eq!(first(b"garbage\r\n\r\n"), None);
    }

    #[test]
    fn interim_answers_do_not_count() {
        let read = |text: &str| find(text.as_bytes()).map(|head| head.status);
        assert_eq!(read("HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 Accepted\r\n"), Some(202));
        assert_eq!(read("HTTP/1.1 100 Continue\r\nX: y\r\nHTTP/1.1 202 Accepted\r\n"), None);
    }
}
