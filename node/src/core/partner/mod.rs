//! The partner plane's core: agreements with other companies, and the streams under them.
//!
//! ```text
//! proposed ──► taken ──► accepted ──► confirmed ─────────► ended
//!   (this side proposes: making.rs)      │ flows: outgoing.rs, incoming.rs
//! looked ──► took ──► signed ──► confirmed
//!   (the other proposed: taking.rs)
//! ```
//!
//! As in every core, time and randomness are arguments, nothing is opened, and effects are carried
//! out in their order: what is persisted is on the disk before what follows it is sent. If the disk
//! does not take it the plane stops, so that it never goes on from what a restart would not know.
//!
//! It knows nothing of the plant. What crosses is reached by the bridge alone.

mod amending;
mod calling;
mod compacting;
mod contract;
mod deal;
mod fanning;
mod incoming;
mod making;
mod moving;
mod notices;
mod outgoing;
mod proof;
mod receipts;
mod receiving;
mod record;
mod serving;
mod sessions;
mod status;
mod streams;
mod taking;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::entry::PartnerEvent;
use gearmesh_protocol::ids::{Incarnation, PublicKey, ShareId, SheetId};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::log::{LogId, Tip};
use gearmesh_protocol::partner::{Addresses, End, ShareEntry};
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::Name;

use super::clock::Now;
use super::random::Random;
pub use calling::CallWish;
pub use compacting::compacted;
pub use contract::{
    Answer, Doors, Effect, Grounds, Input, LinkState, MessageTag, Offence, Onto, Page, SessionId,
    Signer, Verdict, Wish, WishId,
};
pub use deal::LiveDeal;
use deal::{Deal, Ended, Side};
use fanning::Issued;
use making::Proposed;
use outgoing::Outgoing;
pub use proof::{Paper, Papers};
pub use record::{PartnerRecord, RecordError};
pub(in crate::core) use serving::CallReady;
use sessions::Session;
use taking::{Looked, Looking, Took};

/// Proposals and agreements that one gateway keeps, those that ended included.
pub const AGREEMENTS_MAX: usize = 256;

/// Drafts, and proposals looked at, that wait for a person.
const WAITING_MAX: usize = 16;

/// Alarms that are kept; the same one counts once.
const ALARMS_MAX: usize = 64;

/// From which wait on whoever answers at a gateway's addresses is asked who has its place.
const ASK_FROM: Duration = Duration::from_secs(4);

/// How long a gateway waits before it dials a partner again: at first, and at most.
const DIAL_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// From what a life of the plane begins.
pub struct Start {
    /// The gateway's partner-plane key.
    pub key: SigningKey,
    /// This life, written down before.
    pub incarnation: Incarnation,
    /// Where random bytes come from.
    pub random: Random,
    /// What was written down.
    pub records: Vec<PartnerRecord>,
    /// Where the share logs end.
    pub tips: BTreeMap<LogId, Tip>,
}

/// All agreements that were ever confirmed here.
type Deals = BTreeMap<SheetId, Deal>;

/// Streams of this side that several receive: these have one for all their agreements.
type Streams = BTreeMap<ShareId, Outgoing>;

/// The state of the partner plane.
pub struct Partners {
    key: SigningKey,
    me: PublicKey,
    incarnation: Incarnation,
    random: Random,
    tips: BTreeMap<LogId, Tip>,
    drafts: BTreeMap<ShareId, making::Drafted>,
    proposed: BTreeMap<ShareId, Proposed>,
    looking: BTreeMap<PublicKey, Looking>,
    looked: BTreeMap<ShareId, Looked>,
    took: BTreeMap<ShareId, Took>,
    deals: Deals,
    streams: Streams,
    /// Behind which groups agreements begin that are about to be confirmed.
    starts: BTreeMap<SheetId, Tip>,
    /// Who receives the streams that are passed on, as it was told to them.
    lists: BTreeMap<ShareId, Issued>,
    /// Where this gateway may be reached by others.
    listen: Addresses,
    /// Those connected that receive what this one does.
    beside: BTreeSet<PublicKey>,
    sessions: BTreeMap<SessionId, Session>,
    /// When each gateway is dialled next, and how long to wait after that.
    dials: BTreeMap<PublicKey, (Duration, Duration)>,
    alarms: BTreeSet<String>,
}

