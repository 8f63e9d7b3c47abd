//! A branch that turns: what was placed behind the wrong group goes on from the right one.
//!
//! A group that comes before its parent is placed behind the end that it can be behind, with a gap
//! before it. When the last group missing in that gap comes and goes on from somewhere else, it
//! takes its place in the row all the same, and the branch *turns* there: what lies before the gap
//! is a *leg* of its own, and no ancestor of what lies behind it. So no place ever changes, in
//! memory, on disk or in what joins and other branches name.

use std::collections::BTreeMap;

use gearmesh_protocol::log::Tip;

use super::{Branch, Chain, Found, Gap, Link, Place};

/// Where a branch goes on from another group than the one before in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The last group before it in the row.
    pub left: Tip,
    /// The group that the branch goes on from here; none if that is not kept.
    pub from: Option<Place>,
    /// The group before the first that is kept behind the turn.
    pub before: Option<Tip>,
}

/// A part of a branch in which every group is a child of the one before: all of it, unless it turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its branch, and the lowest number that a group of it may have.
    pub start: Place,
    /// The group that its first group goes on from.
    pub from: Option<Place>,
    /// The group before the first that is kept. It lies at `from`, or was pruned, or never came.
    pub before: Option<Tip>,
    /// Its last group.
    pub tip: Tip,
}

/// Groups of a branch that are kept with nothing missing between them.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The number of the first.
    pub first: u64,
    /// The group before it.
    pub before: Option<Tip>,
    /// The last.
    pub last: Tip,
}

impl Leg {
    /// The lowest number that a group of the leg may have here.
    #[must_use]
    pub fn first(&self) -> u64 {
        let kept = self.before.map_or(0, |before| before.number.saturating_add(1));
        kept.max(self.start.number)
    }

    /// Whether its first groups are not kept.
    pub(super) fn begins_later(&self) -> bool {
        let from = self.from.map(|from| from.number);
        self.before.is_some_and(|before| Some(before.number) != from)
    }

    /// Whether a number of its branch is one of the leg's.
    #[must_use]
    pub fn spans(&self, number: u64) -> bool {
        (self.start.number..=self.tip.number).contains(&number)
    }

    /// Where its last group lies.
    #[must_use]
    pub fn end(&self) -> Place {
        Place { number: self.tip.number, ..self.start }
    }

    /// The group before its first, with the place by which ancestors are told from it.
    pub(super) fn origin(&self) -> Option<Found> {
        let tip = self.before?;
        match self.from {
            Some(from) if from.number == tip.number => Some(Found { branch: from.branch, tip }),
            // Before a turn the row holds others.
            _ if tip.number < self.start.number => None,
            _ => Some(Found { branch: self.start.branch, tip }),
        }
    }
}

impl Branch {
    /// A branch of which these rows are kept, as a store finds it when it is opened. `find` looks up
    /// a group that is here: a row behind one of those is no child of the row before.
    #[must_use]
    pub fn restored(
        (from, before): (Option<Place>, Option<Tip>),
        rows: &[Row],
        tip: Tip,
        mut find: impl FnMut(&Tip) -> Option<Place>,
    ) -> Self {
        let mut turns = BTreeMap::new();
        for pair in rows.windows(2) {
            let [Row { last: left, .. }, row] = pair else { continue };
            let Some(until) = row.before.filter(|until| until.group != left.group) else {
                continue;
            };
            let found = find(&until);
            if found.is_some() || until.number <= left.number {
                let turn = Turn { left: *left, from: found, before: Some(until) };
                turns.insert(row.first, turn);
            }
        }
        let mut branch = Self { from, before, tip, gaps: Vec::new(), turns };
        branch.gaps = branch.gaps_between(rows);
        branch
    }

    /// What is missing of the branch when these rows are kept.
    #[must_use]
    pub fn gaps_between(&self, rows: &[Row]) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut note = |after: Option<Tip>, until: Tip| {
            if after.map(|tip| tip.group) != Some(until.group) {
                gaps.push(Gap { after, until });
            }
        };
        let mut rows = rows.iter().peekable();
        for leg in self.legs(0) {
            let mut after = leg.before;
            while let Some(row) = rows.next_if(|row| row.first <= leg.tip.number) {
                if let Some(until) = row.before {
                    note(after, until);
                }
                after = Some(row.last);
            }
            note(after, leg.tip);
        }
        gaps
    }

    /// Its legs in order, as those of the branch `number`.
    pub(super) fn legs(&self, number: u16) -> impl Iterator<Item = Leg> + '_ {
        let starts = self.turns.iter().map(|(start, turn)| (*start, turn.from, turn.before));
        let starts = std::iter::once((0, self.from, self.before)).chain(starts);
        let tips = self.turns.values().map(|turn| turn.left).chain(std::iter::once(self.tip));
        starts.zip(tips).map(move |((start, from, before), tip)| {
            let start = Place { branch: number, number: start };
            Leg { start, from, before, tip }
        })
    }

    /// Notes what lies before the first group that is kept of a leg.
    pub(super) fn begins_behind(&mut self, leg: Place, before: Tip) {
        match self.turns.get_mut(&leg.number) {
            Some(turn) => turn.before = Some(before),
            None => self.before = Some(before),
        }
    }

    /// Takes a leg out; `false` when there is no other.
    pub(super) fn lost_leg(&mut self, leg: Place) -> bool {
        let next = self.turns.range(leg.number.saturating_add(1)..).next().map(|(at, _)| *at);
        let gone = self.turns.remove(&leg.number);
        match (gone, next) {
            (None, None) => return false,
            (None, Some(next)) => {
                if let Some(turn) = self.turns.remove(&next) {
                    (self.from, self.before) = (turn.from, turn.before);
                }
            }
            (Some(gone), Some(next)) => {
                if let Some(turn) = self.turns.get_mut(&next) {
                    turn.left = gone.left;
                }
            }
            (Some(gone), None) => self.tip = gone.left,
        }
        true
    }
}

impl Chain {
    /// The legs of all branches, by branch and number.
    pub fn legs(&self) -> impl Iterator<Item = Leg> + '_ {
        self.branches.iter().flat_map(|(number, branch)| branch.legs(*number))
    }

    /// The leg that a place is on.
    #[must_use]
    pub fn leg_at(&self, place: Place) -> Option<Leg> {
        let legs = self.branches.get(&place.branch)?.legs(place.branch);
        legs.take_while(|leg| leg.start.number <= place.number).last()
    }

    /// The turn that a group makes which was the last missing in a gap, if it goes on from another
    /// group than the gap lies behind.
    pub(super) fn turn_for(&self, tip: Tip, parent: Found) -> Option<(u16, Link)> {
        let (number, gap) = self.gap_until(&tip.group)?;
        let branch = self.branches.get(&number)?;
        let left = gap.after.filter(|left| left.number < tip.number)?;
        // At the begin of a leg nothing of it lies before the gap.
        let is_inside = !branch.legs(number).any(|leg| leg.before == Some(left));
        let link = Link::Turn { left, from: parent.place(), before: parent.tip };
        is_inside.then_some((number, link))
    }
}
