//! The offerer goes down between any two of the things that it does.

use super::*;

/// A day of an item: what came, in its order.
fn day() -> Vec<fn(&mut Bench)> {
    vec![
        |bench| {
            let offer = offering(1);
            bench.run(|offerer, now, acts| offerer.offer(now, (Ticket(1), offer), Ok(()), acts));
        },
        Bench::sync,
        |bench| bench.take(2, 1, 1),
        Bench::sync,
        |bench| {
            let command = bench.calls.last().expect("a call").command;
            bench.run(|offerer, now, acts| offerer.ended(now, command, lost(), acts));
        },
        Bench::sync,
        |bench| bench.take(3, 1, 2),
        Bench::sync,
        |bench| {
            let command = bench.calls.last().expect("a call").command;
            bench.run(|offerer, now, acts| offerer.ended(now, command, done(), acts));
        },
        Bench::sync,
    ]
}

#[test]
fn after_a_crash_anywhere_it_is_completed_once_and_by_whom_the_log_names() {
    for steps in 0..=day().len() {
        let mut bench = Bench::new();
        day()[..steps].iter().for_each(|step| step(&mut bench));
        // Of what was not synced the disk may have any beginning.
        for kept in bench.synced..=bench.written.len() {
            goes_on_after(&bench, kept);
        }
    }
}

fn goes_on_after(before: &Bench, kept: usize) {
    let mut bench = before.restarted(2, kept);
    let was_told = before.answers.iter().any(|(_, answer)| answer.is_ok());
    let is_there = bench.offerer.list().len() == 1;
    assert!(is_there || !was_told, "what was promised is gone: {kept}");
    // Whoever offered it and heard nothing offers it again.
    let _ = bench.offer(1);
    assert!(bench.calls.iter().all(|call| !call.is_probe));
    for number in 1..=3 {
        match word(&bench.state(1)) {
            "offered" => {
                bench.take(4, 1, number);
                bench.sync();
            }
            "taken" => bench.end(done()),
            _ => {}
        }
    }
    if word(&bench.state(1)) == "taken" {
        bench.end(done());
    }
    let ends = bench.states(1).into_iter().filter(|word| *word == "completed").count();
    assert_eq!(ends, 1, "{:?}", bench.states(1));
    // Nobody was asked to do an attempt that the log gives to another.
    let all = before.calls.iter().chain(&bench.calls);
    for call in all {
        let named = bench
            .written
            .iter()
            .any(|record| record.state == WorkState::Taken { by: call.by, token: call.token });
        assert!(named, "{call:?}");
    }
}
