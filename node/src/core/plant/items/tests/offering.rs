//! An item from its beginning to its end.

use super::*;

#[test]
fn nobody_hears_of_an_item_before_it_is_on_the_disk() {
    let mut bench = Bench::new();
    let offer = offering(1);
    bench.run(|offerer, now, acts| offerer.offer(now, (Ticket(1), offer), Ok(()), acts));
    assert!(bench.answers.is_empty() && bench.offered.is_empty());
    bench.sync();
    assert_eq!(bench.answers, [(Ticket(1), Ok(WorkId([1; 16])))]);
    assert_eq!(bench.offered, [Attempt { id: WorkId([1; 16]), number: 1 }]);
    // Nor does anybody work on it before that it is taken is.
    bench.take(2, 1, 1);
    assert!(bench.calls.is_empty());
    bench.sync();
    assert_eq!((bench.calls.len(), bench.calls[0].by), (1, key(2)));
    bench.end(done());
    assert_eq!(bench.states(1), ["new", "taken", "completed"]);
    assert_eq!(bench.state(1), WorkState::Completed { result: b"true".to_vec() });
}

#[test]
fn the_first_that_takes_it_has_it_and_others_hear_that_it_is_gone() {
    let mut bench = Bench::new();
    let _ = bench.offer(1);
    bench.take(2, 1, 1);
    bench.take(3, 1, 1);
    bench.sync();
    let attempt = Attempt { id: WorkId([1; 16]), number: 1 };
    assert_eq!(bench.told, [(key(3), WorkFrame::Gone(attempt))]);
    assert_eq!(bench.calls.len(), 1);
    // Nor is there a second attempt as long as there is a first, or one that is not the next.
    bench.take(3, 1, 2);
    bench.take(3, 9, 1);
    assert_eq!(bench.told.len(), 3);
}

#[test]
fn what_is_lost_is_offered_again_as_often_as_it_may_be_and_then_fails() {
    let mut bench = Bench::new();
    let _ = bench.offer(1);
    let mut tokens = Vec::new();
    for number in 1..=3 {
        assert_eq!(bench.offered, [Attempt { id: WorkId([1; 16]), number }]);
        bench.take(2, 1, number);
        bench.sync();
        tokens.push(bench.calls.last().expect("a call").token);
        bench.end(lost());
    }
    let rising = tokens.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(rising, "{tokens:?}");
    let states = ["new", "taken", "offered", "taken", "offered", "taken", "failed"];
    assert_eq!(bench.states(1), states);
    assert_eq!(bench.state(1), WorkState::Failed { message: "nobody knows".to_owned() });
}

#[test]
fn a_program_that_says_no_is_believed_unless_it_is_to_be_tried_again() {
    for (again_if_failed, wanted) in [(false, "failed"), (true, "offered")] {
        let mut bench = Bench::new();
        let terms = WorkTerms { again_if_failed, ..WorkTerms::default() };
        let _ = bench.offer_as(Offering { terms, ..offering(1) });
        bench.take(2, 1, 1);
        bench.sync();
        bench.end(AttemptEnd::Failed("no parts".to_owned()));
        assert_eq!(bench.states(1).last(), Some(&wanted));
    }
}

#[test]
fn what_comes_late_counts_only_while_nobody_else_has_the_item() {
    for is_taken in [false, true] {
        let mut bench = Bench::new();
        let _ = bench.offer(1);
        bench.take(2, 1, 1);
        bench.sync();
        bench.end(lost());
        if is_taken {
            bench.take(3, 1, 2);
            bench.sync();
        }
        let calls = bench.calls.len();
        bench.run(|offerer, _, acts| offerer.linked(&key(2), acts));
        match is_taken {
            true => assert_eq!(bench.calls.len(), calls, "it is with another"),
            false => {
                let probe = bench.calls.last().expect("a question").clone();
                assert!(probe.is_probe && probe.by == key(2), "{probe:?}");
                bench.end_of(probe.command, done());
                assert_eq!(bench.states(1), ["new", "taken", "offered", "completed"]);
            }
        }
    }
    // Somebody else takes it while the first is asked.
    let mut bench = Bench::new();
    let _ = bench.offer(1);
    bench.take(2, 1, 1);
    bench.sync();
    bench.end(lost());
    bench.run(|offerer, _, acts| offerer.linked(&key(2), acts));
    let probe = bench.calls.last().expect("a question").command;
    bench.take(3, 1, 2);
    bench.sync();
    bench.end_of(probe, done());
    assert_eq!((bench.late, bench.states(1).last()), (1, Some(&"taken")));
}

