//! How far a reader without copies has come in one log, and whether what it is shown goes on from
//! there.
//!
//! It keeps the leaves of what it passed and no more, so it can tell where a row of groups goes on
//! and how much was left out. A log that forked, or whose author's terms ended, takes its
//! [outline](Outline): by that a side branch is told from what was read before.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::limits::LEAVES_MAX;
use gearmesh_protocol::log::{Header, Tip};

use super::super::chain::Place;
use super::chaining::{Follows, follows};
use super::checking::Odd;
use super::outline::Outline;

/// What a reader passed of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    leaves: Vec<Tip>,
    /// Entries from the log's first on that were told as missing.
    missing: u64,
    shape: Shape,
    /// Whether the outline was drawn just now: what does not fit it is not right.
    is_sure: bool,
}

/// What is known of the log's shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Shape {
    /// Nothing: as long as each group follows the last.
    #[default]
    Row,
    /// This is the reader that draws it.
    Drawing(Outline),
    /// It was drawn; with the places of the leaves.
    Drawn(Arc<Outline>, BTreeMap<GroupId, Place>),
}

/// A group that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it lies in the outline, if there is one.
    pub place: Option<Place>,
    /// Entries that are missing in front of it, where its parents were not shown.
    pub leap: Option<u64>,
}

impl Trail {
    /// A reader that goes on after these leaves.
    #[must_use]
    pub const fn after(leaves: Vec<Tip>) -> Self {
        Self { leaves, missing: 0, shape: Shape::Row, is_sure: false }
    }

    /// A reader that draws an outline. One that is sure takes what does not fit for wrong.
    #[must_use]
    pub const fn drawing(outline: Outline, is_sure: bool) -> Self {
        Self { leaves: Vec::new(), missing: 0, shape: Shape::Drawing(outline), is_sure }
    }

    /// The leaves of what was passed; what came last stands first.
    #[must_use]
    pub fn leaves(&self) -> &[Tip] {
        &self.leaves
    }

    /// The outline, as far as it is drawn.
    #[must_use]
    pub fn outline(&self) -> Option<&Outline> {
        match &self.shape {
            Shape::Row => None,
            Shape::Drawing(outline) => Some(outline),
            Shape::Drawn(outline, _) => Some(outline),
        }
    }

    /// Whether what does not fit the outline cannot be right.
    pub(super) const fn is_sure(&self) -> bool {
        self.is_sure
    }

    /// Learns the outline; of one that was drawn `anew` no place of before holds.
    pub fn learn(&mut self, outline: Arc<Outline>, anew: bool) {
        let before = match std::mem::take(&mut self.shape) {
            Shape::Drawn(_, places) if !anew => places,
            _ => BTreeMap::new(),
        };
        let place = |leaf: &Tip| {
            let found = outline.find(&leaf.group).map(|found| found.place());
            Some((leaf.group, found.or_else(|| before.get(&leaf.group).copied())?))
        };
        let places = self.leaves.iter().filter_map(place).collect();
        self.shape = Shape::Drawn(outline, places);
        self.is_sure = anew;
    }

    /// Takes a group for passed, whatever it goes on from.
    pub fn grow(&mut self, id: GroupId, header: &Header) {
        Tip::grow(&mut self.leaves, id, header);
    }

    /// Goes past a group.
    ///
    /// # Errors
    /// It does not go on from what was passed.
    pub fn pass(&mut self, id: GroupId, header: &Header) -> Result<Step, Odd> {
        let leaf = |id: &GroupId| self.leaves.iter().find(|leaf| leaf.group == *id).copied();
        let follows = follows(header, leaf);
        if follows == Follows::Wrongly {
            return Err(Odd::Miscounted);
        }
        let (place, is_leap) = match &mut self.shape {
            Shape::Row => (None, self.leaps_in_row(header, follows)?),
            Shape::Drawing(outline) => {
                let drawn = outline.draw(id, header)?;
                (Some(drawn.place), drawn.is_leap)
            }
            Shape::Drawn(outline, places) => {
                let (place, is_leap) =
                    locate((id, header), follows, outline, places, &self.leaves)?;
                (Some(place), is_leap)
            }
        };
        let leap = is_leap.then(|| self.leap(header, place));
        self.grow(id, header);
        if self.leaves.len() > LEAVES_MAX {
            return Err(Odd::TooForked);
        }
        if let (Shape::Drawn(_, places), Some(place)) = (&mut self.shape, place) {
            places.insert(id, place);
            places.retain(|id, _| self.leaves.iter().any(|leaf| leaf.group == *id));
            self.is_sure = false;
        }
        Ok(Step { place, leap })
    }

