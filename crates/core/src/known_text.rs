//! Enums for text from hubs. Any unknown text is kept in the variant `Other`.

/// Implements the conversions of such an enum from and to text.
macro_rules! known_text {
    ($name:ident, $what:literal: $($variant:ident = $text:literal,)+) => {
        impl $name {
            #[doc = concat!("Returns ", $what, " as hubs write it.")]
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<alloc::string::String> for $name {
            fn from(text: alloc::string::String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)+
                    _ => Self::Other(text),
                }
            }
        }

        impl From<$name> for alloc::string::String {
            fn from(value: $name) -> Self {
                value.as_str().into()
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&crate::Escaped(self.as_str()), f)
            }
        }
    };
}

pub(crate) use known_text;
