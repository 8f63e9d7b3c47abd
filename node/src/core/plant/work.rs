//! One write at a time.
//!
//! Whatever changes the ledger becomes a piece of work: it is decided on a copy of the ledger, its
//! records go to disk, and only then does the copy become the ledger and everybody hears of it.
//! Work that arrives in between waits in order. So a crash at any point leaves either nothing or
//! the record, and a failed write leaves the state untouched.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::TRUST_RECORDS_MAX;
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::plant::ControlFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::{Act, TrustEntry};

use super::leaving;
use super::ledger::{Ledger, MergeRefusal, entries_of, pages};
use super::log::{Inserted, Log, StoreRefusal};
use super::redeem::{self, Decision, Redemption};
use super::roster::Roster;
use super::sync::send_pages;
use super::{Answer, Effect, LinkId, Now, Plant, Ticket};
use crate::core::record::Record;

/// Pieces of work that may wait for the disk. What comes over links beyond this is left out and
/// pulled again; what comes from people is refused as busy.
pub(super) const WAITING_MAX: usize = 256;

/// Pages that may wait in all, and from one link: whatever links send, tools and joiners keep
/// places of their own, and one link does not take those of the others.
const PAGES_MAX: usize = 64;
const PAGES_PER_LINK_MAX: usize = 8;

/// How long a registrar that just started asks other members where its own log ends before it
/// goes on from what it knows itself.
pub const OWN_LOG_WAIT: Duration = Duration::from_secs(3);

/// Something that may change the ledger.
#[derive(Debug)]
pub(super) enum Work {
    Credential { ticket: Ticket, peer: PublicKey, acts: Vec<Act>, groups: Vec<Arc<VerifiedGroup>> },
    Redeem { ticket: Ticket, redemption: Redemption },
    Adopt { ticket: Ticket, acts: Vec<Act>, groups: Vec<Arc<VerifiedGroup>> },
    Store { ticket: Ticket, group: Arc<VerifiedGroup> },
    StoreAct { ticket: Ticket, act: Act },
    Resign { ticket: Ticket, data: Vec<GroupId> },
    Page { link: LinkId, acts: Vec<Act>, groups: Vec<Arc<VerifiedGroup>> },
}

impl Work {
    const fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Credential { ticket, .. }
            | Self::Redeem { ticket, .. }
            | Self::Adopt { ticket, .. }
            | Self::Store { ticket, .. }
            | Self::StoreAct { ticket, .. }
            | Self::Resign { ticket, .. } => Some(*ticket),
            Self::Page { .. } => None,
        }
    }
}

/// A write that is on its way to the disk.
#[derive(Debug)]
pub(super) struct Pending {
    write: u64,
    ledger: Ledger,
    news: News,
    then: Then,
}

/// What a piece of work adds to the ledger.
#[derive(Debug, Default)]
struct News {
    acts: Vec<Act>,
    groups: Vec<Arc<VerifiedGroup>>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.acts.is_empty() && self.groups.is_empty()
    }

    fn records(&self) -> Vec<Record> {
        let acts = self.acts.iter().cloned().map(Record::Act);
        let groups = self.groups.iter().map(|group| Record::Group(group.group().clone()));
        acts.chain(groups).collect()
    }

    fn logs(&self) -> Vec<LogId> {
        let mut logs: Vec<LogId> = self.groups.iter().map(|group| group.header().log).collect();
        logs.sort_unstable();
        logs.dedup();
        logs
    }
}

/// What follows once it is on disk.
#[derive(Debug)]
enum Then {
    Answer(Ticket, Answer),
    Redeemed(Ticket),
    Resigned(Ticket),
    Confirm(LinkId),
}

impl Plant {
    pub(super) fn enqueue(&mut self, work: Work, effects: &mut Vec<Effect>) {
        let has_place = match &work {
            Work::Page { link, .. } => self.has_place_for_page(*link),
            asked => {
                let waiting = self.waiting.iter().filter(|work| work.ticket().is_some()).count();
                asked.ticket().is_none() || waiting < WAITING_MAX
            }
        };
        if has_place {
            self.waiting.push_back(work);
        } else if let Some(ticket) = work.ticket() {
            answer(ticket, Answer::Refused(Refusal::Busy), effects);
        }
    }

    fn has_place_for_page(&self, from: LinkId) -> bool {
        let pages = self.waiting.iter().filter_map(|work| match work {
            Work::Page { link, .. } => Some(*link),
            _ => None,
        });
        let links: Vec<LinkId> = pages.collect();
        let same = links.iter().filter(|link| **link == from).count();
        links.len() < PAGES_MAX && same < PAGES_PER_LINK_MAX
    }