impl Partners {
    /// The state that follows from what was written down. What is to be heard from the start.
    #[must_use]
    pub fn restore(start: Start) -> (Self, Vec<Effect>) {
        let Start { key, incarnation, random, records, tips } = start;
        let me = PublicKey::of(&key);
        let mut partners = Self {
            key,
            me,
            incarnation,
            random,
            tips,
            drafts: BTreeMap::new(),
            proposed: BTreeMap::new(),
            looking: BTreeMap::new(),
            looked: BTreeMap::new(),
            took: BTreeMap::new(),
            deals: BTreeMap::new(),
            streams: Streams::new(),
            starts: BTreeMap::new(),
            lists: BTreeMap::new(),
            listen: Addresses::new(),
            beside: BTreeSet::new(),
            sessions: BTreeMap::new(),
            dials: BTreeMap::new(),
            alarms: BTreeSet::new(),
        };
        records.into_iter().for_each(|record| partners.recall(record));
        let live = partners.deals.values().filter(|deal| deal.stands());
        let heard = live.filter(|deal| deal.incoming.is_some());
        let effects = heard.map(|deal| Effect::Subscribe(deal.their_topic())).collect();
        (partners, effects)
    }

    /// Takes a record of an earlier life. What does not hold any more is left out and said.
    fn recall(&mut self, record: PartnerRecord) {
        let is_known = match record {
            PartnerRecord::Proposed { signed, nonce, local } => {
                self.recall_proposed(signed, nonce, local)
            }
            PartnerRecord::Taken { share, to, nonce } => {
                self.proposed.get_mut(&share).is_some_and(|it| it.set_taken(to, nonce))
            }
            PartnerRecord::Accepted { acceptance } => self.recall_accepted(acceptance),
            PartnerRecord::Took { signed, to, nonce, local, addresses } => {
                self.recall_took(signed, to, nonce, local, addresses)
            }
            PartnerRecord::Signed { acceptance } => self.recall_signed(acceptance),
            PartnerRecord::Confirmed { agreement } => {
                agreement.verify().is_ok_and(|agreed| self.make_deal(agreed))
            }
            PartnerRecord::Ended { sheet, by, at } => {
                self.deals.get_mut(&sheet).is_some_and(|deal| {
                    let by = by.map(|signed| (status::ender(deal, &signed), signed));
                    deal.ended = Some(Ended { at, by });
                    true
                })
            }
            PartnerRecord::Dropped { share } => {
                self.proposed.remove(&share).is_some() | self.took.remove(&share).is_some()
            }
            PartnerRecord::Lost { sheet, entries, after } => {
                self.recall_lost(&sheet, entries, after)
            }
            PartnerRecord::Receipt { by, receipt } => self.keep_receipt(by, receipt),
            PartnerRecord::Asked { sheet, number, id, verb, arguments } => self
                .deals
                .get_mut(&sheet)
                .map(|deal| deal.calls.recall(number, id, verb, arguments))
                .is_some(),
            PartnerRecord::Begun { sheet, number, id, verb, arguments } => self
                .deals
                .get_mut(&sheet)
                .map(|deal| deal.served.recall_begun(number, id, verb, arguments))
                .is_some(),
            PartnerRecord::Floor { sheet, number } => {
                self.deals.get_mut(&sheet).map(|deal| deal.served.recall_floor(number)).is_some()
            }
            PartnerRecord::Notice { signed, known } => self.recall_notice(signed, known),
            PartnerRecord::TakenOver { papers } => self.recall_papers(*papers).is_ok(),
            PartnerRecord::Opened { sheet, tip } => self.recall_opened(&sheet, tip),
            PartnerRecord::Turned { sheet } => {
                self.deals.get_mut(&sheet).map(|deal| deal.is_turned = true).is_some()
            }
            PartnerRecord::Starts { sheet, after } => self.recall_starts(sheet, after),
            PartnerRecord::CallOver { sheet, number, state, detail } => {
                let deal = self.deals.get_mut(&sheet);
                deal.is_some_and(|deal| deal.served.recall_over(number, state, detail))
            }
        };
        if !is_known {
            tracing::warn!("a record about partners leads nowhere; it is left out");
        }
    }

