//! A disk that may lose what it did not answer for, and may be put back to an older image.

use std::collections::BTreeSet;
use std::time::Duration;

use gearmesh_node::core::record::Record;
use gearmesh_protocol::ids::{GroupId, Incarnation};

use super::dice::Dice;

/// The disk under one node.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    records: Vec<Record>,
    under_way: Vec<(u64, Vec<Record>)>,
    /// Written, and not known to be durable.
    noted: Vec<Record>,
    /// When the last write that was begun is answered.
    busy_until: Duration,
    image: Option<Vec<Record>>,
    put_back: u64,
    taken: Taken,
}

/// What was on a journal's disk until an older image was put back.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Groups of trust logs.
    pub groups: BTreeSet<GroupId>,
    /// Lives of the node.
    pub lives: BTreeSet<Incarnation>,
}

impl Disk {
    /// A disk with something on it.
    #[must_use]
    pub fn holding(records: Vec<Record>) -> Self {
        Self { records, ..Self::default() }
    }

    /// What is durable.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How often it went back to an older image.
    #[must_use]
    pub const fn times_put_back(&self) -> u64 {
        self.put_back
    }

    /// All that older images ever took away.
    #[must_use]
    pub const fn taken(&self) -> &Taken {
        &self.taken
    }

    /// A life of the node begins; nothing else happens before that is durable.
    pub fn begin_life(&mut self, life: Incarnation) {
        self.records.push(Record::Incarnation(life));
    }

    /// Begins a write.
    pub fn begin(&mut self, write: u64, records: Vec<Record>) {
        self.under_way.push((write, records));
    }

    /// When a write is answered that would be done at a moment if it were alone: one thread writes, and
    /// answers in order.
    pub fn queue(&mut self, at: Duration) -> Duration {
        self.busy_until = self.busy_until.max(at);
        self.busy_until
    }

    /// Writes without being asked for an answer.
    pub fn note(&mut self, records: Vec<Record>) {
        self.noted.extend(records);
    }

    /// Ends a write, well or not. Whether there was one.
    pub fn end(&mut self, write: u64, well: bool) -> bool {
        let Some(at) = self.under_way.iter().position(|(name, _)| *name == write) else {
            return false;
        };
        let (_, records) = self.under_way.remove(at);
        if well {
            // One sync makes all durable that was written before.
            self.records.append(&mut self.noted);
            self.records.extend(records);
        }
        true
    }

    /// The power goes: what was not answered may be there or not.
    pub fn crash(&mut self, dice: &mut Dice) {
        self.busy_until = Duration::ZERO;
        let kept = dice.below(self.noted.len() + 1);
        self.records.extend(std::mem::take(&mut self.noted).into_iter().take(kept));
        for (_, records) in std::mem::take(&mut self.under_way) {
            if dice.percent(50) {
                self.records.extend(records);
            }
        }
    }

    /// Somebody makes a copy of the disk.
    pub fn take_image(&mut self) {
        self.image = Some(self.records.clone());
    }

    /// Somebody puts the copy back, if there is one.
    pub fn put_back(&mut self) {
        let Some(image) = self.image.clone() else { return };
        self.put_back += 1;
        let gone = std::mem::replace(&mut self.records, image);
        for record in gone.into_iter().skip(self.records.len()) {
            match record {
                Record::Incarnation(life) => drop(self.taken.lives.insert(life)),
                Record::Group(group) => {
                    self.taken.groups.extend(group.peek().ok().map(|(id, _)| id));
                }
                _ => {}
            }
        }
    }
}
