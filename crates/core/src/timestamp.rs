use alloc::string::String;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A time from a hub: RFC 3339 with milliseconds, in UTC (`2026-11-23T19:31:57.434Z`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(String);

impl Timestamp {
    pub(crate) fn of(text: String) -> Self {
        Self(text)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the time since the Unix epoch. Add it to `SystemTime::UNIX_EPOCH`.
    ///
    /// `None` if the text is not a time of this form, or is before 1970.
    #[must_use]
    pub fn since_unix_epoch(&self) -> Option<Duration> {
        let (date, time) = self.0.strip_suffix('Z')?.split_once('T')?;
        let mut date = date.splitn(3, '-').map(number);
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
        let mut clock = clock.splitn(3, ':').map(number);
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        if !(1970..=9999).contains(&year)
            || !(1..=12).contains(&month)
            || !(1..=31).contains(&day)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        // Let the year begin on March 1, so that a leap day is its last day.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let days =
            year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
        let seconds = (days - EPOCH_DAYS) * 86_400 + hour * 3600 + minute * 60 + second;
        let nanos = if fraction.is_empty() {
            0
        } else {
            number(fraction)? * 10_u64.pow(9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?)
        };
        Some(Duration::new(seconds, u32::try_from(nanos).ok()?))
    }
}

/// Number of days from March 1 of the year 0 to January 1, 1970.
const EPOCH_DAYS: u64 = 719_468;

fn number(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::Escaped(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_unix_epoch_counts_from_1970() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", Some(0)),
            ("2026-11-23T19:31:57.434Z", Some(1_795_462_317_434)),
            ("2000-02-29T23:59:59Z", Some(951_868_799_000)),
            ("2100-03-01T00:00:00.5Z", Some(4_107_542_400_500)),
            ("1969-12-31T23:59:59.999Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-23T19:31:57.434+01:00", None),
            ("2026-11-23T19:31:57.1234567890Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            let since = Timestamp(text.into())
                .since_unix_epoch()
                .map(|since| since.as_millis());
            assert_eq!(since, millis, "{text}");
        }
    }
}
