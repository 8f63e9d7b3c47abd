//! Giving away, waiting, ending.

use gearmesh_protocol::limits::LEASES_WAITING_MAX;

use super::super::arbiter::WAITING_PER_MEMBER_MAX;
use super::*;

/// When an arbiter that started at 0 gives away.
const T: u64 = LONGEST;

#[test]
fn nobody_hears_of_a_grant_before_it_is_on_the_disk() {
    let mut bench = Bench::open(1);
    bench.ask(T, 2, 20, true);
    assert_eq!(bench.events(), [LeaseEvent::Granted]);
    assert_eq!(bench.said(), [], "the disk has not answered");
    bench.sync(T + 1);
    let token = FencingToken { incarnation: LIFE, number: 1 };
    let id = LeaseId([20; 16]);
    let granted = LeaseFrame::Granted { id, number: 1, token, ttl_ms: TTL };
    assert_eq!(bench.said(), [(key(2), granted)]);
    assert_eq!(bench.check(T + 8, 2, Some(token)), Ok(()), "it counts from its answer");
}

#[test]
fn the_queue_is_first_come_first_served_and_says_who_is_where() {
    let mut bench = Bench::open(1);
    bench.hold(T, 2, 20);
    bench.ask(T, 3, 30, true);
    bench.ask(T, 4, 40, true);
    assert_eq!(bench.said(), [(key(3), waits(30, 1, 1)), (key(4), waits(40, 1, 2))]);
    bench.release(T + 1, 2, 20);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Released))]);
    assert_eq!(
        bench.events(),
        [LeaseEvent::Granted, LeaseEvent::Released, LeaseEvent::Granted],
        "the end and the next grant go to the disk together"
    );
    bench.ask_as(T + 1, 4, ask(40, 2));
    assert_eq!(bench.said(), [(key(4), waits(40, 2, 1))]);
    bench.sync(T + 1);
    assert!(bench.token(3).is_some_and(|token| token.number == 2));
}

#[test]
fn as_many_hold_it_as_there_are_places() {
    let mut bench = Bench::open(2);
    for who in [2, 3, 4] {
        bench.ask(T, who, who, true);
    }
    bench.sync(T);
    let granted = |(to, frame): &(PublicKey, LeaseFrame)| {
        matches!(frame, LeaseFrame::Granted { .. }).then_some(*to)
    };
    let holders: Vec<PublicKey> = bench.said().iter().filter_map(granted).collect();
    assert_eq!(holders, [key(2), key(3)]);
    let usage = bench.arbiter.usage(secs(T), &crane()).expect("a resource");
    assert_eq!((usage.held.len(), usage.waiting.to_vec()), (2, vec![key(4)]));
}

#[test]
fn what_is_not_renewed_ends_and_what_is_goes_on() {
    let mut bench = Bench::open(1);
    let token = bench.hold(T, 2, 20);
    bench.ask(T, 3, 30, true);
    bench.said();
    bench.renew(T + 7, 2, 20, 2, token);
    let id = LeaseId([20; 16]);
    let granted = LeaseFrame::Granted { id, number: 2, token, ttl_ms: TTL };
    assert_eq!(bench.said(), [(key(2), granted)]);
    assert_eq!(bench.events().len(), 1, "a renewal in one life writes nothing");
    // Whoever waits says so.
    for second in 1..15 {
        bench.ask_as(T + second, 3, ask(30, 2));
    }
    bench.tick(T + 14);
    assert_eq!(bench.check(T + 14, 2, Some(token)), Ok(()));
    assert_eq!(bench.check(T + 15, 2, Some(token)), Err(Refusal::TokenStale), "to the moment");
    bench.said();
    bench.tick(T + 15);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Expired))]);
    bench.sync(T + 15);
    assert!(bench.token(3).is_some());
    bench.renew(T + 15, 2, 20, 3, token);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Expired))], "too late");
}

#[test]
fn a_renewal_that_comes_before_the_tick_and_after_the_time_is_too_late() {
    let mut bench = Bench::open(1);
    let token = bench.hold(T, 2, 20);
    bench.renew(T + 8, 2, 20, 2, token);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Expired))]);
}

#[test]
fn who_does_not_wait_is_refused_and_forgotten() {
    let mut bench = Bench::open(1);
    bench.hold(T, 2, 20);
    bench.ask(T, 3, 30, false);
    assert_eq!(bench.said(), [(key(3), refused(30, Refusal::ResourceTaken))]);
    bench.release(T, 2, 20);
    assert_eq!(bench.table.grants, [], "nobody waits");
}

#[test]
fn a_waiter_that_says_nothing_is_forgotten_and_one_that_asks_again_is_not() {
    let mut bench = Bench::open(1);
    bench.hold(T, 2, 20);
    bench.ask(T, 3, 30, true);
    bench.ask(T, 4, 40, true);
    bench.ask_as(T + 4, 4, ask(40, 2));
    bench.tick(T + 5);
    let usage = bench.arbiter.usage(secs(T + 5), &crane()).expect("a resource");
    assert_eq!(usage.waiting.to_vec(), [key(4)]);
}

