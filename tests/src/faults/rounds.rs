//! Rounds: a fault, healing, and judgement.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::checker::{Shown, gone_with, lost, wrong};
use super::disk::{HOME_BYTES_MAX, bytes_below};
use super::fault::{Fault, Kind, Spans};
use super::publishers::until_book;
use super::works::{NODES, Works};
use crate::wait::within;
use crate::world::dice::Dice;

/// Whether holes that damage left are filled again from members. Where they are not, a node with
/// damage says what it lacks, and taking its copies away mends it.
const FILLED_FROM_MEMBERS: bool = true;

/// How long a healed plant may take until all nodes show the same past.
const TOGETHER_WITHIN: Duration = Duration::from_secs(120);

/// How long it may take until everybody's values are safe with others again.
const SERVED_WITHIN: Duration = Duration::from_secs(120);

/// What is publishing before a fault begins, in milliseconds.
const BEFORE: (usize, usize) = (500, 1_500);

/// What came of a round that went well.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// What was done.
    pub fault: String,
    /// Values that were ever acknowledged in this plant.
    pub acknowledged: usize,
    /// Of these, values that only a disk had that was wiped.
    pub gone: usize,
    /// Entries that a damaged node said it lacks.
    pub gap: u64,
}

/// What went wrong in a round.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What was done.
    pub fault: String,
    /// Acknowledged values that no node shows.
    pub lost: usize,
    /// What was found.
    pub why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} lost: {}", self.fault, self.lost, self.why)
    }
}

impl Works {
    /// Whether this plant can take a fault of this kind: a small disk does not hold large homes.
    #[must_use]
    pub fn can_take(&self, kind: Kind) -> bool {
        let bytes = |name: &&str| bytes_below(&self.home(name));
        let largest = NODES.iter().map(|(name, _)| *name).map(|name| bytes(&name)).max();
        kind != Kind::FullDisk || largest.is_none_or(|largest| largest <= HOME_BYTES_MAX)
    }

    /// One round of a kind.
    ///
    /// # Errors
    /// What the judge found.
    pub fn round(&mut self, kind: Kind, seed: u64, spans: &Spans) -> Result<Judged, Failed> {
        let mut dice = Dice::new(seed);
        let drawn = Fault::draw(kind, &mut dice);
        let fault = drawn.to_string();
        self.publishers.book().round += 1;
        let from = self.publishers.book().next();
        self.publishers.go();
        self.hold(dice.millis(BEFORE.0, BEFORE.1), &[]);
        let suffered = self.suffer(&drawn, spans, &mut dice);
        let judged = suffered.and_then(|()| self.judge(&drawn, from));
        let gap = judged.map_err(|why| {
            let lost = self.lost_everywhere().len();
            Failed { fault: fault.clone(), lost, why }
        })?;
        let book = self.publishers.book();
        Ok(Judged { fault, acknowledged: book.acknowledged(), gone: book.gone(), gap })
    }

    /// Judges a healed plant. Entries that a damaged node says it lacks.
    fn judge(&mut self, fault: &Fault, from: usize) -> Result<u64, String> {
        let healed = self.publishers.book().next();
        for (name, _) in NODES {
            let what = format!("{name} is told that members have its values");
            until_book(&self.publishers, &what, SERVED_WITHIN, |book| {
                book.is_served_since(name, healed)
            })?;
        }
        let holed: Vec<&str> = match fault {
            Fault::Overwritten { node, .. } if !FILLED_FROM_MEMBERS => vec![node],
            _ => Vec::new(),
        };
        let all = self.come_together(&holed)?;
        if let Fault::Wiped { node } = fault {
            self.let_go(node, from, &all)?;
        }
        let gap = self.hold_to_the_book(&all, &holed)?;
        for node in holed {
            self.mend(node)?;
        }
        Ok(gap)
    }

    /// Lets publishers rest and waits until all nodes show the same past, those with holes what is
    /// left of it. What they show in the end, in the order of [`NODES`].
    pub(super) fn come_together(&self, holed: &[&str]) -> Result<Vec<Shown>, String> {
        self.publishers.rest();
        let round = self.publishers.book().round;
        let mut why = String::new();
        let mut look = |since| {
            let found = self.same_everywhere(since, holed);
            found.map_err(|difference| why = difference).ok()
        };
        // The values of this round are few; of all that went before, only the last look is needed.
        let met = within(TOGETHER_WITHIN, || {
            look(if holed.is_empty() { round } else { 0 })?;
            look(0)
        });
        met.ok_or_else(|| format!("not the same everywhere after {TOGETHER_WITHIN:?}: {why}"))
    }

    fn same_everywhere(&self, since: u64, holed: &[&str]) -> Result<Vec<Shown>, String> {
        let all: Vec<Shown> =
            NODES.iter().map(|(name, _)| self.shown(name, since)).collect::<Result<_, _>>()?;
        let named = || NODES.iter().map(|(name, _)| *name).zip(&all);
        let whole = named().find(|(name, _)| !holed.contains(name));
        let (first, whole) = whole.ok_or("no node is to be whole")?;
        for (name, shown) in named() {
            let difference = match holed.contains(&name) {
                true => shown.differs_by_more_than_gaps(whole),
                false => whole.differs(shown),
            };
            if let Some(difference) = difference {
                return Err(format!("{first} and {name}: {difference}"));
            }
        }
        Ok(all)
    }

    /// Holds what is shown against what was told. Entries that holes cost.
    fn hold_to_the_book(&self, all: &[Shown], holed: &[&str]) -> Result<u64, String> {
        let book = self.publishers.book();
        let mut gap = 0;
        for ((name, _), shown) in NODES.iter().zip(all) {
            let found = wrong(&book, name, shown);
            if !found.is_empty() {
                return Err(found.join("; "));
            }
            if holed.contains(name) {
                gap += shown.gap();
                continue;
            }
            let lost = lost(&book, shown);
            if let Some(first) = lost.first() {
                let attempt = book.attempt(*first);
                return Err(format!("{name} lacks {} values, first {attempt:?}", lost.len()));
            }
            if shown.gap() > 0 {
                return Err(format!("{name} tells of {} entries that it lacks", shown.gap()));
            }
        }
        Ok(gap)
    }

    /// What only the wiped disk had is gone, and nothing else.
    fn let_go(&self, node: &str, from: usize, all: &[Shown]) -> Result<(), String> {
        let Some(shown) = all.first() else { return Ok(()) };
        let mut book = self.publishers.book();
        for number in gone_with(&book, node, from..self.wiped_at, shown)? {
            book.let_go(number);
        }
        Ok(())
    }

    /// Takes the copies of a node with holes away, which brings all of them back.
    fn mend(&mut self, node: &'static str) -> Result<(), String> {
        self.be_wiped(node);
        let all = self.come_together(&[])?;
        self.hold_to_the_book(&all, &[]).map(drop)
    }

    /// What was acknowledged and no node that answers shows.
    fn lost_everywhere(&self) -> BTreeSet<usize> {
        let shown = NODES.iter().filter_map(|(name, _)| self.shown(name, 0).ok());
        let shown: Vec<Shown> = shown.collect();
        let book = self.publishers.book();
        let missing = shown.iter().map(|shown| lost(&book, shown));
        missing.reduce(|one, other| &one & &other).unwrap_or_default()
    }
}
