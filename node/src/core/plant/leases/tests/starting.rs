//! An arbiter that was started anew.

use super::*;

#[test]
fn nothing_is_given_away_until_what_was_given_before_is_over_for_sure() {
    let mut bench = Bench::open(1);
    bench.ask(LONGEST - 1, 3, 30, false);
    assert_eq!(bench.said(), [(key(3), refused(30, Refusal::ArbiterStarting))]);
    bench.ask(LONGEST - 1, 3, 30, true);
    bench.tick(LONGEST - 1);
    bench.sync(LONGEST - 1);
    assert_eq!(bench.said(), [(key(3), waits(30, 1, 1))]);
    bench.tick(LONGEST);
    bench.sync(LONGEST);
    assert!(bench.token(3).is_some());
}

#[test]
fn the_recorded_holder_goes_on_under_a_new_token_and_nobody_else() {
    let mut before = Bench::open(1);
    let old = before.hold(LONGEST, 2, 20);
    let mut bench = before.restarted(2);
    assert_eq!(bench.check(1, 2, Some(old)), Err(Refusal::TokenOfEarlierLife));
    bench.renew(1, 3, 20, 5, old);
    assert_eq!(bench.said(), [(key(3), ended(20, LeaseEvent::Expired))], "not its own");
    bench.renew(1, 2, 20, 5, old);
    assert_eq!((bench.events(), bench.said()), (vec![LeaseEvent::Renewed], vec![]));
    bench.sync(2);
    let token = bench.token(2).expect("a new token");
    assert_eq!(token, FencingToken { incarnation: Incarnation([2; 16]), number: 1 });
    assert_eq!(bench.check(9, 2, Some(token)), Ok(()));
    assert_eq!(bench.check(10, 2, Some(token)), Err(Refusal::TokenStale));
    // Whoever did not hear of it renews the old one again.
    bench.renew(9, 2, 20, 6, old);
    assert_eq!(bench.token(2), Some(token));
}

#[test]
fn who_does_not_renew_in_time_has_lost_it_and_the_log_says_so() {
    let mut before = Bench::open(1);
    let old = before.hold(LONGEST, 2, 20);
    let mut bench = before.restarted(2);
    bench.ask(LONGEST - 1, 3, 30, true);
    bench.tick(LONGEST);
    assert_eq!(bench.events(), [LeaseEvent::Expired, LeaseEvent::Granted]);
    bench.said();
    bench.renew(LONGEST, 2, 20, 5, old);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Expired))]);
}

#[test]
fn what_ended_before_is_not_renewed() {
    let mut before = Bench::open(2);
    let released = before.hold(LONGEST, 2, 20);
    let lasting = before.hold(LONGEST, 3, 30);
    before.release(LONGEST, 2, 20);
    let mut bench = before.restarted(2);
    bench.renew(1, 2, 20, 5, released);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Expired))]);
    bench.renew(1, 3, 30, 5, lasting);
    bench.sync(1);
    assert!(bench.token(3).is_some());
}

#[test]
fn a_lease_goes_on_over_several_starts() {
    let mut bench = Bench::open(1);
    let mut token = bench.hold(LONGEST, 2, 20);
    let mut log = Vec::new();
    for life in 2..5 {
        log.append(&mut bench.table.written);
        bench = Bench::started(Incarnation([life; 16]), 1, &log);
        bench.arbiter.recalled();
        bench.renew(1, 2, 20, u32::from(life), token);
        bench.sync(1);
        token = bench.token(2).expect("a new token");
        bench.said();
    }
    let held = bench.arbiter.usage(secs(1), &crane()).expect("a resource").held;
    assert_eq!(held.iter().map(|held| held.token).collect::<Vec<_>>(), [token]);
}

#[test]
fn before_the_log_was_read_nothing_is_given_away_and_no_holder_hears_no() {
    let mut before = Bench::open(1);
    let old = before.hold(LONGEST, 2, 20);
    let mut bench = Bench::started(Incarnation([2; 16]), 1, &[]);
    bench.renew(LONGEST + 1, 2, 20, 5, old);
    bench.ask(LONGEST + 1, 3, 30, true);
    bench.tick(LONGEST + 1);
    assert_eq!((bench.said(), bench.events()), (vec![(key(3), waits(30, 1, 1))], vec![]));
}

#[test]
fn no_more_is_recalled_than_there_are_places_and_of_nothing_else() {
    let mut before = Bench::open(2);
    let tokens = [before.hold(LONGEST, 2, 20), before.hold(LONGEST, 3, 30)];
    // The machine has one place now.
    let mut bench = Bench::started(Incarnation([2; 16]), 1, &before.table.written);
    bench.arbiter.recalled();
    bench.renew(1, 2, 20, 5, tokens[0]);
    assert_eq!(bench.said(), [(key(2), ended(20, LeaseEvent::Expired))]);
    bench.renew(1, 3, 30, 5, tokens[1]);
    bench.sync(1);
    assert!(bench.token(3).is_some(), "the last one counts");
}

#[test]
fn an_older_disk_gives_no_token_that_is_good_for_what_was_given_since() {
    let mut before = Bench::open(1);
    let first = before.hold(LONGEST, 2, 20);
    let image = before.table.written.clone();
    before.release(LONGEST, 2, 20);
    let second = before.hold(LONGEST, 3, 30);
    // The disk is put back to where member 2 held it.
    let mut bench = Bench::started(Incarnation([2; 16]), 1, &image);
    bench.arbiter.recalled();
    for (who, token) in [(2, first), (3, second)] {
        assert_eq!(bench.check(1, who, Some(token)), Err(Refusal::TokenOfEarlierLife));
    }
    bench.ask(1, 4, 40, false);
    assert_eq!(bench.said(), [(key(4), refused(40, Refusal::ArbiterStarting))]);
}

#[test]
fn a_grant_that_was_said_again_is_the_same_grant() {
    let mut before = Bench::open(2);
    let old = before.hold(LONGEST, 2, 20);
    let other = before.hold(LONGEST, 2, 21);
    before.arbiter.said(&crane(), old, 4);
    before.arbiter.said(&crane(), other, 9);
    assert_eq!(before.arbiter.needed_from(), Some(4));
    assert_eq!(before.arbiter.to_say_again(3).count(), 0);
    let again: Vec<_> = before.arbiter.to_say_again(4).collect();
    assert_eq!(again.len(), 1);
    // With what it repeats and without it.
    for kept in [0, 1] {
        let mut log = before.table.written[kept..].to_vec();
        log.extend(again.clone());
        let mut bench = Bench::started(Incarnation([2; 16]), 2, &log);
        bench.arbiter.recalled();
        for (id, token) in [(20, old), (21, other)] {
            bench.renew(1, 2, id, 5, token);
            bench.sync(1);
            assert!(bench.token(2).is_some(), "{kept} {id}");
        }
    }
    before.release(LONGEST, 2, 20);
    assert_eq!(before.arbiter.needed_from(), Some(9), "what is over is needed no more");
}
