//! The ledger: the union of all trust logs and threshold acts that this node holds.
//!
//! Merging is union. What a record is worth is not asked here but in [`super::roster`], so that
//! the order in which members tell each other things cannot matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PlantId, PublicKey, RecordId};
use gearmesh_protocol::limits::{
    ADMISSION_FRAME_BYTES_MAX, ENTRY_BYTES_MAX, GROUPS_PAGE_MAX, HEADS_PAGE_MAX,
    TRUST_GROUP_BYTES_MAX, TRUST_RECORDS_MAX, TRUST_REVOCATIONS_MAX,
};
use gearmesh_protocol::log::{LogId, LogKind, VerifiedGroup, record_id};
use gearmesh_protocol::plant::LedgerPage;
use gearmesh_protocol::rotation::Rotation;
use gearmesh_protocol::trust::{
    Act, ActBody, ActError, Genesis, Root, Target, TrustEntry, TrustRecord, VerifiedAct,
};

pub use self::line::{Contest, Line};
use self::rank::Rank;
use super::log::{Inserted, Log, StoreRefusal};

mod line;
mod rank;

/// Threshold acts a ledger holds besides the genesis: they are rare, and each needs the root.
pub const ACTS_MAX: usize = HEADS_PAGE_MAX;

/// Bytes of one page of a ledger on its way to another node; leaves room for the frame around it.
const PAGE_BYTES_MAX: usize = ADMISSION_FRAME_BYTES_MAX - 4096;

/// All trust records this node holds.
#[derive(Clone, Debug)]
pub struct Ledger {
    plant: PlantId,
    genesis: Genesis,
    genesis_act: Act,
    acts: BTreeMap<RecordId, Arc<VerifiedAct>>,
    logs: BTreeMap<PublicKey, Log>,
    /// The records of each group. Decoding checks the keys they name, which takes longer than all
    /// else, so it is done once for a group; of one that is not here it is done when needed.
    decoded: BTreeMap<GroupId, Arc<[Arc<Entry>]>>,
    read: OnceLock<Arc<Read>>,
    /// Whether what revocations name may have changed since the logs heard of it.
    is_unjudged: bool,
}

/// What follows from the records that a node holds; nodes of one process that hold the same
/// records may hold it together.
#[derive(Clone, Debug)]
pub struct Held {
    /// The records.
    pub ledger: Arc<Ledger>,
    /// Their roster.
    pub roster: Arc<super::roster::Roster>,
}

/// What the records say. Reading them all takes long, so it is done once for each state.
#[derive(Debug)]
struct Read {
    entries: Vec<Arc<Entry>>,
    ranks: BTreeMap<PublicKey, Rank>,
    line: Arc<Line>,
}

/// One record with where it stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: RecordId,
    /// The key that wrote it; none for threshold acts.
    pub author: Option<PublicKey>,
    /// The group that holds it; none for threshold acts.
    pub group: Option<GroupId>,
    /// Its place in the author's log, counted in records.
    pub place: u64,
    /// What it says; none if this release cannot read it.
    pub entry: Option<TrustEntry>,
}

impl Entry {
    /// Whether it counts, as far as its place goes: beyond the bound only revocations do.
    #[must_use]
    pub fn is_within_bound(&self) -> bool {
        let record = self.entry.as_ref().map(|entry| &entry.record);
        self.place < TRUST_RECORDS_MAX || matches!(record, Some(TrustRecord::Revocation(_)))
    }
}

/// A record that root keys signed together.
#[derive(Clone, Copy, Debug)]
pub struct RootRecord<'a> {
    /// Its id.
    pub id: RecordId,
    /// The record that made the root: a rotation, or the genesis.
    pub root: RecordId,
    /// What it says.
    pub entry: &'a TrustEntry,
}

