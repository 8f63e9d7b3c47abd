//! How the groups of a log hang together, learnt where it takes that to judge one.

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::Tip;

use super::super::data::ReadError;
use super::walk::Walk;
use crate::core::plant::data::Ancestry;
use crate::core::plant::roster::Roster;

/// The log around the groups that somebody reads.
#[derive(Default)]
pub(super) struct Surroundings {
    /// Where the log ended when it was last looked at.
    ends: Vec<Tip>,
    /// Once it is needed.
    around: Option<Around>,
}

/// As far as a walk of its own has come.
struct Around {
    walk: Walk,
    ancestry: Ancestry,
}

impl Around {
    /// Takes in what was added to the log.
    async fn grow(&mut self) -> Result<(), ReadError> {
        while let Some(passed) = self.walk.next().await? {
            self.ancestry.add(passed.id, &passed.header);
        }
        Ok(())
    }
}

impl Surroundings {
    /// Learns how the log stands now through which `walk` goes.
    pub(super) async fn look(&mut self, walk: &Walk, roster: &Roster) -> Result<(), ReadError> {
        let (source, author) = (walk.source(), walk.author());
        let ends = source.ends(author);
        let is_plain = ends.len() <= 1 && !roster.has_ended_terms(author);
        if is_plain {
            self.around = None;
        } else if self.around.is_none() || ends != self.ends {
            let walk = || Walk::after(source.clone(), *author, Vec::new(), Vec::new());
            let fresh = || Around { walk: walk(), ancestry: Ancestry::default() };
            self.around.get_or_insert_with(fresh).grow().await?;
        }
        self.ends = ends;
        Ok(())
    }

    /// Where the log ends, the longest branch first.
    pub(super) fn ends(&self) -> &[Tip] {
        &self.ends
    }

    /// Whether a group is one of these leaves or an ancestor of one; in a log without trouble it is.
    pub(super) fn is_within(&mut self, group: &GroupId, leaves: &[GroupId]) -> bool {
        self.around.as_mut().is_none_or(|around| around.ancestry.is_within(group, leaves))
    }
}