    /// Takes up waiting work until something has to be written first.
    pub(super) fn take_up_work(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while self.pending.is_none() {
            let may_write = self.may_write_own_log(now);
            let writes_own_log =
                |work: &Work| matches!(work, Work::Redeem { .. } | Work::Resign { .. });
            let is_ready = |work: &Work| may_write || !writes_own_log(work);
            let Some(at) = self.waiting.iter().position(is_ready) else { return };
            let Some(work) = self.waiting.remove(at) else { return };
            self.begin(now, work, effects);
        }
    }

    pub(super) fn on_persisted(&mut self, now: Now, write: u64, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.take_if(|pending| pending.write == write) else { return };
        self.on_journal(None);
        self.watch_own_log(&pending);
        self.apply(pending.ledger, &pending.news);
        self.tell(&pending.news, &pending.then, effects);
        match pending.then {
            Then::Answer(ticket, done) => answer(ticket, done, effects),
            Then::Redeemed(ticket) => {
                self.has_written_own_log = true;
                self.answer_redeemed(ticket, effects);
            }
            Then::Resigned(ticket) => {
                self.has_written_own_log = true;
                self.begin_to_leave(ticket);
            }
            Then::Confirm(_) => {}
        }
        self.close_non_members(now, effects);
    }

    pub(super) fn on_persist_failed(
        &mut self,
        write: u64,
        cause: String,
        effects: &mut Vec<Effect>,
    ) {
        let Some(pending) = self.pending.take_if(|pending| pending.write == write) else { return };
        self.on_journal(Some(cause));
        match pending.then {
            Then::Answer(ticket, _) | Then::Resigned(ticket) => {
                answer(ticket, Answer::Refused(Refusal::NotStored), effects);
            }
            Then::Redeemed(ticket) => {
                answer(ticket, Answer::Refused(Refusal::RedeemerNotReady), effects);
            }
            Then::Confirm(_) => {}
        }
    }

    /// The journal answered a write.
    pub(super) fn on_journal(&mut self, trouble: Option<String>) {
        self.view_is_stale |= self.journal_trouble != trouble;
        self.journal_trouble = trouble;
    }

    /// Looks for groups of this node's own log that it did not write itself.
    fn watch_own_log(&mut self, pending: &Pending) {
        let shown_by = match pending.then {
            // What follows a redemption or a resignation is its own.
            Then::Redeemed(_) | Then::Resigned(_) => return,
            Then::Confirm(link) => {
                self.links.get(link).map(|link| (link.peer, link.address.clone()))
            }
            Then::Answer(..) => None,
        };
        let own = pending.news.groups.iter().filter(|group| group.header().log.author == self.me);
        for group in own {
            let life = group.header().incarnation;
            let written = self.has_written_own_log;
            self.view_is_stale |= self.lives.shown(LogKind::Trust, life, written, shown_by.clone());
        }
    }

    /// Builds the state that the journal's records describe.
    pub(super) fn replay(&mut self, records: Vec<Record>) {
        let mut ledger: Option<Ledger> = None;
        let mut groups = Vec::new();
        for record in records {
            match record {
                Record::Act(act) => match &mut ledger {
                    None => ledger = Ledger::found(act).ok(),
                    Some(ledger) => drop(ledger.merge_act(act)),
                },
                Record::Group(group) => {
                    if let Some(ledger) = &ledger
                        && let Ok(group) = group.verify(&ledger.plant())
                    {
                        groups.push(Arc::new(group));
                    }
                }
                Record::Incarnation(life) => self.lives.lived(life),
                Record::Addresses(addresses) => self.contacts.restore(addresses),
                Record::OwnData { groups } => self.data.had_written(groups),
            }
        }
        if let Some(mut ledger) = ledger {
            drop(ledger.merge_groups(groups));
            self.apply(ledger, &News::default());
        }
    }

    /// Whether the node knows where its own log ends, or has asked long enough.
    fn may_write_own_log(&self, now: Now) -> bool {
        let alone = self.roster.as_ref().is_none_or(|roster| roster.members().len() <= 1);
        let has_asked = now.tick >= OWN_LOG_WAIT || self.has_written_own_log;
        alone || has_asked || self.has_all_ends_of_own_log()
    }

