//! The store of data logs under one node, as the real one promises to be.
//!
//! Of what was not answered for any part may be lost, but never one with something behind it: files
//! are torn at any sector, and what follows a tear is cut. What was stored may rot: it is a gap until
//! somebody fills it, or at the end of a log is cut when the store is opened again. An older image
//! may be put back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::chain::{Extent, Gap};
use gearmesh_node::core::plant::data::Kept;
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey};
use gearmesh_protocol::log::{Tip, VerifiedGroup};

use super::copy::{Copy, Page};
use super::dice::Dice;

/// Data logs on a disk.
#[derive(Clone, Debug, Default)]
pub struct Store {
    logs: BTreeMap<PublicKey, Copy>,
    /// Groups that were here and cannot be read any more.
    rotten: BTreeSet<GroupId>,
    under_way: Vec<Write>,
    /// When the last job that came is done.
    busy_until: Duration,
    /// All that was ever durable here.
    ever: BTreeSet<GroupId>,
    /// What was let go since it is old.
    let_go: BTreeSet<GroupId>,
    image: Option<BTreeMap<PublicKey, Copy>>,
    /// All that older images ever took away.
    taken: BTreeSet<GroupId>,
    /// What of it has not come again.
    away: BTreeSet<GroupId>,
}

/// Groups on their way to the disk.
#[derive(Clone, Debug)]
struct Write {
    number: u64,
    groups: Vec<Arc<VerifiedGroup>>,
    /// Whether a missing parent is not to hinder them.
    is_apart: bool,
}

impl Store {
    /// What is durable.
    #[must_use]
    pub const fn logs(&self) -> &BTreeMap<PublicKey, Copy> {
        &self.logs
    }

    /// A group, if it can be read.
    #[must_use]
    pub fn group(&self, author: &PublicKey, group: &GroupId) -> Option<&Arc<VerifiedGroup>> {
        self.logs.get(author)?.group(group)
    }

    /// Whether a group is durable, or was before it rotted, was let go, or an image was put back.
    #[must_use]
    pub fn ever_held(&self, group: &GroupId) -> bool {
        self.ever.contains(group)
    }

    /// Whether a group was here until it rotted.
    #[must_use]
    pub fn is_rotten(&self, group: &GroupId) -> bool {
        self.rotten.contains(group)
    }

    /// Whether a group was here once until an older image was put back; it may have come again.
    #[must_use]
    pub fn was_taken(&self, group: &GroupId) -> bool {
        self.taken.contains(group)
    }

    /// Whether a group was here until an older image was put back.
    #[must_use]
    pub fn is_away(&self, group: &GroupId) -> bool {
        self.away.contains(group)
    }

    /// Whether a group was here until it was old.
    #[must_use]
    pub fn was_let_go(&self, group: &GroupId) -> bool {
        self.let_go.contains(group)
    }

    /// What there is of logs.
    #[must_use]
    pub fn extents(&self) -> BTreeMap<PublicKey, Extent> {
        self.logs.iter().map(|(author, log)| (*author, log.extent())).collect()
    }

    /// The ends of a log and the lives that wrote them, the oldest branch first.
    #[must_use]
    pub fn written_by(&self, author: &PublicKey) -> Vec<(GroupId, Incarnation)> {
        self.logs.get(author).map(Copy::written_by).unwrap_or_default()
    }

    /// When a job is done that would be done at a moment if it were alone: one thread does all, in the
    /// order in which it came.
    pub fn queue(&mut self, at: Duration) -> Duration {
        self.busy_until = self.busy_until.max(at);
        self.busy_until
    }

    /// Begins a write.
    pub fn begin(&mut self, number: u64, groups: Vec<Arc<VerifiedGroup>>, is_apart: bool) {
        self.under_way.push(Write { number, groups, is_apart });
    }

    /// Ends a write. What became of its groups, if it went well; none if there was no such write.
    pub fn end(&mut self, number: u64, well: bool) -> Option<Vec<Kept>> {
        let at = self.under_way.iter().position(|write| write.number == number)?;
        let Write { groups, is_apart, .. } = self.under_way.remove(at);
        let groups = groups.into_iter().filter(|_| well);
        Some(groups.map(|group| self.keep(&group, is_apart)).collect())
    }

    fn keep(&mut self, group: &Arc<VerifiedGroup>, is_apart: bool) -> Kept {
        let log = self.logs.entry(group.header().log.author).or_default();
        let kept = log.insert(group, is_apart);
        if kept.is_new {
            self.ever.insert(group.id());
            self.rotten.remove(&group.id());
            self.away.remove(&group.id());
        }
        kept
    }

