//! What crosses was selected by a line of the agreement, under its alias, with the value that the
//! plant published; and what enters is what the other side wrote, below its name. That rates and sums
//! are kept exactly is held against a model in the tests of the bridge.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::ids::SheetId;
use gearmesh_protocol::sample::Value;
use gearmesh_protocol::topic::Topic;

use super::super::{Meant, Seen, World};

/// What was published, and what was written.
#[derive(Default)]
pub(super) struct Rule {
    /// By company and number.
    published: BTreeMap<(usize, i64), Topic>,
    /// By agreement, sender, alias and number.
    written: BTreeSet<(SheetId, usize, Topic, i64)>,
}

fn number(value: &Value) -> Result<i64, String> {
    match value {
        Value::Integer(number) => Ok(*number),
        other => Err(format!("nobody published {other:?}")),
    }
}

fn meant(world: &World, wanted: impl Fn(&&Meant) -> bool) -> Result<&Meant, String> {
    world.meant.iter().find(wanted).ok_or_else(|| "nobody agreed on it".to_owned())
}

impl super::Rule for Rule {
    fn name(&self) -> &'static str {
        "nothing_outside_its_terms"
    }

    fn see(&mut self, world: &World, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Published { who, topic, sample } => {
                self.published.insert((*who, number(&sample.value)?), topic.clone());
            }
            Seen::Written { who, sheet, entries, .. } => {
                let meant = meant(world, |it| it.sheet == *sheet && it.sender == *who)?;
                for entry in entries {
                    let number = number(&entry.sample.value)?;
                    let line = meant.lines.iter().find(|(line, _)| line.alias == entry.alias);
                    let (_, filter) = line.ok_or(format!("no line is called {}", entry.alias))?;
                    let from = self.published.get(&(*who, number));
                    let from = from.ok_or(format!("{number} was never published"))?;
                    let first = from.as_str().split('/').next().unwrap_or_default();
                    if !filter.matches(from) || ["partner", "admin"].contains(&first) {
                        return Err(format!("{from} is not selected by {filter}"));
                    }
                    self.written.insert((*sheet, *who, entry.alias.clone(), number));
                }
            }
            Seen::Entered { who, sheet, values } => {
                let meant = meant(world, |it| it.sheet == *sheet && it.receiver == *who)?;
                let below = format!("partner/{}/", meant.called);
                for (topic, sample) in values {
                    let alias = topic.as_str().strip_prefix(&below);
                    let alias = alias.ok_or(format!("{topic} is not below {below}"))?;
                    let alias: Topic = alias.parse().map_err(|_| "no alias".to_owned())?;
                    let entry = (*sheet, meant.sender, alias, number(&sample.value)?);
                    if !self.written.contains(&entry) {
                        return Err(format!("{entry:?} was never written"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
