//! Machines that hand work to each other, and remember what they were promised.

use std::collections::BTreeSet;

use gearmesh_node::core::plant::Input;
use gearmesh_node::core::plant::items::{Offering, WorkEffect, WorkInput};
use gearmesh_protocol::codec;
use gearmesh_protocol::entry::{DataEntry, FencingToken, WorkRecord, WorkTerms};
use gearmesh_protocol::ids::{CommandId, Incarnation, PublicKey, WorkId};
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;

use super::admission::Question;
use super::{Event, World};

/// A program began to work on an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worked {
    /// At which machine.
    pub node: usize,
    /// For whom.
    pub offerer: PublicKey,
    /// Which attempt, as the command that it is.
    pub id: CommandId,
    /// Under which token.
    pub token: FencingToken,
}

/// What was offered, promised and worked on.
#[derive(Debug, Default)]
pub struct Offerers {
    /// Whether anybody offers anything.
    pub(super) is_busy: bool,
    offered: Vec<(usize, WorkId)>,
    promised: BTreeSet<(usize, WorkId)>,
    worked: Vec<Worked>,
}

impl Offerers {
    /// Items of which a node said that they are on its disk.
    #[must_use]
    pub const fn promised(&self) -> &BTreeSet<(usize, WorkId)> {
        &self.promised
    }

    /// What programs began to work on.
    #[must_use]
    pub fn worked(&self) -> &[Worked] {
        &self.worked
    }

    pub(super) fn work(&mut self, worked: Worked) {
        self.worked.push(worked);
    }

    pub(super) fn promise(&mut self, node: usize, id: WorkId) {
        self.promised.insert((node, id));
    }
}

impl World {
    /// What was offered, promised and worked on.
    #[must_use]
    pub const fn offerers(&self) -> &Offerers {
        &self.offerers
    }

    pub(super) fn begin_offering(&mut self, members: usize) {
        self.offerers.is_busy = true;
        for node in 0..members {
            self.offer_again(node);
        }
    }

    fn offer_again(&mut self, node: usize) {
        let delay = self.dice.millis(100, 1500);
        self.schedule(delay, Event::Offer { node });
    }

    pub(super) fn on_offer(&mut self, node: usize) {
        // In calm times nobody offers, so that there is an end to it.
        if self.faults.pause == 0 {
            return;
        }
        if self.machines[node].plant.is_some() {
            self.offer(node);
        }
        self.offer_again(node);
    }

    fn offer(&mut self, node: usize) {
        let own = self.offerers.offered.iter().filter(|(offerer, _)| *offerer == node);
        let own: Vec<WorkId> = own.map(|(_, id)| *id).collect();
        let again = if self.dice.percent(30) { self.dice.pick(&own).copied() } else { None };
        let id = again.unwrap_or_else(|| WorkId(self.dice.bytes()));
        if again.is_none() {
            self.offerers.offered.push((node, id));
        }
        let silence_ms = u32::try_from(self.dice.millis(1000, 3000).as_millis()).unwrap_or(1000);
        let again_if_failed = self.dice.percent(50);
        let terms = WorkTerms { silence_ms, tries: 3, again_if_failed, instead_of: None };
        let offering =
            Offering { id, verb: super::callers::load(), arguments: b"1".to_vec(), terms };
        let ticket = self.ask(node, Question::Offer { id });
        self.feed(node, Input::Work(WorkInput::Offer { ticket, offering }));
    }

    pub(super) fn carry_out_work(&mut self, node: usize, effect: &WorkEffect) {
        if let WorkEffect::Check(errand) = effect {
            let life = self.machines[node].life;
            let (errand, delay) = (errand.clone(), self.dice.millis(0, 5));
            let input = Box::new(Input::Work(WorkInput::Checked { errand, fit: Ok(()) }));
            self.schedule(delay, Event::Comes { node, life, input });
        }
    }

    /// What a machine's own log says of work items, with the lives that wrote it.
    #[must_use]
    pub fn recorded_work(&self, node: usize) -> Vec<(Incarnation, WorkRecord)> {
        let machine = &self.machines[node];
        let Some(log) = machine.store.logs().get(&machine.key) else { return Vec::new() };
        let mut records = Vec::new();
        for group in log.in_order() {
            for entry in group.entries() {
                if let Ok(DataEntry::Work(record)) = codec::decode(entry, ENTRY_BYTES_MAX) {
                    records.push((group.header().incarnation, record));
                }
            }
        }
        records
    }
}
