//! Refusals: requests that were correctly denied.
//!
//! A refusal is a number, a sentence for people that says what is wrong, and one that says what
//! mends it. All of them are in one table (`refusals.rs`), whoever says no: a node of the plant,
//! a node that does not start, the command line, or the local API.

use crate::invite::CodeError;
pub use crate::refusals::Refusal;

/// The first code of those that never go over the wire.
pub const LOCAL_FROM: u16 = 200;
impl Refusal {
    /// Whether asking again in a while cannot help.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Busy
                | Self::RedeemerNotReady
                | Self::NotStored
                | Self::MissingParent
                | Self::VisitsFull
        )
    }
}

impl From<Refusal> for u16 {
    fn from(refusal: Refusal) -> Self {
        refusal.code()
    }
}

impl From<&CodeError> for Refusal {
    fn from(error: &CodeError) -> Self {
        match error {
            CodeError::Prefix { .. } => Self::NoCode,
            CodeError::Truncated { .. } => Self::CodeTruncated,
            CodeError::Character { .. } | CodeError::Checksum => Self::CodeMistyped,
        }
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
            let same = |other: &&Refusal| other.text() == refusal.text();
            assert_eq!(Refusal::ALL.iter().filter(same).count(), 1, "{refusal}");
        }
        assert_eq!(Refusal::from(9).code(), 9);
        // It had a meaning once, and gets no other.
        assert_eq!(Refusal::from(126), Refusal::Unlisted(126));
    }
}
