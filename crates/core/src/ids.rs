use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::RequestError;
use crate::path::check_segment;

/// One kind of name that stands in a path. Made from text it is checked; read from a reply it is kept as the hub wrote it, and checked when it is used.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub(crate) const WHAT: &'static str = $what;

            #[doc = concat!("Checks that the text can be the ", $what, " in a request.\n\n# Errors\nHubs cannot find it in a path.")]
            pub fn new(text: impl Into<String>) -> Result<Self, RequestError> {
                let text = text.into();
                $check(Self::WHAT, &text)?;
                Ok(Self(text))
            }

            /// The text.
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
    /// The id of a sequence, given by the hub on upload. Hubs do not resolve names: the `name` of a package is not an id.
    SequenceId, "sequence id", check_segment
}

name! {
    /// The id of an instance, given by the hub on start, or chosen by the caller there (36 characters, on hubs that take one).
    InstanceId, "instance id", check_instance_id
}

name! {
    /// The name of an event that is waited for. (An event that is sent may have any name: that one travels in a body.)
    EventName, "event name", check_segment
}

name! {
    /// The name of a topic. Hubs since 0.35.0 take letters, digits and `_`, `+`, `-`; older ones anything that can stand in a path.
    TopicName, "topic name", check_segment
}

name! {
    /// The id of a hub, as its Manager knows it.
    HubId, "hub id", check_segment
}

name! {
    /// The id of a Manager.
    ManagerId, "manager id", check_segment
}

name! {
    /// The id of a space: a Manager, as the Middleware knows it.
    SpaceId, "space id", check_segment
}

name! {
    /// The id of a sequence in a Manager's store.
    StoreItemId, "store item id", check_segment
}

/// Members that every JavaScript object has. quirk (0.18.7, 1.0.1): a request for an instance of such a name is never answered.
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
    /// How long an id must be that the caller chooses for a start.
    pub(crate) const CHOSEN_LEN: usize = 36;
}
