//! Who belongs to the plant, and why: genesis, threshold acts, and the records of trust logs.

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::codec::{self, DecodeError};
use crate::grant::Terms;
use crate::ids::{GroupId, PlantId, PublicKey, RecordId};
use crate::limits::{
    ACT_SIGNATURES_MAX, ADMISSION_FRAME_BYTES_MAX, INVITATION_USES_MAX, LEAVES_MAX, ROOT_KEYS_MAX,
};
use crate::log::{Cut, LogCut};
use crate::rotation::Rotation;
use crate::signed::{Signature, VerifyError, sign_bytes, verify_bytes};
use crate::time::UnixMillis;
use crate::topic::{Name, Title};

/// The root of a plant's trust: any `threshold` of `keys` act together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// The root keys, sorted, each once.
    pub keys: Bounded<PublicKey, ROOT_KEYS_MAX>,
    /// How many of them an act needs.
    pub threshold: u8,
}

impl Root {
    /// Whether the threshold can be met and the keys are in order.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let sorted = self.keys.windows(2).all(|pair| pair[0] < pair[1]);
        sorted && self.threshold > 0 && usize::from(self.threshold) <= self.keys.len()
    }

    /// The key that acts alone, where one signature is enough: it writes a log like an admin.
    #[must_use]
    pub fn acts_alone(&self, key: &PublicKey) -> bool {
        self.threshold == 1 && self.keys.contains(key)
    }
}

/// How a plant begins. Its payload's hash is the plant's name for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// What people call the plant.
    pub name: Title,
    /// Who may act for it.
    pub root: Root,
    /// When it was founded.
    pub at: UnixMillis,
    /// Random bytes, so that two plants of one name and key differ.
    pub salt: [u8; 16],
}

/// What root keys sign together. Acts stand outside any log; any member hands them on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActBody {
    /// The beginning.
    Genesis(Genesis),
    /// A record that needs the root.
    Record(TrustEntry),
    /// An earlier form of a rotation, which no node ever applied: it says nothing of the acts of
    /// the old root. Its bytes are kept.
    RootRotation {
        /// Which rotation this is, from 1.
        number: u32,
        /// The new root. A rotation carries its signatures too.
        root: Root,
        /// Where the logs of the old root keys end.
        cuts: Bounded<KeyCut, ROOT_KEYS_MAX>,
        /// When it was signed.
        at: UnixMillis,
    },
    /// Another root takes over. Releases before this one cannot read it, and keep to the old root.
    Rotation(Rotation),
    /// A record of a root that took over.
    RecordOf {
        /// The rotation that made the root.
        root: RecordId,
        /// The record.
        entry: TrustEntry,
    },
}

/// Where the logs of one key end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCut {
    /// The key.
    pub key: PublicKey,
    /// The ends of its logs.
    pub cut: Cut,
}

/// A threshold act with its signatures, not checked yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    payload: Vec<u8>,
    signatures: Bounded<(PublicKey, Signature), ACT_SIGNATURES_MAX>,
}

/// An act whose signatures met the threshold of the root it was checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAct {
    id: RecordId,
    body: ActBody,
    act: Act,
}

/// Why an act was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// Not canonical, or over a bound.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A signature fits nobody.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The root of a genesis could never act, or that of a rotation may not take over.
    #[error("a root of {keys} keys in order with a threshold of {threshold}")]
    UnsoundRoot {
        /// How many keys it lists.
        keys: usize,
        /// What threshold it names.
        threshold: u8,
    },
    /// Too few root keys signed; signatures are sorted by key and each key counts once.
    #[error("{valid} root keys signed where {threshold} must")]
    Threshold {
        /// Valid signatures of different root keys.
        valid: usize,
        /// Signatures that are needed.
        threshold: u8,
    },
    /// A genesis where another act was wanted, or the other way round.
    #[error("not an act of the wanted kind")]
    WrongKind,
}

const ACT_PURPOSE: &str = "gearmesh/plant/act/v1";

impl Act {
    /// An act signed by these keys, of which at most [`ACT_SIGNATURES_MAX`] count. A genesis is
    /// signed for [`PlantId::ZERO`].
    #[must_use]
    pub fn sign(keys: &[&SigningKey], plant: &PlantId, body: &ActBody) -> Self {
        let payload = codec::encode(body);
        let mut signatures: Vec<(PublicKey, Signature)> = keys
            .iter()
            .map(|key| (PublicKey::of(key), sign_bytes(key, ACT_PURPOSE, plant, &payload)))
            .collect();
        signatures.sort_unstable();
        Self { payload, signatures: Bounded::first_of(signatures) }
    }

