//! A member that lies about data logs: ends that nobody wrote, copies that it does not have, pages with
//! holes, groups of others, and a log of its own that forks on purpose.

use std::sync::Arc;

use gearmesh_node::core::plant::LinkId;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::data::{DataFrame, GroupsPage, LogEnds, LogParts, Numbers};
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::log::{Tip, VerifiedGroup};

use super::copy::Page;
use super::lane::Frame;
use super::{World, history};

/// Groups of its own log: so few that copies hold all its branches, whichever came first.
const FORGED_FEW: usize = 5;

/// As many as fork it beyond all bounds.
const FORGED_MANY: usize = 40;

/// How many of those it writes at a time.
const FORGED_AT_ONCE: usize = 8;

impl World {
    /// Says something about data logs over a link.
    pub(super) fn lie(&mut self, node: usize, link: LinkId) {
        let victim = self.dice.below(self.machines.len());
        let author = self.machines[victim].key;
        let number = self.dice.roll() % 60;
        let group = GroupId([u8::try_from(self.dice.below(250)).unwrap_or(0); 32]);
        let invented = Tip { group, number, entries: number };
        let frame = match self.dice.below(6) {
            0 => ends(author, [invented]),
            1 => ends(author, self.machines[victim].store.read_ends(&author)),
            2 => ends(self.machines[node].key, self.forge(node).iter().map(|group| group.tip())),
            3 => DataFrame::Pull { author, after: Bounded::first_of([invented]) },
            4 => {
                let page = self.machines[victim].store.read(&author, &[]);
                DataFrame::Groups(self.distorted(node, author, page))
            }
            _ => {
                let gaps = Bounded::first_of([Numbers { first: number, last: number / 2 }]);
                let of = self.machines[victim].store.read_ends(&author);
                let parts = LogParts { author, ends: Bounded::first_of(of), first: 7, gaps };
                DataFrame::Parts(Bounded::first_of([parts]))
            }
        };
        self.put_on_its_way(link, "lie", Frame::Data(Box::new(frame)));
    }

    /// What it sends in place of a page that it was asked for; often the page itself.
    pub(super) fn distorted(&mut self, node: usize, author: PublicKey, page: Page) -> GroupsPage {
        let Page { mut groups, mut gap, mut is_last } = page;
        let is_own = author == self.machines[node].key;
        if is_own {
            groups = self.machines[node].forged.clone();
        }
        // Holes in a log that forks could be anything: copies of that one need not agree.
        match self.dice.below(8) {
            0 if groups.len() > 1 && !is_own => {
                let kept = groups.split_off(1);
                gap += groups.iter().map(|group| group.entries().len() as u64).sum::<u64>();
                groups = kept;
            }
            1 if !is_own => gap += 5,
            2 => is_last = !is_last,
            3 => groups.clear(),
            4 => {
                let other = self.machines[self.dice.below(self.machines.len())].key;
                groups = self.machines[node].store.read(&other, &[]).groups;
            }
            5 => groups = self.machines[node].store.read(&author, &[]).groups,
            _ => {}
        }
        let mut bytes: Vec<Vec<u8>> =
            groups.iter().map(|group| codec::encode(group.group())).collect();
        if self.dice.percent(10)
            && let Some(byte) = bytes.last_mut().and_then(|group| group.last_mut())
        {
            *byte ^= 1;
        }
        GroupsPage { author, groups: Bounded::first_of(bytes), gap, is_last }
    }

    /// Writes more of its own log, after any groups of those before: what it wrote so far.
    fn forge(&mut self, node: usize) -> Vec<Arc<VerifiedGroup>> {
        let (most, more) =
            if self.is_excessive { (FORGED_MANY, FORGED_AT_ONCE) } else { (FORGED_FEW, 1) };
        for _ in 0..more.min(most - self.machines[node].forged.len()) {
            let (plant, name) = (self.people.plant(), history::machine(node));
            let forged = &self.machines[node].forged;
            let before = self.dice.below(forged.len() + 1);
            let after: Vec<Tip> = forged.get(before).map(|group| group.tip()).into_iter().collect();
            let entry = self.dice.bytes().to_vec();
            let group = history::data_group(&name, &plant, &after, vec![entry]);
            self.machines[node].forged.push(group);
        }
        self.machines[node].forged.clone()
    }
}

fn ends(author: PublicKey, ends: impl IntoIterator<Item = Tip>) -> DataFrame {
    let ends = LogEnds { author, ends: Bounded::first_of(ends) };
    DataFrame::Ends(Bounded::first_of([ends]))
}
