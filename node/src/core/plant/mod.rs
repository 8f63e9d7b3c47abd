//! The plant plane: the closed mesh of one company.
//!
//! [`Plant`] is the state of one node in it. The shell feeds it [`Input`]s and carries out the
//! [`Effect`]s it returns, in order. Everything it knows about the outside came in through an
//! input; signatures were checked before (`VerifiedGroup` is the evidence), outside the loop that
//! drives this state.
//!
//! ```text
//!   work      one write at a time: merge, redeem, adopt ── Persist ─► Persisted ─► effects
//!   links     which connection stays, who is alive
//!   overlay   whom a node of a large plant keeps links to
//!   presence  how members stand to whom there is no link
//!   contacts  where members may be reached, and when to dial again
//!   sync      heads, pulls and pages between members
//!   commands  what machines ask each other to do: at the target, and at the caller
//!   items     work items: at the node that offers them, and at those that do them
//!   leases    who may use what is wired to a machine: at the arbiter, and at the holder
//!   data      what must not be lost: the own log, copies of others', acks
//!   lives     groups of this node's key that it did not write
//!   why       what is wrong with a member, in sentences
//!   view      the snapshot that the data path and the local API read
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey};
use gearmesh_protocol::lease::Resource;
use gearmesh_protocol::plant::{Address, ControlFrame};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::TopicFilter;

use super::clock::Now;
use super::random::Random;
use super::record::Record;

pub mod audit;
pub mod chain;
pub mod claimable;
pub mod commands;
pub mod contacts;
mod contract;
pub mod data;
pub mod evidence;
pub mod followers;
pub mod invited;
pub mod items;
pub mod leases;
mod leaving;
pub mod ledger;
pub mod links;
pub mod lives;
pub mod log;
mod mesh;
pub mod nearby;
pub mod news;
pub mod overlay;
pub mod presence;
pub mod redeem;
pub mod report;
pub mod roots;
pub mod roster;
pub mod standing;
mod sync;
pub mod view;
pub mod visiting;
pub mod why;
mod work;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;

use chain::Extent;
use commands::Commands;
use contacts::{Contacts, Word};
use data::{Data, Keep};
use items::Items;
use leases::Leases;
use leaving::Leaving;
use ledger::{Held, Ledger};
use links::{Links, LivesAt};
use lives::Lives;
use overlay::Wanted;
use presence::Sightings;
use roster::Roster;
use work::{Pending, Work};

pub use contract::{Answer, CloseReason, Effect, Input, LinkId, LinkUp, Ticket};
pub use work::{OWN_LOG_WAIT, standing};

/// How often the shell sends [`Input::Tick`].
pub const TICK: Duration = Duration::from_millis(250);

/// How long a node that was thrown out keeps its links, so that the record that says so gets from
/// it to the others: an admin may have typed it here. And so long it listens to a member that takes
/// it for one still.
pub const OWN_FAREWELL: Duration = Duration::from_secs(1);

/// What a node is when it starts.
#[derive(Debug)]
pub struct Start {
    /// The node's key.
    pub key: SigningKey,
    /// This life of the node.
    pub incarnation: Incarnation,
    /// Where randomness comes from.
    pub random: Random,
    /// What the journal held, in its order.
    pub records: Vec<Record>,
    /// What there is of data logs, as the store found them.
    pub data: BTreeMap<PublicKey, Extent>,
    /// The ends of the own data log and the lives that wrote them, the oldest branch first.
    pub own_ends: Vec<(GroupId, Incarnation)>,
    /// How much of data logs is kept, and for how long.
    pub keep: Keep,
    /// Addresses to dial whoever answers there.
    pub seeds: Vec<Address>,
    /// What is wired to this machine and given away here.
    pub resources: Vec<Resource>,
}

