//! Counting what crossed: each side signs what it knows of each log, and keeps the other's word.

use std::time::Duration;

use gearmesh_protocol::ids::{GroupId, PublicKey, SheetId};
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::partner::Receipt;
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::signed::Signed;

use super::Partners;
use super::contract::Effect;
use super::deal::{Counts, Deal};
use super::record::PartnerRecord;
use super::streams::outgoing_in;
use crate::core::clock::Now;

/// How often the last counts are written down.
const WRITE_EVERY: Duration = Duration::from_secs(3600);

impl Partners {
    /// Tells the other side what came of its log, if that is more than was told in this session.
    pub(super) fn count(&mut self, now: Now, sheet: &SheetId, out: &mut Vec<Effect>) {
        let Some(deal) = self.deals.get_mut(sheet) else { return };
        let Some(incoming) = &deal.incoming else { return };
        let Some(tip) = incoming.tip else { return };
        let (lost, peer) = (incoming.lost, deal.theirs().gateway);
        let receipt = counted(deal, peer, tip, lost, now);
        let Counts { by_receiver, is_told, .. } = &mut deal.theirs_counted;
        let told = by_receiver.as_ref().filter(|_| *is_told).and_then(|it| it.peek().ok());
        if told.is_some_and(|told| told.head == receipt.head && told.lost == lost) {
            return;
        }
        *is_told = true;
        let signed = Signed::sign(&self.key, &deal.sheet().from.plant, &receipt);
        deal.theirs_counted.by_receiver = Some(signed.clone());
        self.say_to(peer, SessionFrame::Receipt(signed), out);
    }

    /// The other side's count. What it says of this side's log is answered with what this side
    /// knows of it.
    pub(super) fn receipt(
        &mut self,
        now: Now,
        peer: &PublicKey,
        signed: Signed<Receipt>,
        out: &mut Vec<Effect>,
    ) {
        let Ok(receipt) = signed.peek() else { return };
        if !self.keep_receipt(*peer, signed) || receipt.log != self.me {
            return;
        }
        let Some(deal) = self.deals.get_mut(&receipt.sheet) else { return };
        let tip = outgoing_in(&self.streams, deal).and_then(|outgoing| outgoing.tip);
        let Some(tip) = tip else { return };
        // What retention took before the receiver had it, its count alone says.
        let own = counted(deal, self.me, tip, receipt.lost, now);
        let signed = Signed::sign(&self.key, &deal.sheet().from.plant, &own);
        deal.ours_counted.by_exporter = Some(signed.clone());
        self.say_to(*peer, SessionFrame::Receipt(signed), out);
    }

    /// Keeps a count if the one that it is of signed it. False if nobody did.
    pub(super) fn keep_receipt(&mut self, by: PublicKey, signed: Signed<Receipt>) -> bool {
        let Ok(receipt) = signed.peek() else { return false };
        let Some(deal) = self.deals.get_mut(&receipt.sheet) else { return false };
        let (ours, theirs) = (deal.ours().gateway, deal.theirs().gateway);
        let is_party = by == ours || by == theirs;
        if !is_party || signed.verify(&deal.sheet().from.plant, &by).is_err() {
            return false;
        }
        let counts = match receipt.log {
            log if log == ours => &mut deal.ours_counted,
            log if log == theirs => &mut deal.theirs_counted,
            _ => return false,
        };
        let place = match by == receipt.log {
            true => &mut counts.by_exporter,
            false => &mut counts.by_receiver,
        };
        *place = Some(signed);
        true
    }

    /// Writes the last counts down, so that the latest outlive the program.
    pub(super) fn write_receipts(&mut self, now: Now, out: &mut Vec<Effect>) {
        for deal in self.deals.values_mut().filter(|deal| deal.stands()) {
            let (ours, theirs) = (deal.ours().gateway, deal.theirs().gateway);
            let both =
                [(ours, theirs, &mut deal.ours_counted), (theirs, ours, &mut deal.theirs_counted)];
            for (exporter, receiver, counts) in both {
                let written = counts.written.get_or_insert(now.tick);
                if now.tick < *written + WRITE_EVERY {
                    continue;
                }
                *written = now.tick;
                let by_both = [(exporter, &counts.by_exporter), (receiver, &counts.by_receiver)];
                for (by, receipt) in by_both {
                    let receipt = receipt.clone();
                    let record = receipt.map(|receipt| PartnerRecord::Receipt { by, receipt });
                    out.extend(record.map(Effect::Persist));
                }
            }
        }
    }
}

/// What one side knows of a log up to its end.
fn counted(deal: &Deal, log: PublicKey, tip: Tip, lost: u64, now: Now) -> Receipt {
    let head: GroupId = tip.group;
    let start = deal.start();
    let delivered = tip.entries.saturating_sub(lost + start);
    Receipt { sheet: deal.id(), log, start, head, delivered, lost, at: now.wall }
}
