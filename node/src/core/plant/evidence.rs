//! Checks an export without a node: who wrote each value, under which membership, and where it lies
//! within its author's log.
//!
//! The plant's ledger is in the file and founds its own trust: whoever reads the result compares the
//! plant's check words with those that the plant's people know. What a file cannot show is that
//! nothing was left out of it: an exporter may end a log early, or keep a branch to itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_protocol::codec::{self, DecodeError};
use gearmesh_protocol::durable::HistoryEntry;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::export::{EXPORT_FORMAT, ExportLine, ExportedEntry};
use gearmesh_protocol::ids::{GroupId, PlantId, PublicKey};
use gearmesh_protocol::limits::{ENTRY_BYTES_MAX, FRAME_BYTES_MAX, GROUP_BYTES_MAX};
use gearmesh_protocol::log::{GroupError, Header, LogKind, Tip, verified_header};
use gearmesh_protocol::merkle::{Proof, is_proven};
use gearmesh_protocol::plant::LedgerPage;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::ActError;

use super::data::{Follows, Withheld, follows, judge};
use super::ledger::Ledger;
use super::roster::Roster;

mod ancestry;

use ancestry::Within;

/// What is wrong with an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The first line does not say what it is.
    #[error("it does not begin as an export does")]
    NoBegin,
    /// It was written by a newer release.
    #[error("it has the form {0}; this release reads form {EXPORT_FORMAT}")]
    Newer(u16),
    /// It ends before its end, or goes on behind it.
    #[error("it is cut off, or something was added behind its end")]
    CutOff,
    /// A line that does not belong where it stands.
    #[error("this line does not belong here")]
    OutOfPlace,
    /// Bytes are not what the line says.
    #[error(transparent)]
    Bytes(#[from] DecodeError),
    /// The genesis is not signed by the root that it names.
    #[error(transparent)]
    Genesis(#[from] ActError),
    /// The ledger is another plant's.
    #[error("the ledger is of plant {0:?}, not of the one that the file names")]
    OtherPlant(PlantId),
    /// A group is not what its author signed.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// A group that is no data, or does not count on from those above it.
    #[error("group {0:?} does not continue its author's log")]
    Unchained(GroupId),
    /// A value is not in the group that it names.
    #[error("it is not proven that group {0:?} holds this value")]
    Unproven(GroupId),
    /// The readable text differs from what was signed.
    #[error("what is written here differs from what its author signed")]
    Differs,
    /// The author might not write it.
    #[error("its author might not write this: {0}")]
    Withheld(Withheld),
    /// The author's membership does not allow the topic.
    #[error("its author might not publish on {0}")]
    NotGranted(String),
    /// A mark that the value should have or should not have.
    #[error("the value of entry {entry} of {author} is marked wrongly: {mark}")]
    Mark {
        /// Whose.
        author: String,
        /// Which.
        entry: u64,
        /// Which mark.
        mark: &'static str,
    },
    /// The end counts other values.
    #[error("it counts {counted} values and holds {held}")]
    Miscounted {
        /// What the end says.
        counted: u64,
        /// What is there.
        held: u64,
    },
}

/// What an export holds, when all of it is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Of what plant, by its own ledger.
    pub roster: Arc<Roster>,
    /// The node that wrote it.
    pub by: PublicKey,
    /// When.
    pub at: UnixMillis,
    /// Whose values, and how many.
    pub authors: BTreeMap<PublicKey, Counted>,
    /// Values that were left out because they are not believed.
    pub withheld: u64,
}

/// Of one author, what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Values, all of them proven.
    pub values: u64,
    /// Of these, after the author was revoked without blame.
    pub after_cut: u64,
    /// Of these, beside the longest branch of a forked log.
    pub on_forks: u64,
    /// Of these, before missing groups that alone would show on which side of a cut or fork they
    /// lie: for that the exporting node's word stands.
    pub across_gaps: u64,
    /// Entries that the exporting node did not have.
    pub missing: u64,
    /// Places where the chain of its groups is not shown to hang together: entries are missing there,
    /// or a branch begins before the first value.
    pub breaks: u64,
}

/// Reads an export line by line.
#[derive(Debug, Default)]
pub struct Verifier {
    begin: Option<(PlantId, PublicKey, UnixMillis)>,
    ledger: Option<Ledger>,
    roster: Option<Arc<Roster>>,
    logs: BTreeMap<PublicKey, Shown>,
    authors: BTreeMap<PublicKey, Counted>,
    held: u64,
    end: Option<u64>,
}

