//! Who gets a machine that lets itself be found.

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::PlantId;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn key(seed: u8) -> PublicKey {
    PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
}

fn code(seed: u8) -> Arc<Code> {
    Arc::new(Code::new(&PlantId([seed; 32]), [seed; 16], &[]))
}

fn opened(confirm: bool) -> Claimable {
    Claimable::open(Opening { lasts: 30 * MINUTE, confirm }, Duration::ZERO)
}

fn network(number: u8) -> Option<Network> {
    Some(Network(number.into()))
}

/// A member looks, from a network of its own.
fn look(machine: &mut Claimable, now: Duration, seed: u8) -> Result<(), Refusal> {
    machine.admit(now, &key(seed), network(seed))?;
    machine.met(now, key(seed), seen(seed))
}

fn seen(seed: u8) -> Looker {
    Looker::new(format!("192.0.2.{seed}:7430"), network(seed), format!("words of {seed}"))
}

fn refused(result: Result<Verdict, Refusal>) -> Option<Refusal> {
    result.err()
}

#[test]
fn the_first_claim_is_followed_and_the_second_hears_so() {
    let mut machine = opened(false);
    look(&mut machine, MINUTE, 1).expect("a look");
    look(&mut machine, MINUTE, 2).expect("a look");
    assert!(machine.claim(MINUTE, key(1), code(1)) == Ok(Verdict::Take(code(1))));
    assert!(machine.claim(MINUTE, key(1), code(1)) == Ok(Verdict::Taking), "asked again");
    assert_eq!(refused(machine.claim(MINUTE, key(2), code(2))), Some(Refusal::ClaimUnderWay));
    assert_eq!(machine.ended(Ok(())).map(|(by, _)| by), Some(key(1)));
    assert!(machine.claim(MINUTE, key(1), code(1)) == Ok(Verdict::Taken));
    assert_eq!(refused(machine.claim(MINUTE, key(2), code(2))), Some(Refusal::ClaimedAlready));
    assert_eq!(look(&mut machine, MINUTE, 3), Err(Refusal::NotAdmitted), "strangers hear no more");
    assert_eq!(machine.closes_in(MINUTE), None);
}

#[test]
fn who_has_not_looked_is_a_stranger() {
    let mut machine = opened(false);
    assert_eq!(refused(machine.claim(MINUTE, key(1), code(1))), Some(Refusal::NotAdmitted));
}

#[test]
fn a_person_chooses_by_the_words_whoever_came_first() {
    let mut machine = opened(true);
    look(&mut machine, MINUTE, 1).expect("a look");
    look(&mut machine, MINUTE, 2).expect("a look");
    assert_eq!(machine.decide(MINUTE, "words of 2", true).err(), Some(Refusal::ClaimUnknown));
    for seed in [1, 2] {
        let waits = Verdict::Wait { is_new: true };
        assert!(machine.claim(MINUTE, key(seed), code(seed)) == Ok(waits));
        let still = Verdict::Wait { is_new: false };
        assert!(machine.claim(MINUTE, key(seed), code(seed)) == Ok(still));
    }
    assert_eq!(machine.decide(MINUTE, "words of 3", true).err(), Some(Refusal::ClaimUnknown));
    assert!(machine.decide(MINUTE, "words of 2", true) == Ok(Some(code(2))));
    assert_eq!(machine.decide(MINUTE, "words of 1", true).err(), Some(Refusal::ClaimUnderWay));
    assert_eq!(refused(machine.claim(MINUTE, key(1), code(1))), Some(Refusal::ClaimUnderWay));
    machine.ended(Ok(()));
    assert_eq!(machine.decide(MINUTE, "words of 1", true).err(), Some(Refusal::BelongsAlready));
}

#[test]
fn who_is_declined_hears_so_until_it_looks_again() {
    let mut machine = opened(true);
    look(&mut machine, MINUTE, 1).expect("a look");
    drop(machine.claim(MINUTE, key(1), code(1)));
    assert!(machine.decide(MINUTE, "words of 1", false) == Ok(None));
    assert_eq!(refused(machine.claim(MINUTE, key(1), code(1))), Some(Refusal::ClaimDeclined));
    assert_eq!(machine.decide(MINUTE, "words of 1", true).err(), Some(Refusal::ClaimUnknown));
    look(&mut machine, MINUTE, 1).expect("a look");
    assert!(machine.claim(MINUTE, key(1), code(1)) == Ok(Verdict::Wait { is_new: true }));
}

#[test]
fn a_claim_that_fails_is_told_once_and_leaves_the_machine_free() {
    let mut machine = opened(false);
    look(&mut machine, MINUTE, 1).expect("a look");
    look(&mut machine, MINUTE, 2).expect("a look");
    drop(machine.claim(MINUTE, key(1), code(1)));
    assert!(machine.ended(Err(Refusal::RedeemerSilent)).is_none());
    assert_eq!(refused(machine.claim(MINUTE, key(1), code(1))), Some(Refusal::ClaimFailed));
    assert!(machine.claim(MINUTE, key(1), code(1)) == Ok(Verdict::Take(code(1))), "and once only");
    assert!(machine.ended(Err(Refusal::InvitationExpired)).is_none());
    assert_eq!(refused(machine.claim(MINUTE, key(1), code(1))), Some(Refusal::InvitationExpired));
    assert!(machine.claim(MINUTE, key(2), code(2)) == Ok(Verdict::Take(code(2))));
}

#[test]
fn what_is_over_is_over() {
    let mut machine = opened(false);
    look(&mut machine, 29 * MINUTE, 1).expect("a look");
    let late = 30 * MINUTE;
    assert_eq!(refused(machine.claim(late, key(1), code(1))), Some(Refusal::ClaimClosed));
    assert_eq!(look(&mut machine, late, 2), Err(Refusal::NotAdmitted));
    let mut joined = opened(true);
    look(&mut joined, MINUTE, 1).expect("a look");
    joined.belongs();
    assert_eq!(refused(joined.claim(MINUTE, key(1), code(1))), Some(Refusal::ClaimedAlready));
}

#[test]
fn a_flood_of_lookers_is_bounded_counted_and_forgotten() {
    let mut machine = opened(false);
    for seed in 0..LOOKERS_PER_NETWORK_MAX as u8 {
        machine.admit(MINUTE, &key(seed + 1), network(1)).expect("a place");
        machine
            .met(MINUTE, key(seed + 1), Looker { network: network(1), ..seen(seed + 1) })
            .expect("a look");
    }
    assert_eq!(machine.admit(MINUTE, &key(99), network(1)), Err(Refusal::Busy), "one address");
    for seed in 0..(LOOKERS_MAX - LOOKERS_PER_NETWORK_MAX) as u8 {
        look(&mut machine, MINUTE, seed + 100).expect("a look");
    }
    assert_eq!(look(&mut machine, MINUTE, 200), Err(Refusal::Busy));
    assert_eq!((machine.turned_away(), machine.lookers().len()), (2, LOOKERS_MAX));
    look(&mut machine, MINUTE, 100).expect("who has a place keeps it");
    look(&mut machine, MINUTE + LOOKER_SILENT_MAX, 200).expect("those who went are forgotten");
}

#[test]
fn nobody_looks_until_the_words_fit() {
    let mut machine = opened(false);
    for _ in 0..LOOKS_MAX {
        look(&mut machine, MINUTE, 1).expect("a look");
    }
    assert_eq!(look(&mut machine, MINUTE, 1), Err(Refusal::Busy));
}
