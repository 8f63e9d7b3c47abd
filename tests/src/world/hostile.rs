//! A member that says what no honest node says: invented ends, orphans, foreign groups, garbage. What
//! it says of data logs stands in [`lying`](super::lying).

use std::sync::Arc;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::log::{Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::plant::{ControlFrame, LedgerPage, LogHeads, MemberAddresses};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::TrustEntry;

use super::network::{Network, Side, Stage};
use super::{Event, World, address_of, history};

impl World {
    pub(super) fn begin_mischief(&mut self) {
        for node in 0..self.machines.len() {
            if self.machines[node].is_hostile {
                let delay = self.dice.millis(500, 1500);
                self.schedule(delay, Event::Mischief { node });
            }
        }
    }

    pub(super) fn on_mischief(&mut self, node: usize) {
        let links: Vec<(u64, Side)> = self.open_ends_of(node);
        if let Some((connection, side)) = self.dice.pick(&links).copied() {
            let link = Network::link(connection, side);
            if self.dice.percent(50) {
                self.lie(node, link);
            } else {
                let frame = self.garbage(node);
                self.send(link, &frame);
            }
        }
        let delay = self.dice.millis(20, 300);
        self.schedule(delay, Event::Mischief { node });
    }

    fn open_ends_of(&self, node: usize) -> Vec<(u64, Side)> {
        let mut ends = Vec::new();
        for (name, connection) in self.network.connections() {
            for side in [Side::Dialer, Side::Listener] {
                let end = connection.end(side);
                if end.node == node && end.stage == Stage::Up {
                    ends.push((name, side));
                }
            }
        }
        ends
    }

    fn garbage(&mut self, node: usize) -> ControlFrame {
        let anybody = self.machines[self.dice.below(self.machines.len())].key;
        let invented = GroupId([u8::try_from(self.dice.below(250)).unwrap_or(0); 32]);
        match self.dice.below(9) {
            0 => heads(anybody, vec![invented]),
            1 => heads(history::key("admin"), vec![invented]),
            2 => heads(history::key("nobody"), vec![invented]),
            3 => page(self.forged(node)),
            4 => page(self.repeated(node)),
            5 => page(self.disguised(node)),
            6 => {
                let beat = self.dice.roll();
                ControlFrame::Beat { number: beat, seen: 0 }
            }
            7 => {
                let log = LogId { author: anybody, kind: LogKind::Trust };
                ControlFrame::Pull { log, have: Bounded::first_of([invented]) }
            }
            _ => {
                let addresses = Bounded::first_of([address_of(200 + self.dice.below(50))]);
                let book = [MemberAddresses { member: anybody, addresses }];
                ControlFrame::Addresses(Bounded::first_of(book))
            }
        }
    }

    /// Groups that the member signs itself: for itself, and after groups that do not exist.
    fn forged(&mut self, node: usize) -> Vec<Group> {
        let (plant, name) = (self.people.plant(), history::machine(node));
        let number = self.dice.below(self.machines.len());
        let record = match self.dice.below(2) {
            0 => history::revocation(self.machines[number].key, Vec::new()),
            _ => history::admission(100 + number),
        };
        let entry = codec::encode(&TrustEntry { at: UnixMillis(history::FOUNDED), record });
        let parent = Tip { group: GroupId([9; 32]), number: 3, entries: 3 };
        let after = if self.dice.percent(50) { vec![parent] } else { Vec::new() };
        let author = if self.dice.percent(30) { "nobody" } else { name.as_str() };
        vec![history::group(author, &plant, &after, vec![entry]).group().clone()]
    }

    /// A group that says that the admin wrote it, and bears the member's own signature.
    fn disguised(&mut self, node: usize) -> Vec<Group> {
        let (plant, name) = (self.people.plant(), history::machine(node));
        let (own, admin) = (self.machines[node].key, history::key("admin"));
        let copy = self.machines[node].ledger().and_then(|ledger| ledger.log(&admin));
        let after: Vec<Tip> =
            copy.and_then(|log| log.tips().first().copied()).into_iter().collect();
        let victim = self.machines[self.dice.below(self.machines.len())].key;
        let record = history::revocation(victim, Vec::new());
        let entry = codec::encode(&TrustEntry { at: UnixMillis(history::FOUNDED), record });
        let mut bytes = codec::encode(history::group(&name, &plant, &after, vec![entry]).group());
        // The author is the first key of a group.
        let place = bytes.windows(own.as_bytes().len()).position(|part| part == own.as_bytes());
        if let Some(at) = place {
            bytes[at..at + own.as_bytes().len()].copy_from_slice(admin.as_bytes());
        }
        codec::decode(&bytes, bytes.len()).ok().into_iter().collect()
    }

    /// Genuine groups in an order that makes no sense.
    fn repeated(&mut self, node: usize) -> Vec<Group> {
        let Some(ledger) = self.machines[node].ledger() else { return Vec::new() };
        let logs = ledger.logs();
        let groups: Vec<&Arc<VerifiedGroup>> =
            logs.iter().flat_map(|log| log.in_order()).rev().collect();
        groups.into_iter().map(|group| group.group().clone()).collect()
    }
}

fn heads(author: PublicKey, leaves: Vec<GroupId>) -> ControlFrame {
    let log = LogId { author, kind: LogKind::Trust };
    let heads = LogHeads { log, leaves: Bounded::first_of(leaves) };
    ControlFrame::Heads(Bounded::first_of([heads]))
}

fn page(groups: Vec<Group>) -> ControlFrame {
    let groups = Bounded::first_of(groups);
    ControlFrame::Ledger(LedgerPage { acts: Bounded::new(), groups, more: false })
}
