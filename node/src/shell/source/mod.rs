//! Where values come from.

pub(super) mod host;
