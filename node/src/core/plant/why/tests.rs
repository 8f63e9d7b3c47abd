//! What is said of members with which something is wrong, and of those with which nothing is.

use std::time::Duration;

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::inspect::DataCounts;

use super::super::links::LivesAt;
use super::super::lives::{Sighting, StrangeLife};
use super::super::presence::Away;
use super::super::standing::tests::view;
use super::super::world::records::{admit, machine, revoke};
use super::super::world::{Plant as History, key};
use super::*;
use crate::core::plant::report;

/// A plant in which `press` and `robot` are members.
fn history() -> History {
    let mut history = History::at_work();
    history.write("admin", admit("press", machine("press-1")));
    history.write("admin", admit("robot", machine("robot-1")));
    history
}

const NOW: Now = Now { tick: Duration::from_secs(100), wall: UnixMillis(500_000) };

/// What is wrong with a member at the node of `robot`.
fn said(view: &View, of: &str, log: &DataLog) -> Vec<Finding> {
    let members = report::members(view, NOW);
    let member = members.iter().find(|member| member.key == key(of)).expect("a member");
    findings(view, NOW, member, log)
}

fn kinds(found: &[Finding]) -> Vec<FindingKind> {
    found.iter().map(|finding| finding.kind).collect()
}

fn end(group: u8, number: u64) -> Tip {
    Tip { group: GroupId([group; 32]), number, entries: number + 1 }
}

fn branch(group: u8, lives: &[u8]) -> Branch {
    Branch {
        end: end(group, 9),
        groups: 2,
        entries: 3,
        from: None,
        until: None,
        lives: lives.iter().map(|life| Incarnation([*life; 16])).collect(),
    }
}

#[test]
fn of_a_member_with_which_nothing_is_wrong_nothing_is_said() {
    assert_eq!(said(&view("robot", Some(&history())), "robot", &DataLog::default()), []);
}

#[test]
fn a_member_that_is_away_is_said_to_be_since_when() {
    let mut view = view("robot", Some(&history()));
    let away = Away {
        presence: Presence::Unreachable,
        since: Duration::from_secs(40),
        told_by: Some(key("registrar")),
    };
    view.gone = std::sync::Arc::new([(key("press"), away)].into());
    let found = said(&view, "press", &DataLog::default());
    assert_eq!(kinds(&found), [FindingKind::Away]);
    let since = UnixMillis(440_000);
    assert!(found[0].text.contains(&format!("since {since}, as")), "{found:?}");
}

#[test]
fn a_fork_is_told_with_its_branches_and_where_it_ends() {
    let branches = vec![branch(7, &[1]), branch(8, &[2, 3])];
    let fork = Some(Fork { after: Some(end(6, 7)), branches });
    let log = DataLog { fork, ..DataLog::default() };
    let here = view("press", Some(&history()));
    let found = said(&here, "press", &log);
    assert_eq!(kinds(&found), [FindingKind::Forked]);
    for part in ["2 branches since group 060606060606 (number 7)", "the life 010101010101"] {
        assert!(found[0].text.contains(part), "{part}: {found:?}");
    }
    assert!(found[0].text.contains("the lives 020202020202 and 030303030303"), "{found:?}");
    assert!(found[0].mend.contains("type here: gearmesh settle"), "{found:?}");
    let found = said(&view("robot", Some(&history())), "press", &log);
    assert!(found[0].mend.contains("type on press-1: gearmesh settle"), "{found:?}");
    assert!(found[0].mend.contains("revoke press-1 --reason compromised"), "{found:?}");
}

#[test]
fn of_a_revoked_member_it_is_said_what_still_counts() {
    let counted = DataCounts { values: 9, after_cut: 2, compromised: 4, ..DataCounts::default() };
    let log = DataLog { counted, ..DataLog::default() };
    for (reason, part) in [
        (Reason::Lost, "2 of 9 are marked"),
        (
            Reason::Compromised,
            "4 of its 9 durable values lie beyond the cut and are withheld, 5 count",
        ),
    ] {
        let mut history = history();
        history.write("admin", revoke("press", reason, &[]));
        let found = said(&view("robot", Some(&history)), "press", &log);
        assert_eq!(kinds(&found), [FindingKind::Revoked]);
        assert!(found[0].text.contains(part), "{part}: {found:?}");
    }
}

#[test]
fn what_is_withheld_or_missing_is_counted() {
    let counted = DataCounts { amended: 3, not_granted: 2, missing: 9, ..DataCounts::default() };
    let log = DataLog { counted, ..DataLog::default() };
    let mut view = view("press", Some(&history()));
    view.missing_data = [(key("press"), 5)].into();
    let found = said(&view, "press", &log);
    let expected = [FindingKind::Narrowed, FindingKind::NotGranted, FindingKind::Missing];
    assert_eq!(kinds(&found), expected);
    for (finding, count) in found.iter().zip(["3 durable", "2 of its", "5 entries"]) {
        assert!(finding.text.contains(count), "{finding:?}");
    }
}

#[test]
fn lives_that_only_wrote_values_may_be_settled_and_others_may_not() {
    for (has_signed_trust, may_settle) in [(false, true), (true, false)] {
        let mut view = view("press", Some(&history()));
        let sighting = Sighting::Clone;
        let seen = StrangeLife { sighting, has_signed_trust, shown_by: None };
        view.incarnation = Incarnation([7; 16]);
        view.strange_lives = [(Incarnation([9; 16]), seen)].into();
        let found = said(&view, "press", &DataLog::default());
        for life in [7, 9] {
            let named = Incarnation([life; 16]).to_string();
            assert!(found[0].text.contains(&named), "both lives are named: {found:?}");
        }
        assert_eq!(kinds(&found), [FindingKind::StrangeLife]);
        assert_eq!(found[0].mend.contains("gearmesh settle"), may_settle, "{found:?}");
    }
    let mut view = view("press", Some(&history()));
    let lives = |number| LivesAt {
        address: "/ip4/192.0.2.9/tcp/1".to_owned().try_into().expect("an address"),
        life: Incarnation([number; 16]),
    };
    view.clones.insert(key("robot"), (lives(1), lives(2)));
    let found = said(&view, "robot", &DataLog::default());
    let clone = found.iter().find(|found| found.kind == FindingKind::Clone).expect("a finding");
    for life in [1, 2] {
        assert!(clone.text.contains(&Incarnation([life; 16]).to_string()), "{clone:?}");
    }
}
