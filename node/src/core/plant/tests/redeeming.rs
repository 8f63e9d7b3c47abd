//! Redeeming an invitation: one admission, whoever asks how often and whatever the disk does.

use gearmesh_protocol::limits::{GROUP_ENTRIES_MAX, TRUST_RECORDS_MAX};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::TrustRecord;

use super::stage::{Node, answer, answers, parts_of, records_of, writes};
use crate::core::plant::work::{OWN_LOG_WAIT, WAITING_MAX};
use crate::core::plant::world::records::{machine, offer};
use crate::core::plant::world::{Plant as History, key};
use crate::core::plant::{Answer, Effect, Input};

fn refused(refusal: Refusal) -> Answer {
    Answer::Refused(refusal)
}

/// A plant whose code admits as many keys as a test may need.
fn generous() -> History {
    let mut history = History::at_work();
    let mut invitation = offer("many", "registrar", machine("press"));
    invitation.uses = 1000;
    history.write("admin", TrustRecord::Invitation(invitation));
    history
}

#[test]
fn nobody_hears_of_an_admission_before_it_is_on_disk() {
    let mut node = Node::member("registrar", &History::at_work());
    let (ticket, asked) = node.asks("press", "code");
    assert!(answers(&asked).is_empty() && !node.is_member("press"));
    let stored = node.carry_out(asked);
    let pages = node.ledger().pages();
    assert_eq!(answers(&stored), [(ticket, Answer::Redeemed(pages))]);
    assert!(node.is_member("press"));
}

#[test]
fn what_the_joiner_gets_is_a_ledger_in_which_it_is_a_member() {
    let mut node = Node::member("registrar", &History::at_work());
    let (_, asked) = node.asks("press", "code");
    let stored = node.carry_out(asked);
    let Answer::Redeemed(pages) = answer(&stored) else { panic!("it is redeemed") };
    let (acts, groups) = parts_of(pages, node.ledger());
    let mut joiner = Node::blank("press");
    let ticket = joiner.ticket();
    let adopted = joiner.run(Input::Adopt { ticket, acts, groups });
    assert_eq!(answers(&adopted), [(ticket, Answer::Adopted)]);
    assert!(joiner.is_member("press"));
    assert_eq!(records_of(joiner.ledger()), records_of(node.ledger()));
}

#[test]
fn a_failed_write_is_answered_as_not_ready_and_leaves_no_trace() {
    let mut node = Node::member("registrar", &History::at_work());
    let before = records_of(node.ledger());
    let (ticket, asked) = node.asks("press", "code");
    let write = writes(&asked)[0];
    let failed = node.feed(Input::PersistFailed { write, cause: "full".to_owned() });
    assert_eq!(answers(&failed), [(ticket, refused(Refusal::RedeemerNotReady))]);
    assert!(!failed.iter().any(|effect| matches!(effect, Effect::Send { .. })));
    assert_eq!(records_of(node.ledger()), before);
    assert!(!node.is_member("press"));

    let (again, asked) = node.asks("press", "code");
    let stored = node.carry_out(asked);
    assert!(matches!(&answers(&stored)[..], [(ticket, Answer::Redeemed(_))] if *ticket == again));
    assert_eq!((node.redeemed("code").len(), node.own_groups()), (1, 1));
}

#[test]
fn an_answer_of_the_disk_to_no_write_changes_nothing() {
    let mut node = Node::member("registrar", &History::at_work());
    let (_, asked) = node.asks("press", "code");
    let write = writes(&asked)[0];
    assert!(node.feed(Input::Persisted { write: write + 1 }).is_empty());
    assert!(
        node.feed(Input::PersistFailed { write: write - 1, cause: "full".to_owned() }).is_empty()
    );
    assert!(!node.is_member("press"));
    node.carry_out(asked);
    assert!(node.feed(Input::Persisted { write }).is_empty());
    assert_eq!(node.redeemed("code").len(), 1);
}

#[test]
fn a_joiner_that_dials_two_addresses_at_once_is_admitted_once_and_told_the_same_twice() {
    let mut node = Node::member("registrar", &History::at_work());
    let (one, first) = node.asks("press", "code");
    let (other, second) = node.asks("press", "code");
    assert!(writes(&second).is_empty(), "one write at a time");
    let stored = node.carry_out(first);
    let pages = node.ledger().pages();
    let same = Answer::Redeemed(pages);
    assert_eq!(answers(&stored), [(one, same.clone()), (other, same)]);
    assert_eq!((node.redeemed("code").len(), node.own_groups()), (1, 1));
}

