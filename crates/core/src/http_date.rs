use core::time::Duration;

use crate::Timestamp;

/// A time in an HTTP header. See [`ApiError::retry_at`](crate::ApiError::retry_at).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpDate(Duration);

impl HttpDate {
    /// Parses the three formats of RFC 9110, section 5.6.7. Ignores the weekday.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (weekday, date) = text.split_once(' ')?;
        let mut parts = date.split_ascii_whitespace();
        let mut next = || parts.next();
        let (day, month, year, time) = match weekday.strip_suffix(',') {
            // asctime: Sun Nov  6 08:49:37 1994
            None => {
                let (month, day, time) = (next()?, next()?, next()?);
                (day, month, number(next()?, 4)?, time)
            }
            Some(_) if date.contains('-') => {
                // RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
                let mut date = next()?.splitn(3, '-');
                let (day, month, year) = (date.next()?, date.next()?, number(date.next()?, 2)?);
                // The rule of RFC 9110 depends on the current time. This one is right until 2069.
                let century = if year < 70 { 2000 } else { 1900 };
                (day, month, century + year, next()?)
            }
            Some(_) => {
                // IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
                let (day, month) = (next()?, next()?);
                (day, month, number(next()?, 4)?, next()?)
            }
        };
        let zone = weekday.ends_with(',').then_some("GMT");
        if next() != zone || next().is_some() {
            return None;
        }
        let month = MONTHS.iter().position(|name| *name == month)? + 1;
        let day = number(day, day.len().min(2))?;
        let text = alloc::format!("{year:04}-{month:02}-{day:02}T{time}Z");
        Timestamp::of(text).since_unix_epoch().map(Self)
    }

    /// Returns the time since the Unix epoch. Add it to `SystemTime::UNIX_EPOCH`.
    #[must_use]
    pub fn since_unix_epoch(self) -> Duration {
        self.0
    }

    /// Returns the time since `earlier`, or zero if that is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn number(digits: &str, length: usize) -> Option<u64> {
    let is_number = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_date_reads_the_three_formats_of_rfc_9110() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            let time = HttpDate::of(text).map(HttpDate::since_unix_epoch);
            assert_eq!(time, Some(Duration::from_secs(784_111_777)), "{text}");
        }
        for (text, seconds) in [
            ("Fri, 31 Dec 2027 23:59:59 GMT", 1_830_297_599),
            ("Friday, 31-Dec-27 23:59:59 GMT", 1_830_297_599),
            ("Fri Dec 31 23:59:59 2027", 1_830_297_599),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ] {
            let time = HttpDate::of(text).map(HttpDate::since_unix_epoch);
            assert_eq!(time, Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn http_date_rejects_other_text() {
        for text in [
            "",
            "soon",
            "120",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sunday, 06-Nov 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994 GMT",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(HttpDate::of(text), None, "{text}");
        }
    }
}