/// What an export shows of one log.
#[derive(Debug, Default)]
struct Shown {
    headers: BTreeMap<GroupId, Header>,
    /// Headers below the first of which no parent stands above.
    breaks: u64,
    /// The groups that hold values, with the first of them.
    marked: BTreeMap<GroupId, Marked>,
}

/// How the values of a group are marked.
#[derive(Debug)]
struct Marked {
    entry: u64,
    after_cut: bool,
    fork: bool,
    values: u64,
}

impl Verifier {
    /// Takes the next line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(&mut self, line: ExportLine) -> Result<(), Wrong> {
        if self.end.is_some() {
            return Err(Wrong::CutOff);
        }
        match (line, self.begin) {
            (ExportLine::Export { format, plant, by, at }, None) => {
                if format != EXPORT_FORMAT {
                    return Err(Wrong::Newer(format));
                }
                self.begin = Some((plant, by, at));
                Ok(())
            }
            (_, None) => Err(Wrong::NoBegin),
            (ExportLine::Export { .. }, Some(_)) => Err(Wrong::OutOfPlace),
            (ExportLine::Ledger(page), Some((plant, ..))) => self.take_page(&plant, &page.0),
            (ExportLine::Group(header), Some((plant, ..))) => self.take_header(&plant, &header.0),
            (ExportLine::Entry(entry), Some(_)) => self.take_entry(&entry),
            (ExportLine::Gap { author_key, count, .. }, Some(_)) => {
                let author = self.authors.entry(author_key).or_default();
                author.missing = author.missing.saturating_add(count);
                Ok(())
            }
            (ExportLine::End { entries, withheld }, Some(_)) => {
                if entries != self.held {
                    return Err(Wrong::Miscounted { counted: entries, held: self.held });
                }
                self.end = Some(withheld);
                Ok(())
            }
        }
    }

    fn take_page(&mut self, plant: &PlantId, bytes: &[u8]) -> Result<(), Wrong> {
        if self.roster.is_some() {
            return Err(Wrong::OutOfPlace);
        }
        let page: LedgerPage = codec::decode(bytes, FRAME_BYTES_MAX)?;
        let mut acts = page.acts.into_iter();
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            none => none.insert(Ledger::found(acts.next().ok_or(Wrong::NoBegin)?)?),
        };
        if ledger.plant() != *plant {
            return Err(Wrong::OtherPlant(ledger.plant()));
        }
        // What does not fit is void for everybody, as it was when it was written.
        acts.for_each(|act| drop(ledger.merge_act(act)));
        let mut groups = Vec::new();
        for group in page.groups {
            groups.push(Arc::new(group.verify(plant)?));
        }
        ledger.merge_groups(groups);
        Ok(())
    }

    /// The roster, once no more of the ledger can come.
    fn roster(&mut self) -> Result<Arc<Roster>, Wrong> {
        let ledger = self.ledger.as_ref().ok_or(Wrong::OutOfPlace)?;
        Ok(Arc::clone(self.roster.get_or_insert_with(|| Arc::new(Roster::of(ledger)))))
    }

    fn take_header(&mut self, plant: &PlantId, bytes: &[u8]) -> Result<(), Wrong> {
        drop(self.roster()?);
        let signed: Signed<Header> = codec::decode(bytes, GROUP_BYTES_MAX)?;
        let (id, header) = verified_header(plant, &signed)?;
        if header.log.kind != LogKind::Data {
            return Err(Wrong::Unchained(id));
        }
        self.logs.entry(header.log.author).or_default().add(id, header)
    }

    fn take_entry(&mut self, exported: &ExportedEntry) -> Result<(), Wrong> {
        let ExportedEntry { value, bytes, proof } = exported;
        let roster = self.roster()?;
        let shown = self.logs.get_mut(&value.author_key).ok_or(Wrong::Unproven(value.group))?;
        let header = shown.headers.get(&value.group).ok_or(Wrong::Unproven(value.group))?;
        let proof: Proof = codec::decode(&proof.0, FRAME_BYTES_MAX)?;
        if !is_proven(&header.root, header.entries, &bytes.0, &proof) {
            return Err(Wrong::Unproven(value.group));
        }
        let DataEntry::Sample { topic, sample } = codec::decode(&bytes.0, ENTRY_BYTES_MAX)? else {
            return Err(Wrong::Differs);
        };
        let place = header.entries_before.saturating_add(proof.index.into());
        let is_same = topic.as_str() == value.topic && sample == value.sample;
        let is_named = roster.name_of(&value.author_key) == value.author;
        if !is_same || !is_named || place != value.entry {
            return Err(Wrong::Differs);
        }
        // Whether the terms ended before this group takes all headers: that is judged at the end.
        let past = roster.past(&value.author_key, &header.acting_under);
        if !past.is_some_and(|past| past.terms.may_publish(&topic)) {
            return Err(match past {
                Some(_) => Wrong::NotGranted(value.topic.clone()),
                None => Wrong::Withheld(Withheld::NeverMember),
            });
        }
        self.held += 1;
        shown.note(value)
    }

    /// Ends: what the marks rest on is known only now.
    ///
    /// # Errors
    /// A value that its author might not write, one that is marked wrongly, or no end.
    pub fn finish(mut self) -> Result<Evidence, Wrong> {
        let (Some((_, by, at)), Some(withheld)) = (self.begin, self.end) else {
            return Err(Wrong::CutOff);
        };
        let roster = self.roster()?;
        for (author, shown) in &self.logs {
            let counted = self.authors.entry(*author).or_default();
            counted.breaks = shown.breaks;
            shown.count(&roster, author, counted)?;
        }
        Ok(Evidence { roster, by, at, authors: self.authors, withheld })
    }
}

