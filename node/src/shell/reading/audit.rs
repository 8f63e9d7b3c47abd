//! Commands and leases as their targets and arbiters wrote them down, in the words of the audit trail.

use std::collections::BTreeMap;

use gearmesh_protocol::audit::{AuditKind, AuditLine};
use gearmesh_protocol::codec;
use gearmesh_protocol::entry::{
    CallRecord, CommandRecord, CommandState, DataEntry, LeaseEvent, LeaseRecord, PartnerAct,
    PartnerEvent, VisitRecord, WorkRecord, WorkState,
};
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::TopicFilter;

use super::super::data::{DataStore, ReadError};
use super::source::Source;
use super::surroundings::Surroundings;
use super::walk::Walk;
use crate::core::plant::data::{Trail, judge};
use crate::core::plant::roster::Roster;

/// The newest lines of what is put in, up to a bound, in the order of their times.
pub(in crate::shell) struct Newest {
    lines: BTreeMap<(UnixMillis, u64), AuditLine>,
    put: u64,
    max: usize,
}

impl Newest {
    pub(in crate::shell) const fn of(max: usize) -> Self {
        Self { lines: BTreeMap::new(), put: 0, max }
    }

    pub(in crate::shell) fn put(&mut self, line: AuditLine) {
        self.lines.insert((line.at, self.put), line);
        self.put += 1;
        if self.lines.len() > self.max {
            self.lines.pop_first();
        }
    }

    /// The lines, and how many older ones there were.
    pub(in crate::shell) fn taken(self) -> (Vec<AuditLine>, u64) {
        let earlier = self.put - self.lines.len() as u64;
        (self.lines.into_values().collect(), earlier)
    }
}

