//! What people do: they join machines, they throw some out, and they try again until it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::core::plant::data::DataInput;
use gearmesh_node::core::plant::{Answer, Input};
use gearmesh_protocol::ids::{GroupId, PlantId, PublicKey};
use gearmesh_protocol::log::VerifiedGroup;

use super::admission::Question;
use super::history::{Founding, Keyring, accusation, revocation};
use super::network::Purpose;
use super::{Event, World};

/// Something that somebody wants done.
#[derive(Debug)]
enum Errand {
    Join { joiner: usize },
    Settle { node: usize },
    Store { group: Arc<VerifiedGroup>, is_done: bool },
}

/// What people want, and what they signed.
pub struct People {
    plant: PlantId,
    admin: Keyring,
    errands: Vec<Errand>,
    revoked: BTreeSet<PublicKey>,
    /// Machines whose admissions the admin cut off.
    cut_off: BTreeSet<PublicKey>,
    /// Keys that somebody else may hold, and the groups up to which their data logs are believed.
    accused: BTreeMap<PublicKey, Vec<GroupId>>,
    settles: bool,
}

impl People {
    pub(super) fn new(founding: Founding) -> Self {
        let Founding { plant, admin, .. } = founding;
        let (errands, revoked, cut_off) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let (accused, settles) = (BTreeMap::new(), false);
        Self { plant, admin, errands, revoked, cut_off, accused, settles }
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

    /// Keys that were admitted beyond a cut, if at all.
    #[must_use]
    pub const fn cut_off(&self) -> &BTreeSet<PublicKey> {
        &self.cut_off
    }

    /// Keys that somebody else may hold, and the groups up to which their data logs are believed.
    #[must_use]
    pub const fn accused(&self) -> &BTreeMap<PublicKey, Vec<GroupId>> {
        &self.accused
    }

    /// Whether somebody joins the branches of forked data logs.
    #[must_use]
    pub const fn settles(&self) -> bool {
        self.settles
    }

    /// Whether the admin wants a key to be no member.
    #[must_use]
    pub fn is_out(&self, key: &PublicKey) -> bool {
        self.revoked.contains(key) || self.cut_off.contains(key)
    }

    /// The machine at which somebody types, if an errand is for one alone.
    pub(super) fn place_of(&self, number: usize) -> Option<usize> {
        match self.errands.get(number)? {
            Errand::Join { joiner: node } | Errand::Settle { node } => Some(*node),
            Errand::Store { .. } => None,
        }
    }

    /// Whether a person signed a group.
    #[must_use]
    pub fn wrote(&self, group: &GroupId) -> bool {
        let mut groups = self.errands.iter().filter_map(|errand| match errand {
            Errand::Store { group, .. } => Some(group.id()),
            Errand::Join { .. } | Errand::Settle { .. } => None,
        });
        groups.any(|id| id == *group)
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
        self.end(node, Vec::new());
    }

    /// The admin says that somebody else may hold a machine's key, and how much of its data log is still
    /// believed: what another machine has of it.
    pub(super) fn accuse(&mut self, node: usize, witness: usize) {
        let target = self.machines[node].key;
        if self.people.revoked.insert(target) {
            let ends = self.machines[witness].store.read_ends(&target);
            let leaves: Vec<GroupId> = ends.iter().map(|end| end.group).collect();
            let group = self.people.admin.sign(vec![accusation(target, leaves.clone())]);
            self.people.accused.insert(target, leaves);
            self.begin_errand(Errand::Store { group, is_done: false }, Duration::ZERO);
        }
    }

    /// Whoever finds that a machine's data log forked joins the branches there.
    pub(super) fn begin_settling(&mut self) {
        self.people.settles = true;
        for node in 0..self.machines.len() {
            let first = self.dice.millis(0, 3000);
            self.begin_errand(Errand::Settle { node }, first);
        }
    }

    fn settle(&mut self, node: usize) {
        let machine = &self.machines[node];
        let ends = machine.store.read_ends(&machine.key);
        let ends: Vec<GroupId> = ends.iter().map(|end| end.group).collect();
        if machine.plant.is_some() && !machine.is_hostile && ends.len() > 1 {
            let ticket = self.ask(node, Question::Settle);
            self.feed(node, Input::Data(DataInput::Settle { ticket, ends }));
        }
    }

    /// The admin throws a registrar out, with what another machine knows of its log: whom it
    /// admitted beyond that is out too.
    pub fn end_as_known_to(&mut self, node: usize, witness: usize) {
        let target = self.machines[node].key;
        let Some(roster) = self.machines[witness].roster() else { return };
        let unknown = self.machines.iter().map(|machine| machine.key);
        let unknown = unknown.filter(|key| roster.member(key).is_none());
        self.people.cut_off.extend(unknown);
        let copy = self.machines[witness].ledger().and_then(|ledger| ledger.log(&target));
        let leaves = copy.map(|log| log.leaves().iter().copied().collect()).unwrap_or_default();
        self.end(node, leaves);
    }

    fn end(&mut self, node: usize, leaves: Vec<GroupId>) {
        let target = self.machines[node].key;
        if self.people.revoked.insert(target) {
            let group = self.people.admin.sign(vec![revocation(target, leaves)]);
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
            Some(Errand::Settle { node }) => self.settle(*node),
            Some(Errand::Store { group, is_done: false }) => {
                let group = Arc::clone(group);
                // A revocation typed at the very machine that it ends may get no further than there;
                // people see who has confirmed it, and type it elsewhere.
                let runs = |node: &usize| {
                    let machine = &self.machines[*node];
                    machine.is_member() && !self.people.is_out(&machine.key)
                };
                let up: Vec<usize> = (0..self.machines.len()).filter(runs).collect();
                if let Some(node) = self.dice.pick(&up).copied() {
                    let ticket = self.ask(node, Question::Store { errand: number });
                    let life = self.machines[node].life;
                    let input = Box::new(Input::Store { ticket, group });
                    self.schedule(Duration::ZERO, Event::Comes { node, life, input });
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
