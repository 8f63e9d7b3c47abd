//! Where values come from.

pub(super) mod card;
pub(super) mod host;