    /// Checks a genesis: it must be signed by a threshold of the root that it names.
    ///
    /// # Errors
    /// Another kind of act, an unsound root, or too few signatures.
    pub fn verify_genesis(self) -> Result<(PlantId, Genesis, VerifiedAct), ActError> {
        let ActBody::Genesis(genesis) = self.peek()? else { return Err(ActError::WrongKind) };
        if !genesis.root.is_sound() {
            return Err(ActError::unsound(&genesis.root));
        }
        let act = self.check(&PlantId::ZERO, &genesis.root)?;
        Ok((PlantId(act.id.0), genesis, act))
    }

    /// Checks an act that is no genesis against the root that it names, see [`Act::named_root`]. A
    /// rotation must be signed by that root and by the one that takes over.
    ///
    /// # Errors
    /// A genesis, a root that may not take over, or too few signatures.
    pub fn verify(self, plant: &PlantId, root: &Root) -> Result<VerifiedAct, ActError> {
        match self.peek()? {
            ActBody::Genesis(_) => Err(ActError::WrongKind),
            ActBody::Rotation(rotation) if !rotation.is_sound(root) => {
                Err(ActError::unsound(&rotation.root))
            }
            ActBody::Rotation(rotation) => {
                self.check_signatures(plant, &rotation.root)?;
                self.check(plant, root)
            }
            ActBody::Record(_) | ActBody::RootRotation { .. } | ActBody::RecordOf { .. } => {
                self.check(plant, root)
            }
        }
    }

    /// The rotation that made the root which signs this act, or the genesis of `plant`.
    ///
    /// # Errors
    /// Not canonical, or over a bound.
    pub fn named_root(&self, plant: &PlantId) -> Result<RecordId, DecodeError> {
        Ok(match self.peek()? {
            ActBody::Genesis(_) | ActBody::Record(_) | ActBody::RootRotation { .. } => {
                RecordId(plant.0)
            }
            ActBody::Rotation(rotation) => rotation.after,
            ActBody::RecordOf { root, .. } => root,
        })
    }

    fn peek(&self) -> Result<ActBody, DecodeError> {
        codec::decode(&self.payload, ADMISSION_FRAME_BYTES_MAX)
    }

    fn check(self, plant: &PlantId, root: &Root) -> Result<VerifiedAct, ActError> {
        self.check_signatures(plant, root)?;
        let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 act id v1");
        hasher.update(&self.payload);
        let id = RecordId(*hasher.finalize().as_bytes());
        Ok(VerifiedAct { id, body: self.peek()?, act: self })
    }

    fn check_signatures(&self, plant: &PlantId, root: &Root) -> Result<(), ActError> {
        let ordered = self.signatures.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let by_root = || self.signatures.iter().filter(|(key, _)| root.keys.contains(key));
        let valid = by_root().count();
        // Counting costs nothing, so nobody can make a reader check signatures that cannot count.
        if !ordered || valid < usize::from(root.threshold) {
            return Err(ActError::Threshold { valid, threshold: root.threshold });
        }
        for (key, signature) in by_root() {
            verify_bytes(key, ACT_PURPOSE, plant, &self.payload, signature)?;
        }
        Ok(())
    }
}

impl ActError {
    fn unsound(root: &Root) -> Self {
        Self::UnsoundRoot { keys: root.keys.len(), threshold: root.threshold }
    }
}

impl VerifiedAct {
    /// The act's id: the hash of its payload. A genesis's is the plant id.
    #[must_use]
    pub const fn id(&self) -> RecordId {
        self.id
    }

    /// What was signed.
    #[must_use]
    pub const fn body(&self) -> &ActBody {
        &self.body
    }

    /// The act as it is stored and sent.
    #[must_use]
    pub const fn act(&self) -> &Act {
        &self.act
    }
}

/// One entry of a trust log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustEntry {
    /// When its author signed it, by the author's clock.
    pub at: UnixMillis,
    /// What it says.
    pub record: TrustRecord,
}

/// What a trust log can say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrustRecord {
    /// A key may sign for the plant.
    Delegation(Delegation),
    /// Whoever holds a secret may become a member.
    Invitation(Invitation),
    /// A key is a member.
    Admission(Admission),
    /// A member's terms change.
    Amendment(Amendment),
    /// A key or an invitation ends.
    Revocation(Revocation),
    /// Where several roots want to take over from one, its author is for the one that this rotation
    /// makes. Releases before this one cannot read it.
    RootVote(RecordId),
}

/// What a delegated key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authority {
    /// Invites, admits, amends, revokes registrars, nodes and invitations.
    Admin,
    /// Redeems the invitations that name it. Its key is a member's.
    Registrar,
}

/// A key may sign for the plant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The key.
    pub key: PublicKey,
    /// What it may do.
    pub authority: Authority,
    /// What people call it.
    pub name: Name,
}