/// Why something is not merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeRefusal {
    /// Nobody who ever could made the author an admin, a registrar or a member.
    #[error("no record names the author {author:?}")]
    UnknownAuthor {
        /// The author.
        author: PublicKey,
    },
    /// The group belongs to no trust log.
    #[error("not a trust log")]
    NotTrust,
    /// The group could not be shown to a new member.
    #[error("a trust group of {bytes} bytes; at most {TRUST_GROUP_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The log holds as many records as a trust log may.
    #[error("the log of {author:?} is full")]
    Full {
        /// The author.
        author: PublicKey,
    },
    /// It does not fit its log.
    #[error(transparent)]
    Store(#[from] StoreRefusal),
    /// The act is not the root's.
    #[error(transparent)]
    Act(#[from] ActError),
    /// No rotation is here that made the root which signed the act.
    #[error("the act is of a root that no record here names: {root:?}")]
    UnknownRoot {
        /// The rotation that it names.
        root: RecordId,
    },
    /// The ledger holds as many acts as it may.
    #[error("the ledger holds {ACTS_MAX} threshold acts already")]
    TooManyActs,
}

impl Ledger {
    /// The ledger of a plant that begins with `genesis`.
    ///
    /// # Errors
    /// Not a genesis, or not signed by the root it names.
    pub fn found(genesis_act: Act) -> Result<Self, ActError> {
        let (plant, genesis, _) = genesis_act.clone().verify_genesis()?;
        let (acts, logs, read) = (BTreeMap::new(), BTreeMap::new(), OnceLock::new());
        let (decoded, is_unjudged) = (BTreeMap::new(), false);
        Ok(Self { plant, genesis, genesis_act, acts, logs, decoded, read, is_unjudged })
    }

    /// The plant.
    #[must_use]
    pub const fn plant(&self) -> PlantId {
        self.plant
    }

    /// How it began.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The trust log of a key, if the ledger has any of it.
    #[must_use]
    pub fn log(&self, author: &PublicKey) -> Option<&Log> {
        self.logs.get(author)
    }

    /// All trust logs, those of higher authorities first, so that a reader who takes them in this
    /// order knows every author when its log comes.
    #[must_use]
    pub fn logs(&self) -> Vec<&Log> {
        let ranks = &self.read().ranks;
        let mut logs: Vec<&Log> = self.logs.values().collect();
        logs.sort_by_key(|log| ranks.get(&log.id().author));
        logs
    }

    /// All trust logs in the order of their keys. Costs nothing, where the order means nothing.
    pub fn logs_by_key(&self) -> impl Iterator<Item = &Log> {
        self.logs.values()
    }

    /// Where all logs end.
    pub fn ends(&self) -> impl Iterator<Item = (&PublicKey, &BTreeSet<GroupId>)> {
        self.logs.iter().map(|(author, log)| (author, log.leaves()))
    }

    /// Ids of the threshold acts, without the genesis.
    pub fn act_ids(&self) -> impl Iterator<Item = RecordId> + '_ {
        self.acts.keys().copied()
    }

    /// Adds a threshold act. Whether it is new.
    ///
    /// # Errors
    /// It is not signed by the root, or there are too many.
    pub fn merge_act(&mut self, act: Act) -> Result<bool, MergeRefusal> {
        // A genesis may come with the signatures of other root keys: it is the same one.
        let is_genesis = |act: Act| act.verify_genesis().is_ok_and(|(id, ..)| id == self.plant);
        if act == self.genesis_act || is_genesis(act.clone()) {
            return Ok(false);
        }
        let act = self.verified(act)?;
        if self.acts.contains_key(&act.id()) {
            return Ok(false);
        }
        if self.acts.len() >= ACTS_MAX {
            return Err(MergeRefusal::TooManyActs);
        }
        self.acts.insert(act.id(), Arc::new(act));
        self.read = OnceLock::new();
        self.is_unjudged = true;
        self.protect_what_is_named();
        Ok(true)
    }

    /// Checks an act against the root that it names, whether that one stands or not.
    ///
    /// # Errors
    /// No rotation is here that made that root, or it did not sign the act.
    pub fn verified(&self, act: Act) -> Result<VerifiedAct, MergeRefusal> {
        let root = act.named_root(&self.plant).map_err(ActError::from)?;
        let made = self.root_made_by(&root).ok_or(MergeRefusal::UnknownRoot { root })?;
        Ok(act.verify(&self.plant, made)?)
    }

    /// The root that a rotation makes, or the genesis.
    #[must_use]
    pub fn root_made_by(&self, record: &RecordId) -> Option<&Root> {
        if record.0 == self.plant.0 {
            return Some(&self.genesis.root);
        }
        self.rotation(record).map(|rotation| &rotation.root)
    }

    /// What roots signed outside of logs, whether it counts or not.
    pub fn root_records(&self) -> impl Iterator<Item = RootRecord<'_>> {
        let genesis = RecordId(self.plant.0);
        self.acts.iter().filter_map(move |(id, act)| match act.body() {
            ActBody::Record(entry) => Some(RootRecord { id: *id, root: genesis, entry }),
            ActBody::RecordOf { root, entry } => Some(RootRecord { id: *id, root: *root, entry }),
            ActBody::Genesis(_) | ActBody::RootRotation { .. } | ActBody::Rotation(_) => None,
        })
    }

    /// All rotations, whether they stand or not.
    pub fn rotations(&self) -> impl Iterator<Item = (RecordId, &Rotation)> {
        self.acts.iter().filter_map(|(id, act)| Some((*id, line::rotation(act)?)))
    }

    /// The rotation with this id, whether it stands or not.
    #[must_use]
    pub fn rotation(&self, record: &RecordId) -> Option<&Rotation> {
        self.acts.get(record).and_then(|act| line::rotation(act))
    }

    /// Which root acts, and what counts of those before it.
    #[must_use]
    pub fn line(&self) -> &Arc<Line> {
        &self.read().line
    }

    /// Adds a group of a trust log.
    ///
    /// # Errors
    /// Nobody named its author, its log is full, or it does not fit its log.
    pub fn merge_group(&mut self, group: &Arc<VerifiedGroup>) -> Result<Inserted, MergeRefusal> {
        let inserted = self.insert(group)?;
        self.protect_what_is_named();
        let is_here =
            self.log(&group.header().log.author).is_some_and(|log| log.contains(&group.id()));
        Ok(if inserted == Inserted::New && !is_here { Inserted::Dropped } else { inserted })
    }

    fn insert(&mut self, group: &Arc<VerifiedGroup>) -> Result<Inserted, MergeRefusal> {
        let log = group.header().log;
        if log.kind != LogKind::Trust {
            return Err(MergeRefusal::NotTrust);
        }
        let bytes = codec::encode(group.group()).len();
        if bytes > TRUST_GROUP_BYTES_MAX {
            return Err(MergeRefusal::TooLarge { bytes });
        }
        // Groups may be empty, so their number needs a bound of its own.
        if group.tip().entries > TRUST_REVOCATIONS_MAX
            || group.header().number >= TRUST_REVOCATIONS_MAX
        {
            return Err(MergeRefusal::Full { author: log.author });
        }
        self.check_rank(group)?;
        let copy = self.logs.entry(log.author).or_insert_with(|| Log::new(log));
        let before = copy.count();
        let inserted = copy.insert(Arc::clone(group))?;
        if inserted == Inserted::New {
            self.decoded.insert(group.id(), entries_of(group).map(Arc::new).collect());
        }
        let now = copy.count();
        let is_unchanged = match inserted {
            Inserted::Known | Inserted::Apart => true,
            Inserted::Dropped => now == before,
            Inserted::New => false,
        };
        if !is_unchanged {
            self.read = OnceLock::new();
            let is_one_more = now == before + 1;
            self.is_unjudged |= !is_one_more || names_a_key(group);
            if !is_one_more {
                self.forget_unnamed();
            }
        }
        Ok(inserted)
    }

    /// Whether the author of a group may sign one like this at all.
    fn check_rank(&self, group: &VerifiedGroup) -> Result<(), MergeRefusal> {
        let author = group.header().log.author;
        let is_short = rank::is_of_members(group);
        // Where something is that no mere member could sign, the rank was asked for then.
        if self.logs.get(&author).is_some_and(|log| is_short || !is_of_member(log)) {
            return Ok(());
        }
        match self.read().ranks.get(&author) {
            None => Err(MergeRefusal::UnknownAuthor { author }),
            Some(Rank::Member) if !is_short => Err(MergeRefusal::Full { author }),
            Some(_) => Ok(()),
        }
    }

    /// Adds groups, parents first. Those that are new, in an order in which they can be added
    /// again.
    pub fn merge_groups(&mut self, groups: Vec<Arc<VerifiedGroup>>) -> Vec<Arc<VerifiedGroup>> {
        let is_new = |inserted| matches!(inserted, Ok(Inserted::New | Inserted::Apart));
        let mut news: Vec<_> =
            groups.iter().filter(|group| is_new(self.insert(group))).cloned().collect();
        self.protect_what_is_named();
        // A group that a cut names leads to its parent, and that one to the next: so what was
        // refused or dropped on the way is offered once more, the last first.
        let known: BTreeSet<GroupId> = news.iter().map(|group| group.id()).collect();
        for group in groups.into_iter().rev() {
            let log = self.logs.get(&group.header().log.author);
            let is_here = log.is_some_and(|log| log.contains(&group.id()));
            if !is_here && is_new(self.merge_group(&group)) && !known.contains(&group.id()) {
                news.push(group);
            }
        }
        news
    }

    /// Protects in every log what revocations by higher ranks name. A log is judged by those above
    /// it alone, so what changes by that goes down one rank in every round.
    fn protect_what_is_named(&mut self) {
        let mut rounds = rank::COUNT + 1;
        while std::mem::take(&mut self.is_unjudged) && rounds > 0 {
            rounds -= 1;
            let rotations = self.acts.values().filter_map(|act| line::rotation(act));
            let mut named = rank::named_leaves(&self.genesis.root, self.read(), rotations);
            for (author, log) in &mut self.logs {
                self.is_unjudged |= log.protect(named.remove(author).unwrap_or_default());
            }
            if self.is_unjudged {
                self.read = OnceLock::new();
                self.forget_unnamed();
            }
        }
    }

    /// All records, in no meaningful but always the same order.
    #[must_use]
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.read().entries
    }

    fn read(&self) -> &Read {
        self.read.get_or_init(|| {
            let entries = self.all_entries();
            let ranks = rank::of_keys(&self.genesis.root, &entries);
            let genesis = (RecordId(self.plant.0), &self.genesis.root);
            let line = Arc::new(Line::of(genesis, &self.acts, &entries, &self.logs));
            Arc::new(Read { entries, ranks, line })
        })
    }

    fn all_entries(&self) -> Vec<Arc<Entry>> {
        let mut entries = Vec::new();
        for RootRecord { id, entry, .. } in self.root_records() {
            let entry = Some(entry.clone());
            entries.push(Arc::new(Entry { id, author: None, group: None, place: 0, entry }));
        }
        for log in self.logs.values() {
            for group in log.in_order() {
                match self.decoded.get(&group.id()) {
                    Some(decoded) => entries.extend(decoded.iter().cloned()),
                    None => entries.extend(entries_of(group).map(Arc::new)),
                }
            }
        }
        entries
    }

    /// Everything, as pages that a node without any of it can merge from first to last.
    #[must_use]
    pub fn pages(&self) -> Vec<LedgerPage> {
        let groups = self.logs().into_iter().flat_map(Log::in_order).collect::<Vec<_>>();
        pages(self.acts_with_genesis(), &groups)
    }

    /// The slice by which `member` shows that it belongs to the plant: the logs of those who had
    /// a hand in it, and nothing of its fellow members' own trust logs.
    #[must_use]
    pub fn credential(&self, member: &PublicKey) -> Vec<LedgerPage> {
        let ranks = &self.read().ranks;
        let of_rank = |key: &PublicKey, rank: Rank| ranks.get(key) == Some(&rank);
        let mut hands: BTreeSet<PublicKey> = ranks
            .keys()
            .filter(|key| of_rank(key, Rank::Root) || of_rank(key, Rank::Admin))
            .copied()
            .collect();
        for entry in self.entries() {
            let Some(TrustEntry { record: TrustRecord::Admission(admission), .. }) = &entry.entry
            else {
                continue;
            };
            if admission.node == *member {
                hands.extend(entry.author.filter(|author| of_rank(author, Rank::Registrar)));
            }
        }
        let logs = self.logs().into_iter().filter(|log| hands.contains(&log.id().author));
        let groups = logs.flat_map(Log::in_order).collect::<Vec<_>>();
        pages(self.acts_with_genesis(), &groups)
    }

    /// What a reader of one log lacks, as pages.
    #[must_use]
    pub fn pages_beyond(&self, log: &LogId, have: &[GroupId]) -> Vec<LedgerPage> {
        match self.logs.get(&log.author) {
            Some(copy) if log.kind == LogKind::Trust => pages(Vec::new(), &copy.beyond(have)),
            Some(_) | None => Vec::new(),
        }
    }

    /// The acts as a page of their own.
    #[must_use]
    pub fn act_pages(&self) -> Vec<LedgerPage> {
        pages(self.acts_with_genesis(), &[])
    }

    /// All acts in an order in which they can be merged: each after what made the root that signs it.
    fn acts_with_genesis(&self) -> Vec<Act> {
        let (rotations, records): (Vec<_>, Vec<_>) =
            self.acts.values().partition(|act| line::rotation(act).is_some());
        let depth = |act: &&Arc<VerifiedAct>| {
            let before = |at: &Rotation| self.rotation(&at.after);
            std::iter::successors(line::rotation(act), |at| before(at)).count()
        };
        let mut rotations = rotations;
        rotations.sort_by_key(depth);
        let others = rotations.into_iter().chain(records).map(|act| act.act().clone());
        std::iter::once(self.genesis_act.clone()).chain(others).collect()
    }

    /// Drops the logs of those who were named on branches alone that are not here any more, so
    /// that it makes no difference whether the log or the last of the branches came first.
    fn forget_unnamed(&mut self) {
        self.read();
        let Some(read) = self.read.take() else { return };
        self.logs.retain(|author, log| {
            let rank = read.ranks.get(author);
            if rank == Some(&Rank::Member) && !is_of_member(log) {
                shorten(log);
            }
            rank.is_some()
        });
        let logs = &self.logs;
        self.decoded.retain(|group, _| logs.values().any(|log| log.contains(group)));
    }
}

