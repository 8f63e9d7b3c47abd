//! Copies of a log converge, and stay within their bounds.

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::log::{Draft, Group, LogKind};
use gearmesh_protocol::merkle::Salt;

use super::*;

const PLANT: PlantId = PlantId([1; 32]);

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn id() -> LogId {
    LogId { author: PublicKey::of(&key()), kind: LogKind::Data }
}

fn group(after: &[&Arc<VerifiedGroup>], text: &str) -> Arc<VerifiedGroup> {
    let draft = Draft {
        log: id(),
        incarnation: Incarnation([0; 16]),
        after: after.iter().map(|group| group.tip()).collect(),
        acting_under: RecordId([0; 32]),
        salt: Salt([0; 16]),
        entries: vec![text.as_bytes().to_vec()],
    };
    Arc::new(Group::write(&key(), &PLANT, draft).expect("a group"))
}

/// A chain of `length` groups.
fn chain(length: usize) -> Vec<Arc<VerifiedGroup>> {
    let mut groups: Vec<Arc<VerifiedGroup>> = Vec::new();
    for number in 0..length {
        let after: Vec<_> = groups.last().into_iter().collect();
        groups.push(group(&after, &number.to_string()));
    }
    groups
}

fn stored(groups: &[Arc<VerifiedGroup>]) -> Log {
    let mut log = Log::new(id());
    for group in groups {
        log.insert(Arc::clone(group)).expect("parents come first");
    }
    log
}

#[test]
fn a_group_is_stored_only_after_its_parent() {
    let groups = chain(3);
    let mut log = Log::new(id());
    let early = log.insert(Arc::clone(&groups[1]));
    assert!(matches!(early, Err(StoreRefusal::MissingParent { .. })));
    for group in &groups {
        assert_eq!(log.insert(Arc::clone(group)), Ok(Inserted::New));
        assert_eq!(log.insert(Arc::clone(group)), Ok(Inserted::Known));
    }
    assert_eq!(log.leaves().iter().collect::<Vec<_>>(), vec![&groups[2].id()]);
}

#[test]
fn a_fork_keeps_both_branches_and_a_settling_group_joins_them() {
    let trunk = chain(2);
    let (left, right) = (group(&[&trunk[1]], "left"), group(&[&trunk[1]], "right"));
    let mut log = stored(&[&trunk[..], &[Arc::clone(&left), Arc::clone(&right)]].concat());
    assert!(log.is_forked());
    assert_eq!(log.leaves().len(), 2);
    let settled = group(&[&left, &right], "settled");
    log.insert(Arc::clone(&settled)).expect("both parents are here");
    assert_eq!(log.leaves().iter().collect::<Vec<_>>(), vec![&settled.id()]);
    let ancestors = log.ancestors_or_self(&[settled.id()]);
    assert_eq!(ancestors.len(), 5);
}

#[test]
fn beyond_bound_every_holder_drops_the_same_branches() {
    let trunk = chain(2);
    let branches: Vec<_> = (0..12).map(|n| group(&[&trunk[0]], &format!("branch {n}"))).collect();
    let twigs: Vec<_> = branches.iter().map(|b| group(&[b], "twig")).collect();
    let expected = {
        let mut log = stored(&trunk);
        for group in branches.iter().chain(&twigs) {
            let _ = log.insert(Arc::clone(group));
        }
        log.leaves().clone()
    };
    assert_eq!(expected.len(), LEAVES_MAX);
    for shift in 0..branches.len() {
        let mut log = stored(&trunk);
        for at in 0..branches.len() {
            let at = (at + shift) % branches.len();
            log.insert(Arc::clone(&branches[at])).expect("a branch");
            // A twig of a dropped branch has no parent any more; that is a refusal, not a loss.
            let _ = log.insert(Arc::clone(&twigs[at]));
        }
        assert_eq!(*log.leaves(), expected, "shifted by {shift}");
    }
}

#[test]
fn a_locator_leads_an_outdated_reader_to_what_it_lacks() {
    let groups = chain(100);
    let writer = stored(&groups);
    let reader = stored(&groups[..40]);
    let lacking = writer.beyond(&reader.locator());
    assert_eq!(lacking.len(), 60);
    assert_eq!(lacking[0].id(), groups[40].id());
    let ahead = reader.beyond(&writer.locator());
    assert!(ahead.len() <= 60, "a reader that is ahead gets at most its lead again");
}

