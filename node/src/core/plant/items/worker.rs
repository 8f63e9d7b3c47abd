//! The side of the machines that do the work: who takes what, and what this one has promised to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::ids::{CommandId, PublicKey};
use gearmesh_protocol::topic::Name;

/// How long a place is kept for an item that this machine wants to take.
const PROMISED_FOR: Duration = Duration::from_secs(5);

/// What is known of machines that take work items.
#[derive(Debug, Default)]
pub(super) struct Workers {
    /// The verbs for which linked members, and this node, take work items.
    takers: Arc<BTreeMap<PublicKey, Arc<[Name]>>>,
    /// Attempts that this machine wants to make, and until when it keeps a place for each.
    promised: BTreeMap<(PublicKey, CommandId), (Name, Duration)>,
}

impl Workers {
    pub(super) fn takers(&self) -> Arc<BTreeMap<PublicKey, Arc<[Name]>>> {
        Arc::clone(&self.takers)
    }

    /// A member, or this node, says what it takes. Whether that is news.
    pub(super) fn takes(&mut self, who: PublicKey, verbs: Vec<Name>) -> bool {
        let verbs: Arc<[Name]> = verbs.into();
        let before = self.takers.get(&who).is_some_and(|before| *before == verbs);
        let is_nothing = verbs.is_empty() && !self.takers.contains_key(&who);
        if before || is_nothing {
            return false;
        }
        Arc::make_mut(&mut self.takers).insert(who, verbs);
        true
    }

    /// A member without a link takes nothing. Whether it did.
    pub(super) fn forget(&mut self, who: &PublicKey) -> bool {
        self.promised.retain(|(offerer, _), _| offerer != who);
        let did = self.takers.contains_key(who);
        if did {
            Arc::make_mut(&mut self.takers).remove(who);
        }
        did
    }

    pub(super) fn does_take(&self, who: &PublicKey, verb: &Name) -> bool {
        self.takers.get(who).is_some_and(|verbs| verbs.contains(verb))
    }

    /// Who takes items of a verb.
    pub(super) fn of(&self, verb: &Name) -> Vec<PublicKey> {
        let takes = |(who, verbs): (&PublicKey, &Arc<[Name]>)| verbs.contains(verb).then_some(*who);
        self.takers.iter().filter_map(takes).collect()
    }

    /// Keeps a place for an attempt. Whether there is none kept for it yet.
    pub(super) fn promise(
        &mut self,
        offerer: PublicKey,
        command: CommandId,
        verb: &Name,
        now: Duration,
    ) -> bool {
        let until = now + PROMISED_FOR;
        self.promised.insert((offerer, command), (verb.clone(), until)).is_none()
    }

    /// It came, or will not.
    pub(super) fn release(&mut self, offerer: &PublicKey, command: CommandId) {
        self.promised.remove(&(*offerer, command));
    }

    /// Places that are kept.
    pub(super) fn promised(&self, verb: &Name) -> usize {
        self.promised.values().filter(|(other, _)| other == verb).count()
    }

    pub(super) fn is_promised(&self, offerer: &PublicKey, command: CommandId) -> bool {
        self.promised.contains_key(&(*offerer, command))
    }

    pub(super) fn tick(&mut self, now: Duration) {
        self.promised.retain(|_, (_, until)| now < *until);
    }
}
