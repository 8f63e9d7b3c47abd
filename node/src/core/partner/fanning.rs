//! Fan-out: several companies receive one stream, and pass it on to each other.
//!
//! The sheet of each says so. The gateway that sends signs a list of all of them; by it they let each other
//! in, for gossip alone. They carry what it signed and sealed, so none of them can change or add anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::{PublicKey, ShareId, SheetId};
use gearmesh_protocol::limits::FAN_OUT_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::partner::{
    Addresses, CoReceiver, CoReceivers, Direction, Party, Proposal, Terms,
};
use gearmesh_protocol::partner_local::Local;
use gearmesh_protocol::partner_session::{Carried, SessionFrame};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::Name;

use super::contract::{Effect, Verdict};
use super::deal::{Deal, Side};
use super::record::PartnerRecord;
use super::streams::{gossip, writer_of};
use super::{Deals, Partners};
use crate::core::clock::Now;

/// How long a list of receivers stands at least, so that many who come at once make few lists.
const LIST_EVERY: Duration = Duration::from_secs(2);

/// Of those who receive the same, so many are dialled: the next in the list. Others dial this gateway.
const DIALLED_MAX: usize = 4;

/// A list of receivers as it was told to them.
pub(super) struct Issued {
    list: CoReceivers,
    pub(super) signed: Signed<CoReceivers>,
    at: Duration,
}

/// Who may read an agreement's stream now, by their keys: its partner, and others where it is passed on.
pub(super) fn receivers_of(now: Now, deals: &Deals, deal: &Deal) -> Vec<PublicKey> {
    if !deal.fans_out() {
        return vec![deal.theirs().gateway];
    }
    let of_stream = deals.values().filter(|it| it.share() == deal.share() && it.is_live(now));
    let keys: BTreeSet<PublicKey> = of_stream.map(|it| it.theirs().gateway).collect();
    keys.into_iter().collect()
}

/// By what a proposal is found and written down: by its share, or by its link where a share may have several.
pub(super) fn key_of(proposal: &Proposal) -> ShareId {
    if !proposal.terms.fan_out {
        return proposal.share;
    }
    let mut key = [0; 16];
    key.copy_from_slice(&proposal.link.as_bytes()[..16]);
    ShareId(key)
}

/// Whether a stream that is passed on goes one way, from the side that offers, as those that know it can.
pub(super) fn check_one_way(terms: &Terms) -> Result<(), ErrorBody> {
    let is_other = terms.topics.iter().any(|line| line.direction == Direction::Import);
    match terms.fan_out && (is_other || !terms.verbs.is_empty()) {
        true => Err(ErrorBody::from(Refusal::TermsUnusable)
            .saying("a stream that is passed on goes one way, and names no verbs")),
        false => Ok(()),
    }
}

/// What a list of receivers is worth, and takes it if it is the other side's.
pub(super) fn take_list(
    deal: &mut Deal,
    signed: &Signed<CoReceivers>,
    is_of_session: bool,
) -> Verdict {
    let Party { plant, gateway, .. } = deal.theirs();
    let Ok(list) = signed.verify(plant, gateway) else { return Verdict::Reject };
    let list = list.into_value();
    if list.share != deal.share() || !deal.fans_out() {
        return Verdict::Reject;
    }
    let known = deal.co_receivers.as_ref().map(|known| known.number);
    if known.is_some_and(|known| list.number <= known) && !is_of_session {
        return Verdict::Ignore;
    }
    deal.co_receivers = Some(list);
    Verdict::Accept
}

