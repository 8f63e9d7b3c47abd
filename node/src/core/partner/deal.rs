//! An agreement that both sides signed, seen from one of them.

use std::collections::VecDeque;
use std::time::Duration;

use gearmesh_protocol::entry::{PartnerAct, PartnerEvent};
use gearmesh_protocol::ids::{Nonce, PublicKey, ShareId, SheetId};
use gearmesh_protocol::log::{LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::partner::{
    Addresses, CoReceivers, Direction, End, Party, Receipt, Sheet, SheetTopic,
};
use gearmesh_protocol::partner_agreement::{Agreed, Agreement, gossip_topic, stream_id};
use gearmesh_protocol::partner_gateway::{Former, GatewayNotice};
use gearmesh_protocol::partner_local::{Local, VerbSelection};
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, TopicFilter};

use super::calling::Calls;
use super::contract::Effect;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::serving::Served;
use crate::core::clock::Now;

/// Which side of an agreement this gateway is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It proposed.
    From,
    /// It accepted.
    To,
}

/// How an agreement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) at: UnixMillis,
    /// The word that ended it; none: its time was up.
    pub(super) by: Option<(PublicKey, Signed<End>)>,
}

/// The last counts of one log: whose, and what was persisted of it when.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) by_receiver: Option<Signed<Receipt>>,
    pub(super) by_exporter: Option<Signed<Receipt>>,
    pub(super) written: Option<Duration>,
    /// Whether the other side was told in this session: a word is lost with its session, and counts
    /// that were not written down yet with the program that had them.
    pub(super) is_told: bool,
}

/// What is still to come of the log of a gateway that has no place any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Up to this group, from itself.
    From { gateway: PublicKey, addresses: Vec<String>, head: Tip },
    /// Nothing. Once what came has entered the plant, what is known to be missing counts as lost.
    Nothing { head: Option<Tip>, known: u64 },
}

/// How one side's gateway changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    pub(super) notices: Vec<Signed<GatewayNotice>>,
    pub(super) last: Option<GatewayNotice>,
}

impl Changes {
    /// Which change the next one is.
    pub(super) fn next(&self) -> u32 {
        self.last.as_ref().map_or(1, |last| last.number.saturating_add(1))
    }

    /// Whether nobody has the place now.
    pub(super) fn is_vacant(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.successor.is_none())
    }
}

/// An agreement with all that flows under it.
pub(super) struct Deal {
    pub(super) agreed: Agreed<Agreement>,
    pub(super) side: Side,
    /// Each side with its gateway of now.
    ours: Party,
    theirs: Party,
    pub(super) ours_changed: Changes,
    pub(super) theirs_changed: Changes,
    /// Whether this side's place is another gateway's now, or nobody's.
    pub(super) is_moved: bool,
    /// What is still to come of former gateways of the other side, the oldest first.
    pub(super) rests: VecDeque<Rest>,
    /// Whether this side's log begins where the partner says that the one before ended.
    pub(super) awaits: bool,
    pub(super) local: Local,
    pub(super) addresses: Vec<String>,
    pub(super) ended: Option<Ended>,
    /// Whether a new sheet stands in its place.
    pub(super) is_replaced: bool,
    /// Sheets in whose place this one stands, the oldest first, with what came in under them.
    pub(super) earlier: Vec<(SheetId, Vec<SheetTopic>)>,
    /// Whether something came in under this one.
    pub(super) is_turned: bool,
    /// None where several receive what this side sends: these have one together.
    pub(super) outgoing: Option<Outgoing>,
    pub(super) incoming: Option<Incoming>,
    /// The group behind which it begins, if others had the stream before.
    pub(super) starts: Option<Tip>,
    /// Where the other side says that receivers of the same stream may reach it.
    pub(super) reachable: Addresses,
    /// Who else receives what the other side sends, as that has signed it.
    pub(super) co_receivers: Option<CoReceivers>,
    /// Counts of this side's log, and of the other's.
    pub(super) ours_counted: Counts,
    pub(super) theirs_counted: Counts,
    /// Calls of this side at the other's, and of the other here.
    pub(super) calls: Calls,
    pub(super) served: Served,
}

