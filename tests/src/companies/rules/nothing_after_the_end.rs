//! Whoever knows that an agreement is over writes nothing under it, gossips nothing on its topic, and
//! lets nothing in.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::SheetId;
use gearmesh_protocol::partner_agreement::gossip_topic;

use super::super::{Seen, World};

/// Who knows of which end.
#[derive(Default)]
pub(super) struct Rule {
    known: BTreeSet<(usize, SheetId)>,
}

impl super::Rule for Rule {
    fn name(&self) -> &'static str {
        "nothing_after_the_end"
    }

    fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::EndKnown { who, sheet } => drop(self.known.insert((*who, *sheet))),
            Seen::Written { who, sheet, .. } | Seen::Entered { who, sheet, .. }
                if self.known.contains(&(*who, *sheet)) =>
            {
                return Err(format!("{who} knows the end of {sheet:?}, and goes on: {seen:?}"));
            }
            Seen::Gossiped { who, topic } => {
                let key = world.companies[*who].key();
                let over = world.meant.iter().filter(|it| self.known.contains(&(*who, it.sheet)));
                if over.into_iter().any(|it| gossip_topic(&it.share, &key) == *topic) {
                    return Err(format!("{who} gossips under what it knows to be over"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