    /// Where a group lies in the outline, if that is known.
    #[must_use]
    pub fn place(&self, id: GroupId, header: &Header) -> Option<Place> {
        let mut ahead = self.clone();
        ahead.pass(id, header).ok()?.place
    }

    /// Whether a group stands apart from a row; one that is no newer cannot.
    fn leaps_in_row(&self, header: &Header, follows: Follows) -> Result<bool, Odd> {
        let highest = self.leaves.iter().map(|leaf| leaf.number).max();
        let is_first = header.number == 0 && highest.is_none();
        match follows == Follows::Parents || is_first {
            true => Ok(false),
            false if highest.is_none_or(|highest| header.number > highest) => Ok(true),
            false => Err(Odd::Beside),
        }
    }

    /// Entries that were not shown in front of a group, as its header counts them. What lies before
    /// the gap is no leaf any more: a leaf behind it stands for it.
    fn leap(&mut self, header: &Header, place: Option<Place>) -> u64 {
        let count = header.entries_before;
        let is_before = |leaf: &Tip| {
            let is_lower = leaf.number < header.number && leaf.entries <= count;
            let line = place.zip(self.outline());
            let on_its_line = line.is_none_or(|(place, outline)| {
                let found = self.place_of(&leaf.group);
                found.is_none_or(|leaf| outline.chain().is_within(leaf, &[place]))
            });
            is_lower && on_its_line
        };
        let (before, beside): (Vec<Tip>, Vec<Tip>) =
            self.leaves.iter().partition(|it| is_before(it));
        let shown = before.iter().map(|leaf| leaf.entries).max();
        let known = shown.unwrap_or(0).max(self.missing.min(count));
        if shown.is_none() {
            self.missing = self.missing.max(count);
        }
        self.leaves = beside;
        count - known
    }

    /// Where a leaf lies.
    fn place_of(&self, leaf: &GroupId) -> Option<Place> {
        match &self.shape {
            Shape::Row => None,
            Shape::Drawing(outline) => outline.find(leaf).map(|found| found.place()),
            Shape::Drawn(_, places) => places.get(leaf).copied(),
        }
    }
}

/// Where a group lies in an outline, and whether what it goes on from was not passed.
fn locate(
    (id, header): (GroupId, &Header),
    follows: Follows,
    outline: &Outline,
    places: &BTreeMap<GroupId, Place>,
    leaves: &[Tip],
) -> Result<(Place, bool), Odd> {
    let passed: Vec<Place> = places.values().copied().collect();
    let is_passed = |place: Place| outline.chain().is_within(place, &passed);
    let parent = header.parents.first();
    let of_parent = |parent: &GroupId| {
        let noted = || outline.find(parent).map(|found| found.place());
        places.get(parent).copied().or_else(noted)
    };
    let parent_at = parent.and_then(of_parent);
    let drawn = outline.find(&id).map(|found| found.place());
    let behind = parent_at.map(|parent| Place { number: header.number, ..parent });
    let highest = leaves.iter().map(|leaf| leaf.number).max();
    let is_new = highest.is_none_or(|highest| header.number > highest);
    let alone = || match is_new || follows == Follows::Parents {
        true => outline.only_branch(header.number, |place| !is_passed(place)),
        false => None,
    };
    let place = drawn.or(behind).or_else(alone).ok_or(Odd::Beside)?;
    if is_passed(place) {
        return Err(if drawn.is_some() { Odd::Repeated } else { Odd::Beside });
    }
    let goes_on =
        header.number == 0 || follows == Follows::Parents || parent_at.is_some_and(is_passed);
    Ok((place, !goes_on))
}
