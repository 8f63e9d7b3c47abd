//! The judge: what nodes show, held against what their publishers were told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use gearmesh_protocol::durable::{HistoryEntry, HistoryEvent};
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::sample::Value;

use super::book::{Attempt, Book, number_of};

/// Findings of one kind that are told; the rest is counted.
const TOLD_MAX: usize = 5;

/// What one node shows of the past.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    entries: Vec<HistoryEntry>,
    /// Entries that it says it does not have, by author.
    gaps: BTreeMap<String, u64>,
    withheld: u64,
}

/// An entry as it must be the same everywhere.
type Place = (u64, GroupId, bool);

impl Shown {
    pub(super) fn of(events: Vec<HistoryEvent>) -> Self {
        let mut shown = Self::default();
        for event in events {
            match event {
                HistoryEvent::Entry(entry) => shown.entries.push(entry),
                HistoryEvent::Gap { author, count, .. } => {
                    *shown.gaps.entry(author).or_default() += count;
                }
                HistoryEvent::End { withheld, .. } => shown.withheld = withheld,
            }
        }
        shown
    }

    /// The places of the entries of each author.
    fn by_author(&self) -> BTreeMap<&str, Vec<Place>> {
        let mut found: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for entry in &self.entries {
            let place = (entry.entry, entry.group, entry.fork);
            found.entry(&entry.author).or_default().push(place);
        }
        // Between the branches of a forked log there is no order; within them `wrong` looks at it.
        found.values_mut().for_each(|places| places.sort_unstable());
        found
    }

    /// Entries that it says it does not have.
    pub(super) fn gap(&self) -> u64 {
        self.gaps.values().sum()
    }

    /// The numbers of all values.
    pub(super) fn numbers(&self) -> BTreeSet<usize> {
        self.entries.iter().filter_map(|entry| number_of(&entry.sample.value)).collect()
    }

    /// Why this is not the same past as another, if it is not.
    pub(super) fn differs(&self, other: &Self) -> Option<String> {
        let (own, others) = (self.by_author(), other.by_author());
        let authors: BTreeSet<&str> = own.keys().chain(others.keys()).copied().collect();
        let none = Vec::new();
        let mut found = authors.into_iter().filter_map(|author| {
            let own = own.get(author).unwrap_or(&none);
            let others = others.get(author).unwrap_or(&none);
            let at = own.iter().zip(others).take_while(|(one, other)| one == other).count();
            let (next, instead) = (own.get(at), others.get(at));
            let counts = (own.len(), others.len());
            (own != others)
                .then(|| format!("{author}: {counts:?} entries, {next:?} where {instead:?} is"))
        });
        let gaps =
            (self.gaps != other.gaps).then(|| format!("gaps {:?} and {:?}", self.gaps, other.gaps));
        found.next().or(gaps)
    }

    /// Why this is not the past of another with holes that are all told, if it is not.
    pub(super) fn differs_by_more_than_gaps(&self, whole: &Self) -> Option<String> {
        let (own, wholes) = (self.by_author(), whole.by_author());
        for (author, places) in &wholes {
            let mine = own.get(author).map_or(&[][..], Vec::as_slice);
            let mut rest = places.iter();
            let strange = mine.iter().find(|place| !rest.any(|other| other == *place));
            if let Some(strange) = strange {
                return Some(format!("{author}: {strange:?} is out of order, or nowhere else"));
            }
            let missing = (places.len() - mine.len()) as u64;
            let told = self.gaps.get(*author).copied().unwrap_or(0);
            if missing != told {
                return Some(format!("{author}: {missing} entries are missing, {told} are told"));
            }
        }
        None
    }
}

/// What a node shows that nobody published so, or shows twice, or in another order.
pub(super) fn wrong(book: &Book, node: &str, shown: &Shown) -> Vec<String> {
    let mut found = Vec::new();
    let mut numbers = BTreeSet::new();
    let mut last_entry: BTreeMap<&str, u64> = BTreeMap::new();
    let mut last_told: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for entry in &shown.entries {
        let place = format!("entry {} of {}", entry.entry, entry.author);
        let known = number_of(&entry.sample.value)
            .and_then(|number| Some((number, book.attempt(number)?)))
            .filter(|(number, attempt)| is_same(*number, attempt, entry));
        let Some((number, attempt)) = known else {
            found.push(format!("{node} shows {place} as nobody published it"));
            continue;
        };
        if !numbers.insert(number) {
            found.push(format!("{node} shows the value {number} twice, the second as {place}"));
        }
        if entry.after_cut {
            found.push(format!("{node} says that {place} lies behind a cut"));
        }
        if !entry.fork {
            let before = last_entry.insert(&entry.author, entry.entry);
            if before.is_some_and(|before| before >= entry.entry) {
                found.push(format!("{node} shows {place} behind entry {before:?}"));
            }
        }
        let Some(told) = attempt.told() else { continue };
        if (told.group, told.entry) != (entry.group, entry.entry) {
            found.push(format!("{node} shows the value {number} as {place}, not as {told:?}"));
        }
        if entry.fork {
            continue;
        }
        // A line waits for its answer before it goes on, so what was answered has an order.
        let before = last_told.insert((attempt.author, attempt.line), number);
        if before.is_some_and(|before| before > number) {
            found.push(format!("{node} shows the value {number} behind {before:?} of its line"));
        }
    }
    if shown.withheld > 0 {
        found.push(format!("{node} withholds {} values", shown.withheld));
    }
    shortened(found)
}

fn is_same(number: usize, attempt: &Attempt, entry: &HistoryEntry) -> bool {
    let Value::Text(text) = &entry.sample.value else { return false };
    attempt.author == entry.author
        && attempt.topic() == entry.topic
        && attempt.text(number) == *text
        && attempt.round == entry.sample.source_time.0
}

/// What was acknowledged and this node does not show.
pub(super) fn lost(book: &Book, shown: &Shown) -> BTreeSet<usize> {
    let numbers = shown.numbers();
    let told = book.told().map(|(number, ..)| number);
    told.filter(|number| !numbers.contains(number)).collect()
}

/// What was acknowledged, is shown nowhere, and may be: only the disk that was wiped had it. Of the
/// values with these numbers it is the end of its author's log, since members take a log in order.
///
/// # Errors
/// Something in front of what was kept is gone.
pub(super) fn gone_with(
    book: &Book,
    author: &str,
    among: Range<usize>,
    shown: &Shown,
) -> Result<Vec<usize>, String> {
    let numbers = shown.numbers();
    let is_own =
        |number: usize, attempt: &Attempt| attempt.author == author && among.contains(&number);
    let own = book.told().filter(|(number, attempt, _)| is_own(*number, attempt));
    let (mut kept, mut gone) = (None, Vec::new());
    for (number, _, told) in own {
        if numbers.contains(&number) {
            kept = kept.max(Some(told.entry));
        } else if told.replicas == 0 {
            gone.push((told.entry, number));
        }
    }
    match gone.iter().find(|(entry, _)| kept.is_some_and(|kept| *entry < kept)) {
        Some((entry, number)) => {
            Err(format!("{author}: the value {number} (entry {entry}) is gone before {kept:?}"))
        }
        None => Ok(gone.into_iter().map(|(_, number)| number).collect()),
    }
}

/// Sentences about values, not too many.
pub(super) fn shortened(mut found: Vec<String>) -> Vec<String> {
    let more = found.len().saturating_sub(TOLD_MAX);
    found.truncate(TOLD_MAX);
    if more > 0 {
        found.push(format!("and {more} more of the kind"));
    }
    found
}

#[cfg(test)]
mod tests;
