//! What a view says in the words of the local API.

use std::sync::Arc;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey, RecordId};
use gearmesh_protocol::local::{Confirmations, MemberStatus, PlantStatus, Presence, TrustLine};
use gearmesh_protocol::log::{Cut, LogCut, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::trust::{Act, Authority, Target, TrustEntry, TrustRecord};
use gearmesh_protocol::words::check_words;

use super::Now;
use super::ledger::{Ledger, entries_of};
use super::lives::{Sighting, StrangeLife};
use super::presence::Away;
use super::roster::{Alarm, Member, Roster, fallen};
use super::view::{LinkView, View};

/// This node's place in its plant, once it has joined.
#[must_use]
pub fn plant(view: &View, now: Now) -> Option<PlantStatus> {
    let roster = view.roster.as_ref()?;
    Some(PlantStatus {
        id: roster.plant(),
        name: roster.name().as_str().to_owned(),
        words: check_words(roster.plant().as_bytes()),
        root: roster.root().keys.to_vec(),
        threshold: roster.root().threshold,
        me: view.own().map(|member| line(view, roster, member, now)),
        acting_under: roster.acting_under(&view.me),
        members: roster.members().len(),
        online: view.online(),
        links: view.links.len(),
    })
}

/// The list of members: this node first, then by name; those thrown out at the end.
#[must_use]
pub fn members(view: &View, now: Now) -> Vec<MemberStatus> {
    let Some(roster) = &view.roster else { return Vec::new() };
    let mut lines: Vec<MemberStatus> =
        roster.members().values().map(|member| line(view, roster, member, now)).collect();
    lines.sort_by_key(|line| (line.presence != Presence::Here, line.name.clone(), line.key));
    let gone = roster.revoked().iter().filter_map(|(key, revoked)| {
        Some(MemberStatus {
            name: revoked.name.as_ref()?.as_str().to_owned(),
            key: *key,
            key_words: check_words(key.as_bytes()),
            roles: Vec::new(),
            scope: None,
            registrar: false,
            presence: Presence::Revoked,
            presence_for_s: now.wall.since(revoked.at) / 1000,
            until: None,
            revoked: Some(revoked.reason),
            told_by: None,
            in_step: false,
            address: None,
        })
    });
    lines.extend(gone);
    lines
}

/// What is said of a disk without room.
const SHORT_TEXT: &str = "the disk is full; records of the plant are stored in the room that was held \
     back for them, durable values are not; free some space";

/// What needs a person, as sentences.
#[must_use]
pub fn alarms(view: &View) -> Vec<String> {
    let journal = view.journal_trouble.iter().map(|cause| unwritten_text("the journal", cause));
    let store = view.store_trouble.iter().map(|cause| unwritten_text("the store of data", cause));
    let room = view.disk_is_short.then(|| SHORT_TEXT.to_owned());
    let mut alarms: Vec<String> = journal.chain(store).chain(room).collect();
    let Some(roster) = &view.roster else { return alarms };
    alarms.extend(roster.alarms().iter().map(|alarm| alarm_text(roster, alarm)));
    alarms.extend(view.clones.iter().map(|(key, (one, other))| {
        let name = roster.name_of(key);
        format!(
            "{name} lives twice, at {one} and at {other}: one is a copy of the other; on the copy, \
             type gearmesh up --fresh"
        )
    }));
    alarms.extend(view.forked_data.iter().map(|author| forked_data_text(roster, author)));
    let missing = view.missing_data.iter();
    alarms.extend(missing.map(|(author, count)| missing_data_text(roster, author, *count)));
    if view.lost_own_data > 0 {
        alarms.push(lost_own_text(view.lost_own_data));
    }
    let strange = view.strange_lives.iter();
    alarms.extend(strange.map(|(life, seen)| strange_life_text(roster, view, life, seen)));
    if view.unnamed_strange > 0 {
        let groups = counted(view.unnamed_strange, "group", "groups");
        alarms.push(format!("other lives of this node signed {groups} more with its key"));
    }
    alarms
}

/// Who holds a group, as far as this node knows.
#[must_use]
pub fn confirmations(view: &View, group: &GroupId) -> Confirmations {
    held(view, |key| view.has_confirmed(key, group))
}

/// Who holds an act, as far as this node knows.
#[must_use]
pub fn act_confirmations(view: &View, act: &RecordId) -> Confirmations {
    let holds = |link: &LinkView| link.acts.as_ref().is_some_and(|acts| acts.contains(act));
    held(view, |key| view.links.values().any(|link| link.peer == *key && holds(link)))
}

fn held(view: &View, has_confirmed: impl Fn(&PublicKey) -> bool) -> Confirmations {
    let mut found =
        Confirmations { confirmed: Vec::new(), waiting: Vec::new(), unreachable: Vec::new() };
    let Some(roster) = &view.roster else { return found };
    for (key, member) in roster.members() {
        let name = member.name().as_str().to_owned();
        if *key == view.me || has_confirmed(key) {
            found.confirmed.push(name);
        } else if view.links.values().any(|link| link.peer == *key) {
            found.waiting.push(name);
        } else {
            found.unreachable.push(name);
        }
    }
    found
}

/// Where the logs of a key end here, for a cut that keeps all of it; its data log ends at `data`.
#[must_use]
pub fn log_ends(view: &View, key: &PublicKey, data: &[Tip]) -> Cut {
    let log = view.ledger.as_ref().and_then(|ledger| ledger.log(key));
    let trust = log.map(|log| LogCut {
        kind: LogKind::Trust,
        leaves: Bounded::first_of(log.leaves().iter().copied()),
    });
    let leaves = Bounded::first_of(data.iter().map(|tip| tip.group));
    let data = (!data.is_empty()).then_some(LogCut { kind: LogKind::Data, leaves });
    Bounded::first_of(trust.into_iter().chain(data))
}

/// The records of a key's trust log, oldest first.
#[must_use]
pub fn trust_lines(view: &View, key: &PublicKey) -> Vec<TrustLine> {
    let (Some(ledger), Some(roster)) = (&view.ledger, &view.roster) else { return Vec::new() };
    let Some(log) = ledger.log(key) else { return Vec::new() };
    let groups = log.in_order().into_iter();
    groups
        .flat_map(|group| entries_of(group).map(|entry| (group.id(), entry.entry)))
        .filter_map(|(group, entry)| {
            let entry = entry?;
            Some(TrustLine { group, at: entry.at, text: record_text(roster, &entry) })
        })
        .collect()
}

/// Names of the members that fall if a group is stored; none if it cannot be.
#[must_use]
pub fn would_fall(view: &View, group: &Arc<VerifiedGroup>) -> Option<Vec<String>> {
    let (ledger, before) = (view.ledger.as_ref()?, view.roster.as_ref()?);
    let mut copy = Ledger::clone(ledger);
    copy.merge_group(group).ok()?;
    Some(fallen_between(before, &copy))
}

/// Names of the members that fall if an act is stored; none if it cannot be.
#[must_use]
pub fn would_fall_by_act(view: &View, act: Act) -> Option<Vec<String>> {
    let (ledger, before) = (view.ledger.as_ref()?, view.roster.as_ref()?);
    let mut copy = Ledger::clone(ledger);
    copy.merge_act(act).ok()?;
    Some(fallen_between(before, &copy))
}

fn fallen_between(before: &Roster, copy: &Ledger) -> Vec<String> {
    let after = Roster::of(copy);
    fallen(before, &after).into_iter().map(|member| member.name().to_string()).collect()
}

fn line(view: &View, roster: &Roster, member: &Member, now: Now) -> MemberStatus {
    let key = member.key();
    let link = view.links.values().find(|link| link.peer == key);
    let Away { presence, since, told_by } = match link {
        _ if key == view.me => Away { presence: Presence::Here, ..Away::UNHEARD_OF },
        Some(LinkView { presence: (presence, since), .. }) => {
            Away { presence: *presence, since: *since, told_by: None }
        }
        None => view.away(&key),
    };
    let told_by = told_by.map(|key| roster.name_of(&key));
    // Where it can be dialled tells more than the port from which it happened to dial us.
    let address = view.address(&key).or_else(|| link.map(|link| &link.address));
    MemberStatus {
        name: member.name().as_str().to_owned(),
        key,
        key_words: check_words(key.as_bytes()),
        roles: member.roles(),
        scope: member.scope().map(|scope| scope.as_str().to_owned()),
        registrar: roster.is_registrar(&key),
        presence,
        presence_for_s: now.tick.saturating_sub(since).as_secs(),
        until: member.until(),
        revoked: None,
        told_by,
        in_step: key == view.me || link.is_some_and(|link| link.is_in_step),
        address: address.map(|address| address.as_str().to_owned()),
    }
}

fn unwritten_text(what: &str, cause: &str) -> String {
    format!("{what} cannot be written: {cause}; free some space, and it writes again by itself")
}

fn forked_data_text(roster: &Roster, author: &PublicKey) -> String {
    let name = roster.name_of(author);
    format!(
        "the durable values of {name} have two branches: its disk was put back to an older copy, or \
         its key is used in two places; history marks what lies beside the longest; gearmesh why \
         {name} tells more"
    )
}

/// A number of things, as one says it.
pub(super) fn counted(count: u64, one: &str, several: &str) -> String {
    let what = if count == 1 { one } else { several };
    format!("{count} {what}")
}

fn missing_data_text(roster: &Roster, author: &PublicKey, count: u64) -> String {
    let entries = counted(count, "entry", "entries");
    format!(
        "this node's disk lost {entries} of {}; members are asked for what is missing, and history \
         says where that is; look after the disk",
        roster.name_of(author)
    )
}

fn lost_own_text(groups: u64) -> String {
    let groups = counted(groups, "group", "groups");
    format!(
        "this node's own durable values are gone from its disk: {groups} of them at least; members \
         that have them give them back, what nobody else has is lost; if the folder data lies somewhere \
         else, stop the node and put it back"
    )
}

pub(super) fn strange_life_text(
    roster: &Roster,
    view: &View,
    life: &Incarnation,
    seen: &StrangeLife,
) -> String {
    let shown = seen.shown_by.as_ref().map(|(member, address)| {
        format!(" (shown by {} at {})", roster.name_of(member), address.as_str())
    });
    let shown = shown.unwrap_or_default();
    match seen.sighting {
        Sighting::OlderJournal => format!(
            "this node's journal is older than what members hold: it does not know the life \
             {life}, which signed with this node's key{shown}; if its disk was not put back to a \
             copy, somebody else has the key: revoke this node and join again in a fresh home"
        ),
        Sighting::Clone => {
            let restored = match seen.has_signed_trust {
                true => "",
                false => {
                    "if this machine's disk was put back to a copy, type gearmesh settle; if not, "
                }
            };
            format!(
                "this node's key signs in two places: this node is in the life {}, and the life {life} \
                 signed what it did not write{shown}; {restored}stop the copy, revoke this node and join again in a fresh \
                 home",
                view.incarnation
            )
        }
    }
}

pub(super) fn alarm_text(roster: &Roster, alarm: &Alarm) -> String {
    match alarm {
        Alarm::ForkedTrust { author } => {
            format!("the key of {} signs in two places", roster.name_of(author))
        }
        Alarm::ConcurrentTerms { member } => format!(
            "{} was given different terms at the same time; only what both allow is allowed",
            roster.name_of(member)
        ),
        Alarm::NameTaken { name } => format!("two members are called {name}"),
        Alarm::ScopesOverlap { one, other } => {
            format!("the scopes of {} and {} overlap", roster.name_of(one), roster.name_of(other))
        }
        Alarm::InvitationOverused { invitation } => {
            let invited = roster.invitations().get(invitation);
            let name = invited.map(|invited| invited.invitation.terms.name.to_string());
            format!(
                "the invitation for {} admitted more machines than it was for",
                name.unwrap_or_else(|| format!("{invitation:?}"))
            )
        }
        Alarm::AuthorityAdmitted { key } => {
            format!(
                "{} signs for the plant and was admitted as a member: void",
                roster.name_of(key)
            )
        }
        Alarm::RootFrozen { rivals } => format!(
            "{} roots want to take over from the root, which is frozen until more than half of the \
             admins decide",
            rivals.len()
        ),
        Alarm::UnreadableRecord { author } => format!(
            "{} signed records that this release cannot read; bring it up to date",
            roster.name_of(author)
        ),
    }
}

pub(super) fn record_text(roster: &Roster, entry: &TrustEntry) -> String {
    match &entry.record {
        TrustRecord::Delegation(delegation) => {
            let authority = match delegation.authority {
                Authority::Admin => "an admin",
                Authority::Registrar => "a registrar",
            };
            format!("makes {} {authority}", delegation.name)
        }
        TrustRecord::Invitation(invitation) => {
            format!("invites {} until {}", invitation.terms.name, invitation.expires_at)
        }
        TrustRecord::Admission(admission) => format!("admits {}", admission.terms.name),
        TrustRecord::Amendment(amendment) => format!("changes {}", amendment.terms.name),
        TrustRecord::RootVote(rotation) => {
            format!("is for the root with the words: {}", check_words(rotation.as_bytes()))
        }
        TrustRecord::Revocation(revocation) => {
            let what = match revocation.target {
                Target::Key(key) => roster.name_of(&key),
                Target::Invitation(key) => format!("invitation {key:?}"),
                Target::Registrar(key) => {
                    return format!("makes {} no registrar any more", roster.name_of(&key));
                }
            };
            format!("revokes {what} ({})", revocation.reason)
        }
    }
}
