//! Another life of the offerer.

use super::*;

#[test]
fn what_was_taken_is_asked_for_under_the_same_command() {
    let mut bench = Bench::new();
    let _ = (bench.offer(1), bench.offer(2));
    bench.take(3, 1, 1);
    bench.sync();
    let before = bench.calls[0].clone();
    let mut next = bench.restarted(2, bench.written.len());
    assert_eq!(next.calls, [before]);
    assert_eq!(next.state(2), WorkState::Offered);
    next.end(done());
    assert_eq!(next.states(1), ["new", "taken", "completed"]);
    // What came of it is known in the next life too, and asked for no more.
    let last = next.restarted(3, next.written.len());
    assert!(last.calls.is_empty());
    assert_eq!(last.state(1), WorkState::Completed { result: b"true".to_vec() });
}

#[test]
fn tokens_of_a_new_life_are_others() {
    let mut bench = Bench::new();
    let _ = bench.offer(1);
    bench.take(3, 1, 1);
    bench.sync();
    let old = bench.calls[0].token;
    let mut next = bench.restarted(2, bench.written.len());
    next.end(lost());
    next.take(4, 1, 2);
    next.sync();
    let new = next.calls.last().expect("a call").token;
    assert_ne!(new.incarnation, old.incarnation);
}

#[test]
fn offers_wait_until_the_log_was_read() {
    let mut offerer = Offerer::new(LIFE);
    let mut acts = Vec::new();
    let now = Now { tick: Duration::ZERO, wall: UnixMillis(0) };
    offerer.offer(now, (Ticket(7), offering(1)), Ok(()), &mut acts);
    assert!(acts.is_empty());
    offerer.recalled(&mut acts);
    let held = offerer.take_held();
    assert_eq!((held.len(), held[0].0), (1, Ticket(7)));
}

#[test]
fn an_end_that_comes_back_from_a_member_counts_and_a_beginning_does_not() {
    let mut bench = Bench::new();
    let _ = bench.offer(1);
    let id = WorkId([1; 16]);
    let verb: gearmesh_protocol::topic::Name = "pack".parse().expect("a name");
    let record = |state| WorkRecord {
        id,
        verb: verb.clone(),
        arguments: Vec::new(),
        state,
        at: UnixMillis(0),
    };
    bench.offerer.recall(9, record(WorkState::Offered));
    assert_eq!(bench.state(1), WorkState::Offered);
    let over = WorkState::Completed { result: b"1".to_vec() };
    bench.offerer.recall(9, record(over.clone()));
    assert_eq!(bench.state(1), over);
    bench.take(2, 1, 1);
    assert_eq!(bench.told.len(), 1, "it is not to be had any more");
}

#[test]
fn of_an_item_whose_beginning_is_gone_only_the_end_is_known() {
    let mut bench = Bench::new();
    let _ = (bench.offer(1), bench.offer(2));
    bench.take(3, 1, 1);
    bench.sync();
    bench.end(done());
    let tail: Vec<WorkRecord> =
        bench.written.iter().filter(|record| word(&record.state) != "new").cloned().collect();
    let mut next = Bench::started(Incarnation([2; 16]), &tail);
    assert_eq!(next.offer(1), Some(Ok(WorkId([1; 16]))));
    assert_eq!(word(&next.state(1)), "completed");
}