#[test]
fn a_forked_reader_gets_the_other_branch_and_little_else() {
    let trunk = chain(64);
    let left = group(&[&trunk[63]], "left");
    let right = group(&[&trunk[63]], "right");
    let reader = stored(&[&trunk[..], &[left]].concat());
    let writer = stored(&[&trunk[..], &[Arc::clone(&right)]].concat());
    let lacking = writer.beyond(&reader.locator());
    assert_eq!(lacking.len(), 1);
    assert_eq!(lacking[0].id(), right.id());
}

/// A log that is full of branches, all before a chain whose first group has the highest hash.
fn crowded(length: usize) -> (Vec<Arc<VerifiedGroup>>, Vec<Arc<VerifiedGroup>>) {
    let mut firsts: Vec<_> = (0..LEAVES_MAX + 2).map(|n| group(&[], &format!("{n}"))).collect();
    firsts.sort_by_key(|group| group.id());
    let mut owners = vec![firsts.pop().expect("a group")];
    while owners.len() < length {
        let next = group(&[&owners[owners.len() - 1]], "next");
        owners.push(next);
    }
    (firsts, owners)
}

fn named(groups: &[&Arc<VerifiedGroup>]) -> BTreeSet<GroupId> {
    groups.iter().map(|group| group.id()).collect()
}

#[test]
fn what_is_named_is_kept_with_its_ancestors_and_the_others_share_the_places_that_are_left() {
    let (crowd, owners) = crowded(3);
    let mut log = stored(&owners);
    assert!(!log.protect(named(&[&owners[1]])), "nothing was dropped, and nothing is");
    for group in &crowd {
        let _ = log.insert(Arc::clone(group));
    }
    assert!(log.contains(&owners[0].id()) && log.contains(&owners[1].id()));
    assert_eq!(log.leaves().len(), LEAVES_MAX);
    assert!(!log.protect(BTreeSet::new()), "there are places for all that are left");
    for group in &crowd {
        let _ = log.insert(Arc::clone(group));
    }
    assert!(!log.contains(&owners[0].id()), "named by nobody it goes as it would have");
}

#[test]
fn what_was_dropped_comes_back_when_it_is_named_and_offered_again() {
    let (crowd, owners) = crowded(4);
    let last = &owners[owners.len() - 1];
    let mut log = stored(&[&owners[..], &crowd[..]].concat());
    assert!(!log.contains(&owners[0].id()));
    assert!(!log.protect(named(&[last])));
    // Its ancestors are not known to be such before it has come itself.
    assert_eq!(log.insert(Arc::clone(&owners[0])), Ok(Inserted::Dropped));
    for group in owners.iter().skip(1).rev() {
        assert_eq!(log.insert(Arc::clone(group)), Ok(Inserted::Apart));
        assert_eq!(log.insert(Arc::clone(group)), Ok(Inserted::Known));
    }
    assert_eq!((log.count_apart(), log.contains(&last.id())), (3, false));
    assert_eq!(log.insert(Arc::clone(&owners[0])), Ok(Inserted::New));
    assert_eq!((log.count_apart(), log.contains(&last.id())), (0, true));
    assert_eq!(log.leaves().len(), LEAVES_MAX);
    let mut other = Log::new(id());
    other.protect(named(&[last]));
    for group in crowd.iter().chain(owners.iter().rev()) {
        let _ = other.insert(Arc::clone(group));
    }
    assert_eq!(other.leaves(), log.leaves(), "whatever the order");
}

#[test]
fn a_named_group_that_does_not_continue_its_parent_never_becomes_part_of_the_log() {
    let trunk = chain(2);
    let wrong = Tip { number: 7, ..trunk[0].tip() };
    let draft = Draft {
        log: id(),
        incarnation: Incarnation([0; 16]),
        after: vec![wrong],
        acting_under: RecordId([0; 32]),
        salt: Salt([0; 16]),
        entries: vec![b"wrong".to_vec()],
    };
    let odd = Arc::new(Group::write(&key(), &PLANT, draft).expect("a group"));
    let mut log = Log::new(id());
    log.protect(named(&[&odd]));
    assert_eq!(log.insert(Arc::clone(&odd)), Ok(Inserted::Apart));
    assert_eq!(log.insert(Arc::clone(&trunk[0])), Ok(Inserted::New));
    assert_eq!((log.count(), log.count_apart()), (1, 0));
}

#[test]
fn what_waits_for_its_parents_goes_when_it_is_named_no_longer() {
    let (_, owners) = crowded(3);
    let mut log = Log::new(id());
    log.protect(named(&[&owners[2]]));
    assert_eq!(log.insert(Arc::clone(&owners[2])), Ok(Inserted::Apart));
    assert!(!log.protect(named(&[&owners[1]])));
    assert_eq!(log.count_apart(), 0);
}
