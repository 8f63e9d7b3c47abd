//! The snapshot that everything outside the core's loop reads.
//!
//! The data path must not wait for the core, so the core publishes what it needs: the roster, who
//! is linked and what each follows. A view never changes; a newer one replaces it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::command::Verb;
use gearmesh_protocol::ids::{GroupId, Incarnation, LeaseId, PublicKey, RecordId};
use gearmesh_protocol::lease::Resource;
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::log::LogId;
use gearmesh_protocol::plant::Address;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Name, Topic, TopicFilter};

use super::contacts::Places;
use super::leases::holder::Held;
use super::ledger::Ledger;
use super::links::{LINKS_MAX, LivesAt};
use super::lives::StrangeLife;
use super::overlay::Wanted;
use super::presence::{Away, Told};
use super::roster::{Member, Roster};
use super::{LinkId, Plant};

/// What is true at this node at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// This node's key.
    pub me: PublicKey,
    /// This life of the node.
    pub incarnation: Incarnation,
    /// The trust records, once it has joined.
    pub ledger: Option<Arc<Ledger>>,
    /// The roster, once it has joined.
    pub roster: Option<Arc<Roster>>,
    /// Links in use, one for each member.
    pub links: BTreeMap<LinkId, LinkView>,
    /// What is known of members by sightings.
    pub told: Arc<Told>,
    /// How members went whose last link ended.
    pub gone: Arc<BTreeMap<PublicKey, Away>>,
    /// Where members may be reached, and some strangers; [`View::addresses`] names the members'.
    pub places: Arc<Places>,
    /// Whom this node wants links to.
    pub wanted: Arc<Wanted>,
    /// Links that were closed since there was no place for them.
    pub links_refused: u64,
    /// Addresses this node listens on.
    pub listening: Vec<Address>,
    /// Why members refuse this node, if they do.
    pub refused_by: Option<Refusal>,
    /// Keys that live twice, with both lives.
    pub clones: BTreeMap<PublicKey, (LivesAt, LivesAt)>,
    /// Lives of this node's key that its journal does not know.
    pub strange_lives: BTreeMap<Incarnation, StrangeLife>,
    /// Groups of further such lives.
    pub unnamed_strange: u64,
    /// Why the journal does not take what is written, if it does not.
    pub journal_trouble: Option<String>,
    /// Whether the disk has no room but what is held back for records of the plant.
    pub disk_is_short: bool,
    /// Authors whose data logs have several ends.
    pub forked_data: Vec<PublicKey>,
    /// Entries of data logs that this node's disk lost, by author.
    pub missing_data: BTreeMap<PublicKey, u64>,
    /// Groups of this node's own data log that were written and are not here, at least.
    pub lost_own_data: u64,
    /// Why the store of data logs takes nothing, if it does not.
    pub store_trouble: Option<String>,
    /// The verbs that linked members, and this node, say that they serve.
    pub verbs: Arc<BTreeMap<PublicKey, Arc<[Verb]>>>,
    /// What linked members, and this node, give away.
    pub resources: Arc<BTreeMap<PublicKey, Arc<[Resource]>>>,
    /// The verbs for which linked members, and this node, take work items.
    pub takers: Arc<BTreeMap<PublicKey, Arc<[Name]>>>,
    /// The leases that programs of this node hold.
    pub leases: Arc<BTreeMap<LeaseId, Held>>,
}

/// One link as the data path sees it.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// The member at the other end.
    pub peer: PublicKey,
    /// Its address.
    pub address: Address,
    /// What it follows.
    pub interest: Arc<[TopicFilter]>,
    /// How it stands, and since when.
    pub presence: (Presence, Duration),
    /// Whether it said that its ledger equals ours.
    pub is_in_step: bool,
    /// Where its copies of logs end.
    pub leaves: BTreeMap<LogId, Vec<GroupId>>,
    /// The acts it holds, once it said.
    pub acts: Option<Vec<RecordId>>,
}

impl View {
    /// What is true at a node that belongs to no plant.
    #[cfg(test)]
    pub fn without_plant(me: PublicKey) -> Self {
        Self {
            me,
            incarnation: Incarnation([1; 16]),
            ledger: None,
            roster: None,
            links: BTreeMap::new(),
            told: Arc::default(),
            gone: Arc::default(),
            places: Arc::default(),
            wanted: Arc::new(Wanted::nobody_knows()),
            links_refused: 0,
            listening: Vec::new(),
            refused_by: None,
            clones: BTreeMap::new(),
            strange_lives: BTreeMap::new(),
            unnamed_strange: 0,
            journal_trouble: None,
            disk_is_short: false,
            forked_data: Vec::new(),
            missing_data: BTreeMap::new(),
            lost_own_data: 0,
            store_trouble: None,
            verbs: Arc::default(),
            resources: Arc::default(),
            takers: Arc::default(),
            leases: Arc::default(),
        }
    }