impl Deal {
    pub(super) fn new(
        agreed: Agreed<Agreement>,
        side: Side,
        local: Local,
        addresses: Vec<String>,
        tip_of: impl Fn(&LogId) -> Option<Tip>,
    ) -> Self {
        let Sheet { from, to, .. } = agreed.sheet().clone();
        let (ours, theirs) = match side {
            Side::From => (from, to),
            Side::To => (to, from),
        };
        let mut deal = Self {
            agreed,
            side,
            ours,
            theirs,
            ours_changed: Changes::default(),
            theirs_changed: Changes::default(),
            is_moved: false,
            rests: VecDeque::new(),
            awaits: false,
            local,
            addresses,
            ended: None,
            is_replaced: false,
            earlier: Vec::new(),
            is_turned: false,
            outgoing: None,
            incoming: None,
            starts: None,
            reachable: Addresses::new(),
            co_receivers: None,
            ours_counted: Counts::default(),
            theirs_counted: Counts::default(),
            calls: Calls::default(),
            served: Served::default(),
        };
        if deal.sends() && !deal.fans_out() {
            deal.outgoing = Some(Outgoing::after(tip_of(&deal.log_of(deal.ours().gateway))));
        }
        if deal.lines(deal.importing()).next().is_some() {
            let tip = tip_of(&deal.log_of(deal.theirs().gateway));
            deal.incoming = Some(Incoming::after(tip, deal.fans_out()));
        }
        deal
    }

    pub(super) const fn id(&self) -> SheetId {
        self.agreed.id()
    }

    pub(super) const fn sheet(&self) -> &Sheet {
        self.agreed.sheet()
    }

    pub(super) const fn share(&self) -> ShareId {
        self.sheet().share
    }

    /// This side, with its gateway of now.
    pub(super) const fn ours(&self) -> &Party {
        &self.ours
    }

    /// The other side, with its gateway of now.
    pub(super) const fn theirs(&self) -> &Party {
        &self.theirs
    }

    pub(super) const fn set_gateway(&mut self, is_ours: bool, gateway: PublicKey) {
        let party = if is_ours { &mut self.ours } else { &mut self.theirs };
        party.gateway = gateway;
    }

    /// Of whom what is missing of the other's log is had now; none if something is to be settled first.
    pub(super) fn source(&self) -> Option<PublicKey> {
        match self.rests.front() {
            Some(Rest::From { gateway, .. }) => Some(*gateway),
            Some(Rest::Nothing { .. }) => None,
            None => Some(self.theirs.gateway),
        }
    }

    /// Whether a gateway has, or had, the other side's place and may still say something about it.
    pub(super) fn hears(&self, peer: &PublicKey) -> bool {
        self.theirs.gateway == *peer || self.former_hosts().any(|(gateway, _)| gateway == *peer)
    }

    /// Former gateways of the other side of which something is still to come, and where they are.
    pub(super) fn former_hosts(&self) -> impl Iterator<Item = (PublicKey, &Vec<String>)> {
        self.rests.iter().filter_map(|rest| match rest {
            Rest::From { gateway, addresses, .. } => Some((*gateway, addresses)),
            Rest::Nothing { .. } => None,
        })
    }

    /// The log of the other side that has a group of this number.
    pub(super) fn their_log_at(&self, number: u64) -> LogId {
        let former = self.rests.iter().find_map(|rest| match rest {
            Rest::From { gateway, head, .. } => (number <= head.number).then_some(*gateway),
            Rest::Nothing { .. } => None,
        });
        self.log_of(former.unwrap_or(self.theirs.gateway))
    }

    pub(super) const fn log_of(&self, author: PublicKey) -> LogId {
        LogId { author, kind: LogKind::Share(self.share()) }
    }

    /// Whether receivers pass the stream on to each other.
    pub(super) const fn fans_out(&self) -> bool {
        self.sheet().terms.fan_out
    }

    /// What groups say they were sent under: the sheet, or the stream where several receive it.
    pub(super) fn under(&self) -> SheetId {
        if self.fans_out() { stream_id(&self.share()) } else { self.id() }
    }

    /// Whether this side sends, and no new sheet does in its place.
    pub(super) fn sends(&self) -> bool {
        !self.is_replaced && self.lines(self.exporting()).next().is_some()
    }

    /// Entries of the stream that came before it.
    pub(super) fn start(&self) -> u64 {
        self.starts.map_or(0, |tip| tip.entries)
    }

    /// Whether the other side named a gateway as one that receives the same.
    pub(super) fn is_shared_with(&self, gateway: &PublicKey) -> bool {
        let list = self.co_receivers.as_ref().filter(|_| self.stands());
        list.is_some_and(|list| list.receivers.iter().any(|it| it.gateway == *gateway))
    }

    /// The topic on which this side's stream travels.
    pub(super) fn own_topic(&self) -> Nonce {
        gossip_topic(&self.share(), &self.ours().gateway)
    }

    /// The topic on which the other's stream travels.
    pub(super) fn their_topic(&self) -> Nonce {
        gossip_topic(&self.share(), &self.theirs().gateway)
    }

    /// Whether the other side may call verbs here.
    pub(super) fn is_serving(&self) -> bool {
        self.side == Side::From && !self.sheet().terms.verbs.is_empty()
    }