    /// Groups that may rot without anybody being to blame for what follows: not the end of the
    /// node's own log, since it would be cut, and the log go on from before it.
    #[must_use]
    pub fn can_be_spared(&self, own: &PublicKey) -> Vec<(PublicKey, GroupId)> {
        let spared = |(author, log): (&PublicKey, &Copy)| {
            let author = *author;
            let ends: Vec<GroupId> = log.ends().iter().map(|end| end.group).collect();
            let groups = log.groups().map(|group| group.id());
            let spared = groups.filter(|group| author != *own || !ends.contains(group));
            spared.map(|group| (author, group)).collect::<Vec<_>>()
        };
        self.logs.iter().flat_map(spared).collect()
    }

    /// The store is opened: ends that cannot be read look like torn ones, and are cut.
    pub fn open(&mut self) {
        self.logs.values_mut().for_each(Copy::open);
        self.logs.retain(|_, log| !log.ends().is_empty());
    }

    /// The disk does not give a group back any more.
    pub fn rot(&mut self, author: &PublicKey, group: GroupId) {
        if let Some(log) = self.logs.get_mut(author) {
            log.lose(&group);
            self.rotten.insert(group);
        }
    }

    /// What cannot be read, by author.
    #[must_use]
    pub fn gaps(&self) -> BTreeMap<PublicKey, Vec<Gap>> {
        let gaps = self.logs.iter().map(|(author, log)| (*author, log.gaps().copied().collect()));
        gaps.filter(|(_, gaps): &(PublicKey, Vec<Gap>)| !gaps.is_empty()).collect()
    }

    /// Whether some of these groups are not here.
    #[must_use]
    pub fn lacks(&self, author: &PublicKey, tips: &[Tip]) -> bool {
        self.logs.get(author).map_or(!tips.is_empty(), |log| log.lacks(tips))
    }

    /// Where a log ends.
    #[must_use]
    pub fn read_ends(&self, author: &PublicKey) -> Vec<Tip> {
        self.logs.get(author).map(Copy::ends).unwrap_or_default()
    }

    /// A page of what follows these ends.
    #[must_use]
    pub fn read(&self, author: &PublicKey, after: &[Tip]) -> Page {
        let nothing = || Page { is_last: true, ..Page::default() };
        self.logs.get(author).map_or_else(nothing, |log| log.page(after))
    }

    /// Lets old groups of a log go, as far as more than so many bytes are left and they come before
    /// the number `needed`. Bytes that are left, and the last group of what was to go and is needed.
    pub fn prune(&mut self, author: &PublicKey, bytes: u64, needed: u64) -> (u64, Option<u64>) {
        let Some(log) = self.logs.get_mut(author) else { return (0, None) };
        let (gone, held) = log.prune(bytes, needed);
        self.let_go.extend(gone);
        (log.bytes(), held)
    }

    /// The power goes: of what was not answered, anything may be there that has all before it there.
    pub fn crash(&mut self, dice: &mut Dice) {
        self.busy_until = Duration::ZERO;
        let lost = *dice.pick(&[0, 10, 50, 100]).unwrap_or(&0);
        let mut torn = BTreeSet::new();
        for Write { groups, is_apart, .. } in std::mem::take(&mut self.under_way) {
            for group in groups {
                let author = group.header().log.author;
                if dice.percent(lost) {
                    torn.insert(author);
                } else {
                    // The log refuses what has lost its parent.
                    self.keep(&group, is_apart && !torn.contains(&author));
                }
            }
        }
    }

    /// Somebody makes a copy of the disk.
    pub fn take_image(&mut self) {
        self.image = Some(self.logs.clone());
    }

    /// Somebody puts the copy back, if there is one.
    pub fn put_back(&mut self) {
        let Some(image) = self.image.clone() else { return };
        let ids = |logs: &BTreeMap<PublicKey, Copy>| -> BTreeSet<GroupId> {
            logs.values().flat_map(Copy::groups).map(|group| group.id()).collect()
        };
        let mut gone = ids(&self.logs);
        gone.append(&mut self.rotten);
        self.logs = image;
        let here = ids(&self.logs);
        self.away.extend(gone.difference(&here));
        self.away.retain(|group| !here.contains(group));
        self.taken.extend(&self.away);
    }
}
