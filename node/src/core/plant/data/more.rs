//! Whether a copy holds more of a log than a reader passed, as far as the ends tell.

use gearmesh_protocol::log::Tip;

/// What a copy has that follows the leaves of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum More {
    /// Nothing; or it is behind the reader, would not know its place, and begin anew.
    Nothing,
    /// An end that the reader may have passed, or that lies on a branch of its own.
    Perhaps,
    /// Something that is newer than all that the reader passed.
    Surely,
}

/// What a copy that ends there has for a reader that passed these leaves.
#[must_use]
pub fn more(ends: &[Tip], leaves: &[Tip]) -> More {
    let highest = leaves.iter().map(|leaf| leaf.number).max();
    let unknown = || ends.iter().filter(|end| !leaves.contains(end));
    if unknown().any(|end| highest.is_none_or(|highest| end.number > highest)) {
        return More::Surely;
    }
    let knows_place = unknown().count() < ends.len();
    match knows_place && unknown().next().is_some() {
        true => More::Perhaps,
        false => More::Nothing,
    }
}