impl Partners {
    /// To which stream a further company is to be added. What is selected for it stays as it is.
    pub(super) fn to_join(
        &self,
        now: Now,
        (name, terms): (&Name, &Terms),
        local: &mut Local,
    ) -> Result<ShareId, ErrorBody> {
        let unusable = |text: String| ErrorBody::from(Refusal::TermsUnusable).saying(text);
        let live = self.deals.values().filter(|deal| deal.is_live(now) && deal.side == Side::From);
        let live = live.map(|deal| (deal.share(), &deal.sheet().terms, &deal.local));
        let open = self.proposed.values();
        let open = open.map(|it| (it.proposal.share, &it.proposal.terms, &it.local));
        let mut all = live.chain(open);
        let first = all.clone().find(|(_, _, local)| local.name == *name);
        let (share, agreed, first) = first.ok_or(Refusal::ShareUnknown)?;
        if !agreed.fan_out {
            return Err(unusable(format!("{name} was offered to one company alone")));
        }
        if agreed != terms {
            return Err(unusable(format!("all who receive {name} do so on the same terms")));
        }
        if all.by_ref().filter(|(it, ..)| *it == share).count() >= FAN_OUT_MAX {
            return Err(ErrorBody::from(Refusal::PartnersFull)
                .saying(format!("{FAN_OUT_MAX} companies receive {name} already")));
        }
        local.selections.clone_from(&first.selections);
        Ok(share)
    }

    /// Where this gateway may be reached, as far as it knows, and who is there that receives what it does.
    /// Those who are to know hear of other addresses.
    pub(super) fn around(
        &mut self,
        listen: Addresses,
        beside: BTreeSet<PublicKey>,
        out: &mut Vec<Effect>,
    ) {
        self.beside = beside;
        if self.listen == listen {
            return;
        }
        self.listen = listen;
        let passed_on = self.deals.values().filter(|deal| deal.stands() && deal.fans_out());
        let hosts = passed_on.filter(|deal| deal.side == Side::To).map(|it| it.theirs().gateway);
        let reachable = SessionFrame::Reachable(self.listen.clone());
        let words = hosts.collect::<BTreeSet<_>>().into_iter().map(|to| (to, reachable.clone()));
        self.say_all(words.collect(), out);
    }

    /// Where a receiver says that others may reach it.
    pub(super) fn reachable(&mut self, peer: &PublicKey, addresses: &Addresses) {
        let of_peer = |deal: &&mut Deal| deal.theirs().gateway == *peer && deal.side == Side::From;
        for deal in self.deals.values_mut().filter(of_peer).filter(|deal| deal.fans_out()) {
            deal.reachable = addresses.clone();
        }
    }

    /// Tells receivers of each other, when that has changed.
    pub(super) fn tell_co_receivers(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Self { key, random, deals, incarnation, streams, lists, .. } = self;
        let mut all: BTreeMap<ShareId, Vec<&Deal>> = BTreeMap::new();
        let passed_on = deals.values().filter(|deal| deal.is_live(now) && deal.fans_out());
        for deal in passed_on.filter(|deal| deal.side == Side::From) {
            all.entry(deal.share()).or_default().push(deal);
        }
        lists.retain(|share, _| all.contains_key(share));
        let mut words = Vec::new();
        for (share, of_share) in all {
            let receivers = listed(&of_share);
            let before = lists.get(&share);
            let is_good = before.is_some_and(|before| {
                before.list.receivers == receivers || now.tick < before.at + LIST_EVERY
            });
            let (Some(deal), false) = (of_share.first(), is_good) else { continue };
            // Also after a start, which knows no earlier number.
            let number = before.map_or(0, |before| before.list.number + 1).max(now.wall.0);
            let list = CoReceivers { share, number, receivers };
            let signed = Signed::sign(key, &deal.ours().plant, &list);
            let writer = writer_of((key, *incarnation), now, deals, deal);
            let carried = Carried::CoReceivers(signed.clone());
            let sealed = streams
                .get_mut(&share)
                .and_then(|outgoing| outgoing.seal(now.tick, &writer, random, &carried));
            if let Some(sealing) = sealed {
                let (messages, fresh) = gossip(deal.own_topic(), sealing);
                out.extend(messages);
                words.extend(fresh);
            }
            let frame = SessionFrame::CoReceivers(signed.clone());
            words.extend(of_share.iter().map(|deal| (deal.theirs().gateway, frame.clone())));
            lists.insert(share, Issued { list, signed, at: now.tick });
        }
        self.say_all(words, out);
    }

