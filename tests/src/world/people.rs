//! What people do: they join machines, they throw some out, and they try again until it is done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::{Answer, Input};
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::log::VerifiedGroup;

use super::admission::Question;
use super::history::{Founding, Keyring, revocation};
use super::network::Purpose;
use super::{Event, World};

/// Something that somebody wants done.
#[derive(Debug)]
enum Errand {
    Join { joiner: usize },
    Store { group: Arc<VerifiedGroup>, is_done: bool },
}

/// What people want, and what they signed.
pub struct People {
    plant: PlantId,
    admin: Keyring,
    errands: Vec<Errand>,
    revoked: BTreeSet<PublicKey>,
}

impl People {
    pub(super) fn new(founding: Founding) -> Self {
        let Founding { plant, admin, .. } = founding;
        Self { plant, admin, errands: Vec::new(), revoked: BTreeSet::new() }
    }

    /// The plant.
    #[must_use]
    pub const fn plant(&self) -> PlantId {
        self.plant
    }

    /// Keys that the admin threw out, whether or not that is known everywhere.
    #[must_use]
    pub const fn revoked(&self) -> &BTreeSet<PublicKey> {
        &self.revoked
    }

    /// Whether all that was signed has been handed in.
    #[must_use]
    pub fn all_handed_in(&self) -> bool {
        self.errands.iter().all(|errand| !matches!(errand, Errand::Store { is_done: false, .. }))
    }
}

impl World {
    /// A machine is to join.
    pub(super) fn ask_to_join(&mut self, joiner: usize) {
        let first = self.dice.millis(300, 3000);
        self.begin_errand(Errand::Join { joiner }, first);
    }

    /// The admin throws a machine out.
    pub fn revoke(&mut self, node: usize) {
        let target = self.machines[node].key;
        if self.people.revoked.insert(target) {
            let group = self.people.admin.sign(vec![revocation(target)]);
            self.begin_errand(Errand::Store { group, is_done: false }, Duration::ZERO);
        }
    }

    fn begin_errand(&mut self, errand: Errand, delay: Duration) {
        let number = self.people.errands.len();
        self.people.errands.push(errand);
        self.schedule(delay, Event::Errand { number });
    }

    /// What was taken by a machine whose disk was put back is handed in once more.
    pub(super) fn hand_in_again(&mut self) {
        for number in 0..self.people.errands.len() {
            if let Errand::Store { is_done, .. } = &mut self.people.errands[number]
                && std::mem::take(is_done)
            {
                self.schedule(Duration::ZERO, Event::Errand { number });
            }
        }
    }

    pub(super) fn on_errand(&mut self, number: usize) {
        let pause = self.dice.millis(500, 2500);
        match self.people.errands.get(number) {
            Some(Errand::Join { joiner }) => {
                let joiner = *joiner;
                let machine = &self.machines[joiner];
                // It may have to join once more, when its disk went back to an empty one.
                let is_wanted = machine.plant.is_some() && machine.roster().is_none();
                // The code names two addresses of the redeemer, so it is dialled twice at once.
                let dials = 1 + usize::from(self.dice.percent(50));
                for _ in 0..dials * usize::from(is_wanted) {
                    self.open_connection(joiner, 0, Purpose::Join);
                }
            }
            Some(Errand::Store { group, is_done: false }) => {
                let group = Arc::clone(group);
                // A revocation typed at the very machine that it ends may get no further than there;
                // people see who has confirmed it, and type it elsewhere.
                let runs = |node: &usize| {
                    let machine = &self.machines[*node];
                    machine.is_member() && !self.people.revoked.contains(&machine.key)
                };
                let up: Vec<usize> = (0..self.machines.len()).filter(runs).collect();
                if let Some(node) = self.dice.pick(&up).copied() {
                    let ticket = self.ask(node, Question::Store { errand: number });
                    self.feed(node, Input::Store { ticket, group });
                }
            }
            Some(Errand::Store { is_done: true, .. }) | None => return,
        }
        self.schedule(pause, Event::Errand { number });
    }

    pub(super) fn on_stored(&mut self, number: usize, answer: &Answer) {
        if let Some(Errand::Store { is_done, .. }) = self.people.errands.get_mut(number) {
            *is_done |= matches!(answer, Answer::Stored(_));
        }
    }
}