    /// The member at the other end of a link, if the roster still names it.
    #[must_use]
    pub fn author(&self, peer: &PublicKey) -> Option<&Member> {
        self.roster.as_ref()?.member(peer)
    }

    /// This node's own membership.
    #[must_use]
    pub fn own(&self) -> Option<&Member> {
        self.author(&self.me)
    }

    /// Whether this node was thrown out: its own records say so, or a member told it.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        let named = self.roster.as_ref().is_some_and(|it| it.revoked().contains_key(&self.me));
        named || self.refused_by == Some(Refusal::Revoked)
    }

    /// Where another member was last reached, or is said to be.
    #[must_use]
    pub fn address(&self, member: &PublicKey) -> Option<&Address> {
        self.addresses(member)?.first()
    }

    /// Where another member may be reached, the best known address first.
    #[must_use]
    pub fn addresses(&self, member: &PublicKey) -> Option<&[Address]> {
        self.author(member).filter(|_| *member != self.me)?;
        self.places.get(member).map(|places| &**places)
    }

    /// How many members are online, as far as this node knows, without itself.
    #[must_use]
    pub fn online(&self) -> usize {
        let linked = self.links.values().map(|link| &link.peer);
        self.links.len() + self.told.online_besides(linked)
    }

    /// How a member without a link stands.
    #[must_use]
    pub fn away(&self, member: &PublicKey) -> Away {
        let told = self.told.away(&self.me, member);
        told.or_else(|| self.gone.get(member).copied()).unwrap_or(Away::UNHEARD_OF)
    }

    /// Whether there is a place for a link to a member.
    #[must_use]
    pub fn has_place_for(&self, peer: &PublicKey) -> bool {
        self.links.len() < LINKS_MAX
            || self.wanted.is_neighbour(peer)
            || self.links.values().any(|link| link.peer == *peer)
    }

    /// The links over which a value on `topic` goes: to members that follow it and may see it.
    pub fn followers<'a>(&'a self, topic: &'a Topic) -> impl Iterator<Item = LinkId> + 'a {
        let follows = move |link: &LinkView| {
            link.interest.iter().any(|filter| filter.matches(topic))
                && self.author(&link.peer).is_some_and(|member| member.may_see(topic))
        };
        self.links.iter().filter(move |(_, link)| follows(link)).map(|(id, _)| *id)
    }

    /// Whether the member `peer` said that it holds a group.
    #[must_use]
    pub fn has_confirmed(&self, peer: &PublicKey, group: &GroupId) -> bool {
        let Some(ledger) = &self.ledger else { return false };
        let holder = ledger.logs_by_key().find(|log| log.contains(group));
        let Some(log) = holder else { return false };
        self.links.values().filter(|link| link.peer == *peer).any(|link| {
            let leaves = link.leaves.get(&log.id());
            leaves.is_some_and(|leaves| log.ancestors_or_self(leaves).contains(group))
        })
    }
}

impl Plant {
    /// What is true now.
    #[must_use]
    pub fn view(&self) -> View {
        let links = self.links.in_use().map(|(id, link)| {
            let seen = LinkView {
                peer: link.peer,
                address: link.address.clone(),
                interest: Arc::clone(&link.interest),
                presence: self.links.presence(&link.peer),
                is_in_step: self.is_in_step(link),
                leaves: link.leaves.clone(),
                acts: link.acts.clone(),
            };
            (id, seen)
        });
        View {
            me: self.me,
            incarnation: self.lives.current(),
            ledger: self.ledger.clone(),
            roster: self.roster.clone(),
            links: links.collect(),
            told: self.sightings.all_told(),
            gone: self.links.gone(),
            places: self.contacts.places(),
            wanted: Arc::clone(&self.wanted),
            links_refused: self.links_refused,
            listening: self.listening.clone(),
            refused_by: self.refused_by,
            clones: self.clones.clone(),
            strange_lives: self.lives.strange().clone(),
            unnamed_strange: self.lives.unnamed(),
            journal_trouble: self.journal_trouble.clone(),
            disk_is_short: self.disk_is_short,
            forked_data: self.data.forked(),
            missing_data: self.data.missing(),
            lost_own_data: self.lost_own_data(),
            store_trouble: self.data.trouble().cloned(),
            verbs: self.commands.verbs(),
            resources: self.leases.resources(),
            takers: self.items.takers(),
            leases: self.leases.held(),
        }
    }
}
