//! A log that is about to lose what was said first of an item.

use super::*;

/// The next life of an offerer whose log has nothing but what was said again.
fn next_life(bench: &Bench) -> Bench {
    let said: Vec<WorkRecord> = bench.offerer.to_say_again(u64::MAX).collect();
    Bench::started(Incarnation([2; 16]), &said)
}

#[test]
fn what_is_open_taken_or_over_is_known_from_what_was_said_again() {
    let mut bench = Bench::new();
    for id in 1..=4 {
        assert!(bench.offer(id).is_some());
    }
    bench.take(3, 1, 1);
    bench.sync();
    bench.end(done());
    bench.take(3, 2, 1);
    bench.sync();
    bench.end(lost());
    bench.take(4, 3, 1);
    bench.sync();
    let under_way = bench.calls.last().expect("a call").clone();
    // What is over by its refusal.
    bench.now = 9;
    bench.run(|offerer, now, acts| offerer.cancel(now, Ticket(2), WorkId([4; 16]), acts));
    bench.sync();
    for number in 0..4 {
        bench.offerer.said(WorkId([number + 1; 16]), number.into());
    }

    let mut next = next_life(&bench);
    assert_eq!(next.calls, [under_way], "it is asked what became of it");
    let before: Vec<_> = bench.offerer.list();
    assert_eq!(next.offerer.list().len(), 4);
    for item in next.offerer.list() {
        let old = before.iter().find(|old| old.id == item.id).expect("the same item");
        assert_eq!((&item.state, item.takes, item.worker), (&old.state, old.takes, old.worker));
        assert_eq!((item.terms, item.since), (old.terms, old.since));
    }
    let other = Offering { arguments: b"18".to_vec(), ..offering(1) };
    assert_eq!(next.offer_as(other), Some(Err(Refusal::WorkIdTaken)), "nor begun anew");
    assert_eq!(next.offer(1), Some(Ok(WorkId([1; 16]))));
    // The second try of three is the next one.
    next.take(4, 2, 2);
    next.sync();
    assert_eq!(next.calls.last().expect("a call").arguments, b"17");
    next.end(done());
    assert_eq!(word(&next.state(2)), "completed");
}

#[test]
fn what_is_said_again_before_the_beginning_went_changes_nothing() {
    let mut bench = Bench::new();
    assert!(bench.offer(1).is_some());
    bench.take(3, 1, 1);
    bench.sync();
    bench.offerer.said(WorkId([1; 16]), 0);
    let again: Vec<WorkRecord> = bench.offerer.to_say_again(0).collect();
    bench.written.extend(again);
    let mut next = bench.restarted(2, bench.written.len());
    assert_eq!(next.offerer.needed_from(), Some(2), "where it was said again");
    assert_eq!(next.offerer.list()[0].takes, 1);
    next.end(done());
    assert_eq!(word(&next.state(1)), "completed");
    let last = next.restarted(3, next.written.len());
    assert_eq!(word(&last.state(1)), "completed");
}

#[test]
fn the_log_is_needed_from_the_oldest_that_is_not_said_again() {
    let mut bench = Bench::new();
    let _ = (bench.offer(1), bench.offer(2));
    assert_eq!(bench.offerer.needed_from(), None, "nobody said where they are");
    bench.offerer.said(WorkId([1; 16]), 4);
    bench.offerer.said(WorkId([2; 16]), 6);
    bench.offerer.said(WorkId([1; 16]), 9);
    assert_eq!(bench.offerer.needed_from(), Some(4), "its first record says what is to be done");
    assert_eq!(bench.offerer.to_say_again(3).count(), 0);
    assert_eq!(bench.offerer.to_say_again(5).count(), 1);
    bench.offerer.said_again(WorkId([1; 16]), 10);
    assert_eq!(bench.offerer.needed_from(), Some(6));
    // What is on its way to the disk is said by what comes after it.
    bench.take(3, 2, 1);
    assert_eq!(bench.offerer.to_say_again(9).count(), 0);
    assert_eq!(bench.offerer.needed_from(), Some(6));
}

#[test]
fn items_take_a_part_of_the_log_and_no_more() {
    let mut bench = Bench::new();
    bench.offerer.limit(16 << 10);
    let long = |id| Offering { arguments: vec![b'1'; 1000], ..offering(id) };
    for id in 1..=3 {
        assert!(matches!(bench.offer_as(long(id)), Some(Ok(_))), "{id}");
    }
    assert_eq!(bench.offer_as(long(4)), Some(Err(Refusal::WorkFull)));
    bench.take(2, 1, 1);
    bench.sync();
    bench.end(done());
    assert!(matches!(bench.offer_as(long(4)), Some(Ok(_))), "what is over needs less");
    assert_eq!(bench.offer_as(long(5)), Some(Err(Refusal::WorkFull)));
    // A part that becomes smaller forgets nothing that is open.
    bench.offerer.limit(0);
    assert_eq!(bench.offerer.list().len(), 3);
}