impl Shown {
    /// Takes a header. Those of its parents that stand above have to count up to it.
    fn add(&mut self, id: GroupId, header: Header) -> Result<(), Wrong> {
        let known = |parent: &GroupId| Some(Tip::of(*parent, self.headers.get(parent)?));
        let follows = follows(&header, known);
        if follows == Follows::Wrongly {
            return Err(Wrong::Unchained(id));
        }
        let is_apart = follows == Follows::Apart;
        self.breaks += u64::from(is_apart && !self.headers.is_empty());
        self.headers.insert(id, header);
        Ok(())
    }

    fn note(&mut self, value: &HistoryEntry) -> Result<(), Wrong> {
        let (entry, after_cut, fork) = (value.entry, value.after_cut, value.fork);
        let fresh = || Marked { entry, after_cut, fork, values: 0 };
        let marked = self.marked.entry(value.group).or_insert_with(fresh);
        marked.values += 1;
        // All values of a group have the same place in the log.
        match (marked.after_cut, marked.fork) == (after_cut, fork) {
            true => Ok(()),
            false => Err(Wrong::Differs),
        }
    }

    fn count(
        &self,
        roster: &Roster,
        author: &PublicKey,
        counted: &mut Counted,
    ) -> Result<(), Wrong> {
        let ends = self.ends();
        let longest: &[GroupId] = if ends.len() > 1 { &ends[..1] } else { &[] };
        // A log is asked for few lists of leaves, again and again.
        let mut known: BTreeMap<Vec<GroupId>, Within<'_>> = BTreeMap::new();
        for (id, marked) in &self.marked {
            let Some(header) = self.headers.get(id) else { continue };
            let mut is_within = |leaves: &[GroupId], is_lenient| {
                let within = known
                    .entry(leaves.to_vec())
                    .or_insert_with(|| Within::of(&self.headers, leaves));
                within.holds(id, is_lenient)
            };
            let mut after_cut = |is_lenient| {
                judge(roster, header, |leaves| is_within(leaves, is_lenient)).is_after_cut()
            };
            let cut = [after_cut(false), Ok(after_cut(true).map_err(Wrong::Withheld)?)];
            let mut beside = |is_lenient| !longest.is_empty() && !is_within(longest, is_lenient);
            let fork = [beside(false), beside(true)];
            let wrong = |mark| {
                Err(Wrong::Mark { author: roster.name_of(author), entry: marked.entry, mark })
            };
            if !cut.contains(&Ok(marked.after_cut)) {
                return wrong("whether it was written after its author was revoked");
            }
            if !fork.contains(&marked.fork) {
                return wrong("whether it lies on a side branch");
            }
            counted.values += marked.values;
            counted.after_cut += if marked.after_cut { marked.values } else { 0 };
            counted.on_forks += if marked.fork { marked.values } else { 0 };
            let is_shown = cut[0] == cut[1] && fork[0] == fork[1];
            counted.across_gaps += if is_shown { 0 } else { marked.values };
        }
        Ok(())
    }

    /// Groups without children, the longest branch first.
    fn ends(&self) -> Vec<GroupId> {
        let parents: BTreeSet<&GroupId> =
            self.headers.values().flat_map(|header| &header.parents).collect();
        let ends = self.headers.iter().filter(|(id, _)| !parents.contains(id));
        let mut ends: Vec<_> = ends.map(|(id, header)| (header.number, *id)).collect();
        ends.sort_unstable_by_key(|(number, id)| (Reverse(*number), *id));
        ends.into_iter().map(|(_, id)| id).collect()
    }
}
