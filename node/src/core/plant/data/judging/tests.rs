//! Every way in which a stored group may be believed or not.

use std::sync::Arc;

use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::log::{Draft, Group, LogId, VerifiedGroup};

use super::super::super::log::Log;
use super::super::super::world::records::{admit, amend_beyond, machine, revoke_beyond};
use super::super::super::world::{Plant, draft, first, key, signing};
use super::*;

/// A plant in which `press` is a machine, by this record.
fn with_press() -> (Plant, RecordId) {
    let mut plant = Plant::at_work();
    let admitted = plant.write("admin", admit("press", machine("press")));
    (plant, first(&admitted))
}

/// A data log of the press.
struct PressLog(Log);

impl PressLog {
    fn new() -> Self {
        Self(Log::new(LogId { author: key("press"), kind: LogKind::Data }))
    }

    fn write(&mut self, plant: &Plant, acting_under: RecordId) -> Arc<VerifiedGroup> {
        let draft = draft("press", LogKind::Data, &self.0.tips(), vec![vec![1]]);
        let draft = Draft { acting_under, ..draft };
        let group = Group::write(&signing("press"), &plant.id, draft).expect("a group");
        let group = Arc::new(group);
        self.0.insert(Arc::clone(&group)).expect("it continues the log");
        group
    }
}

/// Whether it lies beyond a cut, if it is believed.
fn judged(plant: &Plant, log: &PressLog, group: &VerifiedGroup) -> Result<bool, Withheld> {
    let is_within = |leaves: &[GroupId]| log.0.ancestors_or_self(leaves).contains(&group.id());
    match judge(&plant.roster(), group.header(), is_within) {
        Judged::Believed { is_after_cut, .. } => Ok(is_after_cut),
        Judged::Withheld(why) => Err(why),
    }
}

#[test]
fn what_a_member_wrote_is_believed_and_what_names_no_membership_is_not() {
    let (plant, admitted) = with_press();
    let mut log = PressLog::new();
    let ours = log.write(&plant, admitted);
    let theirs = log.write(&plant, RecordId([9; 32]));
    assert_eq!(judged(&plant, &log, &ours), Ok(false));
    assert_eq!(judged(&plant, &log, &theirs), Err(Withheld::NeverMember));
}

#[test]
fn beyond_a_cut_the_reason_decides() {
    for (reason, expected) in [
        (Reason::Retired, Ok(true)),
        (Reason::Lost, Ok(true)),
        (Reason::Replaced, Ok(true)),
        (Reason::Compromised, Err(Withheld::Compromised)),
    ] {
        let (mut plant, admitted) = with_press();
        let mut log = PressLog::new();
        let before = log.write(&plant, admitted);
        let beyond = log.write(&plant, admitted);
        plant.write("admin", revoke_beyond("press", reason, &before));
        assert_eq!(judged(&plant, &log, &before), Ok(false), "{reason}");
        assert_eq!(judged(&plant, &log, &beyond), expected, "{reason}");
    }
}

#[test]
fn after_an_amendment_the_old_record_is_spent() {
    let (mut plant, admitted) = with_press();
    let mut log = PressLog::new();
    let last = log.write(&plant, admitted);
    let amendment = amend_beyond("press", admitted, machine("press-2"), &[&last]);
    let amended = first(&plant.write("admin", amendment));
    let new = log.write(&plant, amended);
    let late = log.write(&plant, admitted);
    assert_eq!(judged(&plant, &log, &last), Ok(false));
    assert_eq!(judged(&plant, &log, &new), Ok(false));
    assert_eq!(judged(&plant, &log, &late), Err(Withheld::Amended));
}
