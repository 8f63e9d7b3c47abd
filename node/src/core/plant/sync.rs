//! What members tell each other over the control lane: heads, pulls, pages, addresses, interest.
//!
//! A node says where its copies of the trust logs end when a link comes up, and again for the logs
//! that changed. Whoever sees an end that it does not know pulls what leads there. A new record
//! goes from its first holder to every link at once; everybody else passes on only where the log
//! now ends. Saying where a log ends also confirms that it is on disk.

use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::{GroupId, PublicKey, RecordId};
use gearmesh_protocol::limits::{ADDRESS_BOOK_MAX, HEADS_PAGE_MAX};
use gearmesh_protocol::log::{LogId, LogKind};
use gearmesh_protocol::plant::{Address, ControlFrame, LedgerPage, LogHeads, MemberAddresses};
use gearmesh_protocol::topic::TopicFilter;

use super::contacts::Word;
use super::links::Link;
use super::{Effect, LinkId, Now, Plant};

/// How often heads are repeated to a member that is not in step.
pub(super) const HEADS_AGAIN: Duration = Duration::from_secs(5);

/// How long a group that somebody was asked for, or sent, is not asked for again.
pub(super) const COMING_FOR: Duration = Duration::from_secs(2);

/// Groups of which that is remembered.
const COMING_MAX: usize = 4096;

impl Plant {
    /// Everything that a new link should know.
    pub(super) fn greet(&self, now: Now, link: LinkId, effects: &mut Vec<Effect>) {
        let beat = ControlFrame::Beat { number: 0, seen: 0 };
        effects.push(Effect::Send { link, frame: beat });
        effects.push(Effect::Send { link, frame: self.interest_frame() });
        self.send_addresses(link, effects);
        self.send_heads(link, effects);
        self.send_sightings(link, now.tick, effects);
    }

    pub(super) fn on_frame(
        &mut self,
        now: Now,
        link: LinkId,
        frame: ControlFrame,
        effects: &mut Vec<Effect>,
    ) {
        self.links.heard(link, now.tick);
        match frame {
            ControlFrame::Beat { number, seen } => {
                if let Some((peer, one, other)) = self.links.beat(link, number, seen) {
                    self.clones.insert(peer, (one, other));
                    self.view_is_stale = true;
                }
                self.links.join_in(now.tick, effects);
            }
            ControlFrame::Interest { filters } => {
                if let Some(link) = self.links.get_mut(link) {
                    link.interest = filters.into_vec().into();
                    self.view_is_stale = true;
                }
            }
            ControlFrame::Addresses(book) => {
                self.on_addresses(now, link, book.into_vec(), effects);
            }
            ControlFrame::Heads(heads) => self.on_heads(now, link, heads.into_vec(), effects),
            ControlFrame::Acts(acts) => self.on_acts(link, acts.into_vec(), effects),
            ControlFrame::Pull { .. } | ControlFrame::PullActs if !self.links.takes_pull(link) => {}
            ControlFrame::Pull { log, have } => self.on_pull(link, &log, &have, effects),
            ControlFrame::PullActs => {
                let pages = self.ledger.as_ref().map(|ledger| ledger.act_pages());
                send_pages(link, pages.unwrap_or_default(), effects);
            }
            ControlFrame::Bye => {
                self.links.goodbye(link, now.tick);
                self.view_is_stale = true;
            }
            ControlFrame::Presence(told) => self.on_sightings(link, &told, now.tick),
            // The shell verifies pages first; they arrive as another input.
            ControlFrame::Ledger(_) => {}
        }
    }

    pub(super) fn on_interest(
        &mut self,
        now: Now,
        filters: Vec<TopicFilter>,
        effects: &mut Vec<Effect>,
    ) {
        if self.interest == filters {
            return;
        }
        self.interest = filters;
        self.want_followed();
        let frame = self.interest_frame();
        let send = |link| Effect::Send { link, frame: frame.clone() };
        effects.extend(self.links.ids().map(send));
        self.dial(now, effects);
    }

    fn interest_frame(&self) -> ControlFrame {
        ControlFrame::Interest { filters: Bounded::first_of(self.interest.iter().cloned()) }
    }

    /// Own and known addresses.
    fn send_addresses(&self, link: LinkId, effects: &mut Vec<Effect>) {
        let Some(roster) = &self.roster else { return };
        let others = self.contacts.of_members(roster);
        self.send_book(link, std::iter::once(self.own_addresses()).chain(others), effects);
    }