/// Whether a log holds nothing but what a mere member may sign.
fn is_of_member(log: &Log) -> bool {
    log.in_order().into_iter().all(|group| rank::is_of_members(group))
}

/// Lets go of what a mere member may not sign: its author is none but that any more.
fn shorten(log: &mut Log) {
    let mut short = Log::new(log.id());
    for group in log.in_order().into_iter().filter(|group| rank::is_of_members(group)) {
        // Each begins the log, so each fits.
        drop(short.insert(Arc::clone(group)));
    }
    *log = short;
}

/// Whether a group may change ranks, or what is named in logs.
fn names_a_key(group: &VerifiedGroup) -> bool {
    let mut records = entries_of(group).filter_map(|entry| Some(entry.entry?.record));
    records.any(|record| match record {
        TrustRecord::Delegation(_) => true,
        TrustRecord::Revocation(revocation) => !matches!(revocation.target, Target::Invitation(_)),
        TrustRecord::Invitation(_)
        | TrustRecord::Admission(_)
        | TrustRecord::Amendment(_)
        | TrustRecord::RootVote(_) => false,
    })
}

/// The records of one group of a trust log.
pub fn entries_of(group: &VerifiedGroup) -> impl Iterator<Item = Entry> + '_ {
    let header = group.header();
    (0..).zip(group.entries()).map(move |(index, bytes)| Entry {
        id: record_id(&group.id(), index),
        author: Some(header.log.author),
        group: Some(group.id()),
        place: header.entries_before + u64::from(index),
        entry: codec::decode(bytes, ENTRY_BYTES_MAX).ok(),
    })
}

