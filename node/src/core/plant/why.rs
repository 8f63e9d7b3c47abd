//! What is wrong with one member or its logs, in sentences for whoever asks.

use gearmesh_protocol::ids::{Incarnation, PublicKey};
use gearmesh_protocol::inspect::{Branch, DataLog, Finding, FindingKind, Fork};
use gearmesh_protocol::local::{MemberStatus, Presence};
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::Reason;

use super::Now;
use super::report::{alarm_text, counted, strange_life_text};
use super::roster::{Alarm, Roster};
use super::view::View;

/// Digits of an id that are shown, enough to tell it from others.
const DIGITS_SHOWN: usize = 12;

/// All that is wrong with `member`, whose data log stands as `log` says.
#[must_use]
pub fn findings(view: &View, now: Now, member: &MemberStatus, log: &DataLog) -> Vec<Finding> {
    let Some(roster) = &view.roster else { return Vec::new() };
    let about = About { view, roster, now, member, log };
    let mut found: Vec<Finding> = about.revoked().into_iter().chain(about.ended()).collect();
    found.extend(about.clone_of_it());
    found.extend(about.strange_lives());
    found.extend(about.forked());
    found.extend(about.alarms());
    found.extend(about.withheld());
    found.extend(about.missing());
    found.extend(about.lost());
    found.extend(about.away());
    found
}

/// Whom the sentences are about.
struct About<'a> {
    view: &'a View,
    roster: &'a Roster,
    now: Now,
    member: &'a MemberStatus,
    log: &'a DataLog,
}

fn finding(kind: FindingKind, text: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { kind, text: text.into(), mend: mend.into() }
}