    /// Where this node itself may be reached.
    pub(super) fn send_own_addresses(&self, link: LinkId, effects: &mut Vec<Effect>) {
        if self.roster.is_some() {
            self.send_book(link, std::iter::once(self.own_addresses()), effects);
        }
    }

    fn own_addresses(&self) -> MemberAddresses {
        let addresses = Bounded::first_of(self.listening.iter().cloned());
        MemberAddresses { member: self.me, addresses }
    }

    /// Loopback addresses go only to nodes on this host.
    fn send_book(
        &self,
        link: LinkId,
        book: impl Iterator<Item = MemberAddresses>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(to) = self.links.get(link) else { return };
        let same_host = is_loopback(&to.address);
        let usable = book.filter(|entry| entry.member != to.peer).filter_map(|entry| {
            let fits = |address: &Address| same_host || !is_loopback(address);
            let addresses: Vec<Address> = entry.addresses.into_iter().filter(fits).collect();
            let addresses = Bounded::first_of(addresses);
            (!addresses.is_empty()).then_some(MemberAddresses { member: entry.member, addresses })
        });
        let entries: Vec<MemberAddresses> = usable.collect();
        for page in entries.chunks(ADDRESS_BOOK_MAX) {
            let frame = ControlFrame::Addresses(Bounded::first_of(page.iter().cloned()));
            effects.push(Effect::Send { link, frame });
        }
    }

    /// Learns addresses, and passes on what is news: where all are linked with all, what a member
    /// says of itself, since two members that both know a third would else never hear where the
    /// other moved; in a larger plant what anybody says, once, so that it gets to all.
    fn on_addresses(
        &mut self,
        now: Now,
        link: LinkId,
        book: Vec<MemberAddresses>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(from) = self.links.get(link) else { return };
        let (peer, same_host) = (from.peer, is_loopback(&from.address));
        let passes_hearsay = !self.wanted.is_full_mesh();
        let mut moved = false;
        for entry in book {
            let is_own = entry.member == peer;
            let word = if is_own { Word::FirstHand } else { Word::Hearsay };
            for address in entry.addresses {
                // A member on another host cannot know what answers on our loopback.
                if !same_host && is_loopback(&address) {
                    continue;
                }
                let known = (self.roster.as_deref(), &*self.wanted);
                if !self.contacts.learn(entry.member, address, word, known, now.tick) {
                    continue;
                }
                moved |= is_own;
                if is_own || passes_hearsay {
                    self.moved.insert(entry.member, peer);
                }
            }
        }
        if moved && self.links.takes_note(link) {
            let record = self.contacts.record(peer);
            effects.push(Effect::Note { records: record.into_iter().collect() });
        }
        self.dial(now, effects);
    }

    /// Tells everybody the addresses that changed since the last tick, once.
    pub(super) fn repeat_addresses(&mut self, effects: &mut Vec<Effect>) {
        let moved = std::mem::take(&mut self.moved);
        let Some(roster) = self.roster.as_ref().filter(|_| !moved.is_empty()) else { return };
        let moved = moved.iter().filter(|(member, _)| roster.member(member).is_some());
        let news: Vec<(MemberAddresses, PublicKey)> =
            moved.filter_map(|(member, by)| Some((self.contacts.of(member)?, *by))).collect();
        for (link, peer) in self.links.peers() {
            let book = news.iter().filter(|(_, by)| *by != peer).map(|(entry, _)| entry.clone());
            self.send_book(link, book, effects);
        }
    }

    fn send_heads(&self, link: LinkId, effects: &mut Vec<Effect>) {
        let Some(ledger) = &self.ledger else { return };
        let acts: Vec<RecordId> = ledger.act_ids().collect();
        let acts = ControlFrame::Acts(Bounded::first_of(acts));
        effects.push(Effect::Send { link, frame: acts });
        let heads: Vec<LogHeads> =
            ledger.logs().into_iter().map(|log| heads_of(log.id(), log)).collect();
        for page in heads.chunks(HEADS_PAGE_MAX) {
            let frame = ControlFrame::Heads(Bounded::first_of(page.iter().cloned()));
            effects.push(Effect::Send { link, frame });
        }
    }

    /// Says where some logs end now.
    pub(super) fn send_heads_of(&self, logs: &[LogId], link: LinkId, effects: &mut Vec<Effect>) {
        let Some(ledger) = &self.ledger else { return };
        let heads = logs.iter().filter_map(|log| Some(heads_of(*log, ledger.log(&log.author)?)));
        let frame = ControlFrame::Heads(Bounded::first_of(heads));
        effects.push(Effect::Send { link, frame });
    }