    /// Whether members said where logs end, and nobody names an end of this node's own log that is
    /// not here.
    fn has_all_ends_of_own_log(&self) -> bool {
        let own = LogId { author: self.me, kind: LogKind::Trust };
        let copy = self.ledger.as_ref().and_then(|ledger| ledger.log(&self.me));
        let is_here = |leaf: &GroupId| copy.is_some_and(|copy| copy.contains(leaf));
        let told = self.links.in_use().map(|(_, link)| &link.leaves);
        let mut told = told.filter(|logs| !logs.is_empty()).peekable();
        told.peek().is_some()
            && told.all(|logs| logs.get(&own).is_none_or(|ends| ends.iter().all(is_here)))
    }

    fn begin(&mut self, now: Now, work: Work, effects: &mut Vec<Effect>) {
        match work {
            Work::Credential { ticket, peer, acts, groups } => {
                self.begin_credential(now, ticket, &peer, acts, groups, effects);
            }
            Work::Redeem { ticket, redemption } => {
                self.begin_redeem(now, ticket, &redemption, effects);
            }
            Work::Adopt { ticket, acts, groups } => {
                self.begin_adopt(ticket, acts, groups, effects);
            }
            Work::Store { ticket, group } => self.begin_store(ticket, group, effects),
            Work::StoreAct { ticket, act } => self.begin_store_act(ticket, act, effects),
            Work::Resign { ticket, data } => self.begin_resign(now, ticket, data, effects),
            Work::Page { link, acts, groups } => {
                let Some(mut copy) = self.ledger.as_deref().cloned() else { return };
                let news = merge(&mut copy, acts, groups);
                if news.is_empty() {
                    return;
                }
                self.persist(copy, news, Then::Confirm(link), effects);
            }
        }
    }