/// One node's state in the plant. The contract is in [`crate::core`].
#[derive(Debug)]
pub struct Plant {
    me: PublicKey,
    key: SigningKey,
    random: Random,
    ledger: Option<Arc<Ledger>>,
    roster: Option<Arc<Roster>>,
    links: Links,
    contacts: Contacts,
    interest: Vec<TopicFilter>,
    listening: Vec<Address>,
    /// The write under way, if any; what follows waits in order.
    pending: Option<Pending>,
    waiting: VecDeque<Work>,
    writes: u64,
    last_tick: Duration,
    last_heads: Duration,
    /// Since when this node is no member any more.
    out_since: Option<Duration>,
    /// Who asked this node to leave its plant, until it has.
    leaving: Option<Leaving>,
    /// Members whose addresses became known since the last tick, and who told.
    moved: BTreeMap<PublicKey, PublicKey>,
    /// Groups that are on their way here: from whom, and until when that is believed.
    coming: BTreeMap<(PublicKey, GroupId), (LinkId, Duration)>,
    wanted: Arc<Wanted>,
    sightings: Sightings,
    bridged_at: Option<Duration>,
    /// Links that were closed since there was no place for them.
    links_refused: u64,
    /// Whether somebody stands otherwise since the last tick.
    away_changed: bool,
    /// Whether this life of the node has extended its own log: then it knows where it ends.
    has_written_own_log: bool,
    refused_by: Option<Refusal>,
    clones: BTreeMap<PublicKey, (LivesAt, LivesAt)>,
    lives: Lives,
    data: Data,
    commands: Commands,
    leases: Leases,
    items: Items,
    /// Why the last write failed, if it did.
    journal_trouble: Option<String>,
    /// Whether the disk has no room but what is held back.
    disk_is_short: bool,
    view_is_stale: bool,
}

impl Plant {
    /// The state that follows from a journal. Records that do not fit are skipped: what is
    /// missing comes again from other members.
    #[must_use]
    pub fn restore(start: Start) -> Self {
        let me = PublicKey::of(&start.key);
        let has_own_log = start.data.contains_key(&me);
        let leases = Leases::beside(has_own_log, start.incarnation, me, start.resources);
        let items = Items::beside(has_own_log, start.incarnation);
        let mut plant = Self {
            me,
            key: start.key,
            random: start.random,
            ledger: None,
            roster: None,
            links: Links::new(me),
            contacts: Contacts::new(me, start.seeds),
            interest: Vec::new(),
            listening: Vec::new(),
            pending: None,
            waiting: VecDeque::new(),
            writes: 0,
            last_tick: Duration::ZERO,
            last_heads: Duration::ZERO,
            out_since: None,
            leaving: None,
            moved: BTreeMap::new(),
            coming: BTreeMap::new(),
            wanted: Arc::new(Wanted::nobody_knows()),
            sightings: Sightings::new(me),
            bridged_at: None,
            links_refused: 0,
            away_changed: false,
            has_written_own_log: false,
            refused_by: None,
            clones: BTreeMap::new(),
            lives: Lives::new(start.incarnation),
            commands: Commands::beside(has_own_log),
            leases,
            items,
            data: Data::holding(start.data, start.own_ends, start.keep),
            journal_trouble: None,
            disk_is_short: false,
            view_is_stale: true,
        };
        plant.replay(start.records);
        plant.await_confirmation();
        plant
    }

    /// The node's key.
    #[must_use]
    pub const fn me(&self) -> PublicKey {
        self.me
    }

