//! Names, topics and topic filters.
//!
//! Topics and filters follow MQTT 5.0 section 4.7: levels separated by `/`, `+` matches one level,
//! a final `#` matches the rest, and a wildcard in the first level never matches a topic that
//! starts with `$`. Bounds are ours ([`TOPIC_BYTES_MAX`], [`TOPIC_LEVELS_MAX`]).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{NAME_BYTES_MAX, SCOPE_LEVELS_MAX, TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX};

/// First levels that the plant itself gives a meaning; no scope may start with one.
pub const RESERVED_LEVELS: [&str; 2] = ["partner", "admin"];

/// Text that breaks a rule of names or topics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing is there.
    #[error("{what} is empty")]
    Empty {
        /// Which kind of text was wanted.
        what: &'static str,
    },
    /// More bytes than allowed.
    #[error("{what} has {bytes} bytes; at most {max} are allowed")]
    TooLong {
        /// Which kind of text was wanted.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// More levels than allowed.
    #[error("{what} has {levels} levels; at most {max} are allowed")]
    TooDeep {
        /// Which kind of text was wanted.
        what: &'static str,
        /// How deep it is.
        levels: usize,
        /// How deep it may be.
        max: usize,
    },
    /// A character that has no place there.
    #[error("{what} must not contain {found:?}; allowed: {allowed}")]
    Character {
        /// Which kind of text was wanted.
        what: &'static str,
        /// The first such character.
        found: char,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// A wildcard that is not a level of its own, or a `#` that is not the last.
    #[error(
        "in a topic filter `+` stands alone in its level and `#` alone in the last: {filter:?}"
    )]
    Wildcard {
        /// The filter as written.
        filter: String,
    },
    /// A first level that the plant keeps for itself.
    #[error("{what} must not start with {level:?}, which is reserved")]
    Reserved {
        /// Which kind of text was wanted.
        what: &'static str,
        /// The reserved level.
        level: String,
    },
}

// The text is shared: a clone costs no memory, and a topic is cloned with every value.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                text.parse()
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                $check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

checked_text!(
    /// The name of a machine or an authority: lower-case letters, digits and `-`, so that it can be
    /// typed, spoken and used as a topic level.
    Name, check_name
);
checked_text!(
    /// A title for people, such as the plant's name: any printable text.
    Title, check_title
);
checked_text!(
    /// A unit of measure in UCUM's case-sensitive form (`Cel`, `%`, `By`, `1/min`).
    Unit, check_unit
);
checked_text!(
    /// `area/line/machine`: the prefix of every topic a machine publishes under (ISA-95 levels).
    Scope, check_scope
);
checked_text!(
    /// The name of one stream of values.
    Topic, check_topic
);
checked_text!(
    /// A pattern over topics.
    TopicFilter, check_filter
);

impl Topic {
    /// Whether the topic lies in `scope` or is its root.
    #[must_use]
    pub fn is_under(&self, scope: &str) -> bool {
        self.0.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Scope {
    /// Whether one of the two contains the other, or they are the same.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let contains = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        contains(&self.0, &other.0) || contains(&other.0, &self.0)
    }

    /// The topic `<scope>/<rest>`.
    ///
    /// # Errors
    /// The joined text is no topic.
    pub fn topic(&self, rest: &str) -> Result<Topic, TextError> {
        format!("{}/{rest}", self.0).try_into()
    }
}

impl From<Name> for Scope {
    /// A machine without a given scope publishes under its name.
    fn from(name: Name) -> Self {
        Self(name.0)
    }
}

impl TopicFilter {
    /// Every topic that does not start with `$`.
    #[must_use]
    pub fn all() -> Self {
        Self("#".into())
    }

    /// Whether `topic` is one of those this filter stands for.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        if self.hides(&topic.0) {
            return false;
        }
        let mut levels = topic.0.split('/');
        for wanted in self.0.split('/') {
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                Some(_) | None => return false,
            }
        }
        levels.next().is_none()
    }

    /// Whether one topic at least is one of those that both filters stand for.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.hides(&other.0) || other.hides(&self.0) {
            return false;
        }
        let (mut ours, mut theirs) = (self.0.split('/'), other.0.split('/'));
        loop {
            match (ours.next(), theirs.next()) {
                (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
                (Some(one), Some(other)) if one == "+" || other == "+" || one == other => {}
                (Some(_) | None, Some(_) | None) => return false,
            }
        }
    }

    /// Whether a wildcard in the first level keeps what starts so from being matched.
    fn hides(&self, text: &str) -> bool {
        text.starts_with('$') && self.0.starts_with(['#', '+'])
    }

    /// Whether a member can publish at all what this filter stands for: scopes begin with a name,
    /// and beside them there is only what came from partners.
    #[must_use]
    pub fn is_publishable(&self) -> bool {
        let first = self.0.split('/').next().unwrap_or_default();
        matches!(first, "+" | "#" | "partner") || first.parse::<Name>().is_ok()
    }
}

fn check_name(text: &str) -> Result<(), TextError> {
    let what = "a name";
    check_length(what, text, NAME_BYTES_MAX)?;
    let allowed = "a-z, 0-9 and - (not first)";
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(found) = text.chars().find(|c| !fits(*c)) {
        return Err(TextError::Character { what, found, allowed });
    }
    if text.starts_with('-') {
        return Err(TextError::Character { what, found: '-', allowed });
    }
    check_not_reserved(what, text)
}

