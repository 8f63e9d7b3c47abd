//! A consumer at every machine: it reads the logs in the machine's store page by page, goes on where it
//! was, and judges what it reads as readers of a node do.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_node::core::plant::data::{Judged, Outline, judge};
use gearmesh_node::core::plant::roster::Roster;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::log::{Tip, VerifiedGroup};
use gearmesh_protocol::trust::Reason;

use super::copy::Copy;
use super::{Event, World};

/// Something that a consumer was given.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// At which machine.
    pub node: usize,
    /// How often the consumer began anew there: an older image, or damage at a log's end, takes away
    /// the place where it was.
    pub begun: u64,
    /// The group.
    pub group: Arc<VerifiedGroup>,
    /// Whether its values were believed.
    pub is_believed: bool,
    /// Whether the machine knew that somebody else may hold the author's key.
    pub is_accused: bool,
}

/// How far the consumer of one machine has come.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    begun: u64,
    images: u64,
    after: BTreeMap<PublicKey, Vec<Tip>>,
    /// Entries that it was told to be missing, by author.
    missing: BTreeMap<PublicKey, u64>,
}

impl Reader {
    /// How often it began anew.
    #[must_use]
    pub const fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether it was told that something of a log is missing.
    #[must_use]
    pub fn misses(&self, author: &PublicKey) -> bool {
        self.missing.contains_key(author)
    }

    fn begin_anew(&mut self) {
        self.begun += 1;
        self.after.clear();
        self.missing.clear();
    }
}

/// All consumers, and what they were given.
#[derive(Debug, Default)]
pub struct Readers {
    readers: BTreeMap<usize, Reader>,
    deliveries: Vec<Delivery>,
}

impl Readers {
    /// The consumer at a machine.
    #[must_use]
    pub fn at(&self, node: usize) -> Option<&Reader> {
        self.readers.get(&node)
    }

    /// All that was delivered.
    #[must_use]
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }
}

impl World {
    /// The consumers.
    #[must_use]
    pub const fn readers(&self) -> &Readers {
        &self.readers
    }

    pub(super) fn begin_reading(&mut self) {
        for node in 0..self.machines.len() {
            self.read_again(node);
        }
    }

    fn read_again(&mut self, node: usize) {
        let delay = self.dice.millis(200, 900);
        self.schedule(delay, Event::Read { node });
    }

    pub(super) fn on_read(&mut self, node: usize) {
        self.read_again(node);
        let machine = &self.machines[node];
        let Some(roster) = machine.roster().filter(|_| machine.is_member()) else { return };
        let reader = self.readers.readers.entry(node).or_default();
        let images = machine.disk.times_put_back();
        let is_lost = |(author, after): (&PublicKey, &Vec<Tip>)| machine.store.lacks(author, after);
        if reader.images != images || reader.after.iter().any(is_lost) {
            reader.images = images;
            reader.begin_anew();
        }
        for (author, log) in machine.store.logs() {
            let after = reader.after.entry(*author).or_default();
            let page = log.page(after);
            let revoked = roster.revoked().get(author);
            let is_accused = revoked.is_some_and(|revoked| revoked.reason == Reason::Compromised);
            if page.gap > 0 {
                *reader.missing.entry(*author).or_default() += page.gap;
            }
            for group in page.groups {
                Tip::grow(after, group.id(), group.header());
                let delivery = Delivery {
                    node,
                    begun: reader.begun,
                    is_believed: is_believed(roster, log, &group),
                    is_accused,
                    group,
                };
                self.readers.deliveries.push(delivery);
            }
        }
    }
}

/// Whether a reader takes the values of a group for its author's.
#[must_use]
pub fn is_believed(roster: &Roster, log: &Copy, group: &VerifiedGroup) -> bool {
    let author = &group.header().log.author;
    let is_simple = log.ends().len() <= 1 && !roster.has_ended_terms(author);
    let outline = (!is_simple).then(|| {
        let named = roster.ends_named(author);
        Outline::of(log.chain().clone(), log.located(&named))
    });
    let place = log.place(&group.id());
    let is_within = |leaves: &[GroupId]| match (&outline, place) {
        (Some(outline), Some(place)) => outline.is_within(place, leaves),
        _ => true,
    };
    matches!(judge(roster, group.header(), is_within), Judged::Believed { .. })
}
