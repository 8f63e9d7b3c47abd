//! What linked members say of where a log ends, for a person who decides how much of it counts.

use std::cmp::Reverse;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;

use super::super::{Answer, Effect, Plant, Ticket};
use super::is_replica;

/// What others say of where a log ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Linked members and where their copies end, who has most before the others.
    pub copies: Vec<(PublicKey, Vec<Tip>)>,
    /// Whether that, with what is here, is all there is as far as anybody within reach knows: whoever
    /// is linked has said what it has, and somebody who is to have the log is among them.
    pub is_sure: bool,
}

impl Plant {
    /// A person wants to know where a log ends.
    pub(super) fn on_elsewhere_asked(
        &self,
        ticket: Ticket,
        author: PublicKey,
        effects: &mut Vec<Effect>,
    ) {
        let named =
            |link| Some((self.links.get(link)?.peer, self.data.copies.told_by(link, &author)?));
        let holders = self.data.copies.holders(&author).into_iter();
        let mut copies: Vec<_> =
            holders.filter_map(named).map(|(peer, ends)| (peer, ends.to_vec())).collect();
        copies
            .sort_by_key(|(peer, ends)| (Reverse(ends.iter().map(|end| end.number).max()), *peer));
        let is_sure = self.is_sure_of(&author);
        let answer = Answer::Elsewhere(Elsewhere { copies, is_sure });
        effects.push(Effect::Answer { ticket, answer });
    }

    fn is_sure_of(&self, author: &PublicKey) -> bool {
        if *author == self.me {
            return self.lost_own_data() == 0;
        }
        let Some(roster) = self.roster.as_deref() else { return false };
        let mut peers = self.links.in_use().map(|(_, link)| link.peer);
        let somebody_has = self.is_to_hold(author)
            || peers.any(|peer| peer == *author || is_replica(roster, &peer, author));
        matches!(self.data.copies.heard(), (1.., 0)) && somebody_has
    }
}