    /// The ledger, once the node has joined.
    #[must_use]
    pub fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_deref()
    }

    /// The roster, once the node has joined.
    #[must_use]
    pub fn roster(&self) -> Option<&Roster> {
        self.roster.as_deref()
    }

    /// What this node holds, for others in the same process.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        let (ledger, roster) = (self.ledger.clone()?, self.roster.clone()?);
        Some(Held { ledger, roster })
    }

    /// Holds what another node in the same process holds: as its first state, or in place of its
    /// own if the ends of all logs are the same. Whether it does.
    pub fn share(&mut self, held: &Held) -> bool {
        if let Some(own) = &self.ledger {
            let is_same = own.plant() == held.ledger.plant()
                && own.act_ids().eq(held.ledger.act_ids())
                && own.ends().eq(held.ledger.ends());
            if is_same {
                self.ledger = Some(Arc::clone(&held.ledger));
                self.roster = Some(Arc::clone(&held.roster));
            }
            return is_same;
        }
        self.ledger = Some(Arc::clone(&held.ledger));
        self.roster = Some(Arc::clone(&held.roster));
        self.on_roster();
        true
    }

    /// Takes one input and says what is to be done about it.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.handle_all(now, [input])
    }

    /// Takes all inputs that have come meanwhile: what they want written goes into one group.
    pub fn handle_all(&mut self, now: Now, inputs: impl IntoIterator<Item = Input>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for input in inputs {
            self.dispatch(now, input, &mut effects);
            self.take_up_work(now, &mut effects);
        }
        self.write_group(now, &mut effects);
        if self.view_is_stale {
            self.view_is_stale = false;
            effects.push(Effect::Publish(Arc::new(self.view())));
        }
        effects
    }

    fn dispatch(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Tick => self.on_tick(now, effects),
            Input::Credential { ticket, peer, acts, groups } => {
                self.enqueue(Work::Credential { ticket, peer, acts, groups }, effects);
            }
            Input::Redeem { ticket, redemption } => {
                self.enqueue(Work::Redeem { ticket, redemption }, effects);
            }
            Input::Adopt { ticket, acts, groups } => {
                self.enqueue(Work::Adopt { ticket, acts, groups }, effects);
            }
            Input::Store { ticket, group } => {
                self.enqueue(Work::Store { ticket, group }, effects);
            }
            Input::Resign { ticket, data } => {
                self.enqueue(Work::Resign { ticket, data }, effects);
            }
            Input::StoreAct { ticket, act } => {
                self.enqueue(Work::StoreAct { ticket, act }, effects);
            }
            Input::Page { link, acts, groups } => {
                self.links.heard(link, now.tick);
                let ids = groups.iter().map(|group| (group.header().log.author, group.id()));
                self.will_come(ids, link, now.tick);
                self.enqueue(Work::Page { link, acts, groups }, effects);
            }
            Input::LinkUp(up) => self.on_link_up(now, &up, effects),
            Input::LinkDown { link } => self.on_link_down(now, link, effects),
            Input::Frame { link, frame } => self.on_frame(now, link, frame, effects),
            Input::DiskRoom { is_short } => {
                self.view_is_stale |= self.disk_is_short != is_short;
                self.disk_is_short = is_short;
            }
            Input::Interest { filters } => self.on_interest(now, filters, effects),
            Input::Discovered { peer, address } => {
                let known = (self.roster.as_deref(), &*self.wanted);
                self.contacts.learn(peer, address, Word::FirstHand, known, now.tick);
            }
            Input::Reached { peer, address } => self.on_reached(peer, &address, effects),
            Input::Listening { addresses } => self.on_listening(addresses, effects),
            Input::DialFailed { peer, address, refusal } => {
                self.on_dial_failed(now, peer, address.as_ref(), refusal);
            }
            Input::Persisted { write } => self.on_persisted(now, write, effects),
            Input::PersistFailed { write, cause } => self.on_persist_failed(write, cause, effects),
            Input::Noted { trouble } => self.on_journal(trouble),
            Input::Data(input) => self.on_data(now, input, effects),
            Input::Command(input) => self.on_command(now, input, effects),
            Input::Lease(input) => self.on_lease(now, input, effects),
            Input::Work(input) => self.on_work(now, input, effects),
            Input::Stop => self.links.ids().for_each(|link| {
                effects.push(Effect::Send { link, frame: ControlFrame::Bye });
            }),
        }
    }

    fn on_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let late = now.tick.saturating_sub(self.last_tick);
        self.last_tick = now.tick;
        self.view_is_stale |= self.links.on_tick(now.tick, late, effects);
        self.close_non_members(now, effects);
        self.leave(now, effects);
        self.keep_mesh(now, effects);
        self.dial(now, effects);
        self.repeat_addresses(effects);
        self.repeat_heads(now, effects);
        self.on_data_tick(now, effects);
        self.on_command_tick(now, effects);
        self.on_lease_tick(now, effects);
        self.on_work_tick(now, effects);
    }

    fn dial(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(roster) = &self.roster else { return };
        if !self.is_member(roster) {
            return;
        }
        self.contacts.dial(roster, &self.links, &self.wanted, now, effects);
    }

    fn on_link_up(&mut self, now: Now, up: &LinkUp, effects: &mut Vec<Effect>) {
        // Its admission was judged by the roster of a moment ago.
        if !self.may_link(&up.peer, now) {
            if up.is_dialer {
                self.contacts.failed(Some(up.peer), Some(&up.address), now.tick);
            }
            effects.push(Effect::Close { link: up.link, why: CloseReason::NotAMember });
            return;
        }
        if !self.has_place_for(&up.peer) {
            self.links_refused += 1;
            self.view_is_stale = true;
            effects.push(Effect::Close { link: up.link, why: CloseReason::Full });
            return;
        }
        self.view_is_stale = true;
        self.refused_by = None;
        self.links.up(up, now.tick, effects);
        if up.is_dialer {
            self.on_reached(up.peer, &up.address, effects);
        }
        self.greet(now, up.link, effects);
        self.greet_with_data(up.link, effects);
        self.greet_with_verbs(now, up.link, effects);
        self.greet_with_resources(now, up.link, effects);
        self.announce_work(now, Some(up.link), effects);
    }

    fn on_reached(&mut self, peer: PublicKey, address: &Address, effects: &mut Vec<Effect>) {
        let news = self.contacts.reached(peer, address);
        effects.extend(news.map(|record| Effect::Note { records: vec![record] }));
    }

    fn on_link_down(&mut self, now: Now, link: LinkId, effects: &mut Vec<Effect>) {
        self.view_is_stale = true;
        self.coming.retain(|_, (from, _)| *from != link);
        self.on_data_link_down(now, link, effects);
        self.lose_command_lane(link);
        if let Some(lost) = self.links.down(link, now.tick) {
            self.is_left_by(now, lost.peer);
            self.contacts.lost(lost.peer, now.tick);
            self.saw_go(lost, now.tick);
        }
    }

    fn on_dial_failed(
        &mut self,
        now: Now,
        peer: Option<PublicKey>,
        address: Option<&Address>,
        refusal: Option<Refusal>,
    ) {
        self.contacts.failed(peer, address, now.tick);
        // Only a refusal by a member is news; a stranger may say what it likes.
        let by_member = peer.is_some_and(|peer| {
            self.roster.as_ref().is_some_and(|roster| roster.member(&peer).is_some())
        });
        if by_member && refusal.is_some_and(|refusal| refusal.is_final()) {
            self.refused_by = refusal;
            self.view_is_stale = true;
        }
    }

    /// Whether this node is a member. That its time is over is for the others to say: they may have
    /// heard that it was given more.
    fn is_member(&self, roster: &Roster) -> bool {
        roster.member(&self.me).is_some()
    }

    /// Whether the peer is a member now. It takes this node for one, and may know better than its own
    /// records do: the revocation that ended it may be void by now.
    fn may_link(&self, peer: &PublicKey, now: Now) -> bool {
        let roster = self.roster.as_ref();
        roster.is_some_and(|roster| roster.member_at(peer, now.wall).is_some())
    }

    fn close_non_members(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(roster) = &self.roster else { return };
        let is_member = |key: &PublicKey| roster.member_at(key, now.wall).is_some();
        // The others close their side as soon as they know; until then they hear it from here.
        let is_out = !self.is_member(roster);
        self.out_since = is_out.then(|| self.out_since.unwrap_or(now.tick));
        let farewell_is_over = |link| {
            let since = self.out_since.map(|since| since.max(self.links.up_at(link)));
            since.is_some_and(|since| now.tick >= since + OWN_FAREWELL)
        };
        for (link, peer) in self.links.peers() {
            if farewell_is_over(link) || !is_member(&peer) {
                effects.push(Effect::Close { link, why: CloseReason::NotAMember });
            }
        }
    }

    fn on_listening(&mut self, addresses: Vec<Address>, effects: &mut Vec<Effect>) {
        self.view_is_stale |= self.listening != addresses;
        self.listening = addresses;
        let links: Vec<LinkId> = self.links.ids().collect();
        for link in links {
            self.send_own_addresses(link, effects);
        }
    }
}
