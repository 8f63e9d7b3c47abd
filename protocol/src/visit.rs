//! Visits: how an admin whose machine is no node reaches the plant's records through a member.
//!
//! ```text
//!   visitor ── Hello(Visit: tag, nonce) ──► host     I know the plant
//!   visitor ◄── Reception(tag, nonce) ───── host     so do I
//!   visitor ── Visitor(admin, proof) ─────► host     I hold an admin's key
//!   visitor ◄── Credential… ──────────────  host     I am a member
//!   visitor ◄── Welcome ──────────────────  host     every further stream carries HTTP/1.1
//! ```
//!
//! The visitor says last who it is, and to nobody who does not know the plant. Its proof is of this one
//! exchange: it names the keys that the transport proved at both ends, and a nonce of either.

use serde::{Deserialize, Serialize};

use crate::ids::{Nonce, PublicKey};
use crate::signed::{Signable, Signed};

/// What an admin signs to be let in: which ends are connected, and what both chose for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitProof {
    /// The key of the visitor's end of the connection, made for it.
    pub visitor: PublicKey,
    /// The member that is visited.
    pub host: PublicKey,
    /// Chosen by the visitor.
    pub visitor_nonce: Nonce,
    /// Chosen by the member.
    pub host_nonce: Nonce,
}

impl Signable for VisitProof {
    const PURPOSE: &'static str = "gearmesh/plant/visit/v1";
}

/// Who visits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visitor {
    /// The key that signs for the plant.
    pub admin: PublicKey,
    /// The proof that it is there.
    pub proof: Signed<VisitProof>,
}

impl Visitor {
    /// Whether the key named here has signed exactly what was to be proven.
    #[must_use]
    pub fn proves(&self, plant: &crate::ids::PlantId, expected: &VisitProof) -> bool {
        let verified = self.proof.verify(plant, &self.admin);
        verified.is_ok_and(|proof| proof.value() == expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PlantId;
    use ed25519_dalek::SigningKey;

    fn key(seed: u8) -> PublicKey {
        PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
    }

    #[test]
    fn a_proof_is_of_one_exchange_one_plant_and_one_key() {
        let (admin, plant) = (SigningKey::from_bytes(&[1; 32]), PlantId([9; 32]));
        let proof = VisitProof {
            visitor: key(2),
            host: key(3),
            visitor_nonce: Nonce([4; 16]),
            host_nonce: Nonce([5; 16]),
        };
        let signed = Signed::sign(&admin, &plant, &proof);
        let visitor = Visitor { admin: PublicKey::of(&admin), proof: signed };
        assert!(visitor.proves(&plant, &proof));
        for other in [
            VisitProof { visitor: key(6), ..proof.clone() },
            VisitProof { host: key(6), ..proof.clone() },
            VisitProof { visitor_nonce: Nonce([6; 16]), ..proof.clone() },
            VisitProof { host_nonce: Nonce([6; 16]), ..proof.clone() },
            VisitProof { visitor_nonce: Nonce([5; 16]), host_nonce: Nonce([4; 16]), ..proof },
        ] {
            assert!(!visitor.proves(&plant, &other), "{other:?}");
        }
        assert!(!visitor.proves(&PlantId([8; 32]), &proof));
        assert!(!Visitor { admin: key(7), ..visitor }.proves(&plant, &proof));
    }
}
