//! A plant for tests: whatever any key might sign, in whatever order it might arrive.
//!
//! A test says who writes what; the world chains each author's log and keeps everything as a flat
//! set. Nothing is judged here, so that hostile histories are as easy to write as honest ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::log::{Draft, Group, LogCut, LogId, LogKind, Tip, VerifiedGroup, record_id};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::rotation::Rotation;
use gearmesh_protocol::signed::Signature;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{Act, ActBody, Genesis, KeyCut, Root, TrustEntry, TrustRecord};

use super::ledger::Ledger;
use super::log::Log;
use super::roster::Roster;

pub(crate) mod records;

/// When the plants of the tests were founded.
pub(crate) const FOUNDED: u64 = 1_000;

/// The key that belongs to a role; the same in every run.
pub(crate) fn signing(role: &str) -> SigningKey {
    SigningKey::from_bytes(&blake3::derive_key("gearmesh 2026 keys of tests v1", role.as_bytes()))
}

/// The public half of a role's key.
pub(crate) fn key(role: &str) -> PublicKey {
    PublicKey::of(&signing(role))
}

/// A group of any bytes that `author` may sign.
pub(crate) fn draft(author: &str, kind: LogKind, after: &[Tip], entries: Vec<Vec<u8>>) -> Draft {
    Draft {
        log: LogId { author: key(author), kind },
        incarnation: Incarnation([0; 16]),
        after: after.to_vec(),
        acting_under: RecordId([0; 32]),
        salt: Salt([0; 16]),
        entries,
    }
}

/// The id of the first record of a group.
pub(crate) fn first(group: &VerifiedGroup) -> RecordId {
    record_id(&group.id(), 0)
}

/// One thing that a ledger merges.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// A threshold act.
    Act(Act),
    /// A group of a trust log.
    Group(Arc<VerifiedGroup>),
}

/// All that was ever signed in a plant.
#[derive(Clone, Debug)]
pub(crate) struct Plant {
    pub(crate) id: PlantId,
    genesis: Act,
    body: ActBody,
    pieces: Vec<Piece>,
    tips: BTreeMap<PublicKey, Tip>,
    clock: u64,
}

impl Plant {
    /// A plant whose only root key, `root`, acts alone.
    pub(crate) fn with_one_root() -> Self {
        Self::founded(&["root"], 1)
    }

    /// A plant of which any two of `root-1`, `root-2`, `root-3` act together, with an admin,
    /// `admin`, that they delegated.
    pub(crate) fn with_three_roots() -> Self {
        let mut plant = Self::founded(&["root-1", "root-2", "root-3"], 2);
        plant.act(&["root-1", "root-2"], records::admin("admin"));
        plant
    }

    /// A plant with one root key, `root`, an `admin`, a `registrar`, and an invitation, `code`, by
    /// which the registrar makes machines that are called `press`.
    pub(crate) fn at_work() -> Self {
        let mut plant = Self::with_one_root();
        plant.write("root", records::admin("admin"));
        plant.write("admin", records::registrar("registrar"));
        plant.write("admin", records::invite("code", "registrar", records::machine("press")));
        plant
    }

    /// A plant with these root keys.
    pub(crate) fn founded(roots: &[&str], threshold: u8) -> Self {
        let mut keys: Vec<PublicKey> = roots.iter().map(|role| key(role)).collect();
        keys.sort_unstable();
        let body = ActBody::Genesis(Genesis {
            name: "Rossi".parse().expect("a title"),
            root: Root { keys: few(keys), threshold },
            at: UnixMillis(FOUNDED),
            salt: [0; 16],
        });
        let genesis = signed(&roots[..usize::from(threshold)], &PlantId::ZERO, &body);
        let (id, ..) = genesis.clone().verify_genesis().expect("a genesis");
        let (pieces, tips) = (Vec::new(), BTreeMap::new());
        Self { id, genesis, body, pieces, tips, clock: FOUNDED }
    }

    /// The genesis with the signatures of other root keys.
    pub(crate) fn genesis_signed_by(&self, signers: &[&str]) -> Act {
        signed(signers, &PlantId::ZERO, &self.body)
    }

    /// Sets the time at which the next records are signed.
    pub(crate) fn at(&mut self, clock: u64) -> &mut Self {
        self.clock = clock;
        self
    }

    /// When the next record is signed.
    pub(crate) const fn now(&self) -> u64 {
        self.clock
    }

    /// `author` signs a record on top of what it wrote last.
    pub(crate) fn write(&mut self, author: &str, record: TrustRecord) -> Arc<VerifiedGroup> {
        let after = self.tips.get(&key(author)).copied();
        self.write_after(author, after.as_slice(), vec![self.encoded(record)])
    }

    /// As [`Plant::write`], beside all that `author` wrote after `parent`: a fork.
    pub(crate) fn fork(
        &mut self,
        author: &str,
        parent: Option<&VerifiedGroup>,
        record: TrustRecord,
    ) -> Arc<VerifiedGroup> {
        let after: Vec<Tip> = parent.map(VerifiedGroup::tip).into_iter().collect();
        self.write_after(author, &after, vec![self.encoded(record)])
    }

    /// `author` signs a group of any bytes on top of what it wrote last.
    pub(crate) fn write_bytes(
        &mut self,
        author: &str,
        entries: Vec<Vec<u8>>,
    ) -> Arc<VerifiedGroup> {
        let after = self.tips.get(&key(author)).copied();
        self.write_after(author, after.as_slice(), entries)
    }