impl About<'_> {
    const fn key(&self) -> &PublicKey {
        &self.member.key
    }

    fn is_me(&self) -> bool {
        *self.key() == self.view.me
    }

    fn revoked(&self) -> Option<Finding> {
        let revoked = self.roster.revoked().get(self.key())?;
        let counted = &self.log.counted;
        let then = match revoked.reason {
            Reason::Compromised => format!(
                "{} of its {} durable values lie beyond the cut and are withheld, {} count",
                counted.compromised,
                counted.values,
                counted.values.saturating_sub(counted.withheld())
            ),
            Reason::Retired | Reason::Lost | Reason::Replaced => format!(
                "all its durable values count, {} of {} are marked as written after that",
                counted.after_cut, counted.values
            ),
        };
        let text = format!("it was revoked ({}) on {}; {then}", revoked.reason, revoked.at);
        let name = &self.member.name;
        let mend = format!(
            "it never comes back; a machine in its place joins with a key of its own: gearmesh add \
             {name}"
        );
        Some(finding(FindingKind::Revoked, text, mend))
    }

    fn ended(&self) -> Option<Finding> {
        let until = self.member.until?;
        let is_over = self.roster.member_at(self.key(), self.now.wall).is_none();
        is_over.then(|| {
            let mend = format!("let it stay: gearmesh set {} --until WHEN", self.member.name);
            finding(FindingKind::Ended, format!("its membership ended on {until}"), mend)
        })
    }

    fn clone_of_it(&self) -> Option<Finding> {
        let (one, other) = self.view.clones.get(self.key())?;
        let text = format!("it lives twice, at {one} and at {other}: one is a copy of the other");
        let mend = format!(
            "stop the copy, start it with a key of its own (gearmesh up --fresh), and add it: \
             gearmesh add NAME; if nobody knows of one: {}",
            self.revoke()
        );
        Some(finding(FindingKind::Clone, text, mend))
    }

    /// What this node's own journal does not know.
    fn strange_lives(&self) -> Vec<Finding> {
        if !self.is_me() {
            return Vec::new();
        }
        let strange = self.view.strange_lives.iter();
        let said = strange.map(|(life, seen)| {
            let text = strange_life_text(self.roster, self.view, life, seen);
            let mend = match seen.has_signed_trust {
                true => self.stop_or_revoke(),
                false => format!("if it was this machine: gearmesh settle; else {}", self.revoke()),
            };
            finding(FindingKind::StrangeLife, text, mend)
        });
        said.collect()
    }

    fn forked(&self) -> Option<Finding> {
        let fork = self.log.fork.as_ref()?;
        let place = match self.is_me() {
            true => "here".to_owned(),
            false => format!("on {}", self.member.name),
        };
        let mend = match self.roster.revoked().contains_key(self.key()) {
            true => "nothing is to be done: it was revoked".to_owned(),
            false => format!(
                "if its disk was put back to an older copy, type {place}: gearmesh settle; if not, \
                 somebody else has its key: {}",
                self.revoke()
            ),
        };
        Some(finding(FindingKind::Forked, fork_text(fork), mend))
    }

    /// What the roster says of it.
    fn alarms(&self) -> Vec<Finding> {
        let about_it = self.roster.alarms().iter().filter_map(|alarm| {
            let (kind, mend) = self.kind_of(alarm)?;
            Some(finding(kind, alarm_text(self.roster, alarm), mend))
        });
        about_it.collect()
    }

    fn kind_of(&self, alarm: &Alarm) -> Option<(FindingKind, String)> {
        let key = self.key();
        let rename =
            "give one of them a name or scope of its own: gearmesh set NAME --name … --scope …";
        let decide = format!("say which it is to be: gearmesh set {} --role …", self.member.name);
        match alarm {
            Alarm::ForkedTrust { author } if author == key => {
                Some((FindingKind::ForkedTrust, self.stop_or_revoke()))
            }
            Alarm::ConcurrentTerms { member } if member == key => {
                Some((FindingKind::ConcurrentTerms, decide))
            }
            Alarm::NameTaken { name } if name.as_str() == self.member.name => {
                Some((FindingKind::NameTaken, rename.to_owned()))
            }
            Alarm::ScopesOverlap { one, other } if one == key || other == key => {
                Some((FindingKind::ScopesOverlap, rename.to_owned()))
            }
            _ => None,
        }
    }

    fn withheld(&self) -> Vec<Finding> {
        let counted = &self.log.counted;
        let narrowed = (counted.amended > 0).then(|| {
            let text = format!(
                "an admin changed its terms; {} durable values that it wrote afterwards under the \
                 old ones are withheld",
                counted.amended
            );
            let mend = "let it reach another member, so that it hears of its new terms";
            finding(FindingKind::Narrowed, text, mend)
        });
        let not_granted = (counted.not_granted > 0).then(|| {
            let text = format!(
                "{} of its durable values are on topics that it might not write, and are withheld",
                counted.not_granted
            );
            let mend = "let it publish under its own scope: gearmesh members shows it";
            finding(FindingKind::NotGranted, text, mend)
        });
        narrowed.into_iter().chain(not_granted).collect()
    }

    /// What this node lost of its own.
    fn lost(&self) -> Option<Finding> {
        let lost = self.view.lost_own_data;
        (self.is_me() && lost > 0).then(|| {
            let groups = counted(lost, "group", "groups");
            let text = format!(
                "its own durable values are gone from its disk: {groups} of them at least; what no \
                 other member has is lost"
            );
            let mend = "if the folder data lies somewhere else, stop the node and put it back";
            finding(FindingKind::Missing, text, mend)
        })
    }

    /// What the disk lost. That old entries go when a log has grown is nothing wrong.
    fn missing(&self) -> Option<Finding> {
        let missing = self.view.missing_data.get(self.key()).filter(|count| **count > 0)?;
        let entries = counted(*missing, "entry", "entries");
        let text = format!(
            "this node's disk lost {entries} of its log; members are asked for what is missing"
        );
        let mend = "look after this machine's disk";
        Some(finding(FindingKind::Missing, text, mend))
    }

    fn away(&self) -> Option<Finding> {
        let MemberStatus { presence, presence_for_s, told_by, .. } = self.member;
        let how = match presence {
            Presence::Unreachable => "it cannot be reached from here",
            Presence::Quiet => "its link says nothing",
            Presence::Left => "it said goodbye and is away",
            Presence::Here | Presence::Online | Presence::Revoked => return None,
        };
        let ago_ms = presence_for_s.saturating_mul(1000);
        let since = UnixMillis(self.now.wall.0.saturating_sub(ago_ms));
        let told = told_by.as_ref().map(|by| format!(", as {by} says")).unwrap_or_default();
        let text = format!("{how} since {since}{told}");
        let mend = "see that it runs (gearmesh up) and that the network between is up";
        Some(finding(FindingKind::Away, text, mend))
    }

    fn stop_or_revoke(&self) -> String {
        format!("stop the copy; if nobody knows of one: {}", self.revoke())
    }

    fn revoke(&self) -> String {
        format!("gearmesh revoke {} --reason compromised", self.member.name)
    }
}

fn fork_text(fork: &Fork) -> String {
    let since = match &fork.after {
        Some(Tip { group, number, .. }) => {
            format!("since group {} (number {number})", start(&group.to_string()))
        }
        None => "since before the first group that is here".to_owned(),
    };
    let branches: Vec<String> = fork.branches.iter().map(branch_text).collect();
    format!("its durable values have {} branches {since}: {}", branches.len(), branches.join("; "))
}

fn branch_text(branch: &Branch) -> String {
    let lives: Vec<String> = branch.lives.iter().map(life_text).collect();
    let span = match (branch.from, branch.until) {
        (Some(from), Some(until)) => format!(", values from {from} to {until}"),
        _ => String::new(),
    };
    format!(
        "one of {} up to group {}{span}, written by {} {}",
        counted(branch.entries, "entry", "entries"),
        start(&branch.end.group.to_string()),
        if lives.len() == 1 { "the life" } else { "the lives" },
        lives.join(" and ")
    )
}

fn life_text(life: &Incarnation) -> String {
    start(&life.to_string())
}

fn start(id: &str) -> String {
    id.get(..DIGITS_SHOWN).unwrap_or(id).to_owned()
}

#[cfg(test)]
mod tests;
