//! One data log on a simulated disk: placed by the real store's rule, read and let go as it does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use gearmesh_node::core::plant::chain::{
    Branch, Chain, Extent, Found, Gap, Leg, Link, Place, Placing, Put, Row,
};
use gearmesh_node::core::plant::data::Kept;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, Incarnation};
use gearmesh_protocol::log::{Tip, VerifiedGroup};

/// Groups in one page: few, so that catching up takes several.
const PAGE_GROUPS: usize = 3;

/// Groups in one segment: few, so that some go and others stay.
const SEGMENT_GROUPS: usize = 3;

/// A log, or as much of it as is here.
#[derive(Clone, Debug, Default)]
pub struct Copy {
    chain: Chain,
    /// What can be read.
    groups: BTreeMap<Place, Held>,
}

/// A group that can be read.
#[derive(Clone, Debug)]
struct Held {
    group: Arc<VerifiedGroup>,
    /// What its branch had before it when it came.
    before: Option<Tip>,
    joins: Vec<Place>,
    segment: Segment,
}

/// A file of a branch: the number of its first group, and which of those for holes it is, if one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    first: u64,
    fill: u16,
}

/// A part of a log.
#[derive(Debug, Default)]
pub struct Page {
    /// Parents before children.
    pub groups: Vec<Arc<VerifiedGroup>>,
    /// Entries that are missing in front of them.
    pub gap: u64,
    /// Whether nothing follows.
    pub is_last: bool,
}

impl Copy {
    /// Places a group. What became of it.
    pub fn insert(&mut self, group: &Arc<VerifiedGroup>, is_apart: bool) -> Kept {
        let header = group.header();
        let find = |numbers: RangeInclusive<u64>, id: &GroupId| self.find(&numbers, id);
        let placing = match self.chain.place(header, &group.id(), find) {
            Placing::MissingParent if is_apart => self.chain.place_apart(header, find),
            placing => placing,
        };
        let Placing::Put(put) = placing else {
            return Kept { is_new: false, fills: false, extent: self.extent() };
        };
        let before = match put.link {
            Link::Append => self.chain.branches().get(&put.branch).map(|branch| branch.tip),
            Link::Fill { after } => after,
            Link::Skip { until } | Link::Lead { until } => Some(until),
            Link::Turn { before, .. } => Some(before),
            Link::Fork { before, .. } => before,
        };
        let segment = self.segment_for(&put, before, group.header().number);
        self.chain.placed(group.tip(), &put);
        let at = Place { branch: put.branch, number: header.number };
        self.groups
            .insert(at, Held { group: Arc::clone(group), before, joins: put.joins, segment });
        Kept { is_new: true, fills: put.link.fills(), extent: self.extent() }
    }

    /// The file that a group goes to.
    fn segment_for(&self, put: &Put, before: Option<Tip>, number: u64) -> Segment {
        let on_branch = || self.on(put.branch).map(|(_, held)| held);
        let follows = matches!(put.link, Link::Append | Link::Fill { .. });
        let last = before.filter(|_| follows);
        let last = last.and_then(|last| on_branch().find(|held| held.group.id() == last.group));
        let has_room = |held: &&Held| {
            on_branch().filter(|other| other.segment == held.segment).count() < SEGMENT_GROUPS
        };
        if let Some(grown) = last.filter(has_room) {
            return grown.segment;
        }
        let mut segment = Segment { first: number, fill: u16::from(put.link.fills()) };
        while on_branch().any(|held| held.segment == segment) {
            segment.fill += 1;
        }
        segment
    }

    /// The groups of a branch, in order.
    fn on(&self, branch: u16) -> impl DoubleEndedIterator<Item = (&Place, &Held)> {
        self.groups.range(Place { branch, number: 0 }..=Place { branch, number: u64::MAX })
    }

    /// Those of a leg.
    fn on_leg(&self, leg: &Leg) -> impl DoubleEndedIterator<Item = (&Place, &Held)> {
        self.groups.range(leg.start..=leg.end())
    }

    fn find(&self, numbers: &RangeInclusive<u64>, id: &GroupId) -> Option<Found> {
        let mut here = self.groups.iter();
        let found = here.find(|(at, held)| numbers.contains(&at.number) && held.group.id() == *id);
        found.map(|(at, held)| Found { branch: at.branch, tip: held.group.tip() })
    }

    /// A group, if it can be read.
    #[must_use]
    pub fn group(&self, id: &GroupId) -> Option<&Arc<VerifiedGroup>> {
        self.groups().find(|group| group.id() == *id)
    }

