use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::RequestError;

/// The version of a hub, as `major.minor.patch`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// A version before every release, for features that every hub has.
    pub const ANY: Self = Self::new(0, 0, 0);

    /// Returns the version `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }
}

/// Parses the version that a hub reports.
///
/// Ignores a suffix (`-pre.1`, `+build`). Missing parts are zero. Fails if the text does not begin
/// with a number.
impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let core = text.trim().trim_start_matches('v');
        let core = core.split(['-', '+']).next().unwrap_or_default();
        let mut parts = core.split('.').map(|part| part.parse::<u32>().ok());
        let major = parts.next().flatten();
        let major = major.ok_or_else(|| ParseVersionError(text.to_owned()))?;
        let mut next = || parts.next().flatten().unwrap_or(0);
        Ok(Self {
            major,
            minor: next(),
            patch: next(),
        })
    }
}

/// The error of parsing a [`Version`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseVersionError(String);

impl fmt::Display for ParseVersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a version; expected a version such as 1.0.1",
            self.0
        )
    }
}

impl core::error::Error for ParseVersionError {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The wire format of a certain version of the hub.
///
/// The dialect depends only on the version, never on the shape of a response. The data of an event
/// from a new hub can look exactly like the envelope of an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    version: Version,
}

impl Dialect {
    /// The newest dialect that this library knows, 1.0.1. Also used for a hub whose version cannot
    /// be parsed.
    pub const LATEST: Self = Self::of(Version::new(1, 0, 1));

    // Used by the operations and by the methods below.
    pub(crate) const INSTANCE_IDS: Version = Version::new(0, 31, 4);
    pub(crate) const DELETES_BY_FORCE: Version = Version::new(0, 34, 4);
    pub(crate) const TOPIC_MANAGEMENT: Version = Version::new(0, 35, 0);
    pub(crate) const OVERWRITES: Version = Version::new(0, 38, 0);
    pub(crate) const ANY_EVENT_DATA: Version = Version::new(0, 39, 0);

    /// Returns the dialect of this version.
    #[must_use]
    pub const fn of(version: Version) -> Self {
        Self { version }
    }

    /// Returns the version of the hub.
    #[must_use]
    pub const fn version(self) -> Version {
        self.version
    }

    /// Returns `true` if the hub is of the version `since` or newer.
    #[must_use]
    pub fn has(self, since: Version) -> bool {
        self.version >= since
    }

    /// Fails if the hub is older than the version `since`, which introduced the operation.
    pub(crate) fn require(
        self,
        operation: &'static str,
        since: Version,
    ) -> Result<(), RequestError> {
        if self.has(since) {
            Ok(())
        } else {
            Err(RequestError::Unsupported {
                operation,
                since,
                hub: self.version,
            })
        }
    }

    /// Returns `true` if `_stop` takes a coded message, `[4001,{…}]`, instead of a plain object.
    pub(crate) fn stop_is_coded(self) -> bool {
        !self.has(Version::new(0, 28, 2))
    }

    /// Returns `true` if the hub sends an event as `{"eventName":…,"message":…}` instead of its
    /// bare data.
    pub(crate) fn events_in_envelopes(self) -> bool {
        !self.has(Version::new(0, 38, 0))
    }

    /// Returns `true` if [`LastEvent`](crate::LastEvent) returns events with any data. True before
    /// 0.38.0.
    ///
    /// Later hubs treat an event with the data `null`, `false`, `0`, `""` or none as if it had
    /// never been emitted. Other numbers, `true` and `{}` arrive as `null`.
    #[must_use]
    pub fn keeps_event_data(self) -> bool {
        self.events_in_envelopes()
    }

    /// Returns `true` if a sequence can be deleted together with its instances. Since 0.34.4.
    #[must_use]
    pub fn supports_force_delete(self) -> bool {
        self.has(Self::DELETES_BY_FORCE)
    }

    /// Returns `true` if an event may carry any JSON, not only text. Since 0.39.0.
    #[must_use]
    pub fn supports_json_event_data(self) -> bool {
        self.has(Self::ANY_EVENT_DATA)
    }

    /// Returns `true` if the package of a sequence can be replaced. Since 0.38.0.
    #[must_use]
    pub fn supports_overwrite(self) -> bool {
        self.has(Self::OVERWRITES)
    }

    /// Returns `true` if the caller can choose the id of an instance. Since 0.31.4.
    #[must_use]
    pub fn supports_instance_ids(self) -> bool {
        self.has(Self::INSTANCE_IDS)
    }

    /// Returns `true` if topics can be created, deleted and listed. Since 0.35.0.
    #[must_use]
    pub fn supports_topic_management(self) -> bool {
        self.has(Self::TOPIC_MANAGEMENT)
    }

    /// Returns `true` if inputs, outputs and topics keep bytes that are not UTF-8. Since 1.0.1.
    ///
    /// Older hubs replace each such byte by U+FFFD. Some routes of newer hubs do so as well:
    ///
    /// | | 0.18.7 | 1.0.1 |
    /// |---|---|---|
    /// | `input` | damaged | kept, except in the very first chunk |
    /// | `output`, `stdout`, topics | damaged | kept |
    /// | `stderr` | damaged | unknown |
    /// | `stdin` | damaged | damaged |
    /// | `inout` | does not exist | damaged |
    ///
    /// The versions between these two are untested. The library assumes that they behave like
    /// 0.18.7.
    #[must_use]
    pub fn supports_binary_data(self) -> bool {
        self.has(Version::new(1, 0, 1))
    }

    /// Returns `true` if an instance may receive the first data of its input twice.
    ///
    /// This happens with data that is sent right after the start, before the instance reads its
    /// input. It was observed on 0.18.7. The library assumes it for all hubs before 0.19.0. Later
    /// hubs are untested.
    #[must_use]
    pub fn doubles_early_input(self) -> bool {
        !self.has(Version::new(0, 19, 0))
    }

    /// Returns `true` if the hub reports how an instance ended. Since 0.27.0.
    ///
    /// Older hubs remove an instance as soon as it ends.
    #[must_use]
    pub fn remembers_ended_instances(self) -> bool {
        self.has(Version::new(0, 27, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_from_str_reads_what_hubs_report() {
        for (text, version) in [
            ("0.18.7", Some(Version::new(0, 18, 7))),
            ("1.0.1", Some(Version::new(1, 0, 1))),
            ("v1.0", Some(Version::new(1, 0, 0))),
            ("0.38.0-pre.2+abc", Some(Version::new(0, 38, 0))),
            ("source", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), version, "{text}");
        }
        assert!(Version::new(0, 28, 10) > Version::new(0, 28, 2));
    }

    #[test]
    fn dialect_supports_features_by_version() {
        type Feature = fn(Dialect) -> bool;
        let features: [(Feature, Version); 7] = [
            (Dialect::remembers_ended_instances, Version::new(0, 27, 0)),
            (Dialect::supports_instance_ids, Version::new(0, 31, 4)),
            (Dialect::supports_force_delete, Version::new(0, 34, 4)),
            (Dialect::supports_topic_management, Version::new(0, 35, 0)),
            (Dialect::supports_overwrite, Version::new(0, 38, 0)),
            (Dialect::supports_json_event_data, Version::new(0, 39, 0)),
            (Dialect::supports_binary_data, Version::new(1, 0, 1)),
        ];
        for (has, since) in features {
            assert!(has(Dialect::of(since)) && has(Dialect::LATEST), "{since}");
            assert!(!has(Dialect::of(Version::new(0, 18, 7))), "{since}");
        }
    }
}