    /// Who receives the same, in the words of the gateway that sends it.
    pub(super) fn co_receivers(
        &mut self,
        now: Now,
        peer: &PublicKey,
        signed: &Signed<CoReceivers>,
    ) {
        let Ok(list) = signed.peek() else { return };
        let is_it = |deal: &&mut Deal| {
            deal.share() == list.share
                && deal.theirs().gateway == *peer
                && deal.side == Side::To
                && deal.is_live(now)
        };
        if let Some(deal) = self.deals.values_mut().find(is_it) {
            take_list(deal, signed, true);
        }
    }

    /// A stream that others had before begins for this side behind a group.
    pub(super) fn started(
        &mut self,
        now: Now,
        (peer, sheet): (&PublicKey, &SheetId),
        after: Tip,
        out: &mut Vec<Effect>,
    ) {
        let Some(deal) = self.receiving(now, peer, sheet) else { return };
        let is_begun = deal.incoming.as_ref().is_none_or(|incoming| incoming.is_begun);
        if deal.fans_out() && deal.starts.is_none() && !is_begun {
            start_behind(deal, after);
            out.push(Effect::Persist(PartnerRecord::Starts { sheet: *sheet, after }));
        }
    }

    pub(super) fn recall_starts(&mut self, sheet: SheetId, after: Tip) -> bool {
        match self.deals.get_mut(&sheet) {
            Some(deal) => start_behind(deal, after),
            // Whoever sends writes it down before the agreement.
            None => drop(self.starts.insert(sheet, after)),
        }
        true
    }

    /// Gateways that receive what this one does, which may come in for gossip.
    pub(super) fn fellows(&self, now: Now) -> impl Iterator<Item = PublicKey> {
        let live = self.deals.values().filter(move |deal| deal.is_live(now));
        let lists = live.filter_map(|deal| deal.co_receivers.as_ref());
        let me = self.me;
        let named = lists.filter(move |list| list.receivers.iter().any(|it| it.gateway == me));
        let all = named.flat_map(|list| list.receivers.iter().map(|it| it.gateway));
        all.filter(move |gateway| *gateway != me)
    }

    /// Those of them that this gateway dials, and where.
    pub(super) fn fellows_to_dial(&self, now: Now) -> BTreeMap<PublicKey, Vec<String>> {
        let live = self.deals.values().filter(|deal| deal.is_live(now));
        let lists = live.filter_map(|deal| deal.co_receivers.as_ref());
        let mut wanted = BTreeMap::new();
        for list in lists {
            let mine = list.receivers.iter().position(|it| it.gateway == self.me);
            let Some(mine) = mine else { continue };
            let (before, after) = list.receivers.split_at(mine);
            for CoReceiver { gateway, addresses } in
                after.iter().skip(1).chain(before).take(DIALLED_MAX)
            {
                let addresses = addresses.iter().map(ToString::to_string).collect();
                wanted.insert(*gateway, addresses);
            }
        }
        wanted
    }
}

fn start_behind(deal: &mut Deal, after: Tip) {
    deal.starts = Some(after);
    if let Some(incoming) = &mut deal.incoming {
        incoming.start_behind(after);
    }
}

/// The receivers of one stream, by their keys.
fn listed(deals: &[&Deal]) -> Bounded<CoReceiver, FAN_OUT_MAX> {
    let receivers = deals.iter().map(|deal| {
        let addresses = deal.reachable.clone();
        (deal.theirs().gateway, CoReceiver { gateway: deal.theirs().gateway, addresses })
    });
    // More than fit are never let in.
    Bounded::first_of(receivers.collect::<BTreeMap<_, _>>().into_values())
}
