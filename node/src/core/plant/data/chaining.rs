//! Whether a group goes on from what a reader knows of its log.

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::{Header, Tip};

/// How a group hangs together with those that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// It counts on from its parents.
    Parents,
    /// None of its parents is known.
    Apart,
    /// It counts otherwise than from where its parents end.
    Wrongly,
}

/// How a group follows its parents, of which some may be known.
pub fn follows(header: &Header, known: impl Fn(&GroupId) -> Option<Tip>) -> Follows {
    let parents: Vec<Tip> = header.parents.iter().filter_map(known).collect();
    let Some(highest) = parents.iter().map(|parent| parent.number).max() else {
        return Follows::Apart;
    };
    // A parent that is not known may have the higher number.
    let numbers_on = match parents.len() == header.parents.len() {
        true => highest.saturating_add(1) == header.number,
        false => highest < header.number,
    };
    let is_first = |parent: &&Tip| header.parents.first() == Some(&parent.group);
    let first = parents.iter().find(is_first);
    let counts_on = first.is_none_or(|first| first.entries == header.entries_before);
    match numbers_on && counts_on {
        true => Follows::Parents,
        false => Follows::Wrongly,
    }
}