/// Acts and groups as pages of which every one fits a frame of any lane.
pub(super) fn pages(acts: Vec<Act>, groups: &[&Arc<VerifiedGroup>]) -> Vec<LedgerPage> {
    let mut pages = Vec::new();
    let (mut open, mut bytes) = (Vec::new(), 0);
    for act in acts {
        let size = codec::encode(&act).len();
        if !open.is_empty() && (open.len() == GROUPS_PAGE_MAX || bytes + size > PAGE_BYTES_MAX) {
            pages.push(acts_page_of(std::mem::take(&mut open)));
            bytes = 0;
        }
        bytes += size;
        open.push(act);
    }
    if !open.is_empty() {
        pages.push(acts_page_of(open));
    }
    let (mut open, mut bytes) = (Vec::new(), 0);
    for group in groups {
        let size = codec::encode(group.group()).len();
        if !open.is_empty() && (open.len() == GROUPS_PAGE_MAX || bytes + size > PAGE_BYTES_MAX) {
            pages.push(page_of(std::mem::take(&mut open)));
            bytes = 0;
        }
        bytes += size;
        open.push(group.group().clone());
    }
    if !open.is_empty() {
        pages.push(page_of(open));
    }
    if let Some(last) = pages.last_mut() {
        last.more = false;
    }
    pages
}

fn acts_page_of(acts: Vec<Act>) -> LedgerPage {
    LedgerPage { acts: Bounded::first_of(acts), groups: Bounded::new(), more: true }
}

fn page_of(groups: Vec<gearmesh_protocol::log::Group>) -> LedgerPage {
    LedgerPage { acts: Bounded::new(), groups: Bounded::first_of(groups), more: true }
}
