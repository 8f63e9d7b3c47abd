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
    let mut parents = header.parents.iter().filter_map(known).peekable();
    if parents.peek().is_none() {
        return Follows::Apart;
    }
    let counts_on = parents.all(|parent| {
        let is_first = header.parents.first() == Some(&parent.group);
        parent.number < header.number && (!is_first || parent.entries == header.entries_before)
    });
    match counts_on {
        true => Follows::Parents,
        false => Follows::Wrongly,
    }
}
