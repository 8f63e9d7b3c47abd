//! Showing members that keep no copies what they may see of logs.
//!
//! What an asker may see is judged here, by this node's roster: its filters can only narrow that.

use gearmesh_protocol::codec;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::Group;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::shown::{ReadRequest, ShownGroup};
use gearmesh_protocol::topic::TopicFilter;

use super::super::roster::Member;
use super::super::{Effect, LinkId, Now, Plant};
use super::{DataEffect, replicas};

/// A group as a member is shown it: with the values that it wants and may see, and no other entry.
#[must_use]
pub fn show(group: &Group, filters: &[TopicFilter], sees: &Member) -> ShownGroup {
    ShownGroup::of(group, |entry| match codec::decode(entry, ENTRY_BYTES_MAX) {
        Ok(DataEntry::Sample { topic, .. }) => {
            filters.iter().any(|filter| filter.matches(&topic)) && sees.may_see(&topic)
        }
        Ok(_) | Err(_) => false,
    })
}

impl Plant {
    pub(super) fn on_read(
        &self,
        now: Now,
        link: LinkId,
        request: ReadRequest,
        effects: &mut Vec<Effect>,
    ) {
        let effect = match self.may_show(now, link, &request) {
            Ok(sees) => DataEffect::Show { link, request, sees: Box::new(sees) },
            Err(refusal) => {
                let frame = DataFrame::NotShown { number: request.number, refusal };
                DataEffect::Send { link, frame }
            }
        };
        effects.push(effect.into());
    }

    /// With whose eyes a log is to be shown over a link.
    fn may_show(&self, now: Now, link: LinkId, request: &ReadRequest) -> Result<Member, Refusal> {
        let (roster, peer) = self
            .roster
            .as_ref()
            .zip(self.links.get(link).map(|link| link.peer))
            .ok_or(Refusal::NotAMember)?;
        let member = roster.member_at(&peer, now.wall).ok_or(Refusal::NotAMember)?;
        if !request.filters.iter().all(|filter| member.may_see_some_of(filter)) {
            return Err(Refusal::SubscribeNotGranted);
        }
        let keeps_some =
            replicas::keeps_copies(roster, &self.me) && !self.data.ends(&request.author).is_empty();
        match keeps_some {
            true => Ok(member.clone()),
            false => Err(Refusal::NoCopy),
        }
    }
}
