//! Refusals: requests that were correctly denied.
//!
//! A refusal is a number on the wire and a sentence for people. Numbers are never reused. The
//! sentence says what is wrong; `mend` says what to do about it.

use serde::{Deserialize, Serialize};

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $mend:literal;)*) => {
        /// Why a request was denied.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(from = "u16", into = "u16")]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
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

refusals! {
    /// The one answer that a stranger gets.
    NotAdmitted = 100, "this peer is not admitted here",
        "ask an admin for an invitation: gearmesh add NAME";
    /// Too many peers are being admitted at once.
    Busy = 101, "too many connections are waiting to be admitted", "try again in a few seconds";
    /// The peer speaks another version of the protocol.
    Version = 102, "the two programs speak different versions of the protocol",
        "bring both machines to the same release of gearmesh";
    /// Frames that are malformed, oversized, or out of turn.
    Protocol = 103, "the peer broke the protocol", "bring both machines to the same release of gearmesh";
    /// The key was thrown out.
    Revoked = 110, "this key was revoked",
        "a revoked key never comes back; start with a fresh home and ask for a new invitation";
    /// The membership had an end, and it has passed.
    MembershipEnded = 111, "this membership had an end date, which has passed",
        "ask an admin for a new invitation: gearmesh add NAME";
    /// The key is not in the roster.
    NotAMember = 112, "this key is not a member of the plant",
        "ask an admin for an invitation: gearmesh add NAME";
    /// The code is for another plant than the machine that answers.
    OtherPlant = 120, "the machine that answered belongs to another plant than the code",
        "check the address, or ask the admin of the right plant for a new code";
    /// No such invitation.
    InvitationUnknown = 121, "the redeemer does not know this invitation",
        "ask the admin for a new code: gearmesh add NAME";
    /// The invitation is over, by the redeemer's clock.
    InvitationExpired = 122, "this invitation has expired (by the redeemer's clock)",
        "ask the admin for a new code: gearmesh add NAME";
    /// All its uses are taken by other keys.
    InvitationUsed = 123, "this invitation was already used by another machine",
        "ask the admin for a new code: gearmesh add NAME";
    /// The invitation is for one key, and this is another.
    InvitationBound = 124, "this invitation was made for another machine's key",
        "use the code on the machine it was made for, or ask for a new one";
    /// The invitation was withdrawn.
    InvitationRevoked = 125, "this invitation was withdrawn",
        "ask the admin for a new code: gearmesh add NAME";
    /// The machine that answered is not the one the invitation names.
    NotTheRedeemer = 127, "the machine that answered is not the one that redeems this invitation",
        "check the address in the code; the admin may have to issue a new one: gearmesh add NAME";
    /// The node that redeems cannot write at the moment.
    RedeemerNotReady = 128, "the redeemer cannot write the admission at the moment",
        "look at gearmesh status on the redeemer (disk full?), then join again";
    /// The key is a member already, by another invitation.
    AlreadyMember = 129, "this machine is already a member of the plant",
        "to start over, revoke it first: gearmesh revoke NAME --reason replaced";
    /// The publisher's grant does not cover the topic.
    TopicNotGranted = 130, "the publisher may not publish on this topic",
        "publish under the machine's own scope (gearmesh status shows it)";
    /// The subscriber's grant does not cover the topic.
    SubscribeNotGranted = 131, "this member may not see this topic",
        "ask an admin to widen the member's grant";
    /// Another member has the name, or a scope that overlaps, which the invitation gives.
    NameOrScopeTaken = 132, "the name or scope that the invitation gives belongs to another member by now",
        "revoke that member if this machine replaces it, or ask for a code with another name: gearmesh add NAME";
    /// The author of a trust record may not say this.
    NotAuthorised = 140, "the key that signed this may not do it",
        "sign with an admin key of this plant";
    /// A record builds on something the node does not have.
    MissingParent = 141, "the record builds on one this node does not have yet",
        "wait until the node has caught up (gearmesh status), then try again";
    /// A key that no record of the plant names.
    UnknownAuthor = 142, "no record of this plant names the key that signed this",
        "check that the keyring belongs to this plant";
    /// The node could not make the record durable.
    NotStored = 143, "the node could not write the record to its disk",
        "free some space on the node's disk, then try again";
    /// A log has reached its bound.
    LogFull = 144, "this log holds as many records as a log may",
        "use another admin key";
}

impl Refusal {
    /// Whether asking again in a while cannot help.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Busy | Self::RedeemerNotReady | Self::NotStored | Self::MissingParent)
    }
}

impl From<Refusal> for u16 {
    fn from(refusal: Refusal) -> Self {
        refusal.code()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [code {}]", self.text(), self.code())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_round_trip() {
        assert!(Refusal::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from(refusal.code()), *refusal);
            assert!(!refusal.text().is_empty() && !refusal.mend().is_empty());
        }
        assert_eq!(Refusal::from(9).code(), 9);
        // It had a meaning once, and gets no other.
        assert_eq!(Refusal::from(126), Refusal::Unlisted(126));
    }
}