#[test]
fn if_the_first_of_two_writes_for_one_joiner_fails_the_second_admits_it() {
    let mut node = Node::member("registrar", &History::at_work());
    let (one, first) = node.asks("press", "code");
    let (other, _) = node.asks("press", "code");
    let failed =
        node.feed(Input::PersistFailed { write: writes(&first)[0], cause: "full".to_owned() });
    assert_eq!(answers(&failed), [(one, refused(Refusal::RedeemerNotReady))]);
    let stored = node.carry_out(failed);
    assert!(
        answers(&stored)
            .iter()
            .any(|(ticket, answer)| { *ticket == other && matches!(answer, Answer::Redeemed(_)) })
    );
    assert_eq!((node.redeemed("code").len(), node.own_groups()), (1, 1));
}

#[test]
fn joiners_that_come_while_a_write_is_under_way_are_served_in_order() {
    let mut node = Node::member("registrar", &generous());
    // Those that it admits are members too, and it would ask them where its log ends.
    node.wait(OWN_LOG_WAIT);
    let (first, open) = node.asks("joiner-0", "many");
    let mut wanted = vec![first];
    for joiner in ["joiner-1", "joiner-2", "joiner-3"] {
        let (ticket, effects) = node.asks(joiner, "many");
        assert!(effects.is_empty(), "{joiner} waits");
        wanted.push(ticket);
    }
    let done = node.carry_out(open);
    let served: Vec<_> = answers(&done).into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(served, wanted);
    assert_eq!((node.redeemed("many").len(), node.own_groups()), (4, 4));
    assert!(!node.ledger().log(&key("registrar")).expect("a log").is_forked());
}

#[test]
fn the_last_use_of_an_invitation_goes_to_whoever_asked_first() {
    let mut history = History::at_work();
    let mut invitation = offer("single", "registrar", machine("press"));
    invitation.uses = 1;
    history.write("admin", TrustRecord::Invitation(invitation));
    let mut node = Node::member("registrar", &history);
    let (_, open) = node.asks("joiner-0", "single");
    let (late, _) = node.asks("joiner-1", "single");
    let done = node.carry_out(open);
    assert_eq!(answers(&done)[1], (late, refused(Refusal::InvitationUsed)));
    assert!(node.is_member("joiner-0") && !node.is_member("joiner-1"));
}

#[test]
fn more_work_than_may_wait_is_refused_as_busy_and_what_waits_is_done() {
    let mut node = Node::member("registrar", &generous());
    let (_, open) = node.asks("press", "many");
    for _ in 0..WAITING_MAX {
        assert!(node.asks("press", "many").1.is_empty());
    }
    let (ticket, effects) = node.asks("press", "many");
    assert_eq!(answers(&effects), [(ticket, refused(Refusal::Busy))]);
    let done = answers(&node.carry_out(open));
    assert_eq!(done.len(), WAITING_MAX + 1);
    assert!(done.iter().all(|(_, answer)| matches!(answer, Answer::Redeemed(_))));
    assert_eq!(node.own_groups(), 1);
}

#[test]
fn a_node_without_a_plant_admits_nobody() {
    let mut node = Node::blank("registrar");
    let (ticket, effects) = node.asks("press", "code");
    assert_eq!(answers(&effects), [(ticket, refused(Refusal::NotAdmitted))]);
}

/// What lies beyond the bound is void, so it must not be answered as an admission.
#[test]
fn a_registrar_whose_log_is_full_says_so_instead_of_admitting_in_vain() {
    let mut history = History::at_work();
    let full = usize::try_from(TRUST_RECORDS_MAX).expect("a small number");
    for _ in 0..full / GROUP_ENTRIES_MAX {
        history.write_bytes("registrar", vec![vec![0]; GROUP_ENTRIES_MAX]);
    }
    let mut node = Node::member("registrar", &history);
    let (ticket, asked) = node.asks("press", "code");
    assert_eq!(answers(&asked), [(ticket, refused(Refusal::LogFull))]);
    assert!(writes(&asked).is_empty());
}