    /// Repeats the heads to members that did not confirm them.
    pub(super) fn repeat_heads(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.tick.saturating_sub(self.last_heads) < HEADS_AGAIN {
            return;
        }
        self.last_heads = now.tick;
        let behind: Vec<LinkId> = self
            .links
            .in_use()
            .filter(|(_, link)| !self.is_in_step(link))
            .map(|(id, _)| id)
            .collect();
        behind.into_iter().for_each(|link| self.send_heads(link, effects));
    }

    fn on_heads(
        &mut self,
        now: Now,
        link: LinkId,
        heads: Vec<LogHeads>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(ledger) = self.ledger.clone() else { return };
        let remembered_max = ledger.logs_by_key().count() + HEADS_PAGE_MAX;
        for LogHeads { log, leaves } in heads {
            if log.kind != LogKind::Trust {
                continue;
            }
            let leaves = leaves.into_vec();
            let copy = ledger.log(&log.author);
            let is_here = |leaf: &GroupId| copy.is_some_and(|copy| copy.contains(leaf));
            let is_coming = |leaf: &GroupId| {
                let coming = self.coming.get(&(log.author, *leaf));
                coming.is_some_and(|(_, until)| now.tick < *until)
            };
            if !leaves.iter().all(|leaf| is_here(leaf) || is_coming(leaf)) {
                self.will_come(leaves.iter().map(|leaf| (log.author, *leaf)), link, now.tick);
                let have = copy.map(|copy| copy.locator()).unwrap_or_default();
                let frame = ControlFrame::Pull { log, have: Bounded::first_of(have) };
                effects.push(Effect::Send { link, frame });
            }
            if let Some(link) = self.links.get_mut(link) {
                // A log of which nothing is here may be on its way, or invented.
                let is_bounded = copy.is_some() || link.leaves.len() < remembered_max;
                if is_bounded || link.leaves.contains_key(&log) {
                    link.leaves.insert(log, leaves);
                }
            }
        }
        self.view_is_stale = true;
    }

    /// Groups are on their way here; others that have them are not asked for a while.
    pub(super) fn will_come(
        &mut self,
        groups: impl Iterator<Item = (PublicKey, GroupId)>,
        from: LinkId,
        now: Duration,
    ) {
        if self.coming.len() >= COMING_MAX {
            self.coming.retain(|_, (_, until)| now < *until);
        }
        let places = COMING_MAX - self.coming.len();
        self.coming.extend(groups.take(places).map(|group| (group, (from, now + COMING_FOR))));
    }

    fn on_acts(&mut self, link: LinkId, acts: Vec<RecordId>, effects: &mut Vec<Effect>) {
        let Some(ledger) = &self.ledger else { return };
        let known: Vec<RecordId> = ledger.act_ids().collect();
        if acts.iter().any(|act| !known.contains(act)) {
            effects.push(Effect::Send { link, frame: ControlFrame::PullActs });
        }
        if let Some(link) = self.links.get_mut(link) {
            link.acts = Some(acts);
        }
        self.view_is_stale = true;
    }

    fn on_pull(&self, link: LinkId, log: &LogId, have: &[GroupId], effects: &mut Vec<Effect>) {
        let pages = self.ledger.as_ref().map(|ledger| ledger.pages_beyond(log, have));
        send_pages(link, pages.unwrap_or_default(), effects);
    }

    /// Whether the member at the other end said that its ledger equals ours.
    pub(super) fn is_in_step(&self, link: &Link) -> bool {
        let Some(ledger) = &self.ledger else { return false };
        let acts_equal =
            link.acts.as_ref().is_some_and(|acts| ledger.act_ids().eq(acts.iter().copied()));
        acts_equal
            && ledger.logs_by_key().all(|log| {
                link.leaves.get(&log.id()).is_some_and(|leaves| log.leaves().iter().eq(leaves))
            })
    }
}

fn heads_of(log: LogId, copy: &super::log::Log) -> LogHeads {
    LogHeads { log, leaves: Bounded::first_of(copy.leaves().iter().copied()) }
}

pub(super) fn send_pages(link: LinkId, pages: Vec<LedgerPage>, effects: &mut Vec<Effect>) {
    let frame = |page| Effect::Send { link, frame: ControlFrame::Ledger(page) };
    effects.extend(pages.into_iter().map(frame));
}

fn is_loopback(address: &Address) -> bool {
    let text = address.as_str();
    text.starts_with("/ip4/127.") || text.starts_with("/ip6/::1/")
}
