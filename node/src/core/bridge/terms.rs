//! Terms that can be kept, and what may be selected under them.

use std::collections::BTreeSet;

use gearmesh_protocol::partner::Terms;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Topic, TopicFilter};

/// First levels of which nothing ever leaves the plant: what came from partners, so that nothing
/// goes round; what admins say; what begins with `$`.
const FORBIDDEN: [&str; 2] = ["partner", "admin"];

/// Why terms cannot be offered or accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Nothing is selected.
    #[error("nothing would cross: name at least one topic")]
    Empty,
    /// Two lines with one name.
    #[error("two lines have the name {alias}")]
    TwoAlike {
        /// The name.
        alias: Topic,
    },
    /// Values are summed up over no time.
    #[error("{alias} is summed up without saying over how long")]
    NoWindow {
        /// The line.
        alias: Topic,
    },
    /// This release cannot carry it out.
    #[error("this release does not know {what}")]
    NotKnown {
        /// What.
        what: &'static str,
    },
    /// Over before it begins.
    #[error("the terms end at {until}, which is past")]
    Over {
        /// The end.
        until: UnixMillis,
    },
    /// Something that never leaves the plant.
    #[error("{filter} could select what may never leave the plant")]
    Forbidden {
        /// The filter.
        filter: TopicFilter,
    },
}

/// Whether terms can be kept.
///
/// # Errors
/// What is wrong with them.
pub fn check_terms(terms: &Terms, wall: UnixMillis) -> Result<(), TermsError> {
    if terms.topics.is_empty() {
        return Err(TermsError::Empty);
    }
    if !terms.verbs.is_empty() || terms.confirm_at_machine {
        return Err(TermsError::NotKnown { what: "verbs that a partner may call" });
    }
    if terms.fan_out {
        return Err(TermsError::NotKnown { what: "streams for several partners" });
    }
    if let Some(until) = terms.until.filter(|until| *until <= wall) {
        return Err(TermsError::Over { until });
    }
    let mut seen = BTreeSet::new();
    for line in &terms.topics {
        let alias = line.alias.clone();
        if !seen.insert(&line.alias) {
            return Err(TermsError::TwoAlike { alias });
        }
        if line.aggregate.is_some() && line.every_ms.is_none() {
            return Err(TermsError::NoWindow { alias });
        }
    }
    Ok(())
}

/// Whether a filter selects nothing but what may leave the plant. One that begins with a wildcard
/// does: it is kept from the rest when values are looked at.
///
/// # Errors
/// It names what may not.
pub fn check_selection(filter: &TopicFilter) -> Result<(), TermsError> {
    match is_forbidden(filter.as_str()) {
        true => Err(TermsError::Forbidden { filter: filter.clone() }),
        false => Ok(()),
    }
}

/// Whether nothing of this topic may ever leave the plant.
pub(super) fn is_forbidden(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or_default();
    FORBIDDEN.contains(&first) || first.starts_with('$')
}