/// Reads all commands and leases that this node's copies of logs hold, and what gateways decided about
/// partners, and puts what is wanted. What a stolen key wrote beyond its cut is no record of anything.
pub(in crate::shell) async fn commands(
    store: DataStore,
    roster: &Roster,
    mut put: impl FnMut(AuditLine),
) -> Result<(), ReadError> {
    for author in store.authors() {
        let source = Source::Store(store.clone());
        let all = vec![TopicFilter::all()];
        let mut walk = Walk::along(source, author, Trail::default(), all);
        let mut surroundings = Surroundings::default();
        let mut last = UnixMillis(0);
        while let Some(passed) = surroundings.next(&mut walk, roster).await? {
            let outline = surroundings.outline().zip(passed.place);
            let is_within = |leaves: &[GroupId]| {
                outline.is_none_or(|(outline, place)| outline.is_within(place, leaves))
            };
            if judge(roster, &passed.header, is_within).is_after_cut().is_err() {
                continue;
            }
            for (_, entry) in passed.entries() {
                let Ok(entry) = codec::decode(entry, ENTRY_BYTES_MAX) else { continue };
                last = time_of(&entry).unwrap_or(last);
                match entry {
                    DataEntry::Command(record) => put(line(roster, &author, &record)),
                    // Renewals come every few seconds; who had it, and until when, says all.
                    DataEntry::Lease(record) if record.event != LeaseEvent::Renewed => {
                        put(lease_line(roster, &author, &record, last));
                    }
                    DataEntry::Partner(act) => put(partner_line(roster, &author, act)),
                    DataEntry::Visit(visit) => put(visit_line(roster, &author, &visit)),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn line(roster: &Roster, target: &PublicKey, record: &CommandRecord) -> AuditLine {
    let state = match &record.state {
        CommandState::Failed { code, message } => format!("failed ({code}: {message})"),
        CommandState::Refused(refusal) => format!("refused ({refusal})"),
        state => state.name().to_owned(),
    };
    AuditLine {
        at: record.at,
        kind: AuditKind::Command,
        who: roster.name_of(&record.caller),
        who_key: Some(record.caller),
        whom: Some(roster.name_of(target)),
        text: format!("asks {} to {}: {state}", roster.name_of(target), record.verb),
    }
}

fn visit_line(roster: &Roster, host: &PublicKey, visit: &VisitRecord) -> AuditLine {
    let VisitRecord { admin, from, at } = visit;
    let host = roster.name_of(host);
    AuditLine {
        at: *at,
        kind: AuditKind::Visit,
        who: roster.name_of(admin),
        who_key: Some(*admin),
        text: format!("comes to {host} from {}", from.as_str()),
        whom: Some(host),
    }
}

fn partner_line(roster: &Roster, gateway: &PublicKey, act: PartnerAct) -> AuditLine {
    let PartnerAct { partner, sheet, event, at } = act;
    let text = match event {
        PartnerEvent::Agreed => format!("agrees with partner {partner} on {sheet}"),
        PartnerEvent::Ended { by_partner: true } => {
            format!("hears that partner {partner} ended {sheet}")
        }
        PartnerEvent::Ended { by_partner: false } => format!("ends {sheet} with partner {partner}"),
        PartnerEvent::Called { id, verb, allowed } => {
            let how = if allowed { ", which a person allowed" } else { "" };
            format!("carries out {verb} for partner {partner}{how}: command {id}")
        }
        PartnerEvent::Refused { verb, refusal, count } => {
            format!(
                "refuses partner {partner} {verb} ({refusal}), {count} times since the last line"
            )
        }
        PartnerEvent::Moved { by_partner: true, number } => {
            format!("hears of change {number} of partner {partner}'s gateway for {sheet}")
        }
        PartnerEvent::Moved { by_partner: false, number } => {
            format!("carries out change {number} of this side's gateway for {sheet} with {partner}")
        }
    };
    AuditLine {
        at,
        kind: AuditKind::Partner,
        who: roster.name_of(gateway),
        who_key: Some(*gateway),
        whom: Some(format!("partner/{partner}")),
        text,
    }
}

/// When an entry was written, by the clock of its author; leases do not say, nor does what says something
/// again.
fn time_of(entry: &DataEntry) -> Option<UnixMillis> {
    match entry {
        DataEntry::Sample { sample, .. } => (!sample.replay).then_some(sample.source_time),
        DataEntry::Command(CommandRecord { at, .. })
        | DataEntry::Call(CallRecord { at, .. })
        | DataEntry::Partner(PartnerAct { at, .. })
        | DataEntry::Visit(VisitRecord { at, .. }) => Some(*at),
        DataEntry::Work(WorkRecord { at, state, .. }) => {
            (!matches!(state, WorkState::Stands(_))).then_some(*at)
        }
        DataEntry::Lease(_) | DataEntry::Cursor(_) | DataEntry::CommandAgain(_) => None,
    }
}

fn lease_line(
    roster: &Roster,
    arbiter: &PublicKey,
    record: &LeaseRecord,
    at: UnixMillis,
) -> AuditLine {
    let LeaseRecord { resource, holder, token, .. } = record;
    let number = token.number;
    let text = match record.event {
        LeaseEvent::Granted => format!("gets {resource} (lease {number})"),
        LeaseEvent::Renewed => format!("keeps {resource} (lease {number})"),
        LeaseEvent::Released => format!("gives {resource} back (lease {number})"),
        LeaseEvent::Expired => {
            format!("has {resource} no more: its time was over (lease {number})")
        }
        LeaseEvent::Revoked => format!("has {resource} no more: it is no member (lease {number})"),
    };
    AuditLine {
        at,
        kind: AuditKind::Lease,
        who: roster.name_of(holder),
        who_key: Some(*holder),
        whom: Some(roster.name_of(arbiter)),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: u64) -> AuditLine {
        let (who, text) = (String::new(), String::new());
        let (kind, who_key, whom) = (AuditKind::Trust, None, None);
        AuditLine { at: UnixMillis(time), kind, who, who_key, whom, text }
    }

    #[test]
    fn the_newest_stay_in_the_order_of_their_times() {
        let mut newest = Newest::of(3);
        for time in [5, 1, 4, 4, 2] {
            newest.put(at(time));
        }
        let (lines, earlier) = newest.taken();
        assert_eq!(lines.iter().map(|line| line.at.0).collect::<Vec<_>>(), [4, 4, 5]);
        assert_eq!(earlier, 2);
    }
}
