//! The routing snapshot of the live path: who follows which topic, and may.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::topic::{Topic, TopicFilter};

use super::LinkId;
use super::roster::Roster;
use super::view::View;
use crate::core::topic_index::TopicIndex;

/// What changed with a view.
#[derive(Debug, Default)]
pub struct Changed {
    /// Whether anything did on which a route rests.
    pub routes: bool,
    /// Links whose members follow something else now, with what they followed before.
    pub followers: Vec<(LinkId, Arc<[TopicFilter]>)>,
}

/// Who follows what, kept in step with the views at the cost of what changed.
#[derive(Debug, Default)]
pub struct Followers {
    index: TopicIndex<LinkId>,
    links: BTreeMap<LinkId, (PublicKey, Arc<[TopicFilter]>)>,
    roster: Option<Arc<Roster>>,
}

impl Followers {
    /// Takes a newer view.
    pub fn update(&mut self, view: &View) -> Changed {
        let same_roster = match (&self.roster, &view.roster) {
            (Some(known), Some(newer)) => Arc::ptr_eq(known, newer),
            (None, None) => true,
            _ => false,
        };
        self.roster.clone_from(&view.roster);
        let gone: Vec<LinkId> =
            self.links.keys().filter(|link| !view.links.contains_key(link)).copied().collect();
        let mut changed =
            Changed { routes: !same_roster || !gone.is_empty(), followers: Vec::new() };
        for link in gone {
            self.forget(link);
        }
        for (id, link) in &view.links {
            let known = self.links.get(id);
            if known.is_some_and(|(_, filters)| Arc::ptr_eq(filters, &link.interest)) {
                continue;
            }
            let before = known.map_or_else(|| Arc::from([]), |(_, filters)| Arc::clone(filters));
            self.forget(*id);
            for filter in link.interest.iter() {
                self.index.insert(filter, *id);
            }
            changed.followers.push((*id, before));
            self.links.insert(*id, (link.peer, Arc::clone(&link.interest)));
            changed.routes = true;
        }
        changed
    }

    /// The links over which a value on `topic` goes: to members that follow it and may see it.
    #[must_use]
    pub fn of(&self, topic: &Topic) -> Vec<LinkId> {
        let Some(roster) = &self.roster else { return Vec::new() };
        let may_see = |link: &LinkId| {
            let peer = self.links.get(link).map(|(peer, _)| peer);
            peer.and_then(|peer| roster.member(peer)).is_some_and(|member| member.may_see(topic))
        };
        self.index.matching(topic).into_iter().filter(may_see).collect()
    }

    fn forget(&mut self, link: LinkId) {
        let Some((_, filters)) = self.links.remove(&link) else { return };
        for filter in filters.iter() {
            self.index.remove(filter, link);
        }
    }
}
