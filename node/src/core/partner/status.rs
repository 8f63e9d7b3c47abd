//! How proposals and agreements stand, for people.

use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::partner::{End, Receipt};
use gearmesh_protocol::partner_gateway::{Former, GatewayNotice};
use gearmesh_protocol::partner_local::{
    AgreementStatus, CoReceiverStatus, GatewayChange, PartnersStatus, ReceiptStatus, ShareState,
    ShareStatus,
};
use gearmesh_protocol::signed::Signed;

use super::Partners;
use super::contract::LinkState;
use super::deal::{Changes, Deal, Side};
use super::making::Proposed;
use super::streams::outgoing_in;
use super::taking::Took;
use crate::core::clock::Now;

/// Which side signed the end of an agreement.
pub(super) fn ender(deal: &Deal, signed: &Signed<End>) -> PublicKey {
    let (ours, theirs) = (deal.ours().gateway, deal.theirs().gateway);
    let is_ours = signed.verify(&deal.sheet().from.plant, &ours).is_ok();
    if is_ours { ours } else { theirs }
}

impl Partners {
    /// How all of it stands. What only the bridge and the swarm know is left open.
    pub(super) fn status(&self, now: Now) -> PartnersStatus {
        let proposed = self.proposed.values().map(|it| proposed_status(it, now));
        let shares = proposed.chain(self.took.values().map(took_status)).collect();
        let shown = self.deals.values().filter(|deal| !deal.is_replaced);
        let agreements = shown.map(|deal| {
            let peer = deal.theirs().gateway;
            let is_connected = self.sessions.values().any(|it| it.peer == peer);
            let outgoing = outgoing_in(&self.streams, deal);
            let sent = outgoing.map_or(0, |it| it.entries().saturating_sub(deal.start()));
            let fellows = deal.co_receivers.iter().flat_map(|list| list.receivers.iter());
            let fellows = fellows.filter(|it| it.gateway != self.me).map(|it| CoReceiverStatus {
                gateway: it.gateway,
                addresses: it.addresses.iter().map(ToString::to_string).collect(),
                is_connected: self.beside.contains(&it.gateway),
            });
            let fellows = fellows.collect();
            deal_status(deal, is_connected, sent, fellows)
        });
        PartnersStatus {
            gateway: self.me,
            listen: Vec::new(),
            shares,
            agreements: agreements.collect(),
            requests: self.waiting(now),
            silent_since: None,
            alarms: self.alarms.iter().cloned().collect(),
        }
    }
}

fn proposed_status(it: &Proposed, now: Now) -> ShareStatus {
    let state = match (&it.acceptance, it.link_state(now)) {
        (Some(_), _) => ShareState::Accepted,
        (None, LinkState::TakenBy(_)) => ShareState::Taken,
        (None, LinkState::Open) => ShareState::Open,
        (None, LinkState::Expired) => ShareState::Expired,
    };
    ShareStatus {
        name: it.local.name.clone(),
        share: it.proposal.share,
        is_ours: true,
        with: it.proposal.to.clone(),
        state,
        open_until: it.proposal.open_until,
        revision: it.proposal.revision,
        terms: it.proposal.terms.clone(),
        selections: it.local.selections.clone(),
        sheet: it.sheet().map(HexBytes),
    }
}

fn took_status(it: &Took) -> ShareStatus {
    let state = if it.acceptance.is_some() { ShareState::Accepted } else { ShareState::Taken };
    ShareStatus {
        name: it.local.name.clone(),
        share: it.proposal.share,
        is_ours: false,
        with: it.proposal.from.name.clone(),
        state,
        open_until: it.proposal.open_until,
        revision: it.proposal.revision,
        terms: it.proposal.terms.clone(),
        selections: it.local.selections.clone(),
        sheet: it.sheet.clone().map(HexBytes),
    }
}

fn deal_status(
    deal: &Deal,
    is_connected: bool,
    sent: u64,
    co_receivers: Vec<CoReceiverStatus>,
) -> AgreementStatus {
    let incoming = deal.incoming.as_ref();
    let counts =
        [(deal.ours().gateway, &deal.ours_counted), (deal.theirs().gateway, &deal.theirs_counted)];
    let receipts = counts.into_iter().flat_map(|(log, counts)| {
        let other = if log == deal.ours().gateway { deal.theirs() } else { deal.ours() };
        let both = [(log, &counts.by_exporter), (other.gateway, &counts.by_receiver)];
        both.map(|(by, signed)| receipt_status((log, by), signed.as_ref()))
    });
    AgreementStatus {
        name: deal.local.name.clone(),
        sheet: deal.id(),
        share: deal.share(),
        is_ours: deal.side == Side::From,
        with: deal.theirs().clone(),
        partner: deal.local.partner.clone(),
        revision: deal.sheet().revision,
        terms: deal.sheet().terms.clone(),
        selections: deal.local.selections.clone(),
        verbs: deal.local.verbs.clone(),
        is_connected,
        is_open: false,
        moved: deal.is_moved.then(|| changed(&deal.ours_changed)).flatten(),
        partner_moved: changed(&deal.theirs_changed),
        awaits_partner: deal.awaits,
        ended: deal.ended.as_ref().map(|it| (it.at, it.by.as_ref().map(|(by, _)| *by))),
        sent,
        received: incoming.map_or(0, |incoming| incoming.delivered(deal.start())),
        lost: incoming.map_or(0, |incoming| incoming.lost),
        not_exported: 0,
        refused: 0,
        called: deal.served.count,
        receipts: receipts.flatten().collect(),
        co_receivers,
    }
}

/// Counts go on over all gateways of a side, so they are shown as of the one of now.
fn receipt_status(
    (log, by): (PublicKey, PublicKey),
    signed: Option<&Signed<Receipt>>,
) -> Option<ReceiptStatus> {
    let receipt = signed?.peek().ok()?;
    let Receipt { delivered, lost, at, .. } = receipt;
    Some(ReceiptStatus { log, by, delivered, lost, at })
}

fn changed(changes: &Changes) -> Option<GatewayChange> {
    let GatewayNotice { number, former, successor, at, .. } = changes.last.as_ref()?;
    Some(GatewayChange {
        number: *number,
        hands_over: matches!(former, Former::HandsOver(_)),
        gateway: successor.as_ref().map(|it| it.gateway),
        at: *at,
    })
}
