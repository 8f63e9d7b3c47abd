//! What people signed: how the plant began, and what its admin signs later.
#![expect(clippy::expect_used, reason = "names and records that are written here are well formed")]

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use gearmesh_node::core::record::Record;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::{GroupId, Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::limits::GROUP_ENTRIES_MAX;
use gearmesh_protocol::log::{Draft, Group, LogCut, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{
    Act, ActBody, Admission, Authority, Delegation, Genesis, Invitation, Reason, Revocation, Root,
    Target, TrustEntry, TrustRecord,
};

/// When the plant was founded, by the wall clock.
pub const FOUNDED: u64 = 1_000_000;

/// Joiners that one invitation admits.
const USES: u16 = 8;

/// The signing key with this name.
#[must_use]
pub fn signing(name: &str) -> SigningKey {
    let mut bytes = [0; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_bytes(&bytes)
}

/// Its public half.
#[must_use]
pub fn key(name: &str) -> PublicKey {
    PublicKey::of(&signing(name))
}

/// The name of a machine.
#[must_use]
pub fn machine(number: usize) -> String {
    format!("machine-{number}")
}

/// The invitation that admits joiners.
#[must_use]
pub fn code() -> PublicKey {
    key("code")
}

/// Somebody who signs for the plant, with what it signed last.
#[derive(Clone, Debug)]
pub struct Keyring {
    name: &'static str,
    plant: PlantId,
    last: Option<Tip>,
}

impl Keyring {
    /// Signs records as one group on top of the last.
    pub fn sign(&mut self, records: Vec<TrustRecord>) -> Arc<VerifiedGroup> {
        let at = UnixMillis(FOUNDED);
        let entry = |record| codec::encode(&TrustEntry { at, record });
        let entries = records.into_iter().map(entry).collect();
        let group = group(self.name, &self.plant, self.last.as_slice(), entries);
        self.last = Some(group.tip());
        group
    }
}

/// A group of anybody's trust log, after anything.
#[must_use]
pub fn group(
    name: &str,
    plant: &PlantId,
    after: &[Tip],
    entries: Vec<Vec<u8>>,
) -> Arc<VerifiedGroup> {
    written(name, LogKind::Trust, plant, after, entries)
}

/// A group of anybody's data log, after anything.
#[must_use]
pub fn data_group(
    name: &str,
    plant: &PlantId,
    after: &[Tip],
    entries: Vec<Vec<u8>>,
) -> Arc<VerifiedGroup> {
    written(name, LogKind::Data, plant, after, entries)
}

fn written(
    name: &str,
    kind: LogKind,
    plant: &PlantId,
    after: &[Tip],
    entries: Vec<Vec<u8>>,
) -> Arc<VerifiedGroup> {
    let draft = Draft {
        log: LogId { author: key(name), kind },
        incarnation: Incarnation([0; 16]),
        after: after.to_vec(),
        acting_under: RecordId([0; 32]),
        salt: Salt([0; 16]),
        entries,
    };
    Arc::new(Group::write(&signing(name), plant, draft).expect("a small group"))
}

/// A plant whose first `members` machines are members, and whose machine 0 redeems the code.
pub struct Founding {
    /// The plant.
    pub plant: PlantId,
    /// The journal of a member.
    pub journal: Vec<Record>,
    /// The admin, who goes on.
    pub admin: Keyring,
}

impl Founding {
    /// Founds the plant.
    #[must_use]
    pub fn of(members: usize) -> Self {
        let machines: Vec<PublicKey> = (0..members).map(|number| key(&machine(number))).collect();
        Self::with(&machines)
    }

    /// Founds a plant of one gateway, machine 0; plants with other salts are others.
    #[must_use]
    pub fn of_gateway(salt: u8) -> Self {
        let terms = Terms { roles: Bounded::first_of([Role::Gateway]), ..terms(&machine(0)) };
        Self::of_terms(salt, &[(key(&machine(0)), terms)])
    }

    /// Founds a plant of machines with these keys.
    #[must_use]
    pub fn with(machines: &[PublicKey]) -> Self {
        let terms = |(number, key): (usize, &PublicKey)| (*key, terms(&machine(number)));
        Self::of_terms(0, &machines.iter().enumerate().map(terms).collect::<Vec<_>>())
    }

    fn of_terms(salt: u8, machines: &[(PublicKey, Terms)]) -> Self {
        let keys = vec![key("root")];
        let root = Root { keys: keys.try_into().expect("one key"), threshold: 1 };
        let name = "Rossi".parse().expect("a title");
        let body =
            ActBody::Genesis(Genesis { name, root, at: UnixMillis(FOUNDED), salt: [salt; 16] });
        let genesis = Act::sign(&[&signing("root")], &PlantId::ZERO, &body);
        let (plant, ..) = genesis.clone().verify_genesis().expect("a genesis");
        let mut by_root = Keyring { name: "root", plant, last: None };
        let mut admin = Keyring { name: "admin", plant, last: None };
        let delegated = by_root.sign(vec![delegate("admin", key("admin"), Authority::Admin)]);
        let admitted = machines.iter().map(|(key, terms)| admit(*key, terms.clone()));
        let mut records: Vec<TrustRecord> = admitted.collect();
        let redeemer = machines.first().map_or_else(|| key(&machine(0)), |(key, _)| *key);
        records.push(delegate(&machine(0), redeemer, Authority::Registrar));
        records.push(invitation(redeemer));
        let chunks = records.chunks(GROUP_ENTRIES_MAX);
        let admitted = chunks.map(|records| admin.sign(records.to_vec()));
        let groups = std::iter::once(delegated).chain(admitted);
        let groups = groups.map(|group| Record::Group(group.group().clone()));
        let journal = std::iter::once(Record::Act(genesis)).chain(groups).collect();
        Self { plant, journal, admin }
    }
}

/// An admin admits a machine.
#[must_use]
pub fn admission(number: usize) -> TrustRecord {
    admit(key(&machine(number)), terms(&machine(number)))
}

fn admit(node: PublicKey, terms: Terms) -> TrustRecord {
    TrustRecord::Admission(Admission { node, invitation: None, terms })
}

/// A key ends, and its trust log with these groups.
#[must_use]
pub fn revocation(target: PublicKey, leaves: Vec<GroupId>) -> TrustRecord {
    let ends = LogCut { kind: LogKind::Trust, leaves: Bounded::first_of(leaves) };
    let cut = Bounded::first_of((!ends.leaves.is_empty()).then_some(ends));
    let reason = Reason::Retired;
    TrustRecord::Revocation(Revocation { target: Target::Key(target), reason, cut })
}

/// Somebody else may hold a key: of its data log these groups stay, and what lies before them.
#[must_use]
pub fn accusation(target: PublicKey, leaves: Vec<GroupId>) -> TrustRecord {
    let ends = LogCut { kind: LogKind::Data, leaves: Bounded::first_of(leaves) };
    let cut = Bounded::first_of((!ends.leaves.is_empty()).then_some(ends));
    let reason = Reason::Compromised;
    TrustRecord::Revocation(Revocation { target: Target::Key(target), reason, cut })
}

fn delegate(name: &str, key: PublicKey, authority: Authority) -> TrustRecord {
    let called = format!("key-of-{name}").parse().expect("a name");
    TrustRecord::Delegation(Delegation { key, authority, name: called })
}

fn invitation(redeemer: PublicKey) -> TrustRecord {
    TrustRecord::Invitation(Invitation {
        key: code(),
        redeemer,
        terms: terms("joiner"),
        uses: USES,
        expires_at: UnixMillis(u64::MAX),
        bound_to: None,
    })
}

fn terms(name: &str) -> Terms {
    Terms {
        name: name.parse().expect("a name"),
        roles: vec![Role::Machine].try_into().expect("one role"),
        scope: Some(name.parse().expect("a scope")),
        subscribe: Bounded::new(),
        until: None,
    }
}
