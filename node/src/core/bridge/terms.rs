//! Terms that can be kept, and what may be selected under them.

use std::collections::BTreeSet;

use gearmesh_protocol::limits::SHEET_SCHEMAS_BYTES_MAX;
use gearmesh_protocol::partner::{Direction, SheetTopic, Terms};
use gearmesh_protocol::partner_agreement::schema_hash;
use gearmesh_protocol::partner_local::VerbSelection;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Topic, TopicFilter};

/// First levels of which nothing ever leaves the plant: what came from partners, so that nothing
/// goes round; what admins say; what begins with `$`.
const FORBIDDEN: [&str; 2] = ["partner", "admin"];

/// Why terms cannot be offered or accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Nothing is selected.
    #[error("nothing would cross: name at least one topic, or a verb")]
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
    /// A person is to allow calls, and there is nothing to be called.
    #[error("no verb is named that a person would have to allow")]
    NoVerb,
    /// A verb that is named twice, or not said what it stands for, or said what it was not named.
    #[error("say once what {verb} stands for: --verb {verb}=MACHINE/VERB")]
    VerbUnclear {
        /// The verb.
        verb: Name,
    },
    /// A line names a schema that is not there.
    #[error("the schema that {alias} is to fit is not there")]
    NoSchema {
        /// The line.
        alias: Topic,
    },
    /// Schemas that no sheet may have.
    #[error("schemas of {bytes} bytes where a sheet may have {SHEET_SCHEMAS_BYTES_MAX}")]
    SchemasTooLong {
        /// Their size.
        bytes: usize,
    },
    /// Something is wanted in return of whoever receives what others do.
    #[error(
        "a stream that is passed on goes one way, and names no verbs: make a share of its own for those"
    )]
    OneWay,
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
    if terms.topics.is_empty() && terms.verbs.is_empty() {
        return Err(TermsError::Empty);
    }
    if terms.confirm_at_machine && terms.verbs.is_empty() {
        return Err(TermsError::NoVerb);
    }
    let is_wanted = |line: &SheetTopic| line.direction == Direction::Import;
    if terms.fan_out && (terms.topics.iter().any(is_wanted) || !terms.verbs.is_empty()) {
        return Err(TermsError::OneWay);
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

/// Whether every verb that a partner may call stands for one here, and no other does.
///
/// # Errors
/// Which does not.
pub fn check_verbs(terms: &Terms, verbs: &[VerbSelection]) -> Result<(), TermsError> {
    let unclear = |verb: &Name| TermsError::VerbUnclear { verb: verb.clone() };
    for verb in terms.verbs.iter().chain(verbs.iter().map(|it| &it.verb)) {
        let named = terms.verbs.iter().filter(|it| *it == verb).count();
        let said = verbs.iter().filter(|it| it.verb == *verb).count();
        if (named, said) != (1, 1) {
            return Err(unclear(verb));
        }
    }
    Ok(())
}

/// Whether every schema that a line names is there, and no more than a sheet may have.
///
/// # Errors
/// Which is not.
pub fn check_schemas(terms: &Terms, texts: &[String]) -> Result<(), TermsError> {
    let bytes: usize = texts.iter().map(String::len).sum();
    if bytes > SHEET_SCHEMAS_BYTES_MAX {
        return Err(TermsError::SchemasTooLong { bytes });
    }
    let there: BTreeSet<[u8; 32]> = texts.iter().map(|it| schema_hash(it.as_bytes())).collect();
    let is_missing = |line: &&SheetTopic| line.schema.is_some_and(|hash| !there.contains(&hash));
    let missing = terms.topics.iter().find(is_missing);
    missing.map_or(Ok(()), |line| Err(TermsError::NoSchema { alias: line.alias.clone() }))
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