#[test]
fn the_same_id_is_the_same_item_and_other_words_under_it_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.offer(1), Some(Ok(WorkId([1; 16]))));
    assert_eq!(bench.offer(1), Some(Ok(WorkId([1; 16]))));
    let other = Offering { arguments: b"18".to_vec(), ..offering(1) };
    assert_eq!(bench.offer_as(other), Some(Err(Refusal::WorkIdTaken)));
    bench.take(2, 1, 1);
    bench.sync();
    bench.end(done());
    assert_eq!(bench.offer(1), Some(Ok(WorkId([1; 16]))), "also when it is over");
    assert_eq!(bench.states(1), ["new", "taken", "completed"]);
}

#[test]
fn items_beyond_the_bound_are_refused_and_none_is_forgotten() {
    let mut bench = Bench::new();
    let numbered = |number: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        Offering { id: WorkId(id), ..offering(0) }
    };
    for number in 0..ITEMS_OPEN_MAX as u64 {
        assert!(matches!(bench.offer_as(numbered(number)), Some(Ok(_))), "{number}");
    }
    assert_eq!(bench.offer_as(numbered(ITEMS_OPEN_MAX as u64)), Some(Err(Refusal::WorkFull)));
    assert_eq!(bench.offerer.unfinished().len(), ITEMS_OPEN_MAX);
    bench.take(2, 0, 1);
    bench.sync();
    bench.end(done());
    assert!(matches!(bench.offer_as(numbered(ITEMS_OPEN_MAX as u64)), Some(Ok(_))));
}

#[test]
fn a_disk_that_takes_nothing_more_gets_no_new_item_and_loses_no_end() {
    let mut bench = Bench::new();
    bench.answers.clear();
    let full = Err(Refusal::NotReplicated);
    let offer = offering(1);
    bench.run(|offerer, now, acts| offerer.offer(now, (Ticket(1), offer), full, acts));
    assert_eq!(bench.answers, [(Ticket(1), Err(Refusal::NotReplicated))]);
    let _ = bench.offer(2);
    bench.take(3, 2, 1);
    let not_written = |bench: &mut Bench| {
        let id = bench.written.pop().expect("a record").id;
        bench.run(|offerer, _, acts| offerer.not_written(id, Refusal::NotStored, acts));
    };
    not_written(&mut bench);
    let attempt = Attempt { id: WorkId([2; 16]), number: 1 };
    assert_eq!(bench.told, [(key(3), WorkFrame::Gone(attempt))]);
    bench.take(4, 2, 1);
    bench.sync();
    let command = bench.calls.last().expect("a call").command;
    bench.run(|offerer, now, acts| offerer.ended(now, command, done(), acts));
    not_written(&mut bench);
    bench.tick(1);
    assert_eq!(bench.states(2), ["new", "taken", "completed"]);
}

#[test]
fn what_nobody_has_taken_can_be_cancelled() {
    let mut bench = Bench::new();
    let cancel = |bench: &mut Bench, id| {
        bench.answers.clear();
        let id = WorkId([id; 16]);
        bench.run(|offerer, now, acts| offerer.cancel(now, Ticket(2), id, acts));
        bench.sync();
        bench.answers.pop().map(|(_, answer)| answer)
    };
    assert_eq!(cancel(&mut bench, 1), Some(Err(Refusal::WorkUnknown)));
    let _ = (bench.offer(1), bench.offer(2));
    assert_eq!(cancel(&mut bench, 1), Some(Ok(WorkId([1; 16]))));
    assert_eq!(cancel(&mut bench, 1), Some(Err(Refusal::WorkOver)));
    bench.take(3, 1, 1);
    assert!(bench.calls.is_empty());
    bench.take(3, 2, 1);
    bench.sync();
    assert_eq!(cancel(&mut bench, 2), Some(Err(Refusal::WorkUnderWay)));
    assert_eq!(bench.states(1), ["new", "failed"]);
}

#[test]
fn a_machine_that_is_thrown_out_has_nothing_any_more() {
    let mut bench = Bench::new();
    let _ = bench.offer(1);
    bench.take(2, 1, 1);
    bench.sync();
    bench.run(|offerer, now, acts| offerer.tick(now, |who| *who != key(2), acts));
    bench.sync();
    assert_eq!(bench.states(1), ["new", "taken", "offered"]);
    bench.end(done());
    assert_eq!(bench.states(1), ["new", "taken", "offered"], "nobody waits for it");
}

#[test]
fn what_waits_is_offered_again_and_again() {
    let mut bench = Bench::new();
    let _ = bench.offer(1);
    bench.offered.clear();
    bench.tick(1);
    assert_eq!(bench.offered.len(), 1);
    bench.take(2, 1, 1);
    bench.sync();
    bench.offered.clear();
    bench.tick(2);
    assert!(bench.offered.is_empty());
}
