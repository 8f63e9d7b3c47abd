//! What a ledger says of who did what and when, and whether the records of a journal prove it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_protocol::audit::{AuditKind, AuditLine};
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::log::{Group, VerifiedGroup};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{Act, Target, TrustEntry, TrustRecord};
use gearmesh_protocol::words::check_words;

use super::ledger::{Ledger, entries_of};
use super::report::{alarm_text, record_text};
use super::roster::Roster;
use crate::core::record::Record;

/// All records of a ledger as lines, in the order of their times.
#[must_use]
pub fn trail(ledger: &Ledger, roster: &Roster) -> Vec<AuditLine> {
    let genesis = ledger.genesis();
    let founded = AuditLine {
        at: genesis.at,
        kind: AuditKind::Trust,
        who: "the root".to_owned(),
        who_key: None,
        whom: None,
        text: format!("founds the plant {}", genesis.name.as_str()),
    };
    let groups = ledger.logs_by_key().flat_map(|log| {
        let author = log.id().author;
        log.in_order().into_iter().map(move |group| (author, group))
    });
    let records = groups.flat_map(|(author, group)| {
        let entries = entries_of(group).filter_map(|entry| entry.entry);
        entries.map(move |entry| line(roster, &author, &entry)).collect::<Vec<_>>()
    });
    let rotations = ledger.rotations().map(|(id, rotation)| AuditLine {
        at: rotation.at,
        text: format!("makes way for the root with the words: {}", check_words(id.as_bytes())),
        ..founded.clone()
    });
    let mut lines: Vec<AuditLine> =
        std::iter::once(founded.clone()).chain(rotations).chain(records).collect();
    lines.sort_by_key(|line| line.at);
    lines
}

fn line(roster: &Roster, author: &PublicKey, entry: &TrustEntry) -> AuditLine {
    AuditLine {
        at: entry.at,
        kind: AuditKind::Trust,
        who: roster.name_of(author),
        who_key: Some(*author),
        whom: whom(roster, &entry.record),
        text: record_text(roster, entry),
    }
}

fn whom(roster: &Roster, record: &TrustRecord) -> Option<String> {
    Some(match record {
        TrustRecord::Delegation(delegation) => delegation.name.to_string(),
        TrustRecord::Invitation(invitation) => invitation.terms.name.to_string(),
        TrustRecord::Admission(admission) => admission.terms.name.to_string(),
        TrustRecord::Amendment(amendment) => amendment.terms.name.to_string(),
        TrustRecord::Revocation(revocation) => match revocation.target {
            Target::Key(key) | Target::Registrar(key) => roster.name_of(&key),
            Target::Invitation(invitation) => {
                let invited = roster.invitations().get(&invitation)?;
                invited.invitation.terms.name.to_string()
            }
        },
        TrustRecord::RootVote(_) => return None,
    })
}

/// What the records of a journal prove, checked one by one and without a node.
#[derive(Debug)]
pub struct Audited {
    /// The plant.
    pub plant: PlantId,
    /// What people call it.
    pub name: String,
    /// Check words of the plant.
    pub words: String,
    /// What the members are called now.
    pub members: BTreeMap<PublicKey, String>,
    /// Threshold acts whose signatures are right, the genesis among them.
    pub acts: u64,
    /// Groups of trust logs that are signed and hang together.
    pub groups: u64,
    /// What those groups and the genesis say, in the order of their times.
    pub lines: Vec<AuditLine>,
    /// The newest time that stands in them.
    pub newest: UnixMillis,
    /// What is not as its authors signed it, or hangs on what is not here.
    pub flaws: Vec<String>,
    /// What is signed rightly and yet needs a person.
    pub alarms: Vec<String>,
}

/// Checks what a journal holds of its plant; none if it holds no plant.
#[must_use]
pub fn audit(records: Vec<Record>) -> Option<Audited> {
    let (mut acts, mut groups) = (Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Act(act) => acts.push(act),
            Record::Group(group) => groups.push(group),
            Record::Incarnation(_) | Record::Addresses(_) | Record::OwnData { .. } => {}
        }
    }
    let (mut ledger, acts, mut flaws) = founded(acts)?;
    let (verified, forged) = checked(groups, &ledger.plant());
    flaws.extend(forged);
    ledger.merge_groups(verified.clone());
    let is_held = |group: &Arc<VerifiedGroup>| {
        let log = ledger.log(&group.header().log.author);
        log.is_some_and(|log| log.contains(&group.id()))
    };
    let loose: Vec<_> = verified.iter().filter(|group| !is_held(group)).collect();
    let roster = Roster::of(&ledger);
    flaws.extend(loose.iter().map(|group| {
        let author = roster.name_of(&group.header().log.author);
        format!("group {:?} of {author} hangs on groups that are not here", group.id())
    }));
    let lines = trail(&ledger, &roster);
    Some(Audited {
        plant: roster.plant(),
        name: roster.name().as_str().to_owned(),
        words: check_words(roster.plant().as_bytes()),
        members: roster.members().keys().map(|key| (*key, roster.name_of(key))).collect(),
        acts,
        groups: (verified.len() - loose.len()) as u64,
        newest: lines.last().map_or(UnixMillis(0), |line| line.at),
        lines,
        flaws,
        alarms: roster.alarms().iter().map(|alarm| alarm_text(&roster, alarm)).collect(),
    })
}

/// The ledger of the first act that founds a plant, with the acts that fit it.
fn founded(acts: Vec<Act>) -> Option<(Ledger, u64, Vec<String>)> {
    let mut acts = acts.into_iter();
    let mut ledger = acts.find_map(|act| Ledger::found(act).ok())?;
    let (mut count, mut flaws) = (1, Vec::new());
    for act in acts {
        match ledger.merge_act(act) {
            Ok(_) => count += 1,
            Err(error) => flaws.push(format!("an act: {error}")),
        }
    }
    Some((ledger, count, flaws))
}

/// The groups whose signatures are right, each once, and what is wrong with the others.
fn checked(groups: Vec<Group>, plant: &PlantId) -> (Vec<Arc<VerifiedGroup>>, Vec<String>) {
    let (mut known, mut verified, mut flaws) = (BTreeSet::new(), Vec::new(), Vec::new());
    for group in groups {
        match group.verify(plant) {
            Ok(group) if known.insert(group.id()) => verified.push(Arc::new(group)),
            Ok(_) => {}
            Err(error) => flaws.push(format!("a group: {error}")),
        }
    }
    (verified, flaws)
}

#[cfg(test)]
mod tests;
