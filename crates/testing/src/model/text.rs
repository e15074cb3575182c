//! The formats of ids and times.

use std::time::Duration;

/// A generator of ids. The same seed gives the same ids.
#[derive(Clone, Debug)]
pub(super) struct IdGenerator {
    state: u64,
}

impl IdGenerator {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the next number of the `splitmix64` generator.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a UUID of version 4.
    pub(super) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            0x8000 | b >> 48 & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }
}

/// Formats a time since the beginning of 1970 in ISO 8601: `2026-11-23T19:32:11.583Z`.
pub(super) fn iso_8601(time: Duration) -> String {
    let (days, rest) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let millis = time.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Returns the year, month and day of a number of days since the beginning of 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_8601_formats_dates_and_milliseconds() {
        let written = |seconds, millis| {
            iso_8601(Duration::from_secs(seconds) + Duration::from_millis(millis))
        };
        assert_eq!(written(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(951_782_400, 5), "2000-02-29T00:00:00.005Z");
        assert_eq!(written(1_795_462_331, 613), "2026-11-23T19:32:11.613Z");
    }

    #[test]
    fn uuid_is_the_same_for_the_same_seed() {
        let (mut ids, mut again) = (IdGenerator::new(7), IdGenerator::new(7));
        let first = ids.uuid();
        assert_eq!(first, again.uuid());
        assert_ne!(first, ids.uuid());
        assert_eq!((first.len(), first.get(14..15)), (36, Some("4")));
    }
}
