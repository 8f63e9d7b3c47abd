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
use gearmesh_node::core::plant::log::{Inserted, Log};
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey};
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
    /// When the last job that came is done.
    busy_until: Duration,
    /// All that was ever durable here.
    ever: BTreeMap<GroupId, Arc<VerifiedGroup>>,
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

    /// A group, if it is durable.
    #[must_use]
    pub fn group(&self, author: &PublicKey, group: &GroupId) -> Option<&Arc<VerifiedGroup>> {
        self.ever.get(group).filter(|_| self.holds(author, group))
    }

    /// Whether a group is durable, or was before it rotted or an image was put back.
    #[must_use]
    pub fn ever_held(&self, group: &GroupId) -> bool {
        self.ever.contains_key(group)
    }

    /// What there is of logs.
    #[must_use]
    pub fn extents(&self) -> BTreeMap<PublicKey, Extent> {
        self.logs.iter().map(|(author, log)| (*author, log.tips().into())).collect()
    }

    /// The ends of a log and the lives that wrote them.
    #[must_use]
    pub fn written_by(&self, author: &PublicKey) -> Vec<(GroupId, Incarnation)> {
        let ends = self.logs.get(author).into_iter().flat_map(Log::leaves);
        let groups = ends.filter_map(|end| self.group(author, end));
        groups.map(|group| (group.id(), group.header().incarnation)).collect()
    }

    /// When a job is done that would be done at a moment if it were alone: one thread does all, in the
    /// order in which it came.
    pub fn queue(&mut self, at: Duration) -> Duration {
        self.busy_until = self.busy_until.max(at);
        self.busy_until
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
        let is_new = log.insert(Arc::clone(&group)) == Ok(Inserted::New) || was_rotten;
        self.ever.extend(log.contains(&id).then_some((id, group)));
        Kept { is_new, extent: log.tips().into() }
    }

    /// Whether a group can be read.
    #[must_use]
    pub fn can_read(&self, author: &PublicKey, group: &GroupId) -> bool {
        let is_rotten = self.rotten.get(author).is_some_and(|rotten| rotten.contains(group));
        self.holds(author, group) && !is_rotten
    }

    /// Groups that may rot without anybody being to blame for what follows: not the end of the
    /// node's own log, since it would be cut, and the log go on from before it.
    #[must_use]
    pub fn can_be_spared(&self, own: &PublicKey) -> Vec<(PublicKey, GroupId)> {
        let spared = |log: &Log| {
            let author = log.id().author;
            let groups = log.in_order().into_iter().map(|group| group.id());
            let spared = groups.filter(|group| author != *own || !log.leaves().contains(group));
            spared.map(|group| (author, group)).collect::<Vec<_>>()
        };
        self.logs.values().flat_map(spared).collect()
    }

    /// The store is opened: ends that cannot be read look like torn ones, and are cut.
    pub fn open(&mut self) {
        for (author, rotten) in &mut self.rotten {
            let Some(log) = self.logs.get_mut(author) else { continue };
            while log.leaves().iter().any(|leaf| rotten.contains(leaf)) {
                let mut cut = Log::new(log.id());
                for group in log.in_order() {
                    let is_cut = log.leaves().contains(&group.id()) && rotten.contains(&group.id());
                    if is_cut {
                        rotten.remove(&group.id());
                    } else {
                        drop(cut.insert(Arc::clone(group)));
                    }
                }
                *log = cut;
            }
        }
        self.logs.retain(|_, log| log.count() > 0);
    }

    /// The disk does not give a group back any more.
    pub fn rot(&mut self, author: PublicKey, group: GroupId) {
        self.rotten.entry(author).or_default().insert(group);
    }

    /// What cannot be read, by author.
    #[must_use]
    pub fn gaps(&self) -> BTreeMap<PublicKey, Vec<Gap>> {
        let gaps = |(author, rotten): (&PublicKey, &BTreeSet<GroupId>)| {
            let tip_of = |id: &GroupId| self.group(author, id);
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

    /// The power goes: of what was not answered, anything may be there that has all before it there.
    pub fn crash(&mut self, dice: &mut Dice) {
        self.busy_until = Duration::ZERO;
        let lost = *dice.pick(&[0, 10, 50, 100]).unwrap_or(&0);
        for (_, groups) in std::mem::take(&mut self.under_way) {
            for group in groups {
                // The log refuses what has lost its parent.
                if !dice.percent(lost) {
                    self.keep(group);
                }
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