/// Whoever holds a secret may become a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Public half of the key whose seed is in the code; the invitation's id.
    pub key: PublicKey,
    /// The one registrar that redeems it.
    pub redeemer: PublicKey,
    /// What the member will be.
    pub terms: Terms,
    /// How many keys it may admit.
    pub uses: u16,
    /// When it ends, by the redeemer's clock.
    pub expires_at: UnixMillis,
    /// Only this key may redeem it; then a stolen code is useless.
    pub bound_to: Option<PublicKey>,
}

impl Invitation {
    /// Whether its number of uses is one that can be granted.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.uses > 0 && self.uses <= INVITATION_USES_MAX
    }
}

/// A key is a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The member.
    pub node: PublicKey,
    /// The invitation it redeemed; none if an admin admits it.
    pub invitation: Option<PublicKey>,
    /// What it is.
    pub terms: Terms,
}

/// A member's terms change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// The member.
    pub node: PublicKey,
    /// The membership record that this one replaces.
    pub replaces: RecordId,
    /// What it is from now on.
    pub terms: Terms,
    /// The member's data leaves: later groups that name the older record are withheld.
    pub data_leaves: Bounded<GroupId, LEAVES_MAX>,
}

/// Why a key ends. It decides what becomes of data beyond the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Taken out of service.
    Retired,
    /// Gone, nobody knows where.
    Lost,
    /// Another key does its work now.
    Replaced,
    /// Somebody else may hold the key.
    Compromised,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Retired => "retired",
            Self::Lost => "lost",
            Self::Replaced => "replaced",
            Self::Compromised => "compromised",
        })
    }
}

/// What a revocation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// An admin's, registrar's or node's key.
    Key(PublicKey),
    /// An invitation, by its key.
    Invitation(PublicKey),
    /// What lets a member redeem invitations, by its key: it stays a member. What it admitted up to the
    /// cut of its trust log stands. Releases before this one cannot read it, and say so.
    Registrar(PublicKey),
}

/// A key or an invitation ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// What ends.
    pub target: Target,
    /// Why.
    pub reason: Reason,
    /// Where its logs end; for an invitation, the redeemer's trust log.
    pub cut: Cut,
}

impl Revocation {
    /// The leaves at which the log of `kind` ends; empty if the revocation does not name it.
    #[must_use]
    pub fn leaves(&self, kind: crate::log::LogKind) -> &[GroupId] {
        let found: Option<&LogCut> = self.cut.iter().find(|cut| cut.kind == kind);
        found.map_or(&[], |cut| &cut.leaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn genesis(keys: &[&SigningKey], threshold: u8) -> ActBody {
        let mut public: Vec<PublicKey> = keys.iter().map(|k| PublicKey::of(k)).collect();
        public.sort_unstable();
        ActBody::Genesis(Genesis {
            name: "Rossi".parse().expect("a title"),
            root: Root { keys: public.try_into().expect("few keys"), threshold },
            at: UnixMillis(1),
            salt: [0; 16],
        })
    }

    #[test]
    fn a_genesis_needs_its_threshold() {
        let (a, b, c) = (key(1), key(2), key(3));
        let body = genesis(&[&a, &b, &c], 2);
        assert!(Act::sign(&[&a, &b], &PlantId::ZERO, &body).verify_genesis().is_ok());
        let alone = Act::sign(&[&a], &PlantId::ZERO, &body).verify_genesis();
        assert_eq!(alone.unwrap_err(), ActError::Threshold { valid: 1, threshold: 2 });
        let twice = Act::sign(&[&a, &a], &PlantId::ZERO, &body).verify_genesis();
        assert!(matches!(twice, Err(ActError::Threshold { .. })));
        let stranger = Act::sign(&[&a, &key(9)], &PlantId::ZERO, &body).verify_genesis();
        assert_eq!(stranger.unwrap_err(), ActError::Threshold { valid: 1, threshold: 2 });
        let unsound = genesis(&[&a], 2);
        let unsound = Act::sign(&[&a], &PlantId::ZERO, &unsound).verify_genesis();
        assert!(matches!(unsound, Err(ActError::UnsoundRoot { keys: 1, threshold: 2 })));
    }

    #[test]
    fn an_act_fits_its_plant() {
        let a = key(1);
        let body = genesis(&[&a], 1);
        let signed = Act::sign(&[&a], &PlantId::ZERO, &body);
        let (plant, genesis, _) = signed.verify_genesis().expect("a genesis");
        let record = ActBody::RootRotation {
            number: 1,
            root: genesis.root.clone(),
            cuts: Bounded::new(),
            at: UnixMillis(2),
        };
        let act = Act::sign(&[&a], &plant, &record);
        assert!(act.clone().verify(&plant, &genesis.root).is_ok());
        assert!(act.verify(&PlantId([9; 32]), &genesis.root).is_err());
    }
}