    /// What was decided about the other side, for the audit trail.
    pub(super) fn audit(&self, event: PartnerEvent, at: UnixMillis) -> Effect {
        let partner = self.local.partner.clone();
        Effect::Audit(Box::new(PartnerAct { partner, sheet: self.id(), event, at }))
    }

    /// Where the sheet stands under which a group was sent, among those of this share: the newest is last.
    /// None if none of them may be sent under.
    pub(super) fn rank_of(&self, group: &VerifiedGroup) -> Option<usize> {
        let under = SheetId(group.header().acting_under.0);
        if under == self.under() {
            return Some(self.earlier.len());
        }
        let mut earlier = self.earlier.iter().filter(|_| !self.is_turned);
        earlier.position(|(sheet, _)| *sheet == under)
    }

    /// Whether it did not end, nothing stands in its place, and this side's place in it is here.
    pub(super) const fn stands(&self) -> bool {
        self.ended.is_none() && !self.is_replaced && !self.is_moved
    }

    /// Whether what was sent from here before this side's place went over is still to be had here.
    pub(super) fn is_handed_over(&self, now: Now) -> bool {
        let hands_over = |last: &GatewayNotice| matches!(last.former, Former::HandsOver(_));
        let is_moved = self.is_moved && self.ended.is_none() && !self.is_replaced;
        is_moved && self.is_in_time(now) && self.ours_changed.last.as_ref().is_some_and(hands_over)
    }

    /// The lines under which this side sends.
    pub(super) fn exports(&self) -> Vec<SheetTopic> {
        self.lines(self.exporting()).cloned().collect()
    }

    /// The lines under which the other side sends.
    pub(super) fn imports(&self) -> Vec<SheetTopic> {
        self.lines(self.importing()).cloned().collect()
    }

    /// Whether anything may flow.
    pub(super) fn is_live(&self, now: Now) -> bool {
        self.stands() && self.is_in_time(now) && !self.theirs_changed.is_vacant()
    }

    /// Whether its time is not up.
    pub(super) fn is_in_time(&self, now: Now) -> bool {
        self.sheet().terms.until.is_none_or(|until| now.wall < until)
    }

    const fn exporting(&self) -> Direction {
        match self.side {
            Side::From => Direction::Export,
            Side::To => Direction::Import,
        }
    }

    const fn importing(&self) -> Direction {
        match self.side {
            Side::From => Direction::Import,
            Side::To => Direction::Export,
        }
    }

    fn lines(&self, direction: Direction) -> impl Iterator<Item = &SheetTopic> {
        self.sheet().terms.topics.iter().filter(move |line| line.direction == direction)
    }
}

/// An agreement under which something may flow now.
#[derive(Clone, Copy)]
pub struct LiveDeal<'a> {
    pub(super) deal: &'a Deal,
}

impl<'a> LiveDeal<'a> {
    /// Its id.
    #[must_use]
    pub const fn sheet(&self) -> SheetId {
        self.deal.id()
    }

    /// What crosses from here together: one agreement, or all of a stream that several receive.
    #[must_use]
    pub fn stream(&self) -> SheetId {
        match self.deal.side {
            Side::From => self.deal.under(),
            Side::To => self.deal.id(),
        }
    }

    /// What the other's groups say they were sent under.
    #[must_use]
    pub fn under(&self) -> SheetId {
        self.deal.under()
    }

    /// This side.
    #[must_use]
    pub const fn ours(&self) -> &'a Party {
        self.deal.ours()
    }

    /// What the other is called in topics.
    #[must_use]
    pub const fn partner(&self) -> &'a Name {
        &self.deal.local.partner
    }

    /// The lines that export here, with what is selected for each. One for which nothing is
    /// selected exports nothing.
    pub fn exports(&self) -> impl Iterator<Item = (&'a SheetTopic, &'a TopicFilter)> {
        let deal = self.deal;
        deal.lines(deal.exporting()).filter_map(|line| {
            let mut selections = deal.local.selections.iter();
            let selection = selections.find(|selection| selection.alias == line.alias)?;
            Some((line, &selection.filter))
        })
    }

    /// What the verbs stand for here that the other side may call.
    pub fn verbs(&self) -> impl Iterator<Item = &'a VerbSelection> {
        let deal = self.deal;
        let is_agreed = move |it: &&VerbSelection| {
            deal.is_serving() && deal.sheet().terms.verbs.contains(&it.verb)
        };
        deal.local.verbs.iter().filter(is_agreed)
    }

    /// The lines that import here.
    pub fn imports(&self) -> impl Iterator<Item = &'a SheetTopic> {
        self.deal.lines(self.deal.importing())
    }

    /// What may still come under sheets in whose place this one stands.
    pub fn earlier(&self) -> impl Iterator<Item = (SheetId, &'a [SheetTopic])> {
        self.deal.earlier.iter().map(|(sheet, lines)| (*sheet, &lines[..]))
    }
}
