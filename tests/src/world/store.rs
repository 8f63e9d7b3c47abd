//! The store of data logs under one node: what was not answered for may be lost, in whole or from
//! some group on, an older image may be put back, and what was stored may rot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_node::core::plant::chain::Gap;
use gearmesh_node::core::plant::data::Kept;
use gearmesh_node::core::plant::log::{Inserted, Log};
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::log::{Tip, VerifiedGroup};

use super::dice::Dice;

/// Groups in one page: few, so that catching up takes several.
const PAGE_GROUPS: usize = 3;

/// Data logs on a disk.
#[derive(Clone, Debug, Default)]
pub struct Store {
    logs: BTreeMap<PublicKey, Log>,
    /// Groups that lie there and cannot be read any more.
    rotten: BTreeMap<PublicKey, BTreeSet<GroupId>>,
    under_way: Vec<(u64, Vec<Arc<VerifiedGroup>>)>,
    image: Option<BTreeMap<PublicKey, Log>>,
}

impl Store {
    /// What is durable.
    #[must_use]
    pub const fn logs(&self) -> &BTreeMap<PublicKey, Log> {
        &self.logs
    }

    /// Whether a group is durable.
    #[must_use]
    pub fn holds(&self, author: &PublicKey, group: &GroupId) -> bool {
        self.logs.get(author).is_some_and(|log| log.contains(group))
    }

    /// Where the copies end.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<PublicKey, Vec<Tip>> {
        self.logs.iter().map(|(author, log)| (*author, log.tips())).collect()
    }

    /// Begins a write.
    pub fn begin(&mut self, write: u64, groups: Vec<Arc<VerifiedGroup>>) {
        self.under_way.push((write, groups));
    }

    /// Ends a write. What became of its groups, if it went well; none if there was no such write.
    pub fn end(&mut self, write: u64, well: bool) -> Option<Vec<Kept>> {
        let at = self.under_way.iter().position(|(name, _)| *name == write)?;
        let (_, groups) = self.under_way.remove(at);
        Some(groups.into_iter().filter(|_| well).map(|group| self.keep(group)).collect())
    }

    fn keep(&mut self, group: Arc<VerifiedGroup>) -> Kept {
        let log = self.logs.entry(group.header().log.author);
        let log = log.or_insert_with(|| Log::new(group.header().log));
        let (author, id) = (group.header().log.author, group.id());
        let was_rotten = self.rotten.get_mut(&author).is_some_and(|rotten| rotten.remove(&id));
        let is_new = log.insert(group) == Ok(Inserted::New) || was_rotten;
        Kept { is_new, ends: log.tips() }
    }

    /// Whether a group can be read.
    #[must_use]
    pub fn can_read(&self, author: &PublicKey, group: &GroupId) -> bool {
        let is_rotten = self.rotten.get(author).is_some_and(|rotten| rotten.contains(group));
        self.holds(author, group) && !is_rotten
    }

    /// Groups that are not the ends of their logs.
    #[must_use]
    pub fn inner(&self) -> Vec<(PublicKey, GroupId)> {
        let inner = |log: &Log| {
            let groups = log.in_order().into_iter().map(|group| group.id());
            let inner = groups.filter(|group| !log.leaves().contains(group));
            inner.map(|group| (log.id().author, group)).collect::<Vec<_>>()
        };
        self.logs.values().flat_map(inner).collect()
    }

    /// The disk does not give a group back any more.
    pub fn rot(&mut self, author: PublicKey, group: GroupId) {
        self.rotten.entry(author).or_default().insert(group);
    }

    /// What cannot be read, by author.
    #[must_use]
    pub fn gaps(&self) -> BTreeMap<PublicKey, Vec<Gap>> {
        let gaps = |(author, rotten): (&PublicKey, &BTreeSet<GroupId>)| {
            let log = self.logs.get(author)?;
            let tip_of = |id: &GroupId| log.in_order().into_iter().find(|group| group.id() == *id);
            let gap = |group: &Arc<VerifiedGroup>| {
                let parent = group.header().parents.first().and_then(tip_of);
                Gap { after: parent.map(|parent| parent.tip()), until: group.tip() }
            };
            let gaps: Vec<Gap> = rotten.iter().filter_map(tip_of).map(gap).collect();
            (!gaps.is_empty()).then_some((*author, gaps))
        };
        self.rotten.iter().filter_map(gaps).collect()
    }

    /// Whether some of these groups are not here.
    #[must_use]
    pub fn lacks(&self, author: &PublicKey, tips: &[Tip]) -> bool {
        !tips.iter().all(|tip| self.holds(author, &tip.group))
    }

    /// A page of what follows these ends, the entries missing in front of it, and whether it is the
    /// last. It ends where something is missing.
    #[must_use]
    pub fn read(&self, author: &PublicKey, after: &[Tip]) -> (Vec<Arc<VerifiedGroup>>, u64, bool) {
        let have: Vec<GroupId> = after.iter().map(|tip| tip.group).collect();
        let beyond = self.logs.get(author).map(|log| log.beyond(&have)).unwrap_or_default();
        let rotten = self.rotten.get(author);
        let is_rotten =
            |group: &&Arc<VerifiedGroup>| rotten.is_some_and(|rotten| rotten.contains(&group.id()));
        let missing = beyond.iter().copied().take_while(|group| is_rotten(group)).count();
        let gap = beyond.iter().take(missing).map(|group| group.entries().len() as u64).sum();
        let rest = beyond.get(missing..).unwrap_or_default();
        let whole = rest.iter().copied().take_while(|group| !is_rotten(group));
        let page: Vec<Arc<VerifiedGroup>> = whole.take(PAGE_GROUPS).cloned().collect();
        let is_last = page.len() == rest.len();
        (page, gap, is_last)
    }

    /// The power goes: of what was not answered, some may be there.
    pub fn crash(&mut self, dice: &mut Dice) {
        for (_, groups) in std::mem::take(&mut self.under_way) {
            let kept = dice.below(groups.len() + 1);
            for group in groups.into_iter().take(kept) {
                self.keep(group);
            }
        }
    }

    /// Somebody makes a copy of the disk.
    pub fn take_image(&mut self) {
        self.image = Some(self.logs.clone());
    }

    /// Somebody puts the copy back. Whether that lost anything.
    pub fn put_back(&mut self) -> bool {
        let Some(image) = self.image.clone() else { return false };
        let counts =
            |logs: &BTreeMap<PublicKey, Log>| -> usize { logs.values().map(Log::count).sum() };
        let is_older = counts(&image) < counts(&self.logs);
        self.logs = image;
        self.rotten.clear();
        is_older
    }
}