    /// All groups that can be read.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<VerifiedGroup>> {
        self.groups.values().map(|held| &held.group)
    }

    /// Its shape.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Where a group lies, if it can be read.
    #[must_use]
    pub fn place(&self, id: &GroupId) -> Option<Place> {
        self.find(&(0..=u64::MAX), id).map(|found| found.place())
    }

    /// Those of these groups that can be read.
    #[must_use]
    pub fn located(&self, ids: &BTreeSet<GroupId>) -> BTreeMap<GroupId, Found> {
        let found = ids.iter().filter_map(|id| Some((*id, self.find(&(0..=u64::MAX), id)?)));
        found.collect()
    }

    /// All groups that can be read, parents before children.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Arc<VerifiedGroup>> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|(at, _)| (at.number, at.branch));
        groups.into_iter().map(|(_, held)| &held.group).collect()
    }

    /// Its groups without children, the longest branch first.
    #[must_use]
    pub fn ends(&self) -> Vec<Tip> {
        self.chain.ends()
    }

    /// Whether it forked anywhere.
    #[must_use]
    pub fn has_branches(&self) -> bool {
        self.chain.branches().len() > 1
    }

    /// What there is of the log.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.chain.extent()
    }

    /// What is missing.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.chain.branches().values().flat_map(|branch| &branch.gaps)
    }

    /// The last group of each leg and the life that wrote it, the oldest branch first.
    #[must_use]
    pub fn written_by(&self) -> Vec<(GroupId, Incarnation)> {
        let last = self.chain.legs().filter_map(|leg| self.on_leg(&leg).next_back());
        last.map(|(_, held)| (held.group.id(), held.group.header().incarnation)).collect()
    }

    /// Whether some of these groups are not in the log.
    #[must_use]
    pub fn lacks(&self, tips: &[Tip]) -> bool {
        let is_known = |tip: &Tip| {
            self.chain.known(&tip.group).is_some()
                || tip.number < self.chain.floor()
                || self.find(&(tip.number..=tip.number), &tip.group).is_some()
        };
        !tips.iter().all(is_known)
    }

    /// What follows these groups and their ancestors. A page ends where something is missing.
    #[must_use]
    pub fn page(&self, after: &[Tip]) -> Page {
        let known = |tip: &Tip| {
            let found = self.chain.known(&tip.group);
            found.or_else(|| self.find(&(tip.number..=tip.number), &tip.group))
        };
        let found: Vec<_> = after.iter().map(|tip| (*tip, known(tip))).collect();
        let have: Vec<Place> = found.iter().filter_map(|(_, at)| Some((*at)?.place())).collect();
        let mut next: Vec<(&Place, u64)> = Vec::new();
        let leg_of = |found: Found| self.chain.leg_at(found.place()).map(|leg| leg.start);
        for (leg, first) in self.chain.beyond(&have) {
            let told = found
                .iter()
                .filter(|(_, at)| at.and_then(leg_of).is_none_or(|start| start == leg.start));
            let mut told: Vec<Tip> = told.map(|(tip, _)| *tip).collect();
            for (at, _) in self.on_leg(&leg).filter(|(at, _)| at.number >= first) {
                next.push((at, self.missing_before(&leg, at, &told)));
                told.clear();
            }
        }
        next.sort_unstable_by_key(|(at, _)| (at.number, at.branch));
        let mut page = Page::default();
        for (at, gap) in next {
            let is_full = page.groups.len() >= PAGE_GROUPS || gap > 0;
            if !page.groups.is_empty() && is_full {
                return page;
            }
            page.groups.extend(self.groups.get(at).map(|held| Arc::clone(&held.group)));
            page.gap = page.gap.max(gap);
        }
        page.is_last = true;
        page
    }

    /// Entries up to the group of another branch that a leg goes on from.
    fn stem(&self, leg: &Leg) -> u64 {
        match (leg.from, leg.before) {
            (Some(from), Some(before)) if from.number == before.number => before.entries,
            (Some(from), _) => self.groups.get(&from).map_or(0, |held| held.group.tip().entries),
            (None, _) => 0,
        }
    }

    /// Entries missing before a group, for a reader that says that it has what is `told`.
    fn missing_before(&self, leg: &Leg, at: &Place, told: &[Tip]) -> u64 {
        let Some(before) = self.groups.get(at).and_then(|held| held.before) else { return 0 };
        let previous = self.on_leg(leg).rev().find(|(place, _)| place.number < at.number);
        let had = match previous.map(|(_, held)| held.group.tip()) {
            Some(tip) if tip.group == before.group => return 0,
            Some(tip) => tip.entries,
            None => self.stem(leg),
        };
        let told = told.iter().filter(|tip| tip.number <= before.number).map(|tip| tip.entries);
        before.entries.saturating_sub(told.max().unwrap_or(0).max(had))
    }

    /// Whether all that is missing in a gap can be read here.
    #[must_use]
    pub fn spans(&self, gap: &Gap) -> bool {
        let mut at = Some(gap.until.group);
        while at != gap.after.map(|after| after.group) {
            let Some(group) = at.and_then(|id| self.group(&id)) else { return false };
            at = group.header().parents.first().copied();
        }
        true
    }

    /// A group cannot be read any more.
    pub fn lose(&mut self, id: &GroupId) {
        let found = self.find(&(0..=u64::MAX), id);
        if let Some(found) = found {
            self.groups.remove(&found.place());
            self.relink(found.branch);
        }
    }

    /// Takes what can be read of a branch into its shape.
    fn relink(&mut self, branch: u16) {
        let Some(shape) = self.chain.branches().get(&branch) else { return };
        let gaps = shape.gaps_between(&self.rows(branch));
        self.chain.set_gaps(branch, gaps);
    }

    /// What can be read of a branch.
    fn rows(&self, branch: u16) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for (at, held) in self.on(branch) {
            let (last, follows) = (held.group.tip(), held.before.map(|before| before.group));
            match rows.last_mut().filter(|row| Some(row.last.group) == follows) {
                Some(row) => row.last = last,
                None => rows.push(Row { first: at.number, before: held.before, last }),
            }
        }
        rows
    }

    /// It is opened again: what cannot be read at the end of a branch looks torn, and is cut.
    pub fn open(&mut self) {
        let mut branches = BTreeMap::new();
        for (number, shape) in self.chain.branches() {
            if let Some((_, last)) = self.on(*number).next_back() {
                let find =
                    |tip: &Tip| Some(self.find(&(tip.number..=tip.number), &tip.group)?.place());
                let (begin, rows) = ((shape.from, shape.before), self.rows(*number));
                branches.insert(*number, Branch::restored(begin, &rows, last.group.tip(), find));
            }
        }
        let joins = self.groups.iter().filter(|(_, held)| !held.joins.is_empty());
        let joins = joins.map(|(at, held)| (*at, held.joins.clone())).collect();
        self.chain = Chain::restored(branches, joins);
    }

    /// Lets segments go, oldest first, until no more than `bytes` are left or one is met that has a
    /// group from the number `needed` on: its last one. The groups that went.
    pub fn prune(&mut self, bytes: u64, needed: u64) -> (Vec<GroupId>, Option<u64>) {
        let mut gone = Vec::new();
        while let Some(going) = self.oldest() {
            let last = going.iter().map(|at| at.number).max();
            let size = |held: &Held| codec::encode(held.group.group()).len() as u64;
            let going_bytes: u64 =
                going.iter().filter_map(|at| self.groups.get(at)).map(size).sum();
            if self.bytes().saturating_sub(going_bytes) < bytes {
                break;
            }
            if last >= Some(needed) {
                return (gone, last);
            }
            // From the last on: where one goes, those behind it in its branch begin anew.
            let legs = going.iter().filter_map(|at| self.chain.leg_at(*at));
            let legs: BTreeMap<Reverse<Place>, Leg> =
                legs.map(|leg| (Reverse(leg.start), leg)).collect();
            let went = going.iter().filter_map(|at| self.groups.remove(at));
            gone.extend(went.map(|held| held.group.id()));
            legs.into_values().for_each(|leg| self.begin_later(&leg));
        }
        (gone, None)
    }

    /// Bytes of all groups.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.groups().map(|group| codec::encode(group.group()).len() as u64).sum()
    }

    /// The first groups of a leg went.
    fn begin_later(&mut self, leg: &Leg) {
        let first = self.on_leg(leg).next().map(|(_, first)| first.before);
        match first {
            None => self.chain.forget(leg.start),
            Some(Some(before)) => self.chain.pruned(leg.start, before),
            Some(None) => {}
        }
        self.relink(leg.start.branch);
    }

    /// The groups of the segment with the lowest numbers that its leg of a branch can do without,
    /// those that fill its holes, and the legs that ended in a group that goes with it.
    fn oldest(&self) -> Option<Vec<Place>> {
        let spare = self.chain.legs().filter_map(|leg| {
            let last = self.on_leg(&leg).next_back()?.1.segment;
            let first = self.on_leg(&leg).map(|(_, held)| held.segment).min()?;
            (first != last).then_some((first, leg))
        });
        let (first, leg) = spare.min_by_key(|(segment, leg)| (segment.first, leg.start))?;
        let end_of = |segment: Segment| {
            let of = self.on_leg(&leg).filter(|(_, held)| held.segment == segment);
            of.map(|(at, _)| at.number).max()
        };
        let goes = |held: &Held| held.segment == first || end_of(held.segment) < end_of(first);
        let mut going: Vec<Place> =
            self.on_leg(&leg).filter(|(_, held)| goes(held)).map(|(at, _)| *at).collect();
        let left = self.on_leg(&leg).find(|(_, held)| !goes(held));
        let before = left.and_then(|(_, held)| held.before).map_or(0, |before| before.number);
        for ended in self.chain.joined_before(leg.start, before) {
            let ended = self.chain.leg_at(ended).into_iter();
            going.extend(
                ended.flat_map(|leg| self.on_leg(&leg).map(|(at, _)| *at).collect::<Vec<_>>()),
            );
        }
        Some(going)
    }
}
