//! What holds in every history, whoever signed what, and in whatever order it became known.

use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, LEAVES_MAX};
use gearmesh_protocol::log::Group;
use gearmesh_protocol::trust::{Act, Reason};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{RngSeed, TestRunner};

use super::super::{Alarm, Roster};
use super::credential::founded_from;
use super::history::{actions, plant, plant_that_turns, turns};
use super::oracle::Oracle;
use crate::core::plant::ledger::Ledger;
use crate::core::plant::world::records::{admin, admit, machine, registrar, revoke};
use crate::core::plant::world::{Piece, Plant, key, merge_all, pieces_of};

const ACTIONS_MAX: usize = 25;

fn fixed(seed: u64, cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn merged(plant: &Plant, pieces: &[Piece]) -> Ledger {
    let mut ledger = plant.empty_ledger();
    merge_all(&mut ledger, pieces);
    ledger
}

/// All pieces in the order of these numbers, those with an odd one twice.
fn shuffled(plant: &Plant, order: &[u16]) -> Vec<Piece> {
    let numbers = order.iter().cycle().copied();
    let mut pieces: Vec<(u16, &Piece)> = Vec::new();
    for (number, piece) in numbers.zip(plant.pieces()) {
        pieces.push((number, piece));
        if number % 2 == 1 {
            pieces.push((number.wrapping_mul(31), piece));
        }
    }
    pieces.sort_by_key(|(number, _)| *number);
    pieces.into_iter().map(|(_, piece)| piece.clone()).collect()
}

/// A plant whose admin admitted some nodes, and whose root cut its log there; beside, whoever stole
/// the key wrote branches of these lengths from these places on.
fn with_stolen_branches(honest: usize, stolen: &[(Index, usize)]) -> Plant {
    let mut plant = Plant::with_one_root();
    plant.write("root", admin("admin"));
    let chain: Vec<_> = (0..honest)
        .map(|number| {
            let name = format!("node-{number}");
            plant.write("admin", admit(&name, machine(&name)))
        })
        .collect();
    let last = chain.last().expect("one at least");
    plant.write("root", revoke("admin", Reason::Compromised, &[last]));
    for (number, (from, length)) in stolen.iter().enumerate() {
        let at = from.index(honest + 1);
        let mut parent = at.checked_sub(1).map(|at| Arc::clone(&chain[at]));
        for twig in 0..*length {
            let name = format!("thief-{number}-{twig}");
            let record = admit(&name, machine(&name));
            parent = Some(plant.fork("admin", parent.as_deref(), record));
        }
    }
    plant
}

/// The ledger after each of these pieces, with the roster as it goes on from the one before, where
/// it does.
fn steps(plant: &Plant, pieces: &[Piece]) -> Vec<(Option<Roster>, Ledger)> {
    let mut ledger = plant.empty_ledger();
    let step = |piece: &Piece| {
        let before = ledger.clone();
        let news = match piece {
            Piece::Act(act) => {
                let _ = ledger.merge_act(act.clone());
                Vec::new()
            }
            Piece::Group(group) => ledger.merge_groups(vec![Arc::clone(group)]),
        };
        (Roster::of(&before).step(&before, &ledger, &news), ledger.clone())
    };
    pieces.iter().map(step).collect()
}

/// What a ledger makes of bytes that came from somewhere.
fn offer_bytes(ledger: &mut Ledger, is_act: bool, bytes: &[u8]) {
    if is_act {
        if let Ok(act) = codec::decode::<Act>(bytes, FRAME_BYTES_MAX) {
            let _ = ledger.merge_act(act);
        }
    } else if let Ok(group) = Group::read(&ledger.plant(), bytes) {
        let _ = ledger.merge_group(&group.into());
    }
}

proptest! {
    #![proptest_config(fixed(1, 128))]

    #[test]
    fn neither_order_nor_repetition_of_merging_matters(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
        order in proptest::collection::vec(any::<u16>(), 64),
    ) {
        let plant = plant(one_root, &actions);
        let other = merged(&plant, &shuffled(&plant, &order));
        prop_assert_eq!(Roster::of(&other), plant.roster());
    }

    #[test]
    fn a_roster_that_goes_on_from_the_one_before_is_the_one_that_is_built_anew(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
        order in proptest::collection::vec(any::<u16>(), 64),
        is_shuffled in any::<bool>(),
    ) {
        let plant = plant(one_root, &actions);
        let pieces = if is_shuffled { shuffled(&plant, &order) } else { plant.pieces().to_vec() };
        for (stepped, ledger) in steps(&plant, &pieces) {
            prop_assert!(stepped.is_none_or(|roster| roster == Roster::of(&ledger)));
        }
    }

    #[test]
    fn it_does_not_matter_which_of_two_ledgers_merges_the_other(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
        sides in proptest::collection::vec(0_u8..3, 64),
    ) {
        let plant = plant(one_root, &actions);
        let side = |wanted: u8| -> Vec<Piece> {
            let sides = sides.iter().cycle().zip(plant.pieces());
            sides.filter(|(side, _)| **side != wanted).map(|(_, piece)| piece.clone()).collect()
        };
        let (one, other) = (merged(&plant, &side(0)), merged(&plant, &side(1)));
        let (mut left, mut right) = (one.clone(), other.clone());
        merge_all(&mut left, &pieces_of(&other));
        merge_all(&mut right, &pieces_of(&one));
        // What waited here for its parents is told once it has them.
        merge_all(&mut left, &pieces_of(&right));
        merge_all(&mut right, &pieces_of(&left));
        prop_assert_eq!(Roster::of(&left), Roster::of(&right));
    }

    #[test]
    fn whatever_a_thief_signs_and_in_whatever_order_it_comes_what_stands_before_the_cut_stays(
        honest in 1_usize..5,
        stolen in proptest::collection::vec((any::<Index>(), 1_usize..4), 1..LEAVES_MAX + 4),
        order in proptest::collection::vec(any::<u16>(), 64),
    ) {
        let plant = with_stolen_branches(honest, &stolen);
        let other = merged(&plant, &shuffled(&plant, &order));
        let roster = Roster::of(&other);
        prop_assert_eq!(&roster, &plant.roster());
        let expected: Vec<_> = (0..honest).map(|number| key(&format!("node-{number}"))).collect();
        prop_assert!(expected.iter().all(|member| roster.member(member).is_some()));
        prop_assert_eq!(roster.members().len(), honest, "and nothing of the thief's");
        let log = other.log(&key("admin")).expect("its log");
        prop_assert!(log.leaves().len() <= LEAVES_MAX && log.count_apart() == 0);
    }

    #[test]
    fn thrown_out_is_who_was_revoked_from_above_by_a_record_that_stands(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
    ) {
        let ledger = plant(one_root, &actions).ledger();
        let (roster, oracle) = (Roster::of(&ledger), Oracle::of(&ledger));
        for key in oracle.targets() {
            let is_ended = !oracle.revocations(&key).is_empty();
            prop_assert_eq!(roster.revoked().contains_key(&key), is_ended, "key {:?}", key);
            let lives = roster.member(&key).is_some() || roster.authorities().contains_key(&key);
            prop_assert!(!(is_ended && lives), "{:?} was thrown out and is here", key);
        }
        prop_assert!(roster.revoked().keys().all(|key| oracle.targets().contains(key)));
    }

    #[test]
    fn members_are_those_whom_the_rules_admit(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
    ) {
        let ledger = plant(one_root, &actions).ledger();
        let members = Roster::of(&ledger).members().keys().copied().collect();
        prop_assert_eq!(Oracle::of(&ledger).members(), members);
    }

    #[test]
    fn nobody_has_terms_that_no_admin_signed_or_offered(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
    ) {
        let ledger = plant(one_root, &actions).ledger();
        let oracle = Oracle::of(&ledger);
        for member in Roster::of(&ledger).members().values() {
            for membership in member.records() {
                let signed = oracle.record(&membership.record).expect("a record of the ledger");
                let is_offered = oracle
                    .terms_offered(&signed.1)
                    .is_some_and(|offered| membership.terms.is_within(offered));
                prop_assert!(oracle.stands_as_admins(signed) || is_offered, "{:?}", member);
            }
        }
    }

    #[test]
    fn every_member_can_show_that_it_is_one(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
    ) {
        let ledger = plant(one_root, &actions).ledger();
        for (key, member) in Roster::of(&ledger).members() {
            let shown = Roster::of(&founded_from(&ledger.credential(key)));
            prop_assert_eq!(shown.member(key), Some(&**member));
        }
    }

    #[test]
    fn pages_of_any_history_can_be_taken_as_they_come(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
    ) {
        let ledger = plant(one_root, &actions).ledger();
        prop_assert_eq!(Roster::of(&founded_from(&ledger.pages())), Roster::of(&ledger));
    }

    #[test]
    fn where_others_want_to_be_the_root_all_who_hear_of_it_agree_with_the_rules(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
        turns in turns(10),
        order in proptest::collection::vec(any::<u16>(), 64),
    ) {
        let plant = plant_that_turns(one_root, &actions, &turns);
        let ledger = plant.ledger();
        let (roster, oracle) = (Roster::of(&ledger), Oracle::of(&ledger));
        prop_assert_eq!(oracle.members(), roster.members().keys().copied().collect());
        let other = merged(&plant, &shuffled(&plant, &order));
        prop_assert_eq!(other.line(), ledger.line());
        prop_assert_eq!(&Roster::of(&other), &roster);
        prop_assert_eq!(&Roster::of(&founded_from(&ledger.pages())), &roster);
        for (stepped, ledger) in steps(&plant, plant.pieces()) {
            prop_assert!(stepped.is_none_or(|roster| roster == Roster::of(&ledger)));
        }
    }

    #[test]
    fn bytes_that_were_changed_or_cut_off_are_worth_nothing(
        one_root in any::<bool>(),
        actions in actions(ACTIONS_MAX),
        (which, at) in any::<(Index, Index)>(),
        (flip, is_cut) in (1_u8.., any::<bool>()),
    ) {
        let plant = plant(one_root, &actions);
        let mut ledger = plant.ledger();
        let before = Roster::of(&ledger);
        let (is_act, mut bytes) = match which.get(plant.pieces()) {
            Piece::Act(act) => (true, codec::encode(act)),
            Piece::Group(group) => (false, codec::encode(group.group())),
        };
        let at = at.index(bytes.len());
        if is_cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= flip;
        }
        offer_bytes(&mut ledger, is_act, &bytes);
        prop_assert_eq!(Roster::of(&ledger), before);
    }
}

