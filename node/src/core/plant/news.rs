//! What has changed between two views, in the words of whoever watches a node: who joined, who is
//! linked, who is gone, and what needs a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::refusal::Refusal;

use super::report;
use super::view::View;

/// How wide the column of words is, where people read.
const WORD_WIDTH: usize = 15;

/// One change: a word for its kind, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Its kind; empty where it goes on with what the line before said.
    pub word: &'static str,
    /// What it is about.
    pub text: String,
}

impl Line {
    /// A line.
    #[must_use]
    pub fn new(word: &'static str, text: impl Into<String>) -> Self {
        Self { word, text: text.into() }
    }

    /// Whether somebody has to do something.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        matches!(self.word, "ALARM" | "CLAIMED" | "OUT" | "link lost")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<WORD_WIDTH$}{}", self.word, self.text)
    }
}

/// What is told of a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    plant: Option<String>,
    members: BTreeMap<PublicKey, String>,
    linked: BTreeMap<PublicKey, String>,
    left: BTreeSet<PublicKey>,
    alarms: BTreeSet<String>,
    out: Option<Refusal>,
}

impl Scene {
    /// What is told of this view.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let Some(roster) = &view.roster else { return Self::default() };
        let members = roster.members().iter().filter(|(key, _)| **key != view.me);
        let linked = view.links.values().map(|link| {
            let address = view.address(&link.peer).unwrap_or(&link.address);
            (link.peer, address.as_str().to_owned())
        });
        let linked_with: BTreeSet<&PublicKey> =
            view.links.values().map(|link| &link.peer).collect();
        let unlinked = members.clone().filter(|(key, _)| !linked_with.contains(key));
        let left = unlinked.filter(|(key, _)| view.away(key).presence == Presence::Left);
        Self {
            plant: Some(roster.name().as_str().to_owned()),
            members: members.map(|(key, member)| (*key, member.name().to_string())).collect(),
            linked: linked.collect(),
            left: left.map(|(key, _)| *key).collect(),
            alarms: report::alarms(view).into_iter().collect(),
            out: view.is_revoked().then_some(Refusal::Revoked),
        }
    }

    /// The same without what needs a person, for whoever begins to watch: that is news to them.
    #[must_use]
    pub fn in_order(self) -> Self {
        Self { alarms: BTreeSet::new(), out: None, ..self }
    }

    /// What is new in `now`, a line each.
    #[must_use]
    pub fn news(&self, now: &Self) -> Vec<Line> {
        let mut news = Vec::new();
        if let (None, Some(plant)) = (&self.plant, &now.plant) {
            // Its members are not news to it: they were there before.
            news.push(Line::new("joined", format!("the plant {plant}")));
        } else {
            let new = now.members.iter().filter(|(key, _)| !self.members.contains_key(*key));
            news.extend(new.map(|(_, name)| Line::new("joined", name)));
        }
        let gone = self.members.iter().filter(|(key, _)| !now.members.contains_key(*key));
        news.extend(
            gone.map(|(_, name)| Line::new("out", format!("{name} is no member any more"))),
        );
        for (key, name) in &now.members {
            match (self.linked.get(key), now.linked.get(key)) {
                (None, Some(address)) => {
                    news.push(Line::new("linked", format!("{name}  {address}")));
                }
                (Some(_), None) if now.left.contains(key) => {
                    news.push(Line::new("left", format!("{name} was stopped")));
                }
                (Some(_), None) => news.push(Line::new("link lost", name)),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        news.extend(now.alarms.difference(&self.alarms).map(|what| Line::new("ALARM", what)));
        news.extend(self.alarms.difference(&now.alarms).map(|what| Line::new("over", what)));
        if let (None, Some(refusal)) = (self.out, now.out) {
            let code = refusal.code();
            news.push(Line::new("OUT", format!("{} [code {code}]", refusal.text())));
            news.push(Line::new("", refusal.mend()));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::plant::world::key;

    fn scene(members: &[&str], linked: &[&str], alarms: &[&str]) -> Scene {
        let named = |role: &&str| (key(role), (*role).to_owned());
        Scene {
            plant: Some("Rossi".to_owned()),
            members: members.iter().map(named).collect(),
            linked: linked.iter().map(|role| (key(role), "10.0.0.1:1".to_owned())).collect(),
            left: BTreeSet::new(),
            alarms: alarms.iter().map(|alarm| (*alarm).to_owned()).collect(),
            out: None,
        }
    }

    fn told(before: &Scene, now: &Scene) -> Vec<String> {
        before.news(now).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_changes_are_news() {
        let before = scene(&["press", "robot"], &["press", "robot"], &["a"]);
        assert!(before.news(&before).is_empty());
        let mut now = scene(&["press", "robot", "packer"], &["packer"], &["b"]);
        now.left.insert(key("robot"));
        let mut news = told(&before, &now);
        news.sort();
        assert_eq!(
            news,
            [
                "ALARM          b",
                "joined         packer",
                "left           robot was stopped",
                "link lost      press",
                "linked         packer  10.0.0.1:1",
                "over           a",
            ]
        );
        let out = told(&now, &scene(&["robot", "packer"], &["packer"], &["b"]));
        assert_eq!(out, ["out            press is no member any more"], "and no link is lost");
    }

    #[test]
    fn a_node_that_is_thrown_out_hears_it_once_with_the_code_and_what_to_do() {
        let before = scene(&["press"], &["press"], &[]);
        let mut now = scene(&["press"], &[], &[]);
        now.out = Some(Refusal::Revoked);
        let news = told(&before, &now);
        assert_eq!(
            news[..2],
            ["link lost      press", "OUT            this key was revoked [code 110]"]
        );
        assert_eq!(news[2].trim_start(), Refusal::Revoked.mend());
        assert!(now.news(&now).is_empty());
    }

    #[test]
    fn a_node_that_joins_tells_of_the_plant_and_not_of_everybody_in_it() {
        let news = told(&Scene::default(), &scene(&["press", "robot"], &["press"], &[]));
        assert_eq!(news, ["joined         the plant Rossi", "linked         press  10.0.0.1:1"]);
    }
}