    /// `author` signs a group of any bytes after any tips.
    pub(crate) fn write_after(
        &mut self,
        author: &str,
        after: &[Tip],
        entries: Vec<Vec<u8>>,
    ) -> Arc<VerifiedGroup> {
        self.clock += 1;
        let draft = draft(author, LogKind::Trust, after, entries);
        let group = Arc::new(Group::write(&signing(author), &self.id, draft).expect("a group"));
        self.tips.insert(key(author), group.tip());
        self.pieces.push(Piece::Group(Arc::clone(&group)));
        group
    }

    /// Root keys sign a record together; whether that is enough is the ledger's to say.
    pub(crate) fn act(&mut self, signers: &[&str], record: TrustRecord) -> Act {
        let body = ActBody::Record(TrustEntry { at: UnixMillis(self.clock), record });
        let act = signed(signers, &self.id, &body);
        self.keep_act(act)
    }

    /// Keys of a root that took over sign a record together.
    pub(crate) fn act_of(&mut self, root: RecordId, signers: &[&str], record: TrustRecord) -> Act {
        let entry = TrustEntry { at: UnixMillis(self.clock), record };
        let act = signed(signers, &self.id, &ActBody::RecordOf { root, entry });
        self.keep_act(act)
    }

    /// Another root takes over: these keys, of which two act. Its id.
    pub(crate) fn rotate(
        &mut self,
        signers: &[&str],
        after: Option<RecordId>,
        to: &[&str],
        (cuts, acts): (&[&VerifiedGroup], &[&Act]),
    ) -> RecordId {
        let mut keys: Vec<PublicKey> = to.iter().map(|role| key(role)).collect();
        keys.sort_unstable();
        let cut = |group: &&VerifiedGroup| KeyCut {
            key: group.header().log.author,
            cut: few(vec![LogCut { kind: LogKind::Trust, leaves: few(vec![group.id()]) }]),
        };
        let rotation = Rotation {
            after: after.unwrap_or(RecordId(self.id.0)),
            root: Root { keys: few(keys), threshold: 2 },
            cuts: few(cuts.iter().map(cut).collect()),
            acts: few(acts.iter().map(|act| act_id(act)).collect()),
            at: UnixMillis(self.clock),
        };
        let signers: Vec<&str> = signers.iter().chain(&to[..2]).copied().collect();
        let act = signed(&signers, &self.id, &ActBody::Rotation(rotation));
        act_id(&self.keep_act(act))
    }

    fn keep_act(&mut self, act: Act) -> Act {
        self.clock += 1;
        self.pieces.push(Piece::Act(act.clone()));
        act
    }

    /// The bytes of a record that is signed now.
    pub(crate) fn encoded(&self, record: TrustRecord) -> Vec<u8> {
        codec::encode(&TrustEntry { at: UnixMillis(self.clock), record })
    }

    /// All that was signed.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// A ledger that holds the genesis alone.
    pub(crate) fn empty_ledger(&self) -> Ledger {
        Ledger::found(self.genesis.clone()).expect("a genesis")
    }

    /// The ledger of everything.
    pub(crate) fn ledger(&self) -> Ledger {
        let mut ledger = self.empty_ledger();
        merge_all(&mut ledger, &self.pieces);
        ledger
    }

    /// The roster of everything.
    pub(crate) fn roster(&self) -> Roster {
        Roster::of(&self.ledger())
    }
}

fn signed(signers: &[&str], plant: &PlantId, body: &ActBody) -> Act {
    let keys: Vec<SigningKey> = signers.iter().map(|role| signing(role)).collect();
    Act::sign(&keys.iter().collect::<Vec<_>>(), plant, body)
}

/// The id of an act, whoever signed it.
pub(crate) fn act_id(act: &Act) -> RecordId {
    let bytes = codec::encode(act);
    let (payload, _): (Vec<u8>, Vec<(PublicKey, Signature)>) =
        codec::decode(&bytes, FRAME_BYTES_MAX).expect("the parts of an act");
    let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 act id v1");
    hasher.update(&payload);
    RecordId(*hasher.finalize().as_bytes())
}

/// What a ledger holds: how many acts and, of each log, the ends and what waits for its parents.
fn held(ledger: &Ledger) -> (usize, Vec<(Vec<GroupId>, usize)>) {
    let log = |log: &Log| (log.leaves().iter().copied().collect(), log.count_apart());
    (ledger.act_ids().count(), ledger.logs_by_key().map(log).collect())
}

/// Merges pieces in this order again and again, until nothing changes any more: what anti-entropy
/// does, whatever order the network makes.
pub(crate) fn merge_all(ledger: &mut Ledger, pieces: &[Piece]) {
    let mut before = None;
    while before.as_ref() != Some(&held(ledger)) {
        before = Some(held(ledger));
        for piece in pieces {
            match piece {
                Piece::Act(act) => drop(ledger.merge_act(act.clone())),
                Piece::Group(group) => drop(ledger.merge_group(group)),
            }
        }
    }
}

/// All that a ledger holds, as it would be handed to somebody else.
pub(crate) fn pieces_of(ledger: &Ledger) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for page in ledger.pages() {
        pieces.extend(page.acts.into_iter().map(Piece::Act));
        pieces.extend(page.groups.into_iter().map(|group| {
            Piece::Group(Arc::new(group.verify(&ledger.plant()).expect("a stored group")))
        }));
    }
    pieces
}

/// A list that is known to be short.
pub(crate) fn few<T, const MAX: usize>(items: Vec<T>) -> Bounded<T, MAX> {
    assert!(items.len() <= MAX, "{} items where {MAX} fit", items.len());
    Bounded::first_of(items)
}