#[test]
fn no_flipped_bit_of_an_act_makes_another_act() {
    let mut plant = Plant::with_three_roots();
    let act = codec::encode(&plant.act(&["root-1", "root-3"], registrar("registrar")));
    let mut ledger = plant.empty_ledger();
    for bit in 0..act.len() * 8 {
        let mut bytes = act.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        offer_bytes(&mut ledger, true, &bytes);
    }
    assert_eq!(ledger.act_ids().count(), 0);
    offer_bytes(&mut ledger, true, &act);
    assert_eq!(ledger.act_ids().count(), 1);
}

#[test]
fn random_turns_reach_what_the_line_is_about() {
    let mut runner = TestRunner::new(fixed(3, 1));
    let (mut rotated, mut frozen, mut settled) = (0, 0, 0);
    for _ in 0..128 {
        let strategy = (actions(ACTIONS_MAX), turns(10));
        let (actions, turns) = strategy.new_tree(&mut runner).expect("a history").current();
        let ledger = plant_that_turns(true, &actions, &turns).ledger();
        let made: Vec<_> = ledger.line().made().collect();
        rotated += usize::from(made.len() > 1);
        frozen += usize::from(ledger.line().contested().is_some());
        let after = |root| ledger.rotations().filter(|(_, it)| it.after == root).count();
        settled += made[..made.len() - 1].iter().filter(|root| after(**root) > 1).count();
    }
    let found = [rotated, frozen, settled];
    assert!(found.iter().all(|count| *count > 3), "{found:?}");
}

