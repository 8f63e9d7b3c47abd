//! The store of data logs under one node: what was not answered for may be lost, in whole or from
//! some group on, and an older image may be put back.

use std::collections::BTreeMap;
use std::sync::Arc;

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
        let is_new = log.insert(group) == Ok(Inserted::New);
        Kept { is_new, ends: log.tips() }
    }

    /// Whether some of these groups are not here.
    #[must_use]
    pub fn lacks(&self, author: &PublicKey, tips: &[Tip]) -> bool {
        !tips.iter().all(|tip| self.holds(author, &tip.group))
    }

    /// A page of what follows these ends, and whether it is the last.
    #[must_use]
    pub fn read(&self, author: &PublicKey, after: &[Tip]) -> (Vec<Arc<VerifiedGroup>>, bool) {
        let have: Vec<GroupId> = after.iter().map(|tip| tip.group).collect();
        let beyond = self.logs.get(author).map(|log| log.beyond(&have)).unwrap_or_default();
        let is_last = beyond.len() <= PAGE_GROUPS;
        (beyond.into_iter().take(PAGE_GROUPS).cloned().collect(), is_last)
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
        is_older
    }
}
