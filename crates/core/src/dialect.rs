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
    /// Before every release: what has been there since then is in every hub.
    pub const ANY: Self = Self::new(0, 0, 0);

    /// The version `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }
}

/// Parses the text that a hub reports. Ignores a suffix (`-pre.1`, `+build`) and takes zero for
/// missing parts; an error unless it begins with a number.
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

/// How a hub of a certain version speaks, where hubs differ on the wire.
///
/// A dialect is told, never guessed from the shape of a reply: an event's data on a new hub may look exactly like an old hub's envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    version: Version,
}

impl Dialect {
    /// The newest dialect that this library knows, 1.0.1. Also what a hub is taken to speak that reports no readable version.
    pub const LATEST: Self = Self::of(Version::new(1, 0, 1));

    // What operations and the questions below have in common.
    pub(crate) const INSTANCE_IDS: Version = Version::new(0, 31, 4);
    pub(crate) const DELETES_BY_FORCE: Version = Version::new(0, 34, 4);
    pub(crate) const TOPIC_MANAGEMENT: Version = Version::new(0, 35, 0);
    pub(crate) const OVERWRITES: Version = Version::new(0, 38, 0);
    pub(crate) const ANY_EVENT_DATA: Version = Version::new(0, 39, 0);

    /// The dialect of a hub of this version.
    #[must_use]
    pub const fn of(version: Version) -> Self {
        Self { version }
    }

    /// The hub's version.
    #[must_use]
    pub const fn version(self) -> Version {
        self.version
    }

    /// Whether the hub has what came with the given version.
    #[must_use]
    pub fn has(self, since: Version) -> bool {
        self.version >= since
    }

    /// Refuses what this hub does not have yet.
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

    /// Whether `_stop` takes a coded message, `[4001,{…}]`, instead of a plain object.
    pub(crate) fn stop_is_coded(self) -> bool {
        !self.has(Version::new(0, 28, 2))
    }

    /// Whether an event comes as `{"eventName":…,"message":…}` instead of its bare data.
    pub(crate) fn events_in_envelopes(self) -> bool {
        !self.has(Version::new(0, 38, 0))
    }

    /// Whether an event that is asked for comes with the data that it was emitted with. Before 0.38.0: later hubs lose `null`, `false`, `0`,
    /// `""`, `{}` and data that is missing, and take an event of that data for one that never fired.
    #[must_use]
    pub fn supports_empty_event_data(self) -> bool {
        self.events_in_envelopes()
    }

    /// Whether a sequence can be deleted together with its instances. Since 0.34.4.
    #[must_use]
    pub fn supports_force_delete(self) -> bool {
        self.has(Self::DELETES_BY_FORCE)
    }

    /// Whether an event may carry any JSON, and not text alone. Since 0.39.0.
    #[must_use]
    pub fn supports_json_event_data(self) -> bool {
        self.has(Self::ANY_EVENT_DATA)
    }

    /// Whether the package of a sequence can be replaced. Since 0.38.0.
    #[must_use]
    pub fn supports_overwrite(self) -> bool {
        self.has(Self::OVERWRITES)
    }

    /// Whether the caller can choose the id of an instance. Since 0.31.4.
    #[must_use]
    pub fn supports_instance_ids(self) -> bool {
        self.has(Self::INSTANCE_IDS)
    }

    /// Whether topics can be created, deleted and listed. Since 0.35.0.
    #[must_use]
    pub fn supports_topic_management(self) -> bool {
        self.has(Self::TOPIC_MANAGEMENT)
    }

    /// Whether bytes that are not UTF-8 come through inputs, outputs and topics undamaged. Where they do not, each becomes U+FFFD.
    ///
    /// | | 0.18.7 | 1.0.1 |
    /// |---|---|---|
    /// | `input` | damaged | kept, but for the very first piece |
    /// | `output`, `stdout`, topics | damaged | kept |
    /// | `stderr` | damaged | not known |
    /// | `stdin` | damaged | damaged |
    /// | `inout` | not there | damaged |
    ///
    /// Of what lies between, nothing is known; it is taken to be like 0.18.7.
    #[must_use]
    pub fn supports_binary_data(self) -> bool {
        self.has(Version::new(1, 0, 1))
    }

    /// Whether an instance may get the first data of its input twice, where that comes before it listens: in the moment after the start. Seen on
    /// 0.18.7, and taken to be so before 0.19.0; of later hubs it is not known.
    #[must_use]
    pub fn doubles_early_input(self) -> bool {
        !self.has(Version::new(0, 19, 0))
    }

    /// Whether it tells how an instance ended. Since 0.27.0; an older hub forgets an instance when it ends.
    #[must_use]
    pub fn remembers_ended_instances(self) -> bool {
        self.has(Version::new(0, 27, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_hubs_write_them() {
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
}