#[test]
fn the_same_wish_again_is_answered_as_before_and_another_under_its_id_is_refused() {
    let mut bench = Bench::open(1);
    let token = bench.hold(T, 2, 20);
    bench.ask_as(T + 1, 2, ask(20, 2));
    assert_eq!(bench.token(2), Some(token));
    let other = LeaseAsk { ttl_ms: TTL - 1, ..ask(20, 3) };
    bench.ask_as(T + 1, 2, other);
    assert_eq!(bench.said(), [(key(2), refused(20, Refusal::LeaseIdTaken))]);
    // The same id of another member is another wish.
    bench.ask(T + 1, 3, 20, true);
    assert_eq!(bench.said(), [(key(3), waits(20, 1, 1))]);
}

#[test]
fn wishes_beyond_what_there_is_are_refused() {
    let mut bench = Bench::open(1);
    let unknown = LeaseAsk { resource: "door".parse().expect("a name"), ..ask(20, 1) };
    bench.ask_as(T, 2, unknown);
    assert_eq!(bench.said(), [(key(2), refused(20, Refusal::ResourceUnknown))]);
    for ttl_ms in [0, 999, 20_001, u32::MAX] {
        bench.ask_as(T, 2, LeaseAsk { ttl_ms, ..ask(20, 1) });
        assert_eq!(bench.said(), [(key(2), refused(20, Refusal::LeaseTimeUnfit))], "{ttl_ms}");
    }
    bench.table.refusal = Some(Refusal::NotReplicated);
    bench.ask(T, 2, 20, true);
    assert_eq!(bench.said(), [(key(2), refused(20, Refusal::NotReplicated))], "a full log");
}

#[test]
fn the_queue_has_a_bound_and_one_member_a_part_of_it() {
    let mut bench = Bench::open(1);
    bench.hold(T, 2, 20);
    let members = LEASES_WAITING_MAX / WAITING_PER_MEMBER_MAX;
    for who in 0..=u8::try_from(members).expect("few") {
        for id in 0..=u8::try_from(WAITING_PER_MEMBER_MAX).expect("few") {
            bench.ask(T, 50 + who, id, true);
        }
    }
    let refused = |frame: &LeaseFrame| {
        matches!(frame, LeaseFrame::Refused { refusal: Refusal::LeaseQueueFull, .. })
    };
    let refusals = bench.said().iter().filter(|(_, frame)| refused(frame)).count();
    assert_eq!(refusals, members + WAITING_PER_MEMBER_MAX + 1);
    let usage = bench.arbiter.usage(secs(T), &crane()).expect("a resource");
    assert_eq!(usage.waiting.len(), LEASES_WAITING_MAX);
}

#[test]
fn who_is_no_member_any_more_loses_what_it_has_at_once() {
    let mut bench = Bench::open(1);
    let token = bench.hold(T, 2, 20);
    bench.ask(T, 3, 30, true);
    bench.ask(T, 2, 21, true);
    bench.said();
    let (me, arbiter) = (key(2), &mut bench.arbiter);
    arbiter.tick(secs(T + 1), |member| *member != me, &mut bench.table);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Revoked))]);
    assert_eq!(bench.check(T + 1, 2, Some(token)), Err(Refusal::TokenStale));
    bench.sync(T + 1);
    assert!(bench.token(3).is_some());
}

#[test]
fn a_place_is_free_when_the_disk_has_taken_that_it_is() {
    let mut bench = Bench::open(1);
    let token = bench.hold(T, 2, 20);
    bench.ask(T, 3, 30, true);
    bench.said();
    bench.table.is_jammed = true;
    bench.release(T + 1, 2, 20);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Released))]);
    assert_eq!(bench.check(T + 1, 2, Some(token)), Err(Refusal::TokenStale));
    bench.tick(T + 2);
    assert_eq!((bench.events().len(), bench.said()), (1, vec![]), "said once");
    bench.table.is_jammed = false;
    bench.tick(T + 3);
    bench.sync(T + 3);
    assert!(bench.token(3).is_some());
}

#[test]
fn a_grant_that_the_disk_did_not_take_is_none_and_its_number_is_not_used_again() {
    let mut bench = Bench::open(1);
    bench.ask(T, 2, 20, true);
    bench.ask(T, 3, 30, true);
    bench.said();
    let (resource, token) = bench.table.grants.pop().expect("a grant");
    let failed = Refusal::NotStored;
    bench.arbiter.not_written(secs(T), &resource, token, failed, &mut bench.table);
    assert_eq!(bench.said(), [(key(2), refused(20, Refusal::NotStored))]);
    bench.sync(T);
    assert!(bench.token(3).is_some_and(|next| next.number == token.number + 1));
}

#[test]
fn what_is_given_back_on_its_way_to_the_disk_is_never_told() {
    let mut bench = Bench::open(1);
    bench.ask(T, 2, 20, true);
    bench.release(T, 2, 20);
    assert_eq!(bench.events(), [LeaseEvent::Granted, LeaseEvent::Released]);
    bench.sync(T);
    assert_eq!(bench.token(2), None);
    bench.release(T, 2, 20);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Released))], "as often as asked");
}