    fn begin_credential(
        &mut self,
        now: Now,
        ticket: Ticket,
        peer: &PublicKey,
        acts: Vec<Act>,
        groups: Vec<Arc<VerifiedGroup>>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut copy) = self.ledger.as_deref().cloned() else {
            return answer(ticket, Answer::Refused(Refusal::NotAdmitted), effects);
        };
        let news = merge(&mut copy, acts, groups);
        if let Err(refusal) = standing(&self.roster_of(&copy, &news), peer, now) {
            return answer(ticket, Answer::Refused(refusal), effects);
        }
        if news.is_empty() {
            return answer(ticket, Answer::Admitted, effects);
        }
        self.persist(copy, news, Then::Answer(ticket, Answer::Admitted), effects);
    }

    fn begin_redeem(
        &mut self,
        now: Now,
        ticket: Ticket,
        redemption: &Redemption,
        effects: &mut Vec<Effect>,
    ) {
        let (Some(ledger), Some(roster)) = (&self.ledger, &self.roster) else {
            return answer(ticket, Answer::Refused(Refusal::NotAdmitted), effects);
        };
        match redeem::decide(roster, &self.me, now.wall, redemption) {
            Err(refusal) => answer(ticket, Answer::Refused(refusal), effects),
            Ok(Decision::Stands(_)) => self.answer_redeemed(ticket, effects),
            Ok(Decision::Admit(entry)) => {
                let mut copy = Ledger::clone(ledger);
                match self.write(&mut copy, &entry) {
                    Ok(group) => {
                        let news = News { acts: Vec::new(), groups: vec![group] };
                        self.persist(copy, news, Then::Redeemed(ticket), effects);
                    }
                    Err(refusal) => answer(ticket, Answer::Refused(refusal), effects),
                }
            }
        }
    }

    fn begin_adopt(
        &mut self,
        ticket: Ticket,
        acts: Vec<Act>,
        groups: Vec<Arc<VerifiedGroup>>,
        effects: &mut Vec<Effect>,
    ) {
        let mut acts = acts.into_iter();
        let shown = acts.next().and_then(|genesis| {
            let ledger = Ledger::found(genesis.clone()).ok()?;
            Some((ledger, genesis))
        });
        let Some((shown, genesis)) = shown else {
            return answer(ticket, Answer::Refused(Refusal::Protocol), effects);
        };
        // The groups were verified for the plant that is shown. Keys may be the same in another.
        let (mut copy, genesis) = match self.ledger.as_deref() {
            None => (shown, Some(genesis)),
            Some(ledger) if ledger.plant() == shown.plant() => (ledger.clone(), None),
            Some(_) => return answer(ticket, Answer::Refused(Refusal::OtherPlant), effects),
        };
        let mut news = merge(&mut copy, acts.collect(), groups);
        if Roster::of(&copy).member(&self.me).is_none() {
            return answer(ticket, Answer::Refused(Refusal::NotAMember), effects);
        }
        if let Some(genesis) = genesis {
            news.acts.insert(0, genesis);
        }
        if news.is_empty() {
            return answer(ticket, Answer::Adopted, effects);
        }
        self.persist(copy, news, Then::Answer(ticket, Answer::Adopted), effects);
    }

    fn begin_store(
        &mut self,
        ticket: Ticket,
        group: Arc<VerifiedGroup>,
        effects: &mut Vec<Effect>,
    ) {
        let (Some(ledger), Some(roster)) = (&self.ledger, &self.roster) else {
            return answer(ticket, Answer::Refused(Refusal::NotAMember), effects);
        };
        let (id, author) = (group.id(), group.header().log.author);
        if !roster.is_admin(&author) {
            return answer(ticket, Answer::Refused(Refusal::NotAuthorised), effects);
        }
        let mut copy = Ledger::clone(ledger);
        match copy.merge_group(&group) {
            Ok(Inserted::Known) => answer(ticket, Answer::Stored(id), effects),
            Ok(Inserted::Apart) => {
                answer(ticket, Answer::Refused(Refusal::MissingParent), effects);
            }
            Ok(Inserted::Dropped) => {
                answer(ticket, Answer::Refused(Refusal::LogFull), effects);
            }
            // Void for everybody, so nobody may take it for stored.
            Ok(Inserted::New) if !entries_of(&group).all(|entry| entry.is_within_bound()) => {
                answer(ticket, Answer::Refused(Refusal::LogFull), effects);
            }
            Ok(Inserted::New) => {
                let news = News { acts: Vec::new(), groups: vec![group] };
                self.persist(copy, news, Then::Answer(ticket, Answer::Stored(id)), effects);
            }
            Err(refusal) => answer(ticket, Answer::Refused(refusal_of(&refusal)), effects),
        }
    }

    fn begin_store_act(&mut self, ticket: Ticket, act: Act, effects: &mut Vec<Effect>) {
        let Some(ledger) = &self.ledger else {
            return answer(ticket, Answer::Refused(Refusal::NotAMember), effects);
        };
        let mut copy = Ledger::clone(ledger);
        match copy.merge_act(act.clone()) {
            Ok(false) => answer(ticket, Answer::StoredAct, effects),
            Ok(true) => {
                let news = News { acts: vec![act], groups: Vec::new() };
                self.persist(copy, news, Then::Answer(ticket, Answer::StoredAct), effects);
            }
            Err(MergeRefusal::Act(_)) => {
                answer(ticket, Answer::Refused(Refusal::NotAuthorised), effects);
            }
            Err(refusal) => answer(ticket, Answer::Refused(refusal_of(&refusal)), effects),
        }
    }

    fn begin_resign(
        &mut self,
        now: Now,
        ticket: Ticket,
        data: Vec<GroupId>,
        effects: &mut Vec<Effect>,
    ) {
        let (Some(ledger), Some(roster)) = (&self.ledger, &self.roster) else {
            return answer(ticket, Answer::Refused(Refusal::NotAMember), effects);
        };
        if let Err(refusal) = standing(roster, &self.me, now) {
            return answer(ticket, Answer::Refused(refusal), effects);
        }
        let mut copy = Ledger::clone(ledger);
        match self.write(&mut copy, &leaving::resignation(self.me, now.wall, data)) {
            Ok(group) => {
                let news = News { acts: Vec::new(), groups: vec![group] };
                self.persist(copy, news, Then::Resigned(ticket), effects);
            }
            Err(refusal) => answer(ticket, Answer::Refused(refusal), effects),
        }
    }

    /// Where the own trust log goes on: behind what this life wrote, or else an earlier one that the
    /// journal knows. What stands beside it may be a thief's, and what is signed on top of that would
    /// keep it in every later cut.
    fn own_trust_end(&self, log: &Log) -> Option<Tip> {
        let tips = log.tips();
        let life = |tip: &Tip| Some(log.get(&tip.group)?.header().incarnation);
        let current = |tip: &&Tip| life(tip) == Some(self.lives.current());
        let own = |tip: &&Tip| life(tip).is_some_and(|life| self.lives.is_own(&life));
        let behind = tips.iter().find(current).or_else(|| tips.iter().find(own));
        behind.or(tips.first()).copied()
    }

    /// Signs an entry onto this node's own trust log, in a copy of the ledger.
    fn write(
        &mut self,
        copy: &mut Ledger,
        entry: &TrustEntry,
    ) -> Result<Arc<VerifiedGroup>, Refusal> {
        let acting_under = self.roster.as_ref().and_then(|roster| roster.acting_under(&self.me));
        let log = LogId { author: self.me, kind: LogKind::Trust };
        let after: Vec<Tip> =
            copy.log(&self.me).and_then(|log| self.own_trust_end(log)).into_iter().collect();
        // A record beyond the bound is void for everybody, and an answer to it would be a lie.
        if after.iter().any(|tip| tip.entries >= TRUST_RECORDS_MAX) {
            return Err(Refusal::LogFull);
        }
        let draft = Draft {
            log,
            incarnation: self.lives.current(),
            after,
            acting_under: acting_under.ok_or(Refusal::NotAMember)?,
            salt: Salt(self.random.bytes()),
            entries: vec![codec::encode(entry)],
        };
        let group = Group::write(&self.key, &copy.plant(), draft).map_err(|_| Refusal::LogFull)?;
        let group = Arc::new(group);
        copy.merge_group(&group).map_err(|refusal| refusal_of(&refusal))?;
        Ok(group)
    }

    fn persist(&mut self, ledger: Ledger, news: News, then: Then, effects: &mut Vec<Effect>) {
        self.writes += 1;
        let write = self.writes;
        effects.push(Effect::Persist { write, records: news.records() });
        self.pending = Some(Pending { write, ledger, news, then });
    }

    fn apply(&mut self, ledger: Ledger, news: &News) {
        self.roster = Some(Arc::new(self.roster_of(&ledger, news)));
        self.ledger = Some(Arc::new(ledger));
        self.on_roster();
    }

    /// The roster of a copy of the ledger to which these news were added.
    fn roster_of(&self, copy: &Ledger, news: &News) -> Roster {
        match (&self.ledger, &self.roster) {
            (Some(ledger), Some(roster)) => roster.next(ledger, copy, &news.groups),
            _ => Roster::of(copy),
        }
    }

    /// Passes news on: the records themselves where they began, elsewhere where the logs now end.
    fn tell(&self, news: &News, then: &Then, effects: &mut Vec<Effect>) {
        let is_origin = !matches!(then, Then::Confirm(_));
        let begins_here = is_origin && news.acts.is_empty();
        let groups: Vec<_> = news.groups.iter().filter(|_| begins_here).collect();
        let pages = pages(Vec::new(), &groups);
        for link in self.links.ids() {
            send_pages(link, pages.clone(), effects);
            self.send_heads_of(&news.logs(), link, effects);
            if !news.acts.is_empty()
                && let Some(ledger) = &self.ledger
            {
                let acts = ControlFrame::Acts(Bounded::first_of(ledger.act_ids()));
                effects.push(Effect::Send { link, frame: acts });
            }
        }
    }

    fn answer_redeemed(&self, ticket: Ticket, effects: &mut Vec<Effect>) {
        let pages = self.ledger.as_ref().map(|ledger| ledger.pages()).unwrap_or_default();
        answer(ticket, Answer::Redeemed(pages), effects);
    }
}