#[test]
fn random_histories_reach_what_the_rules_are_about() {
    let mut runner = TestRunner::new(fixed(2, 1));
    let (mut members, mut ended, mut concurrent, mut withdrawn, mut forked) = (0, 0, 0, 0, 0);
    let (mut stepped, mut stepped_out) = (0, 0);
    for _ in 0..128 {
        let actions = actions(ACTIONS_MAX).new_tree(&mut runner).expect("a history").current();
        let plant = plant(true, &actions);
        let roster = plant.roster();
        let mut before = Roster::of(&plant.empty_ledger());
        for (step, ledger) in steps(&plant, plant.pieces()) {
            let is_stepped = step.is_some();
            let after = step.unwrap_or_else(|| Roster::of(&ledger));
            stepped += usize::from(is_stepped && after.members().len() > before.members().len());
            stepped_out +=
                usize::from(is_stepped && after.revoked().len() > before.revoked().len());
            before = after;
        }
        members += roster.members().len();
        ended += roster.revoked().len();
        concurrent += roster.members().values().filter(|m| m.is_concurrent()).count();
        withdrawn += roster.invitations().values().filter(|i| i.is_revoked).count();
        let is_fork = |alarm: &Alarm| matches!(alarm, Alarm::ForkedTrust { .. });
        forked += roster.alarms().iter().filter(|alarm| is_fork(alarm)).count();
    }
    let found = [members, ended, concurrent, withdrawn, forked, stepped, stepped_out];
    assert!(found.iter().all(|count| *count > 15), "{found:?}");
}
