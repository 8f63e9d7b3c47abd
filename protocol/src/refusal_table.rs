//! What a table of refusals makes: the type, its numbers, and its sentences.

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $mend:literal;)*) => {
        /// Why a request was denied.
        #[derive(
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            serde::Serialize,
            serde::Deserialize,
        )]
        #[serde(from = "u16", into = "u16")]
        pub enum Refusal {
            $($(#[$doc])* #[doc = $text] $name,)*
            /// A reason that a newer release gives. Made by reading a code, never by hand.
            Unlisted(u16),
        }

        impl Refusal {
            /// All refusals that this release knows, in the order of their codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* Self::Unlisted(code) => code }
            }

            /// What is wrong, in a sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unlisted(_) => "the other side has a reason that this release does not know",
                }
            }

            /// What mends it.
            #[must_use]
            pub const fn mend(self) -> &'static str {
                match self {
                    $(Self::$name => $mend,)*
                    Self::Unlisted(_) => "bring both machines to the same release of gearmesh",
                }
            }
        }

        impl From<u16> for Refusal {
            fn from(code: u16) -> Self {
                match code { $($code => Self::$name,)* code => Self::Unlisted(code) }
            }
        }
    };
}

pub(crate) use refusals;