/// Whether a peer is a member at this moment, and if not, why.
///
/// # Errors
/// The exact reason; who may hear it is for the caller to decide.
pub fn standing(roster: &Roster, peer: &PublicKey, now: Now) -> Result<(), Refusal> {
    if roster.member_at(peer, now.wall).is_some() {
        return Ok(());
    }
    if roster.revoked().contains_key(peer) {
        return Err(Refusal::Revoked);
    }
    if roster.member(peer).is_some() {
        return Err(Refusal::MembershipEnded);
    }
    Err(Refusal::NotAMember)
}

/// Merges what fits, in order; what does not fit is not this peer's to tell.
fn merge(ledger: &mut Ledger, acts: Vec<Act>, groups: Vec<Arc<VerifiedGroup>>) -> News {
    let mut news = News::default();
    for act in acts {
        if ledger.merge_act(act.clone()) == Ok(true) {
            news.acts.push(act);
        }
    }
    news.groups = ledger.merge_groups(groups);
    news
}

fn refusal_of(refusal: &MergeRefusal) -> Refusal {
    match refusal {
        MergeRefusal::UnknownAuthor { .. } | MergeRefusal::UnknownRoot { .. } => {
            Refusal::UnknownAuthor
        }
        MergeRefusal::Store(StoreRefusal::MissingParent { .. }) => Refusal::MissingParent,
        MergeRefusal::Full { .. } | MergeRefusal::TooManyActs => Refusal::LogFull,
        MergeRefusal::NotTrust
        | MergeRefusal::TooLarge { .. }
        | MergeRefusal::Act(_)
        | MergeRefusal::Store(_) => Refusal::Protocol,
    }
}

pub(super) fn answer(ticket: Ticket, answer: Answer, effects: &mut Vec<Effect>) {
    effects.push(Effect::Answer { ticket, answer });
}