fn check_title(text: &str) -> Result<(), TextError> {
    let what = "a title";
    check_length(what, text, NAME_BYTES_MAX)?;
    match text.chars().find(|c| c.is_control()) {
        Some(found) => Err(TextError::Character { what, found, allowed: "printable characters" }),
        None => Ok(()),
    }
}

fn check_unit(text: &str) -> Result<(), TextError> {
    let what = "a unit";
    check_length(what, text, NAME_BYTES_MAX)?;
    match text.chars().find(|c| !c.is_ascii_graphic()) {
        Some(found) => Err(TextError::Character { what, found, allowed: "printable ASCII" }),
        None => Ok(()),
    }
}

fn check_scope(text: &str) -> Result<(), TextError> {
    let what = "a scope";
    check_length(what, text, TOPIC_BYTES_MAX / 2)?;
    let levels = text.split('/').count();
    if levels > SCOPE_LEVELS_MAX {
        return Err(TextError::TooDeep { what, levels, max: SCOPE_LEVELS_MAX });
    }
    check_not_reserved(what, text)?;
    text.split('/').try_for_each(check_name)
}

fn check_topic(text: &str) -> Result<(), TextError> {
    let what = "a topic";
    check_levels(what, text)?;
    match text.chars().find(|c| matches!(c, '+' | '#') || c.is_control()) {
        Some(found) => {
            Err(TextError::Character { what, found, allowed: "anything but +, # and control" })
        }
        None => Ok(()),
    }
}

fn check_filter(text: &str) -> Result<(), TextError> {
    let what = "a topic filter";
    check_levels(what, text)?;
    if let Some(found) = text.chars().find(|c| c.is_control()) {
        return Err(TextError::Character { what, found, allowed: "anything but control" });
    }
    let levels: Vec<&str> = text.split('/').collect();
    let last = levels.len() - 1;
    for (at, level) in levels.iter().enumerate() {
        let wildcard = level.contains(['+', '#']);
        let stands_alone = *level == "+" || (*level == "#" && at == last);
        if wildcard && !stands_alone {
            return Err(TextError::Wildcard { filter: text.to_owned() });
        }
    }
    Ok(())
}

fn check_levels(what: &'static str, text: &str) -> Result<(), TextError> {
    check_length(what, text, TOPIC_BYTES_MAX)?;
    let levels = text.split('/').count();
    if levels > TOPIC_LEVELS_MAX {
        return Err(TextError::TooDeep { what, levels, max: TOPIC_LEVELS_MAX });
    }
    Ok(())
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty { what });
    }
    if text.len() > max {
        return Err(TextError::TooLong { what, bytes: text.len(), max });
    }
    Ok(())
}

fn check_not_reserved(what: &'static str, text: &str) -> Result<(), TextError> {
    let first = text.split('/').next().unwrap_or(text);
    if first.starts_with('$') || RESERVED_LEVELS.contains(&first) {
        return Err(TextError::Reserved { what, level: first.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &str, topic: &str) -> bool {
        let filter: TopicFilter = filter.parse().expect("a filter");
        filter.matches(&topic.parse().expect("a topic"))
    }

    #[test]
    fn filters_match_as_mqtt_says() {
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/broker", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/broker", true),
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} on {topic}");
        }
    }

    #[test]
    fn filters_overlap_where_a_topic_matches_both() {
        let filter = |text: &str| text.parse::<TopicFilter>().expect("a filter");
        for (one, other, expected) in [
            ("#", "a/b", true),
            ("a/#", "a", true),
            ("a/+/c", "a/b/#", true),
            ("a/+", "+/b", true),
            ("a/b", "a/b/c", false),
            ("a/+/c", "a/b", false),
            ("a/#", "b/#", false),
            ("#", "$SYS/broker", false),
            ("+/broker", "$SYS/#", false),
            ("$SYS/+", "$SYS/broker", true),
        ] {
            assert_eq!(filter(one).overlaps(&filter(other)), expected, "{one} and {other}");
            assert_eq!(filter(other).overlaps(&filter(one)), expected, "{other} and {one}");
        }
        let publishable = ["#", "+/x", "hall/press-1/#", "partner/acme"];
        assert!(publishable.iter().all(|text| filter(text).is_publishable()));
        let never = ["Hall/x", "$SYS/#", "admin/x", "/x", "a b"];
        assert!(!never.iter().any(|text| filter(text).is_publishable()));
    }

    #[test]
    fn malformed_text_is_named() {
        assert!("a+/b".parse::<TopicFilter>().is_err());
        assert!("a/#/b".parse::<TopicFilter>().is_err());
        assert!("a/+".parse::<Topic>().is_err());
        assert!("Press".parse::<Name>().is_err());
        assert!("partner/acme".parse::<Scope>().is_err());
        assert!("partner".parse::<Name>().is_err());
        assert!("a/b/c/d/e".parse::<Scope>().is_err());
        assert!(["x"; 17].join("/").parse::<Topic>().is_err());
    }

    #[test]
    fn scopes_overlap_only_at_level_borders() {
        let scope = |text: &str| text.parse::<Scope>().expect("a scope");
        assert!(scope("hall/line").overlaps(&scope("hall/line/press-1")));
        assert!(!scope("hall/line-1").overlaps(&scope("hall/line-10")));
        let topic: Topic = "press-10/temp".parse().expect("a topic");
        assert!(!topic.is_under("press-1"));
        assert!(topic.is_under("press-10"));
    }
}
