//! An admin without the command line: signs with a plant's keyring what `gearmesh` has no words
//! for.

use std::path::Path;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::{Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::local::{Status, Stored};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::trust::{Act, Invitation, TrustEntry, TrustRecord};

use crate::api::Api;

/// Whoever has the keyring has the plant.
pub struct Admin {
    key: SigningKey,
    plant: PlantId,
}

impl Admin {
    /// Opens a keyring.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn of(keyring: &Path) -> Self {
        let genesis = std::fs::read(keyring.join("genesis")).expect("a genesis");
        let genesis: Act = codec::decode(&genesis, FRAME_BYTES_MAX).expect("an act");
        let (plant, _, _) = genesis.verify_genesis().expect("a sound genesis");
        Self { key: secret_key(&keyring.join("root.key")), plant }
    }

    /// The plant's id.
    #[must_use]
    pub const fn plant(&self) -> PlantId {
        self.plant
    }

    /// The key that signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// Signs a record on top of what the node knows of the keyring's log, and hands it in.
    pub fn sign(&self, api: &mut Api, record: TrustRecord) -> VerifiedGroup {
        let group = write(&self.key, &self.plant, api, RecordId(self.plant.0), record);
        let _: Stored = api.post_bytes("/v1/trust/groups", &codec::encode(group.group())).read();
        group
    }

    /// Signs a record on top of a group of the keyring's log, whatever came after it, and hands
    /// it in.
    pub fn sign_after(&self, api: &mut Api, after: Tip, record: TrustRecord) -> VerifiedGroup {
        let acting_under = RecordId(self.plant.0);
        let group = write_after(&self.key, &self.plant, api, Some(after), acting_under, record);
        let _: Stored = api.post_bytes("/v1/trust/groups", &codec::encode(group.group())).read();
        group
    }

    /// Signs an invitation for the holder of `code`, redeemed by the node that is asked.
    ///
    /// # Panics
    /// The name is none.
    pub fn invite(
        &self,
        api: &mut Api,
        code: &Code,
        name: &str,
        change: impl FnOnce(&mut Invitation),
    ) -> VerifiedGroup {
        let status: Status = api.get("/v1/status").read();
        let now = api.trust_log(&self.public()).now;
        let mut invitation = Invitation {
            key: code.id(),
            redeemer: status.key,
            terms: Terms {
                name: name.parse().expect("a name"),
                roles: Bounded::first_of([Role::Machine]),
                scope: Some(name.parse().expect("a scope")),
                subscribe: Bounded::new(),
                until: None,
            },
            uses: 1,
            expires_at: now.plus_ms(3_600_000),
            bound_to: None,
        };
        change(&mut invitation);
        self.sign(api, TrustRecord::Invitation(invitation))
    }
}

/// Lets a keyring know a group as the last one it signed, so that the command line goes on from it.
///
/// # Panics
/// It cannot be written.
pub fn remember(keyring: &Path, group: &VerifiedGroup) {
    std::fs::write(keyring.join("head"), codec::encode(group.group())).expect("a keyring");
}

/// The secret in a key file.
///
/// # Panics
/// It holds none.
#[must_use]
pub fn secret_key(path: &Path) -> SigningKey {
    let text = std::fs::read_to_string(path).expect("a key file");
    let digits = text.trim();
    assert_eq!(digits.len(), 64, "{}", path.display());
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hex");
    SigningKey::from_bytes(&std::array::from_fn(byte))
}

/// A group with one record, on top of what the node knows of the author's log.
///
/// # Panics
/// It cannot be written.
pub fn write(
    key: &SigningKey,
    plant: &PlantId,
    api: &mut Api,
    acting_under: RecordId,
    record: TrustRecord,
) -> VerifiedGroup {
    let after = api.trust_log(&PublicKey::of(key)).leaves.into_iter().next();
    write_after(key, plant, api, after, acting_under, record)
}

fn write_after(
    key: &SigningKey,
    plant: &PlantId,
    api: &mut Api,
    after: Option<Tip>,
    acting_under: RecordId,
    record: TrustRecord,
) -> VerifiedGroup {
    let author = PublicKey::of(key);
    let log = api.trust_log(&author);
    let draft = Draft {
        log: LogId { author, kind: LogKind::Trust },
        incarnation: Incarnation([7; 16]),
        after: after.into_iter().collect(),
        acting_under,
        salt: Salt([7; 16]),
        entries: vec![codec::encode(&TrustEntry { at: log.now, record })],
    };
    Group::write(key, plant, draft).expect("a group")
}