    /// What happened, and what is to be done about it, in this order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut out = Vec::new();
        match input {
            Input::Tick => self.tick(now, &mut out),
            Input::SessionUp { session, peer, grounds, is_dialer } => {
                let since = now.tick;
                let up = Session { peer, grounds, is_dialer, since };
                self.session_up(now, session, up, &mut out);
            }
            Input::SessionDown { session } => self.session_down(now, session),
            Input::Frame { session, frame } => self.frame(now, session, *frame, &mut out),
            Input::Gossip { message, topic, bytes } => {
                let verdict = self.gossip(now, &topic, &bytes, &mut out);
                out.push(Effect::Judge { message, verdict });
            }
            Input::Page { session, sheet, page } => self.page(now, session, &sheet, page, &mut out),
            Input::LinkFailed { link, cause } => self.link_failed(&link, cause, &mut out),
            Input::LinkShownAgain { link } => self.link_shown_again(&link),
            Input::Offended { peer, how } => self.offended(&peer, how),
            Input::Wish { id, wish } => self.wish(now, id, *wish, &mut out),
            Input::CallOver { sheet, number, ended } => {
                self.call_over(now, (sheet, number), ended, &mut out);
            }
            Input::Around { listen, beside } => self.around(listen, beside, &mut out),
            Input::Delivered { sheet } => self.delivered(now, &sheet, &mut out),
        }
        out
    }

    fn wish(&mut self, now: Now, id: WishId, wish: Wish, out: &mut Vec<Effect>) {
        let answer = match wish {
            Wish::Draft { signer, to, terms, open_until, local, onto } => {
                self.draft(now, signer, (to, terms, open_until), (local, onto)).map(Some)
            }
            Wish::Withdraw { name } => self.withdraw(&name, out).map(Some),
            Wish::Propose { signed } => self.propose(signed, out).map(Some),
            Wish::Look { link, addresses } => self.look(id, link, addresses, out).map(|()| None),
            Wish::Take { share, signer, local } => {
                self.take(id, share, signer, local, out).map(|()| None)
            }
            Wish::Accept { share, admin } => self.accept(share, admin, out).map(Some),
            Wish::Confirm { name, admin } => self.confirm(now, &name, admin, out).map(Some),
            Wish::End { name } => self.end(now, &name, out).map(Some),
            Wish::Call(wish) => self.call(now, wish, out).map(Some),
            Wish::Allow { name, number, allow } => self.allow(&name, number, allow, out).map(Some),
            Wish::Papers { name } => self.papers_to_move(&name).map(|it| Some(Answer::Papers(it))),
            Wish::Move { signed } => self.move_away(now, signed, out).map(Some),
            Wish::TakeOver { papers } => self.take_over(now, *papers, out).map(Some),
            Wish::Notices { notices } => self.hear_notices(now, &notices, out).map(Some),
            Wish::Status => Ok(Some(Answer::Status(self.status(now)))),
        };
        match answer {
            Ok(None) => {}
            Ok(Some(answer)) => out.push(Effect::Answer { id, answer: Box::new(answer) }),
            Err(refused) => {
                out.push(Effect::Answer { id, answer: Box::new(Answer::Refused(refused)) });
            }
        }
    }

    /// Who may come in, and which topics may be followed here.
    #[must_use]
    pub fn doors(&self, now: Now) -> Doors {
        let proposed = self.proposed.values();
        let takers = proposed.clone().filter_map(|it| it.taker());
        let known = self.deals.values().filter(|deal| !deal.theirs_changed.is_vacant());
        let partners = known.flat_map(|deal| {
            let former = deal.former_hosts().map(|(gateway, _)| gateway);
            former.chain([deal.theirs().gateway])
        });
        let live = self.deals.values().filter(|deal| deal.is_live(now));
        let exporting = live.clone().filter(|deal| deal.sends());
        let importing = live.filter(|deal| deal.incoming.is_some());
        let hosts = self.hosts(now).map(|(gateway, _)| gateway);
        Doors {
            hosts: hosts.chain(self.took.values().map(Took::gateway)).collect(),
            heard: importing.map(Deal::their_topic).collect(),
            peers: partners.chain(takers).collect(),
            co_receivers: self.fellows(now).collect(),
            links: proposed.map(|it| (it.link(), it.link_state(now))).collect(),
            topics: exporting.map(Deal::own_topic).collect(),
        }
    }

    /// Agreements under which something may flow now.
    pub fn live(&self, now: Now) -> impl Iterator<Item = LiveDeal<'_>> {
        let live = self.deals.values().filter(move |deal| deal.is_live(now) && !deal.awaits);
        live.map(|deal| LiveDeal { deal })
    }

    /// The schemas of agreements under which something may flow.
    pub fn schemas(&self, now: Now) -> impl Iterator<Item = &str> {
        let live = self.deals.values().filter(move |deal| deal.is_live(now));
        live.flat_map(|deal| deal.local.schemas.iter().map(String::as_str))
    }

    /// Signs and sends values that crossed the bridge, under an agreement or to all who receive a stream.
    pub(in crate::core) fn export(
        &mut self,
        now: Now,
        stream: SheetId,
        entries: Vec<ShareEntry>,
    ) -> Vec<Effect> {
        let mut out = Vec::new();
        self.send_entries(now, &stream, &entries, &mut out);
        out
    }

    /// What of a partner is next to cross the bridge, and under which sheet it was sent.
    pub(in crate::core) fn next_received(
        &self,
        sheet: &SheetId,
    ) -> Option<(SheetId, Vec<ShareEntry>)> {
        self.deals.get(sheet)?.incoming.as_ref()?.next_entries()
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.end_what_is_over(now, out);
        self.dial_partners(now, out);
        self.close_unknown(now, out);
        self.tell_co_receivers(now, out);
        self.repeat_heads(now, out);
        self.settle_rests(out);
        self.ask_for_missing(now, out);
        self.write_receipts(now, out);
        self.give_up_calls(now);
        self.serve_calls(now, out);
    }

    fn end_what_is_over(&mut self, now: Now, out: &mut Vec<Effect>) {
        let over = self.deals.values_mut().filter(|deal| deal.stands() && !deal.is_in_time(now));
        for deal in over {
            close(deal, Ended { at: now.wall, by: None }, out);
        }
    }

    /// Gateways that this side dials under agreements, and where: also to say that its place went over.
    fn hosts(&self, now: Now) -> impl Iterator<Item = (PublicKey, &Vec<String>)> {
        let dials = move |deal: &&Deal| {
            deal.side == Side::To && (deal.is_live(now) || deal.is_handed_over(now))
        };
        self.deals
            .values()
            .filter(dials)
            .flat_map(|deal| deal.former_hosts().chain([(deal.theirs().gateway, &deal.addresses)]))
    }

    /// The accepting side dials: it knows addresses, from the share link or a gateway notice. Receivers of
    /// one stream dial each other.
    fn dial_partners(&mut self, now: Now, out: &mut Vec<Effect>) {
        let taking = self.took.values().filter(|took| took.acceptance.is_some());
        let taking = taking.map(|took| (took.gateway(), &took.addresses));
        let agreed: BTreeMap<PublicKey, Vec<String>> =
            self.hosts(now).chain(taking).map(|(peer, at)| (peer, at.clone())).collect();
        let hosts: BTreeSet<PublicKey> = self.hosts(now).map(|(peer, _)| peer).collect();
        let mut wanted = self.fellows_to_dial(now);
        wanted.extend(agreed.clone());
        self.dials.retain(|peer, _| wanted.contains_key(peer));
        for (peer, addresses) in wanted {
            let is_here = self.sessions.values().any(|session| session.peer == peer);
            let is_for_session = agreed.contains_key(&peer);
            if is_here || !is_for_session && self.beside.contains(&peer) {
                self.dials.remove(&peer);
                continue;
            }
            let (at, wait) = *self.dials.get(&peer).unwrap_or(&(now.tick, DIAL_AGAIN.0));
            if at <= now.tick {
                self.dials.insert(peer, (now.tick + wait, (2 * wait).min(DIAL_AGAIN.1)));
                if wait >= ASK_FROM && hosts.contains(&peer) {
                    out.push(Effect::Ask { addresses: addresses.clone() });
                }
                out.push(Effect::Dial { peer, addresses });
            }
        }
    }

    /// Ends an agreement, or withdraws a proposal.
    fn end(&mut self, now: Now, name: &Name, out: &mut Vec<Effect>) -> Result<Answer, ErrorBody> {
        let deals = self.deals.values_mut();
        let live = deals.into_iter().find(|deal| deal.stands() && deal.local.name == *name);
        if let Some(deal) = live {
            let end = End { sheet: deal.id(), at: now.wall };
            let signed = Signed::sign(&self.key, &deal.sheet().from.plant, &end);
            let peer = deal.theirs().gateway;
            close(deal, Ended { at: now.wall, by: Some((self.me, signed.clone())) }, out);
            let (share, is_for_one) = (deal.share(), !deal.fans_out());
            if is_for_one {
                self.drop_proposal(share, out);
            }
            self.say_to(peer, SessionFrame::End(signed), out);
            return Ok(Answer::Done);
        }
        self.withdraw(name, out)
    }

    /// Whether a name is free, and there is room for one more.
    fn check_room(&self, name: &Name) -> Result<(), ErrorBody> {
        let live = self.deals.values().filter(|deal| deal.stands());
        let mut names = live.map(|deal| &deal.local.name).chain(
            self.proposed
                .values()
                .map(|it| &it.local.name)
                .chain(self.took.values().map(|it| &it.local.name)),
        );
        if names.any(|taken| taken == name) {
            return Err(Refusal::ShareTaken.into());
        }
        if self.deals.len() + self.proposed.len() + self.took.len() >= AGREEMENTS_MAX {
            return Err(Refusal::PartnersFull.into());
        }
        Ok(())
    }

    /// Something that a person should know.
    fn alarm(&mut self, text: String) {
        tracing::warn!(%text, "about a partner");
        if self.alarms.len() < ALARMS_MAX {
            self.alarms.insert(text);
        }
    }
}

/// Nothing flows under an agreement from here on.
fn close(deal: &mut Deal, ended: Ended, out: &mut Vec<Effect>) {
    let by = ended.by.as_ref().map(|(_, signed)| signed.clone());
    let record = PartnerRecord::Ended { sheet: deal.id(), by, at: ended.at };
    out.push(Effect::Persist(record));
    let theirs = deal.theirs().gateway;
    let by_partner = ended.by.as_ref().is_some_and(|(by, _)| *by == theirs);
    out.push(deal.audit(PartnerEvent::Ended { by_partner }, ended.at));
    if deal.incoming.is_some() {
        out.push(Effect::Unsubscribe(deal.their_topic()));
    }
    deal.ended = Some(ended);
}
