//! The head of an answer, as far as this needs to know it.

/// The beginning of the answer that counts.
#[derive(Debug, PartialEq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    /// The rest of the head is there as well.
    pub(super) whole: bool,
}

/// Reads `HTTP/1.1 400 Could not parse content`, where the whole line is there, after any interim answers (1xx).
pub(super) fn find(mut input: &[u8]) -> Option<Head> {
    for _ in 0..=MOST_INTERIM {
        let (status, reason) = line(input)?;
        let length = length(input);
        if status >= 200 {
            return Some(Head { status, reason, whole: length.is_some() });
        }
        input = input.get(length?..)?;
    }
    None
}

/// So many interim answers are looked through at a time. Hubs send one at most; a server that sends them without end is not to have each looked
/// at again for every one that follows.
const MOST_INTERIM: usize = 16;

/// The first head, interim or not, where all of it is there: its status and its length.
pub(super) fn first(input: &[u8]) -> Option<(u16, usize)> {
    let (status, _) = line(input)?;
    Some((status, length(input)?))
}

fn length(input: &[u8]) -> Option<usize> {
    input.windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4)
}

fn line(input: &[u8]) -> Option<(u16, String)> {
    let rest = input.strip_prefix(b"HTTP/1.")?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = String::from_utf8_lossy(rest.get(..end)?);
    let mut parts = line.trim_end().splitn(3, ' ').skip(1);
    let status = parts.next().filter(|status| status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
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
        for none in ["abc", "99", "1000", "65535", "+20", "20a", "²00", ""] {
            assert_eq!(read(&format!("HTTP/1.1 {none} OK\r\n")), None, "{none:?}");
        }
        assert_eq!(read(""), None);
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
        let after = |interim: usize| read(&("HTTP/1.1 100 Continue\r\n\r\n".repeat(interim) + "HTTP/1.1 202 Accepted\r\n"));
        assert_eq!((after(MOST_INTERIM), after(MOST_INTERIM + 1)), (Some(202), None));
    }
}
