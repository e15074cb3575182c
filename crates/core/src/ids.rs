use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::RequestError;
use crate::path::check_segment;

/// Declares a type for one kind of id or name that is part of a path.
///
/// `new` and the conversions check the text. A value in a response is not checked before it becomes
/// part of a path.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub(crate) const WHAT: &'static str = $what;

            #[doc = concat!("Returns the ", $what, " with this text.")]
            ///
            /// # Errors
            /// [`RequestError::PathSegment`] if the text cannot be part of a path.
            pub fn new(text: impl Into<String>) -> Result<Self, RequestError> {
                let text = text.into();
                $check(Self::WHAT, &text)?;
                Ok(Self(text))
            }

            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&crate::Escaped(&self.0), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl TryFrom<&str> for $name {
            type Error = RequestError;
            fn try_from(text: &str) -> Result<Self, RequestError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = RequestError;
            fn try_from(text: String) -> Result<Self, RequestError> {
                Self::new(text)
            }
        }

        impl TryFrom<&String> for $name {
            type Error = RequestError;
            fn try_from(text: &String) -> Result<Self, RequestError> {
                Self::new(text.as_str())
            }
        }

        impl From<&$name> for $name {
            fn from(name: &$name) -> Self {
                name.to_owned()
            }
        }

        impl core::str::FromStr for $name {
            type Err = RequestError;
            fn from_str(text: &str) -> Result<Self, RequestError> {
                Self::new(text)
            }
        }
    };
}

name! {
    /// The id of a sequence. The hub assigns it on upload. The `name` of a package is not an id:
    /// hubs do not resolve names.
    SequenceId, "sequence id", check_segment
}

name! {
    /// The id of an instance. The hub assigns it on start, or the caller chooses it with
    /// [`StartOptions::instance_id`](crate::StartOptions::instance_id).
    InstanceId, "instance id", check_instance_id
}

name! {
    /// The name of an event to wait for, as a part of a path. The name in
    /// [`SendEvent`](crate::SendEvent) may be any text, because it is part of a body.
    EventName, "event name", check_segment
}

name! {
    /// The name of a topic. Since 0.35.0, hubs accept only letters, digits, `_`, `+` and `-`. Older
    /// hubs accept every text that can be part of a path.
    TopicName, "topic name", check_segment
}

name! {
    /// The id of a hub at its Manager.
    HubId, "hub id", check_segment
}

name! {
    /// The id of a Manager.
    ManagerId, "manager id", check_segment
}

name! {
    /// The id of a space, which is a Manager at the Middleware.
    SpaceId, "space id", check_segment
}

name! {
    /// The id of a sequence in a Manager's store.
    StoreItemId, "store item id", check_segment
}

/// The names of members of every JavaScript object. Quirk (0.18.7, 1.0.1): the hub never responds
/// to a request for an instance with such an id.
const OBJECT_MEMBERS: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// Like [`check_segment`], for the id of an instance.
pub(crate) fn check_instance_id(what: &'static str, value: &str) -> Result<(), RequestError> {
    if OBJECT_MEMBERS.contains(&value) {
        let problem = "hubs never respond to a request for it";
        return Err(RequestError::PathSegment {
            what,
            value: value.into(),
            problem,
        });
    }
    check_segment(what, value)
}

impl InstanceId {
    /// The length in bytes of an id that the caller chooses for a start.
    pub(crate) const CHOSEN_LEN: usize = 36;
}
